#define _GNU_SOURCE
#include "command.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "proc.h"
#include "spawn.h"
#include "stop.h"
#include "terminal.h"
#include "text.h"

enum {
    ADDED_VARIABLES = 4, /* HOME, USER, LOGNAME, LISTEN_PID */
    VARIABLE_SIZE = USER_HOME_SIZE + 16,
    DESCRIPTORS_MAX = 1 << 16, /* where /proc does not list them */
};

static const int64_t retry_first = NANOSECONDS / 10;
static const int64_t retry_max = 10 * NANOSECONDS;

/* COMMAND's environment: the list that was inherited, or a copy with some variables replaced. */
struct environment {
    char **list;
    int is_copy;
    size_t count;
    size_t added_count;
    char *listen_pid;                           /* where the digits go, or NULL */
    char added[ADDED_VARIABLES][VARIABLE_SIZE]; /* last: mostly not touched */
};

static void environment_inherit(struct environment *environment, char **list)
{
    environment->list = list;
    environment->is_copy = 0;
    environment->count = 0;
    environment->added_count = 0;
    environment->listen_pid = NULL;
}

/* Before something is set. 0, or -1 with errno. */
static int environment_copy(struct environment *environment)
{
    char **const from = environment->list;
    char **list;

    if (environment->is_copy)
        return 0;
    while (from[environment->count])
        environment->count++;
    list = calloc(environment->count + ADDED_VARIABLES + 1, sizeof *list);
    if (!list)
        return -1;
    memcpy(list, from, environment->count * sizeof *from);
    environment->list = list;
    environment->is_copy = 1;
    return 0;
}

static void environment_free(struct environment *environment)
{
    if (environment->is_copy)
        free(environment->list);
}

/* Sets NAME=value; the text of the value stays writable. */
static char *environment_set(struct environment *environment, const char *name, const char *value)
{
    const size_t length = strlen(name);
    char *text = environment->added[environment->added_count++];
    size_t at = 0;

    snprintf(text, VARIABLE_SIZE, "%s=%s", name, value);
    while (at < environment->count
           && (strncmp(environment->list[at], name, length) != 0 || environment->list[at][length] != '='))
        at++;
    environment->list[at] = text;
    if (at == environment->count)
        environment->count++;
    return text + length + 1;
}

/* As su does (su(1)). */
static void set_user_variables(struct environment *environment, const struct user *user)
{
    environment_set(environment, "HOME", user->home);
    if (!user->name[0])
        return;
    environment_set(environment, "USER", user->name);
    environment_set(environment, "LOGNAME", user->name);
}

/*
 * Socket activation names the process that it is meant for (sd_listen_fds(3)). When that is this one, the sockets are
 * meant for COMMAND.
 */
static int correct_listen_pid(struct environment *environment)
{
    const char *text = getenv("LISTEN_PID");
    int64_t pid;

    if (!text || text_number(text, INT32_MAX, &pid) != 0 || pid != getpid())
        return 0;
    if (environment_copy(environment) != 0)
        return -1;
    environment->listen_pid = environment_set(environment, "LISTEN_PID", text);
    return 0;
}

/* What COMMAND's environment has in place of ours; `user` may be NULL. 0, or -1 with errno. */
static int environment_correct(struct environment *environment, const struct user *user)
{
    if (user) {
        if (environment_copy(environment) != 0)
            return -1;
        set_user_variables(environment, user);
    }
    return correct_listen_pid(environment);
}

/* A process whose exec failed was never COMMAND: its death is not told. */
static void forget(struct engine *engine, const struct spawn_result *result)
{
    struct child *child = result->pid > 0 ? children_add(&engine->children, result->pid) : NULL;

    if (child)
        child->exec_failed = 1;
}

/* Runs it. 0, or -1 with the reason in `why`, and the errno and code in *result. */
static int run(struct engine *engine, struct spawn_result *result, char *why, size_t size)
{
    static struct environment environment; /* static: large, and mostly not touched */
    static struct user user;
    struct spawn_request request = spawn_request_empty();
    int failed;

    memset(result, 0, sizeof *result);
    if (engine->options.user[0]) {
        if (user_find(engine->options.user, &user, why, size) != 0) {
            result->stage = SPAWN_USER;
            result->error = ENOENT;
            return -1;
        }
        request.user = &user;
    }
    environment_inherit(&environment, engine->start->environment);
    if (environment_correct(&environment, request.user) != 0) {
        result->error = errno;
        snprintf(why, size, "cannot run \"%s\": %s", engine->base.command[0], strerror(errno));
        environment_free(&environment);
        return -1;
    }
    request.argv = engine->base.command;
    request.envp = environment.list;
    request.listen_pid = environment.listen_pid;
    request.signals = &engine->signals;
    request.terminal_fd = terminal_to_give(engine);
    request.folder_fd = engine->folder_fd;
    request.folder = engine->folder_fd < 0 ? engine->folder : NULL;
    failed = spawn(&request, result) != 0;
    if (failed) {
        spawn_describe(result, engine->base.command[0], why, size);
        forget(engine, result);
    }
    environment_free(&environment);
    return failed ? -1 : 0;
}

static void started(struct engine *engine, const struct spawn_result *result)
{
    engine->main_pid = result->pid;
    engine->main_pidfd = result->pidfd;
    engine->main_code = -1;
    engine->main_retry_at = NEVER;
    engine->main_retry_delay = 0;
    log_line(&engine->log, LOG_LEVEL_DEBUG, "the main child %d started: %s", (int)result->pid, engine->base.command[0]);
}

/*
 * A folder that is held open cannot be unmounted, so the descriptor goes once the first child is there; a script may
 * start COMMAND again, by the folder's path then.
 */
static void drop_folder(struct engine *engine)
{
    if (engine->folder_fd < 0)
        return;
    close(engine->folder_fd);
    engine->folder_fd = -1;
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

void command_close_inherited(void)
{
    close_from(3);
}

static int is_shortage(const struct spawn_result *result)
{
    return result->stage == SPAWN_FORK && (result->error == EAGAIN || result->error == ENOMEM);
}

static void retry_later(struct engine *engine, const char *why)
{
    int64_t *delay = &engine->main_retry_delay;

    *delay = *delay == 0 ? retry_first : *delay * 2 < retry_max ? *delay * 2 : retry_max;
    engine->main_retry_at = clock_after(*delay);
    log_line(&engine->log, LOG_LEVEL_WARNING, "%s; trying again in %g s", why, (double)*delay / (double)NANOSECONDS);
}

void command_start(struct engine *engine)
{
    struct spawn_result result;
    char why[WHY_SIZE];

    engine->main_retry_at = NEVER;
    if (engine->state > ENGINE_RUNNING)
        return;
    if (run(engine, &result, why, sizeof why) == 0) {
        started(engine, &result);
    } else if (is_shortage(&result)) {
        retry_later(engine, why);
        return;
    } else {
        log_line(&engine->log, LOG_LEVEL_ERROR, "%s", why);
        engine->main_code = spawn_exit_code(&result);
    }
    drop_folder(engine);
    close_from(engine_has_script(engine) ? first_to_close() : 3);
    if (engine->main_pid == 0)
        stop_begin(engine, "main");
}

int command_start_again(struct engine *engine, char *why, size_t size)
{
    struct spawn_result result;

    if (!engine->base.command) {
        snprintf(why, size, "there is no COMMAND to start");
        errno = EINVAL;
    } else if (engine->main_pid > 0) {
        snprintf(why, size, "the main child is still alive");
        errno = EBUSY;
    } else if (engine->state != ENGINE_RUNNING) {
        snprintf(why, size,
                 engine->state == ENGINE_LOADING ? "the script is still being loaded: COMMAND is started then"
                                                 : "reaper-lua is stopping");
        errno = EBUSY;
    } else if (run(engine, &result, why, size) == 0) {
        started(engine, &result);
        return 0;
    } else {
        errno = result.error;
    }
    return -1;
}
