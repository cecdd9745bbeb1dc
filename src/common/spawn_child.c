/* The new process, from clone to exec: its steps, what it reports, and its descriptors. See spawn_child.h. */
#define _GNU_SOURCE
#include "common/spawn_child.h"

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

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1U << 2)
#endif

ON_OWN_STACK static void write_report(const struct plan *plan, const struct report *report)
{
    while (write(plan->report_fd, report, sizeof *report) < 0 && errno == EINTR)
        continue;
}

union control {
    struct cmsghdr header;
    char room[CMSG_SPACE(sizeof(int) * HELD_MAX)];
};

/* The descriptors that the engine is to hold for the next script process travel with ORDER_SPAWNED. */
ON_OWN_STACK static void attach_held(const int *held_fds, struct order *order, struct msghdr *message,
                                     union control *control)
{
    int *slots = (int *)CMSG_DATA(&control->header);
    size_t count = 0;

    for (int i = 0; i < HELD_MAX; i++) {
        if (held_fds[i] < 0)
            continue;
        slots[count++] = held_fds[i];
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

/* Sends ORDER_SPAWNED or ORDER_EXEC_FAILED to the engine, when the request asks for them. 0, or -1 with errno. */
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
        attach_held(request->held_fds, &order, &message, &control);
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
    write_report(plan, &report);
    _exit(127);
}

ON_OWN_STACK static int move_up(int fd, int base)
{
    return fd < 0 || fd >= base ? fd : fcntl(fd, F_DUPFD_CLOEXEC, base);
}

/* Moves the pipe and the socket out of the targets' way. 0, or -1 with errno. */
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

/* Every source moves above all targets first, so that no dup2 overwrites a source that another one still needs. */
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

/* Writes what names the new process into the texts of its environment that are to name it. */
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
    enum spawn_stage stage;

    if (plan->reports_pid)
        write_report(plan, &born);
    /* When the script process has just been replaced, the engine does not get this order, and would take the new
     * process for an orphan. */
    if (notify(plan, ORDER_SPAWNED) != 0)
        fail(plan, SPAWN_FORK, errno);
    if (move_channels(plan) != 0)
        fail(plan, SPAWN_DESCRIPTORS, errno);
    if (!request->keep_group && (request->session ? setsid() : setpgid(0, 0)) < 0)
        fail(plan, SPAWN_SESSION, errno);
    if (request->terminal_fd >= 0) /* SIGTTOU is blocked; a terminal that is gone is no reason to stop */
        ioctl(request->terminal_fd, TIOCSPGRP, &pid);
    if (set_descriptors(plan) != 0)
        fail(plan, SPAWN_DESCRIPTORS, errno);
    if (spawn_set_attributes(request, &stage) != 0)
        fail(plan, stage, errno);
    name_self(request);
    signals_restore(request->signals);
    fail(plan, SPAWN_EXEC, spawn_search_and_exec(plan));
    return 127;
}

ON_OWN_STACK int spawn_relay(void *context)
{
    struct plan *plan = context;
    const pid_t pid = clone(spawn_child, plan->stack + STACK_SIZE, plan->flags, plan);
    const struct report failed = { 0, SPAWN_FORK, errno, 0 };

    if (pid < 0)
        write_report(plan, &failed);
    _exit(0);
}
