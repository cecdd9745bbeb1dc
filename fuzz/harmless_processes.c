#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/messages.h"
#include "common/spawn_plan.h"
#include "harmless.h"

enum { DESCRIPTORS = 256 };

pid_t __real_getpid(void);

static pid_t pid_of_fd[DESCRIPTORS]; /* of pidfds */

struct process *world_add(int is_child, int is_script)
{
    struct process *process;

    if (world.process_count == PROCESSES_MAX)
        return NULL;
    process = &world.processes[world.process_count++];
    process->state = ALIVE;
    process->is_child = is_child;
    process->is_script = is_script;
    process->life[0] = process->life[1] = process->engine_fd = process->script_fd = -1;
    return process;
}

pid_t world_pid(const struct process *process)
{
    return FIRST_PID + (pid_t)(process - world.processes);
}

void world_give_socket(struct process *process)
{
    process->engine_fd = world.engine_fd;
    process->script_fd = world.script_fd;
    world.engine_fd = world.script_fd = -1;
}

struct process *world_find(pid_t pid)
{
    if (pid < FIRST_PID || (size_t)(pid - FIRST_PID) >= world.process_count)
        return NULL;
    return &world.processes[pid - FIRST_PID];
}

static void close_one(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void world_die(struct process *process, int status)
{
    if (process->state != ALIVE)
        return;
    process->state = process->is_child ? DEAD : ABSENT;
    process->status = status;
    close_one(&process->life[1]);
    if (process->script_fd < 0 || world.leaves_sockets)
        return;
    close_one(&process->script_fd);
    world_announce(process->engine_fd, POLL_HUP);
}

/* Readable, in a way, when the process is dead. */
static int open_pidfd(pid_t pid)
{
    struct process *const process = world_find(pid);
    int fd;

    if (!process || process->state == ABSENT)
        return world_fail(ESRCH);
    if (process->life[0] < 0 && pipe2(process->life, O_CLOEXEC) != 0)
        return -1;
    if (process->state == DEAD)
        close_one(&process->life[1]);
    fd = dup(process->life[0]);
    if (fd >= 0 && fd < DESCRIPTORS)
        pid_of_fd[fd] = pid;
    return fd;
}

/* What is signalled dies of KILL, and of TERM unless it is a script process. */
int world_kill(pid_t pid, int number)
{
    struct process *process;
    int found = 0;

    if (pid == getpid() || number < 0 || number > 64)
        return number < 0 || number > 64 ? world_fail(EINVAL) : 0;
    for (size_t i = 0; i < world.process_count; i++) {
        process = &world.processes[i];
        if (process->state == ABSENT || (pid != -1 && (pid < 0 ? -pid : pid) != world_pid(process)))
            continue;
        found = 1;
        if (number == SIGKILL || (number == SIGTERM && !process->is_script))
            world_die(process, number);
    }
    return found ? 0 : world_fail(ESRCH);
}

WRAP(int, kill, pid_t pid, int number)
{
    return world_kill(pid, number);
}

static struct process *find_waited(int is_any, pid_t pid, int flags, int *any)
{
    struct process *dead = NULL;

    *any = 0;
    for (size_t i = 0; i < world.process_count; i++) {
        struct process *const process = &world.processes[i];

        if (process->state == ABSENT || !process->is_child || (!is_any && pid != world_pid(process))
            || (process->is_script && !(flags & __WALL)))
            continue;
        *any = 1;
        if (process->state == DEAD && !process->is_traced && !dead)
            dead = process;
    }
    return dead;
}

WRAP(int, waitid, idtype_t kind, id_t id, siginfo_t *info, int flags)
{
    int any;
    struct process *const dead = find_waited(kind == P_ALL, (pid_t)id, flags, &any);

    EXPECT(flags & WNOHANG); /* the engine never waits */
    if (!any)
        return world_fail(ECHILD);
    info->si_pid = dead && (flags & WEXITED) ? world_pid(dead) : 0;
    EXPECT(!(flags & WEXITED) || (flags & WNOWAIT));
    return 0;
}

WRAP(pid_t, wait4, pid_t pid, int *status, int flags, struct rusage *usage)
{
    int any;
    struct process *const dead = find_waited(pid == -1, pid, flags, &any);

    EXPECT(flags & WNOHANG);
    if (!any)
        return world_fail(ECHILD);
    if (!dead)
        return 0;
    *status = dead->status;
    memset(usage, 0, sizeof *usage);
    dead->state = ABSENT;
    return world_pid(dead);
}

WRAP(pid_t, waitpid, pid_t pid, int *status, int flags)
{
    (void)pid;
    (void)status;
    (void)flags;
    return world_fail(ECHILD);
}

WRAP(pid_t, fork, void)
{
    return world_fail(EAGAIN);
}

WRAP(pid_t, vfork, void)
{
    return world_fail(EAGAIN);
}

/* All that the new process would read is there, and ends. */
static void read_plan(const struct plan *plan)
{
    const struct spawn_request *const request = plan->request;
    size_t sum = strlen(plan->path);

    for (char *const *word = request->argv; *word; word++)
        sum += strlen(*word);
    for (char *const *word = plan->shell_argv + 2; *word; word++)
        sum += strlen(*word);
    for (char **line = request->envp; *line; line++)
        sum += strlen(*line);
    for (size_t i = 0; i < request->fd_count; i++) {
        EXPECT(request->fds[i].target >= 0 && request->fds[i].target < plan->base && request->fds[i].source >= 0);
        plan->sources[i] = request->fds[i].source;
    }
    for (size_t i = 0; i < request->limit_count; i++)
        sum += request->limits[i].limit.soft + request->limits[i].limit.hard;
    sum += request->directory ? strlen(request->directory) : 0;
    sum += request->cwd ? strlen(request->cwd) : 0;
    sum += request->name ? strlen(request->name) : 0;
    EXPECT(request->argv[0] && plan->base >= 3 && sum < SIZE_MAX);
    if (request->user) {
        EXPECT(request->user->uid != (uid_t)-1 && request->user->gid != (gid_t)-1);
        EXPECT(request->user->group_count <= USER_GROUPS_MAX);
    }
}

WRAP(int, clone, int (*entry)(void *), void *stack, int flags, void *context, ...)
{
    const struct plan *const plan = context;
    struct report reports[2] = { { 0, 0, 0, 0 }, { 0, SPAWN_EXEC, world.exec_error, 0 } };
    struct process *process;
    va_list rest;

    EXPECT(entry && stack);
    read_plan(plan);
    if (world.clone_error)
        return world_fail(world.clone_error);
    process = world_add(1, 0);
    if (!process)
        return world_fail(EAGAIN);
    reports[0].pid = world_pid(process);
    if (world.exec_error)
        world_die(process, 127 << 8);
    va_start(rest, context);
    if (flags & 0x1000) /* CLONE_PIDFD */
        *va_arg(rest, int *) = open_pidfd(world_pid(process));
    va_end(rest);
    EXPECT(write(plan->report_fd, reports, world.exec_error ? sizeof reports : sizeof *reports) > 0);
    return world_pid(process);
}

WRAP(pid_t, getpid, void)
{
    return world.self ? world.self : __real_getpid();
}

WRAP(int, execve, const char *path, char *const *argv, char *const *envp)
{
    (void)path;
    (void)argv;
    (void)envp;
    return world_fail(EACCES);
}

WRAP(int, setpgid, pid_t pid, pid_t group)
{
    (void)pid;
    (void)group;
    return 0;
}

WRAP(int, tcsetpgrp, int fd, pid_t group)
{
    (void)fd;
    (void)group;
    return 0;
}

WRAP(pid_t, tcgetpgrp, int fd)
{
    (void)fd;
    return world_fail(ENOTTY);
}

WRAP(int, prctl, int option, ...)
{
    (void)option;
    return 0;
}

WRAP(int, setpriority, int which, id_t who, int nice)
{
    (void)which;
    (void)who;
    (void)nice;
    return 0;
}

WRAP(pid_t, setsid, void)
{
    return world_fail(EPERM);
}

static long new_script(void)
{
    struct process *const process = world.clone_error ? NULL : world_add(1, 1);

    if (!process)
        return world_fail(EAGAIN);
    world_give_socket(process);
    return world_pid(process);
}

static long signal_by_pidfd(long fd, long number)
{
    const pid_t pid = fd >= 0 && fd < DESCRIPTORS ? pid_of_fd[fd] : 0;

    return pid > 0 ? world_kill(pid, (int)number) : world_fail(EBADF);
}

/* None reaches the kernel. It reads as many arguments as there can be, not as many as there are. */
__attribute__((no_sanitize("address"))) WRAP(long, syscall, long which, ...)
{
    long argument[6];
    va_list rest;

    va_start(rest, which);
    for (int i = 0; i < 6; i++)
        argument[i] = va_arg(rest, long);
    va_end(rest);
    switch (which) {
    case SYS_clone:
        return new_script();
    case SYS_pidfd_open:
        return open_pidfd((pid_t)argument[0]);
    case SYS_pidfd_send_signal:
        return signal_by_pidfd(argument[0], argument[1]);
    case SYS_tgkill: /* there are no threads */
        return world_kill((pid_t)argument[1], (int)argument[2]);
    case SYS_rt_sigqueueinfo:
        return world_kill((pid_t)argument[0], (int)argument[1]);
    case SYS_rt_sigtimedwait:
        EXPECT(*(const signal_set *)argument[0] == ~UINT64_C(0));
        return world_wait((siginfo_t *)argument[1], (const struct timespec *)argument[2]);
    case SYS_rt_sigprocmask:
        if (argument[2])
            memset((void *)argument[2], 0, sizeof(signal_set));
        return 0;
    case SYS_signalfd4:
        return world.has_signalfd ? eventfd(0, EFD_CLOEXEC) : world_fail(EMFILE); /* waits look at the records, too */
    default:
        return world_fail(ENOSYS);
    }
}
