#define _GNU_SOURCE
#include "common/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/refused.h"
#include "common/spawn_child.h"

#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x00001000
#endif

static const int64_t cont_after = NANOSECONDS;
static const int64_t kill_after = 10 * NANOSECONDS;
static const int64_t give_up_after = NANOSECONDS;

static const char default_path[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

struct spawn_request spawn_request_empty(void)
{
    struct spawn_request request;

    memset(&request, 0, sizeof request);
    request.terminal_fd = request.notify_fd = request.directory_fd = -1;
    for (int i = 0; i < HELD_MAX; i++)
        request.held_fds[i] = -1;
    return request;
}

struct spawn_result spawn_result_empty(void)
{
    const struct spawn_result result = { .pidfd = -1, .report_fd = -1, .due = NEVER, .stage = SPAWN_FORK };

    return result;
}

static const char *search_path(char *const *envp)
{
    for (; *envp; envp++)
        if (strncmp(*envp, "PATH=", 5) == 0)
            return *envp + 5;
    return default_path;
}

static size_t length_of(char *const *list)
{
    size_t length = 0;

    while (list[length])
        length++;
    return length;
}

static size_t page_up(size_t size)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);

    return (size + page - 1) / page * page;
}

static int first_free(const struct spawn_request *request)
{
    int base = 3;

    for (size_t i = 0; i < request->fd_count; i++)
        if (request->fds[i].target >= base)
            base = request->fds[i].target + 1;
    return base;
}

/*
 * One mapping holds the plan, its two lists and the stacks of the new process. It is given back as a whole, while
 * malloc would keep it, and process 1 is to stay small. NULL with errno when there is no memory.
 */
static struct plan *make_plan(const struct spawn_request *request)
{
    const size_t arguments = length_of(request->argv);
    const size_t before_stacks =
        page_up(sizeof(struct plan) + (arguments + 2) * sizeof(char *) + request->fd_count * sizeof(int));
    const size_t size = before_stacks + 2 * STACK_SIZE;
    struct plan *plan = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);

    if (plan == MAP_FAILED)
        return NULL;
    plan->size = size;
    plan->request = request;
    plan->path = search_path(request->envp);
    plan->notify_fd = request->notify_fd;
    plan->base = first_free(request);
    plan->flags = SIGCHLD | (request->copies_memory ? 0 : CLONE_VM | CLONE_VFORK);
    plan->shell_argv = (char **)(plan + 1);
    plan->sources = (int *)(plan->shell_argv + arguments + 2);
    plan->stack = (char *)plan + before_stacks;
    return plan;
}

/* Old kernels, valgrind and some sandboxes refuse CLONE_PIDFD, with different errors. */
static pid_t clone_with_pidfd(struct plan *plan, int flags, int *pidfd)
{
    pid_t pid = clone(spawn_child, plan->stack + STACK_SIZE, flags | CLONE_PIDFD, plan, pidfd);

    if (pid < 0 && is_refused(errno)) {
        *pidfd = -1;
        pid = clone(spawn_child, plan->stack + STACK_SIZE, flags, plan);
    }
    return pid;
}

/* Makes the new process by way of another one between. The new one reports its pid. 0, or -1 with errno. */
static int start_by_relay(struct plan *plan)
{
    pid_t between;

    plan->reports_pid = 1;
    between = clone(spawn_relay, plan->stack + 2 * STACK_SIZE, plan->flags, plan);
    if (between < 0)
        return -1;
    while (waitpid(between, NULL, __WALL) < 0 && errno == EINTR)
        continue;
    return 0;
}

static int start(struct plan *plan, struct spawn_result *result)
{
    const int sibling = plan->request->sibling ? CLONE_PARENT : 0;

    result->pid = clone_with_pidfd(plan, plan->flags | sibling, &result->pidfd);
    if (result->pid > 0)
        return 0;
    result->pid = 0;
    result->pidfd = -1;
    return sibling && is_refused(errno) ? start_by_relay(plan) : -1;
}

static int run_plan(struct plan *plan, struct spawn_result *result)
{
    signal_set mask;
    int report[2];
    int error = 0;

    if (pipe2(report, O_CLOEXEC | O_NONBLOCK) != 0)
        return -1;
    plan->report_fd = report[1];
    signals_set_mask(~UINT64_C(0), &mask);
    if (start(plan, result) != 0)
        error = errno;
    signals_set_mask(mask, NULL);
    close(report[1]);
    if (error == 0) {
        result->report_fd = report[0];
        result->due = clock_after(cont_after);
        return 0;
    }
    close(report[0]);
    errno = error;
    return -1;
}

int spawn_begin(const struct spawn_request *request, struct spawn_result *result)
{
    struct plan *plan = make_plan(request);

    *result = spawn_result_empty();
    if (!plan || run_plan(plan, result) != 0)
        result->error = errno;
    if (plan)
        munmap(plan, plan->size);
    return result->error == 0 ? 0 : -1;
}

static void note_report(struct spawn_result *result, const struct report *report)
{
    if (report->pid > 0) {
        result->pid = report->pid;
        return;
    }
    result->stage = (enum spawn_stage)report->stage;
    result->error = report->error;
    result->interpreter = report->interpreter;
}

/* Reads the reports that have come. True at the end of the pipe: exec has closed it, or the process has ended. */
static int read_reports(struct spawn_result *result)
{
    struct report report;
    ssize_t got;

    do {
        got = read(result->report_fd, &report, sizeof report);
        if (got == (ssize_t)sizeof report)
            note_report(result, &report);
    } while (got > 0 || (got < 0 && errno == EINTR));
    return got == 0;
}

/* The new process is late: sends it the next signal. False when it has to be given up. */
static int hurry(struct spawn_result *result)
{
    static const struct {
        int number;
        int64_t next;
    } steps[] = { { SIGCONT, kill_after }, { SIGKILL, give_up_after } };
    const int at = result->hurried++;

    if (at >= (int)(sizeof steps / sizeof *steps) || result->pid <= 0)
        return 0;
    kill(result->pid, steps[at].number);
    result->due = clock_after(steps[at].next);
    return 1;
}

/* A process whose pid nobody has reported has ended before it could do so. */
static int was_given_up(const struct spawn_result *result)
{
    return result->hurried > 1 || (result->error == 0 && result->pid <= 0);
}

static enum spawn_progress settle(struct spawn_result *result)
{
    close(result->report_fd);
    result->report_fd = -1;
    result->due = NEVER;
    if (was_given_up(result)) {
        result->stage = SPAWN_EXEC;
        result->error = ETIMEDOUT;
    }
    if (result->error == 0) {
        if (result->pidfd < 0)
            result->pidfd = (int)syscall(SYS_pidfd_open, result->pid, 0);
        return SPAWN_RUNNING;
    }
    if (result->pidfd >= 0)
        close(result->pidfd);
    result->pidfd = -1;
    return SPAWN_FAILED;
}

enum spawn_progress spawn_look(struct spawn_result *result)
{
    if (!read_reports(result) && (clock_now() < result->due || hurry(result)))
        return SPAWN_PENDING;
    return settle(result);
}

static void wait_until_due(const struct spawn_result *result)
{
    struct pollfd entry = { .fd = result->report_fd, .events = POLLIN };
    const int64_t left = result->due - clock_now();

    poll(&entry, 1, left > 0 ? (int)(left / MILLISECOND) + 1 : 0);
}

int spawn(const struct spawn_request *request, struct spawn_result *result)
{
    enum spawn_progress progress;

    if (spawn_begin(request, result) != 0)
        return -1;
    while ((progress = spawn_look(result)) == SPAWN_PENDING)
        wait_until_due(result);
    return progress == SPAWN_RUNNING ? 0 : -1;
}

int spawn_was_shortage(const struct spawn_result *result)
{
    return result->error == EAGAIN || result->error == ENOMEM;
}

static const char *reason(const struct spawn_result *result)
{
    if (result->interpreter)
        return "the file exists, but the interpreter that it names does not";
    if (was_given_up(result))
        return "it was stopped or held up before it ran, and was killed";
    return strerror(result->error);
}

void spawn_describe(const struct spawn_result *result, const char *command, char *text, size_t size)
{
    static const char *const stages[SPAWN_STAGE_COUNT] = {
        [SPAWN_FORK] = "cannot make a process for",
        [SPAWN_SESSION] = "cannot make a session for",
        [SPAWN_DESCRIPTORS] = "cannot set the descriptors of",
        [SPAWN_LIMITS] = "cannot set the limits (rlimit) of",
        [SPAWN_NICE] = "cannot set the nice value of",
        [SPAWN_OOM_SCORE] = "cannot set oom_score_adj of",
        [SPAWN_USER] = "cannot change to the user of",
        [SPAWN_DIRECTORY] = "cannot change to the directory of",
        [SPAWN_EXEC] = "cannot run",
    };

    snprintf(text, size, "%s \"%.256s\": %s", stages[result->stage], command, reason(result));
}

int spawn_exit_code(const struct spawn_result *result)
{
    if (result->stage != SPAWN_EXEC || was_given_up(result))
        return 125;
    return result->error == ENOENT || result->error == ENOTDIR ? 127 : 126;
}
