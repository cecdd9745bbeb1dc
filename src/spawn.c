#define _GNU_SOURCE
#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "spawn_plan.h"

#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x00001000
#endif

static const char default_path[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

struct spawn_request spawn_request_empty(void)
{
    struct spawn_request request;

    memset(&request, 0, sizeof request);
    request.terminal_fd = request.notify_fd = request.folder_fd = -1;
    for (int i = 0; i < KEPT_MAX; i++)
        request.tell_fds[i] = -1;
    return request;
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
 * The plan, its two lists behind it, and the new process's stacks behind these: memory that is given back, and what a
 * process that is to stay small needs no malloc for. NULL with errno when there is none.
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
    plan->flags = CLONE_VM | CLONE_VFORK | SIGCHLD;
    plan->shell_argv = (char **)(plan + 1);
    plan->sources = (int *)(plan->shell_argv + arguments + 2);
    plan->stack = (char *)plan + before_stacks;
    return plan;
}

/* Old kernels, valgrind and some sandboxes know no CLONE_PIDFD. */
static pid_t clone_with_pidfd(struct plan *plan, int flags, int *pidfd)
{
    pid_t pid = clone(spawn_child, plan->stack + STACK_SIZE, flags | CLONE_PIDFD, plan, pidfd);

    if (pid < 0 && (errno == EINVAL || errno == ENOSYS)) {
        *pidfd = -1;
        pid = clone(spawn_child, plan->stack + STACK_SIZE, flags, plan);
    }
    return pid;
}

static int start(struct plan *plan, int *pidfd)
{
    const int sibling = plan->request->sibling ? CLONE_PARENT : 0;
    pid_t between;

    *pidfd = -1;
    if (clone_with_pidfd(plan, plan->flags | sibling, pidfd) >= 0)
        return 0;
    if (!sibling || errno == EAGAIN || errno == ENOMEM || errno == EMFILE || errno == ENFILE)
        return -1;
    *pidfd = -1;
    between = clone(spawn_relay, plan->stack + 2 * STACK_SIZE, plan->flags, plan);
    if (between < 0)
        return -1;
    while (waitpid(between, NULL, __WALL) < 0 && errno == EINTR)
        continue;
    return 0;
}

/* One record of the report pipe. 1, or 0 at its end. */
static int read_report(int fd, struct report *report)
{
    ssize_t got;

    do
        got = read(fd, report, sizeof *report);
    while (got < 0 && errno == EINTR);
    return got == (ssize_t)sizeof *report;
}

static void read_reports(int fd, struct spawn_result *result)
{
    struct report report;

    while (read_report(fd, &report)) {
        if (report.pid > 0) {
            result->pid = report.pid;
            continue;
        }
        result->stage = (enum spawn_stage)report.stage;
        result->error = report.error;
        result->interpreter = report.interpreter;
    }
}

static int run_plan(struct plan *plan, struct spawn_result *result)
{
    signal_set mask;
    int report[2];
    int started;

    if (pipe2(report, O_CLOEXEC) != 0)
        return -1;
    plan->report_fd = report[1];
    signals_set_mask(~UINT64_C(0), &mask);
    started = start(plan, &result->pidfd);
    if (started != 0)
        result->error = errno;
    signals_set_mask(mask, NULL);
    close(report[1]);
    if (started == 0)
        read_reports(report[0], result);
    close(report[0]);
    if (result->pidfd < 0 && started == 0 && result->error == 0 && result->pid > 0)
        result->pidfd = (int)syscall(SYS_pidfd_open, result->pid, 0);
    return 0;
}

int spawn(const struct spawn_request *request, struct spawn_result *result)
{
    struct plan *plan = make_plan(request);

    memset(result, 0, sizeof *result);
    result->pidfd = -1;
    result->stage = SPAWN_FORK;
    if (!plan || run_plan(plan, result) != 0)
        result->error = errno;
    if (plan)
        munmap(plan, plan->size);
    if (result->error == 0 && result->pid <= 0) { /* it had no descriptor left to report with */
        result->stage = SPAWN_DESCRIPTORS;
        result->error = EMFILE;
    }
    if (result->error == 0)
        return 0;
    if (result->pidfd >= 0)
        close(result->pidfd);
    result->pidfd = -1;
    return -1;
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
        [SPAWN_FOLDER] = "cannot change to the folder of",
        [SPAWN_EXEC] = "cannot run",
    };

    snprintf(text, size, "%s \"%.256s\": %s", stages[result->stage], command,
             result->interpreter ? "the file exists, but the interpreter that it names does not"
                                 : strerror(result->error));
}

int spawn_exit_code(const struct spawn_result *result)
{
    if (result->stage != SPAWN_EXEC)
        return 125;
    return result->error == ENOENT || result->error == ENOTDIR ? 127 : 126;
}
