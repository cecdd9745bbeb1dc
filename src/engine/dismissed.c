#include "engine/dismissed.h"

#include <signal.h>
#include <unistd.h>

#include "engine/stop.h"

static void close_pidfd(int *pidfd)
{
    if (*pidfd >= 0)
        close(*pidfd);
    *pidfd = -1;
}

static int find_dismissed(const struct engine *engine, pid_t pid)
{
    for (int i = 0; i < DISMISSED_MAX; i++)
        if (pid > 0 && engine->dismissed.list[i].pid == pid)
            return i;
    return -1;
}

/* Questions may have no time at all; what was read is dealt with all the same. */
int64_t dismissed_patience(const struct engine *engine)
{
    const struct options *const options = &engine->options;
    const int64_t patience = options->hook_timeout > 0 ? options->hook_timeout : NANOSECONDS;

    return engine_has_program(engine) && options->grace > patience ? options->grace : patience;
}

void dismissed_add(struct engine *engine, struct slot *slot)
{
    struct dismissed *place = &engine->dismissed.list[0];

    for (int i = 0; i < DISMISSED_MAX; i++)
        if (engine->dismissed.list[i].pid == 0)
            place = &engine->dismissed.list[i];
    close_pidfd(&place->pidfd);
    place->pid = slot->pid;
    place->pidfd = slot->pidfd;
    slot->pidfd = -1;
    engine->dismissed.deadline = clock_after(dismissed_patience(engine));
}

int dismissed_any(const struct engine *engine)
{
    for (int i = 0; i < DISMISSED_MAX; i++)
        if (engine->dismissed.list[i].pid > 0)
            return 1;
    return 0;
}

int dismissed_is(const struct engine *engine, pid_t pid)
{
    return find_dismissed(engine, pid) >= 0;
}

int dismissed_ended(struct engine *engine, pid_t pid)
{
    const int at = find_dismissed(engine, pid);

    if (at < 0)
        return 0;
    engine->dismissed.list[at].pid = 0;
    close_pidfd(&engine->dismissed.list[at].pidfd);
    if (!dismissed_any(engine))
        engine->dismissed.deadline = NEVER;
    return 1;
}

void dismissed_kill(struct engine *engine)
{
    for (int i = 0; i < DISMISSED_MAX; i++) {
        if (engine->dismissed.list[i].pid == 0)
            continue;
        if (engine->dismissed.list[i].pid == engine->main_child.pid)
            log_line(&engine->log, LOG_LEVEL_WARNING, "the program has not ended by itself: killing it");
        kill(engine->dismissed.list[i].pid, SIGKILL);
    }
    engine->dismissed.deadline = NEVER;
    if (dismissed_any(engine))
        stop_leave_soon(engine);
}
