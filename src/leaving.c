#include "leaving.h"

#include <signal.h>
#include <unistd.h>

#include "stop.h"

static void close_pidfd(int *pidfd)
{
    if (*pidfd >= 0)
        close(*pidfd);
    *pidfd = -1;
}

static int find_leaving(const struct engine *engine, pid_t pid)
{
    for (int i = 0; i < LEAVING_MAX; i++)
        if (pid > 0 && engine->leaving[i].pid == pid)
            return i;
    return -1;
}

/* Questions may have no time at all; what was read is dealt with all the same. */
int64_t leaving_patience(const struct engine *engine)
{
    const struct options *const options = &engine->options;
    const int64_t patience = options->hook_timeout > 0 ? options->hook_timeout : NANOSECONDS;

    return engine_has_program(engine) && options->grace > patience ? options->grace : patience;
}

void leaving_add(struct engine *engine, struct policy_slot *slot)
{
    struct leaving *place = &engine->leaving[0];

    for (int i = 0; i < LEAVING_MAX; i++)
        if (engine->leaving[i].pid == 0)
            place = &engine->leaving[i];
    close_pidfd(&place->pidfd);
    place->pid = slot->pid;
    place->pidfd = slot->pidfd;
    slot->pidfd = -1;
    engine->leaving_deadline = clock_after(leaving_patience(engine));
}

int leaving_any(const struct engine *engine)
{
    for (int i = 0; i < LEAVING_MAX; i++)
        if (engine->leaving[i].pid > 0)
            return 1;
    return 0;
}

int leaving_is(const struct engine *engine, pid_t pid)
{
    return find_leaving(engine, pid) >= 0;
}

int leaving_ended(struct engine *engine, pid_t pid)
{
    const int at = find_leaving(engine, pid);

    if (at < 0)
        return 0;
    engine->leaving[at].pid = 0;
    close_pidfd(&engine->leaving[at].pidfd);
    if (!leaving_any(engine))
        engine->leaving_deadline = NEVER;
    return 1;
}

void leaving_kill(struct engine *engine)
{
    for (int i = 0; i < LEAVING_MAX; i++) {
        if (engine->leaving[i].pid == 0)
            continue;
        if (engine->leaving[i].pid == engine->main_pid)
            log_line(&engine->log, LOG_LEVEL_WARNING, "the program has not ended by itself: killing it");
        kill(engine->leaving[i].pid, SIGKILL);
    }
    engine->leaving_deadline = NEVER;
    if (leaving_any(engine))
        stop_leave_soon(engine);
}
