#define _GNU_SOURCE
#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x00001000
#endif
#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1U << 2)
#endif

/* Sanitizers keep books about stacks that they do not know; these functions run on one of ours. */
#define ON_OWN_STACK __attribute__((no_sanitize("address", "undefined")))

enum { STACK_SIZE = 128 * 1024 };

static const char default_path[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/* What the new process writes into the report pipe: first its pid, then, unless exec closes the pipe, a failure. */
struct report {
    int pid;
    int stage;
    int error;
    int interpreter;
};

/* The new process sees the caller's memory (CLONE_VM), so everything that needs memory is made before. */
struct plan {
    const struct spawn_request *request;
    const char *path;  /* where to search argv[0] */
    char **shell_argv; /* /bin/sh FILE ARG…, for a text without #! */
    int report_fd;
    int notify_fd;
    int base; /* descriptors from here on are no target */
    char *stack;
    int flags;      /* of the clone that makes the new process */
    pid_t relay;    /* in a double fork: the process between */
    int *sources;   /* the sources of request->fds, moved out of the targets' way */
    char file[PATH_MAX];
};

struct spawn_request spawn_request_empty(void)
{
    struct spawn_request request;

    memset(&request, 0, sizeof request);
    request.terminal_fd = request.notify_fd = request.folder_fd = -1;
    request.tell_fds[0] = request.tell_fds[1] = -1;
    return request;
}

/* ---- In the new process: raw or async-signal-safe calls only, and no memory is asked for. ---- */

ON_OWN_STACK static void tell(int fd, const void *data, size_t size)
{
    while (write(fd, data, size) < 0 && errno == EINTR)
        continue;
}

ON_OWN_STACK static void notify(const struct plan *plan, uint16_t kind)
{
    const struct spawn_request *request = plan->request;
    struct order order;
    struct iovec part = { &order, sizeof order };
    struct msghdr message;
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int) * 2)];
    } control;
    int *slot;
    size_t count = 0;

    if (plan->notify_fd < 0)
        return;
    memset(&order, 0, sizeof order);
    memset(&message, 0, sizeof message);
    memset(&control, 0, sizeof control);
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    order.kind = kind;
    order.pid = getpid();
    if (kind == ORDER_SPAWNED) {
        if (request->name)
            memcpy(order.text, request->name, strnlen(request->name, NAME_SIZE - 1));
        slot = (int *)CMSG_DATA(&control.header);
        for (int i = 0; i < 2; i++) {
            if (request->tell_fds[i] < 0)
                continue;
            slot[count++] = request->tell_fds[i];
            order.flags |= (uint16_t)(i == 0 ? EVENT_HAS_STDOUT : EVENT_HAS_STDERR);
        }
    }
    if (count > 0) {
        message.msg_control = control.room;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * count);
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(sizeof(int) * count);
    }
    while (sendmsg(plan->notify_fd, &message, MSG_NOSIGNAL) < 0 && errno == EINTR)
        continue;
}

ON_OWN_STACK static void fail(const struct plan *plan, enum spawn_stage stage, int error)
{
    struct report report = { 0, (int)stage, error, 0 };

    if (stage == SPAWN_EXEC && error == ENOENT && plan->file[0])
        report.interpreter = access(plan->file, F_OK) == 0;
    notify(plan, ORDER_EXEC_FAILED);
    tell(plan->report_fd, &report, sizeof report);
    _exit(127);
}

ON_OWN_STACK static int move_up(int fd, int base)
{
    return fd < 0 ? fd : fcntl(fd, F_DUPFD_CLOEXEC, base);
}

/* Every source moves above all targets first, so that no dup2 overwrites what another one still needs. */
ON_OWN_STACK static int set_descriptors(struct plan *plan)
{
    const struct spawn_request *request = plan->request;

    for (size_t i = 0; i < request->fd_count; i++) {
        plan->sources[i] = move_up(request->fds[i].source, plan->base);
        if (plan->sources[i] < 0)
            return -1;
    }
    if (request->close_others && syscall(SYS_close_range, 3, ~0U, CLOSE_RANGE_CLOEXEC) != 0) {
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
            return -1;
        for (int fd = 3; (rlim_t)fd < limit.rlim_cur && fd < 1 << 20; fd++)
            fcntl(fd, F_SETFD, FD_CLOEXEC);
    }
    for (size_t i = 0; i < request->fd_count; i++)
        if (dup2(plan->sources[i], request->fds[i].target) < 0)
            return -1;
    return 0;
}

ON_OWN_STACK static int set_limits(const struct spawn_request *request)
{
    for (size_t i = 0; i < request->limit_count; i++)
        if (syscall(SYS_prlimit64, 0, request->limits[i].resource, &request->limits[i].limit, NULL) != 0)
            return -1;
    return 0;
}

ON_OWN_STACK static int set_oom_score(int score)
{
    char text[16];
    size_t at = sizeof text;
    unsigned rest = (unsigned)(score < 0 ? -score : score);
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    ssize_t written;

    if (fd < 0)
        return -1;
    do
        text[--at] = (char)('0' + rest % 10);
    while ((rest /= 10) != 0);
    if (score < 0)
        text[--at] = '-';
    written = write(fd, text + at, sizeof text - at);
    close(fd);
    return written < 0 ? -1 : 0;
}

/* Raw calls: the C library's would change all threads, and with CLONE_VM those are the caller's. */
ON_OWN_STACK static int set_user(const struct user *user)
{
    if (syscall(SYS_setgroups, user->group_count, user->groups) != 0)
        return -1;
    if (syscall(SYS_setresgid, user->gid, user->gid, user->gid) != 0)
        return -1;
    return syscall(SYS_setresuid, user->uid, user->uid, user->uid) != 0 ? -1 : 0;
}

ON_OWN_STACK static void set_attributes(const struct plan *plan)
{
    const struct spawn_request *request = plan->request;

    if (request->has_umask)
        umask(request->umask);
    if (set_limits(request) != 0)
        fail(plan, SPAWN_LIMITS, errno);
    if (request->has_nice && setpriority(PRIO_PROCESS, 0, request->nice) != 0)
        fail(plan, SPAWN_NICE, errno);
    if (request->has_oom_score && set_oom_score(request->oom_score) != 0)
        fail(plan, SPAWN_OOM_SCORE, errno);
    if (request->user && set_user(request->user) != 0)
        fail(plan, SPAWN_USER, errno);
    if (request->folder_fd >= 0 && fchdir(request->folder_fd) != 0)
        fail(plan, SPAWN_FOLDER, errno);
    if (request->folder && chdir(request->folder) != 0)
        fail(plan, SPAWN_FOLDER, errno);
}

/* Returns only on failure, with errno. A file without #! is given to the shell, as execvp does. */
ON_OWN_STACK static void try_exec(struct plan *plan, const char *file)
{
    const struct spawn_request *request = plan->request;

    execve(file, request->argv, request->envp);
    if (errno != ENOEXEC)
        return;
    plan->shell_argv[1] = (char *)file;
    execve("/bin/sh", plan->shell_argv, request->envp);
    errno = ENOEXEC;
}

/* Joins a folder of PATH and the command in plan->file; 0 when that is too long. */
ON_OWN_STACK static int join(struct plan *plan, const char *folder, size_t length)
{
    const char *command = plan->request->argv[0];
    const size_t rest = strlen(command);

    if (length == 0) {
        folder = ".";
        length = 1;
    }
    if (length + 1 + rest + 1 > sizeof plan->file)
        return 0;
    memcpy(plan->file, folder, length);
    plan->file[length] = '/';
    memcpy(plan->file + length + 1, command, rest + 1);
    return 1;
}

/* execvp's search: EACCES is remembered, since a later folder may hold one that can be run. */
ON_OWN_STACK static int search_and_exec(struct plan *plan)
{
    const char *command = plan->request->argv[0];
    int denied = 0;

    if (strchr(command, '/')) {
        if (strlen(command) < sizeof plan->file)
            memcpy(plan->file, command, strlen(command) + 1);
        try_exec(plan, command);
        return errno;
    }
    for (const char *at = plan->path; *command;) {
        const char *end = strchrnul(at, ':');

        if (join(plan, at, (size_t)(end - at))) {
            try_exec(plan, plan->file);
            if (errno == EACCES)
                denied = 1;
            else if (errno == ENOENT && access(plan->file, F_OK) == 0)
                return ENOENT;
            else if (errno != ENOENT && errno != ENOTDIR)
                return errno;
        }
        if (!*end)
            break;
        at = end + 1;
    }
    plan->file[0] = '\0';
    return denied ? EACCES : ENOENT;
}

ON_OWN_STACK static void write_pid(char *text, unsigned pid)
{
    char digits[12];
    size_t at = sizeof digits;

    digits[--at] = '\0';
    do
        digits[--at] = (char)('0' + pid % 10);
    while ((pid /= 10) != 0);
    memcpy(text, digits + at, sizeof digits - at);
}

ON_OWN_STACK static int new_process(void *context)
{
    struct plan *plan = context;
    const struct spawn_request *request = plan->request;
    const pid_t pid = getpid();
    const struct report born = { pid, 0, 0, 0 };
    int terminal = request->terminal_fd;

    plan->report_fd = move_up(plan->report_fd, plan->base);
    plan->notify_fd = move_up(plan->notify_fd, plan->base);
    tell(plan->report_fd, &born, sizeof born);
    notify(plan, ORDER_SPAWNED);
    if ((request->session ? setsid() : setpgid(0, 0)) < 0)
        fail(plan, SPAWN_SESSION, errno);
    if (terminal >= 0)
        ioctl(terminal, TIOCSPGRP, &pid); /* SIGTTOU is blocked; a terminal that is gone is no reason to stop */
    if (set_descriptors(plan) != 0)
        fail(plan, SPAWN_DESCRIPTORS, errno);
    set_attributes(plan);
    if (request->listen_pid)
        write_pid(request->listen_pid, (unsigned)pid);
    signals_restore(request->signals);
    fail(plan, SPAWN_EXEC, search_and_exec(plan));
    return 127;
}

/* The process between in a double fork: its child is an orphan at once and the engine adopts it. */
ON_OWN_STACK static int relay(void *context)
{
    struct plan *plan = context;
    const pid_t pid = clone(new_process, plan->stack + STACK_SIZE, plan->flags, plan);
    const struct report failed = { 0, SPAWN_FORK, errno, 0 };

    if (pid < 0)
        tell(plan->report_fd, &failed, sizeof failed);
    _exit(0);
}

/* ---- In the caller. ---- */

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

/* /bin/sh, a place for the file's name, and the arguments behind argv[0]. */
static char **shell_arguments(char *const *argv)
{
    const size_t count = length_of(argv);
    char **list = calloc(count + 2, sizeof *list);

    if (!list)
        return NULL;
    list[0] = (char *)"/bin/sh";
    memcpy(list + 2, argv + 1, count * sizeof *list);
    return list;
}

static int first_free(const struct spawn_request *request)
{
    int base = 3;

    for (size_t i = 0; i < request->fd_count; i++)
        if (request->fds[i].target >= base)
            base = request->fds[i].target + 1;
    return base;
}

static int make_plan(struct plan *plan, const struct spawn_request *request)
{
    memset(plan, 0, sizeof *plan);
    plan->request = request;
    plan->path = search_path(request->envp);
    plan->notify_fd = request->notify_fd;
    plan->base = first_free(request);
    plan->flags = CLONE_VM | CLONE_VFORK | SIGCHLD;
    plan->shell_argv = shell_arguments(request->argv);
    plan->sources = calloc(request->fd_count + 1, sizeof *plan->sources);
    plan->stack = mmap(NULL, 2 * STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    return plan->shell_argv && plan->sources && plan->stack != MAP_FAILED ? 0 : -1;
}

static void drop_plan(struct plan *plan)
{
    if (plan->stack && plan->stack != MAP_FAILED)
        munmap(plan->stack, 2 * STACK_SIZE);
    free(plan->sources);
    free(plan->shell_argv);
}

/* Old kernels, valgrind and some sandboxes know no CLONE_PIDFD. */
static pid_t clone_with_pidfd(struct plan *plan, int flags, int *pidfd)
{
    pid_t pid = clone(new_process, plan->stack + STACK_SIZE, flags | CLONE_PIDFD, plan, pidfd);

    if (pid < 0 && (errno == EINVAL || errno == ENOSYS)) {
        *pidfd = -1;
        pid = clone(new_process, plan->stack + STACK_SIZE, flags, plan);
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
    if (!sibling || errno == EAGAIN || errno == ENOMEM)
        return -1;
    *pidfd = -1;
    between = clone(relay, plan->stack + 2 * STACK_SIZE, plan->flags, plan);
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
    if (result->pidfd < 0 && started == 0 && result->error == 0)
        result->pidfd = (int)syscall(SYS_pidfd_open, result->pid, 0);
    return 0;
}

int spawn(const struct spawn_request *request, struct spawn_result *result)
{
    struct plan plan;

    memset(result, 0, sizeof *result);
    result->pidfd = -1;
    result->stage = SPAWN_FORK;
    if (make_plan(&plan, request) != 0 || run_plan(&plan, result) != 0)
        result->error = errno;
    drop_plan(&plan);
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

    snprintf(text, size, "%s \"%s\": %s", stages[result->stage], command,
             result->interpreter ? "the file exists, but the interpreter that it names does not"
                                 : strerror(result->error));
}

int spawn_exit_code(const struct spawn_result *result)
{
    if (result->stage != SPAWN_EXEC)
        return 125;
    return result->error == ENOENT || result->error == ENOTDIR ? 127 : 126;
}
