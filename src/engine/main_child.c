#define _GNU_SOURCE
#include "engine/main_child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/environment.h"
#include "common/proc.h"
#include "common/text.h"
#include "engine/remains.h"
#include "engine/scope.h"
#include "engine/terminal.h"
#include "engine/wait.h"

enum { DESCRIPTORS_MAX = 1 << 16 }; /* where /proc does not list them */

static const int64_t retry_first = NANOSECONDS / 10;
static const int64_t retry_max = 10 * NANOSECONDS;

/* Begins the start. 0, or -1 with the reason in engine->main_child.start and in `why`. */
static int begin(struct engine *engine, char *why, size_t size)
{
    static struct environment environment; /* static: large, and mostly not touched */
    static struct user user;
    struct spawn_request request = spawn_request_empty();
    struct spawn_result *const result = &engine->main_child.start;

    *result = spawn_result_empty();
    if (engine->options.user[0]) {
        if (user_find(engine->options.user, &user, why, size) != 0) {
            result->stage = SPAWN_USER;
            result->error = errno;
            return -1;
        }
        request.user = &user;
        if (engine->origin.is_init)
            user_give_standard_pipes(&user);
    }
    if (environment_make(&environment, engine->origin.start->environment, request.user, &engine->main_child.variables)
        == 0) {
        request.argv = engine->origin.base.command;
        request.envp = environment.list;
        memcpy(request.selves, environment.selves, sizeof request.selves);
        request.self_count = environment.self_count;
        request.signals = &engine->origin.signals;
        request.copies_memory = 1;
        request.keep_group = terminal_shares_group(&engine->terminal);
        request.terminal_fd = terminal_to_give(&engine->terminal);
        request.directory_fd = engine->main_child.directory_fd;
        request.directory = engine->main_child.directory_fd < 0 ? engine->main_child.directory : NULL;
        spawn_begin(&request, result);
    } else {
        result->error = errno;
    }
    environment_free(&environment);
    if (result->error == 0) {
        engine->main_child.pid = result->pid;
        if (result->report_fd >= 0)
            wait_watch(engine, result->report_fd);
        return 0;
    }
    spawn_describe(result, engine->origin.base.command[0], why, size);
    return -1;
}

/*
 * A directory that is held open cannot be unmounted, so the descriptor goes once the first child is there; a script may
 * start COMMAND again, by the directory's path then.
 */
static void drop_directory(struct engine *engine)
{
    if (engine->main_child.directory_fd < 0)
        return;
    close(engine->main_child.directory_fd);
    engine->main_child.directory_fd = -1;
}

/* Sockets that were meant for COMMAND stay open for its next start, which only a script can ask for. */
static int first_to_close(void)
{
    const char *pid_text = getenv("LISTEN_PID");
    const char *count_text = getenv("LISTEN_FDS");
    int64_t pid;
    int64_t count;

    if (!pid_text || !count_text || text_number(pid_text, INT32_MAX, &pid) != 0 || pid != getpid()
        || text_number(count_text, DESCRIPTORS_MAX, &count) != 0)
        return 3;
    return 3 + (int)count;
}

/* All that the engine opens itself is close-on-exec; what came through an exec is not. */
static int close_inherited(int fd, void *first)
{
    const int flags = fd < *(const int *)first ? -1 : fcntl(fd, F_GETFD);

    if (flags >= 0 && !(flags & FD_CLOEXEC))
        close(fd);
    return 0;
}

static void close_from(int first)
{
    struct rlimit limit;

    if (proc_numbers("/proc/self/fd", close_inherited, &first) == 0)
        return;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > DESCRIPTORS_MAX)
        limit.rlim_cur = DESCRIPTORS_MAX;
    for (int fd = first; (rlim_t)fd < limit.rlim_cur; fd++)
        close_inherited(fd, &first);
}

void main_child_close_inherited(void)
{
    close_from(3);
}

/* What only COMMAND's first start needed. */
static void release(struct engine *engine)
{
    drop_directory(engine);
    close_from(engine_has_script(engine) ? first_to_close() : 3);
}

/* ---- How a start comes out. ---- */

void main_child_forget(struct engine *engine)
{
    struct child *child = engine->main_child.pid > 0 ? children_add(&engine->children, engine->main_child.pid) : NULL;

    if (child)
        child->exec_failed = 1;
    engine->main_child.pid = 0;
}

void main_child_retry_later(struct engine *engine, const char *why)
{
    int64_t *delay = &engine->main_child.retry_delay;

    *delay = *delay == 0 ? retry_first : *delay * 2 < retry_max ? *delay * 2 : retry_max;
    engine->main_child.retry_at = clock_after(*delay);
    log_line(&engine->log, LOG_LEVEL_WARNING, "%s; trying again in %g s", why, (double)*delay / (double)NANOSECONDS);
    warnings_shortage(&engine->warnings);
}

void main_child_give_up(struct engine *engine, const char *why)
{
    log_line(&engine->log, LOG_LEVEL_ERROR, "%s", why);
    release(engine);
}

/* A COMMAND that has never run leaves a code of its own. */
static enum main_start failure(struct main_child *main_child)
{
    if (spawn_was_shortage(&main_child->start))
        return MAIN_SHORTAGE;
    if (main_child->status < 0)
        main_child->code = spawn_exit_code(&main_child->start);
    return MAIN_FAILED;
}

static void started(struct engine *engine)
{
    engine->main_child.pidfd = engine->main_child.start.pidfd;
    engine->main_child.code = -1;
    engine->main_child.retry_delay = 0;
    log_line(&engine->log, LOG_LEVEL_DEBUG, "the main child %d started: %s", (int)engine->main_child.pid,
             engine->origin.base.command[0]);
}

void main_child_look(struct engine *engine, struct main_outcome *outcome)
{
    struct main_child *const main_child = &engine->main_child;
    enum spawn_progress progress = SPAWN_PENDING;

    outcome->start = MAIN_UNCHANGED;
    if (main_child->start.report_fd >= 0)
        progress = spawn_look(&main_child->start);
    if (progress == SPAWN_PENDING)
        return;
    outcome->order = main_child->order;
    main_child->order.by = 0;
    if (progress == SPAWN_FAILED) {
        outcome->start = failure(main_child);
        spawn_describe(&main_child->start, engine->origin.base.command[0], outcome->why, sizeof outcome->why);
        return;
    }
    outcome->start = MAIN_STARTED;
    started(engine);
    if (main_child->status < 0)
        release(engine);
}

int main_child_has_run(const struct engine *engine)
{
    return engine->main_child.pid > 0 || engine->main_child.status >= 0;
}

int main_child_comes_first(const struct engine *engine)
{
    const struct main_child *const main_child = &engine->main_child;

    return engine->life.state == ENGINE_RUNNING && !engine->life.stop_reason[0] && engine->origin.base.command
           && main_child->status < 0 && !(engine->scripts.current->hooks & HOOK_STARTS_MAIN)
           && (main_child->pid == 0 || main_child->start.report_fd >= 0);
}

/* ---- Signals. ---- */

/* In a job of a shell others may be in the group, too, who are not ours to signal. */
static int signal_group(struct engine *engine, int number)
{
    const struct scope scope = scope_of(engine);

    if (terminal_is_with_main(engine->main_child.pid))
        return remains_signal_group(&engine->remains, &scope, number);
    return kill(-engine->main_child.pid, number);
}

/* Without such a group, between clone and setpgid or after the main child has left it, the main child alone. */
int main_child_signal(struct engine *engine, int number, const siginfo_t *record)
{
    if (engine->options.kill_group && signal_group(engine, number) == 0)
        return 0;
    return signal_pass_on(engine->main_child.pid, number, record);
}

/* ---- Starts. ---- */

void main_child_start(struct engine *engine, struct main_outcome *outcome)
{
    outcome->start = MAIN_UNCHANGED;
    outcome->order.by = 0;
    if (begin(engine, outcome->why, sizeof outcome->why) != 0)
        outcome->start = failure(&engine->main_child);
}

/* Why COMMAND cannot be started now, or NULL. */
static const char *obstacle(const struct engine *engine)
{
    if (!engine->origin.base.command)
        return "there is no COMMAND to start";
    if (engine->life.state == ENGINE_LOADING)
        return "the script is still being loaded: COMMAND is started then";
    if (engine->life.state == ENGINE_STARTING || engine->main_child.start.report_fd >= 0)
        return "COMMAND is being started already";
    if (engine->main_child.pid > 0)
        return "the main child is still alive";
    return engine->life.state != ENGINE_RUNNING ? "reaper-lua is stopping" : NULL;
}

int main_child_start_ordered(struct engine *engine, const struct main_order *order, char *why, size_t size)
{
    const char *const why_not = obstacle(engine);

    if (why_not) {
        snprintf(why, size, "%s", why_not);
        errno = engine->origin.base.command ? EBUSY : EINVAL;
        return -1;
    }
    if (begin(engine, why, size) != 0) {
        failure(&engine->main_child);
        errno = engine->main_child.start.error;
        return -1;
    }
    engine->main_child.order = *order;
    return 0;
}
