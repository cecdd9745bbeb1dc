/*
 * The new process, from clone to exec. It runs on a stack of its own, and mostly in the caller's memory (CLONE_VM): raw
 * or async-signal-safe calls only, no memory is asked for, and nothing is changed that the caller would miss.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/spawn_plan.h"

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1U << 2)
#endif

/* On machines that once had 16-bit ids the plain names still cut ids to 16 bits (setresuid(2)). */
#ifdef SYS_setresuid32
#define ID_CALL(name) SYS_##name##32
#else
#define ID_CALL(name) SYS_##name
#endif

ON_OWN_STACK static void tell(int fd, const void *data, size_t size)
{
    while (write(fd, data, size) < 0 && errno == EINTR)
        continue;
}

union control {
    struct cmsghdr header;
    char room[CMSG_SPACE(sizeof(int) * HELD_MAX)];
};

/* What the engine is to keep for the next script process travels with ORDER_SPAWNED. */
ON_OWN_STACK static void attach_kept(const int *tell_fds, struct order *order, struct msghdr *message,
                                     union control *control)
{
    int *slots = (int *)CMSG_DATA(&control->header);
    size_t count = 0;

    for (int i = 0; i < HELD_MAX; i++) {
        if (tell_fds[i] < 0)
            continue;
        slots[count++] = tell_fds[i];
        order->flags |= EVENT_HAS_HELD(i);
    }
    if (count == 0)
        return;
    message->msg_control = control->room;
    message->msg_controllen = (socklen_t)CMSG_SPACE(sizeof(int) * count);
    control->header.cmsg_level = SOL_SOCKET;
    control->header.cmsg_type = SCM_RIGHTS;
    control->header.cmsg_len = (socklen_t)CMSG_LEN(sizeof(int) * count);
}

/* 0, or -1 with errno. */
ON_OWN_STACK static int notify(const struct plan *plan, uint16_t kind)
{
    const struct spawn_request *request = plan->request;
    struct order order;
    struct iovec part = { &order, sizeof order };
    struct msghdr message;
    union control control;

    ssize_t sent;

    if (plan->notify_fd < 0)
        return 0;
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
        attach_kept(request->tell_fds, &order, &message, &control);
    }
    do
        sent = sendmsg(plan->notify_fd, &message, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    if (request->notify_count)
        atomic_fetch_add_explicit(request->notify_count, 1, memory_order_release);
    return sent < 0 ? -1 : 0;
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
    return fd < 0 || fd >= base ? fd : fcntl(fd, F_DUPFD_CLOEXEC, base);
}

/* Out of the targets' way. 0, or -1 with errno. */
ON_OWN_STACK static int move_channels(struct plan *plan)
{
    const int report_fd = move_up(plan->report_fd, plan->base);
    const int notify_fd = move_up(plan->notify_fd, plan->base);

    if (report_fd < 0 || (plan->notify_fd >= 0 && notify_fd < 0))
        return -1;
    plan->report_fd = report_fd;
    plan->notify_fd = notify_fd;
    return 0;
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

ON_OWN_STACK static int is_among(gid_t group, const gid_t *groups, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (groups[i] == group)
            return 1;
    return 0;
}

ON_OWN_STACK static int has_groups(const struct user *user)
{
    gid_t groups[USER_GROUPS_MAX];
    const long count = syscall(ID_CALL(getgroups), USER_GROUPS_MAX, groups);

    if (count < 0 || (size_t)count != user->group_count)
        return 0;
    for (size_t i = 0; i < user->group_count; i++)
        if (!is_among(groups[i], user->groups, user->group_count))
            return 0;
    return 1;
}

/* True when the ids are those that were asked for, and nothing else. */
ON_OWN_STACK static int is_user(const struct user *user)
{
    uid_t uids[3];
    gid_t gids[3];

    if (syscall(ID_CALL(getresuid), &uids[0], &uids[1], &uids[2]) != 0
        || syscall(ID_CALL(getresgid), &gids[0], &gids[1], &gids[2]) != 0)
        return 0;
    for (int i = 0; i < 3; i++)
        if (uids[i] != user->uid || gids[i] != user->gid)
            return 0;
    return has_groups(user);
}

/* Raw calls: the C library's would change all threads, and with CLONE_VM those are the caller's. */
ON_OWN_STACK static int set_user(const struct user *user)
{
    if (syscall(ID_CALL(setgroups), user->group_count, user->groups) != 0)
        return -1;
    if (syscall(ID_CALL(setresgid), user->gid, user->gid, user->gid) != 0)
        return -1;
    if (syscall(ID_CALL(setresuid), user->uid, user->uid, user->uid) != 0)
        return -1;
    errno = EOVERFLOW; /* a kernel that has taken less than all of an id */
    return is_user(user) ? 0 : -1;
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
    if (request->directory_fd >= 0 && fchdir(request->directory_fd) != 0)
        fail(plan, SPAWN_DIRECTORY, errno);
    if (request->directory && chdir(request->directory) != 0)
        fail(plan, SPAWN_DIRECTORY, errno);
    if (request->user && set_user(request->user) != 0)
        fail(plan, SPAWN_USER, errno);
    if (request->cwd && chdir(request->cwd) != 0)
        fail(plan, SPAWN_DIRECTORY, errno);
}

/* /bin/sh FILE ARG… */
ON_OWN_STACK static char **shell_arguments(struct plan *plan, const char *file)
{
    char *const *argument = plan->request->argv + 1;
    char **list = plan->shell_argv;

    *list++ = (char *)"/bin/sh";
    *list++ = (char *)file;
    while ((*list++ = *argument++))
        continue;
    return plan->shell_argv;
}

/* Returns only on failure, with errno. A file without #! is given to the shell, as execvp does. */
ON_OWN_STACK static void try_exec(struct plan *plan, const char *file)
{
    const struct spawn_request *request = plan->request;

    execve(file, request->argv, request->envp);
    if (errno != ENOEXEC)
        return;
    execve("/bin/sh", shell_arguments(plan, file), request->envp);
    errno = ENOEXEC;
}

/* Joins a directory of PATH and the command in plan->file; 0 when that is too long. */
ON_OWN_STACK static int join(struct plan *plan, const char *directory, size_t length)
{
    const char *command = plan->request->argv[0];
    const size_t rest = strlen(command);

    if (length == 0) {
        directory = ".";
        length = 1;
    }
    if (length + 1 + rest + 1 > sizeof plan->file)
        return 0;
    memcpy(plan->file, directory, length);
    plan->file[length] = '/';
    memcpy(plan->file + length + 1, command, rest + 1);
    return 1;
}

/* execvp's search: EACCES is remembered, since a later directory may hold one that can be run. */
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

ON_OWN_STACK static void write_number(char *text, uint64_t number)
{
    char digits[21];
    size_t at = sizeof digits;

    digits[--at] = '\0';
    do
        digits[--at] = (char)('0' + number % 10);
    while ((number /= 10) != 0);
    memcpy(text, digits + at, sizeof digits - at);
}

ON_OWN_STACK uint64_t spawn_pidfd_inode(void)
{
    const int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);
    struct stat pidfd;
    uint64_t inode = 0;

    if (fd < 0)
        return 0;
    if (fstat(fd, &pidfd) == 0)
        inode = pidfd.st_ino;
    close(fd);
    return inode;
}

ON_OWN_STACK static void name_self(const struct spawn_request *request)
{
    for (size_t i = 0; i < request->self_count; i++)
        write_number(request->selves[i].digits,
                     request->selves[i].is_pidfd_inode ? spawn_pidfd_inode() : (uint64_t)getpid());
}

ON_OWN_STACK int spawn_child(void *context)
{
    struct plan *plan = context;
    const struct spawn_request *request = plan->request;
    const pid_t pid = getpid();
    const struct report born = { pid, 0, 0, 0 };
    int terminal = request->terminal_fd;

    if (plan->tells_pid)
        tell(plan->report_fd, &born, sizeof born);
    /* An engine that does not hear of it, because this script process has just been replaced, would take it for an
     * orphan. */
    if (notify(plan, ORDER_SPAWNED) != 0)
        fail(plan, SPAWN_FORK, errno);
    if (move_channels(plan) != 0)
        fail(plan, SPAWN_DESCRIPTORS, errno);
    if (!request->keep_group && (request->session ? setsid() : setpgid(0, 0)) < 0)
        fail(plan, SPAWN_SESSION, errno);
    if (terminal >= 0)
        ioctl(terminal, TIOCSPGRP, &pid); /* SIGTTOU is blocked; a terminal that is gone is no reason to stop */
    if (set_descriptors(plan) != 0)
        fail(plan, SPAWN_DESCRIPTORS, errno);
    set_attributes(plan);
    name_self(request);
    signals_restore(request->signals);
    fail(plan, SPAWN_EXEC, search_and_exec(plan));
    return 127;
}

ON_OWN_STACK int spawn_relay(void *context)
{
    struct plan *plan = context;
    const pid_t pid = clone(spawn_child, plan->stack + STACK_SIZE, plan->flags, plan);
    const struct report failed = { 0, SPAWN_FORK, errno, 0 };

    if (pid < 0)
        tell(plan->report_fd, &failed, sizeof failed);
    _exit(0);
}
