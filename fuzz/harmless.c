#define _GNU_SOURCE
#include "harmless.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/messages.h"
#include "common/proc.h"
#include "common/spawn_plan.h"

/* What is called in place of `name`, which is __real_name. */
#define WRAP(type, name, ...)        \
    type __wrap_##name(__VA_ARGS__); \
    type __wrap_##name(__VA_ARGS__)

enum { DESCRIPTORS = 256 };

pid_t __real_getpid(void);
long __real_syscall(long which, ...);
int __real_open(const char *path, int flags, ...);
FILE *__real_fopen(const char *path, const char *mode);

struct world world;

static int first_free;
static pid_t pid_of_fd[DESCRIPTORS];

void world_wrong(const char *file, int line, const char *what)
{
    fprintf(stderr, "%s:%d: this is not so: %s\n", file, line, what);
    abort();
}

void world_begin(void)
{
    first_free = dup(STDERR_FILENO);
    close(first_free);
    memset(&world, 0, sizeof world);
    memset(pid_of_fd, 0, sizeof pid_of_fd);
    world.now = 1000000000000;
    world.signal_fd = -1;
    world.passwd = "root:x:0:0:root:/root:/bin/sh\nme:x:1000:1000::/home/me:\n";
    world.group = "root:x:0:\nwheel:x:10:root,me\n";
}

void world_end(void)
{
    __real_syscall(SYS_close_range, (unsigned)first_free, ~0U, 0);
}

/* ---- Input. ---- */

unsigned input_byte(struct input *input)
{
    return input->at < input->end ? *input->at++ : 0;
}

int64_t input_number(struct input *input)
{
    static const int64_t corners[] = {
        -1, INT64_MIN, INT64_MAX, INT32_MIN, INT32_MAX, UINT32_MAX, 1 << 16, 255, 256, 64, 65, -9, 0x7f00, 0x8b,
    };
    const unsigned first = input_byte(input);
    int64_t number = 0;

    if (first < 0x80)
        return first;
    if (first < 0x80 + sizeof corners / sizeof *corners)
        return corners[first - 0x80];
    for (unsigned left = first % 8 + 1; left > 0; left--)
        number = (int64_t)((uint64_t)number << 8 | input_byte(input));
    return number;
}

size_t input_text(struct input *input, char *text, size_t size)
{
    size_t length = input_byte(input);

    if (length > size - 1)
        length = size - 1;
    if (length > (size_t)(input->end - input->at))
        length = (size_t)(input->end - input->at);
    memcpy(text, input->at, length);
    text[length] = '\0';
    input->at += length;
    return length;
}

/* ---- Processes. ---- */

struct process *world_add(int is_child, int is_script)
{
    struct process *process;

    if (world.process_count == PROCESSES_MAX)
        return NULL;
    process = &world.processes[world.process_count++];
    process->state = ALIVE;
    process->is_child = is_child;
    process->is_script = is_script;
    return process;
}

pid_t world_pid(const struct process *process)
{
    return FIRST_PID + (pid_t)(process - world.processes);
}

struct process *world_find(pid_t pid)
{
    if (pid < FIRST_PID || (size_t)(pid - FIRST_PID) >= world.process_count)
        return NULL;
    return &world.processes[pid - FIRST_PID];
}

void world_die(struct process *process, int status)
{
    if (process->state != ALIVE)
        return;
    process->state = process->is_child ? DEAD : ABSENT;
    process->status = status;
}

static int fail(int error)
{
    errno = error;
    return -1;
}

/* Never readable, as the pidfd of a process that lives. */
static int open_pidfd(pid_t pid)
{
    int ends[2];
    const struct process *const process = world_find(pid);

    if (!process || process->state == ABSENT)
        return fail(ESRCH);
    if (pipe2(ends, O_CLOEXEC) != 0)
        return -1;
    if (ends[0] < DESCRIPTORS)
        pid_of_fd[ends[0]] = pid; /* the other end stays open until world_end */
    return ends[0];
}

/* What is signalled dies of KILL, and of TERM unless it is a script process. */
WRAP(int, kill, pid_t pid, int number)
{
    struct process *process;
    int found = 0;

    if (pid == getpid() || number < 0 || number > 64)
        return number < 0 || number > 64 ? fail(EINVAL) : 0;
    for (size_t i = 0; i < world.process_count; i++) {
        process = &world.processes[i];
        if (process->state == ABSENT || (pid != -1 && (pid < 0 ? -pid : pid) != world_pid(process)))
            continue;
        found = 1;
        if (number == SIGKILL || (number == SIGTERM && !process->is_script))
            world_die(process, number);
    }
    return found ? 0 : fail(ESRCH);
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
        if (process->state == DEAD && !dead)
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
        return fail(ECHILD);
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
        return fail(ECHILD);
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
    return fail(ECHILD);
}

WRAP(pid_t, fork, void)
{
    return fail(EAGAIN);
}

WRAP(pid_t, vfork, void)
{
    return fail(EAGAIN);
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
        return fail(world.clone_error);
    process = world_add(1, 0);
    if (!process)
        return fail(EAGAIN);
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
    return fail(EACCES);
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
    return fail(ENOTTY);
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
    return fail(EPERM);
}

static long new_script(void)
{
    struct process *const process = world.clone_error ? NULL : world_add(1, 1);

    return process ? world_pid(process) : fail(EAGAIN);
}

static long signal_by_pidfd(long fd, long number)
{
    const pid_t pid = fd >= 0 && fd < DESCRIPTORS ? pid_of_fd[fd] : 0;

    return pid > 0 ? __wrap_kill(pid, (int)number) : fail(EBADF);
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
        return __wrap_kill((pid_t)argument[1], (int)argument[2]);
    case SYS_rt_sigqueueinfo:
        return __wrap_kill((pid_t)argument[0], (int)argument[1]);
    case SYS_rt_sigprocmask:
        if (argument[2])
            memset((void *)argument[2], 0, sizeof(signal_set));
        return 0;
    case SYS_signalfd4:
        return fcntl(world.signal_fd, F_DUPFD_CLOEXEC, 3);
    default:
        return fail(ENOSYS);
    }
}

/* ---- Files. ---- */

/* Every file is there and empty, and takes everything. */
WRAP(int, open, const char *path, int flags, ...)
{
    if (strncmp(path, "/none", 5) == 0)
        return fail(ENOENT);
    return __real_open("/dev/null", (flags & (O_ACCMODE | O_CLOEXEC)));
}

WRAP(FILE *, fopen, const char *path, const char *mode)
{
    const char *const text = strcmp(path, "/etc/passwd") == 0  ? world.passwd
                             : strcmp(path, "/etc/group") == 0 ? world.group
                                                               : NULL;

    if (!text)
        return __real_fopen(path, mode); /* the fuzzer's own files */
    return *text ? fmemopen((void *)text, strlen(text), "r") : NULL;
}

WRAP(int, chdir, const char *path)
{
    (void)path;
    return 0;
}

/* ---- /proc. ---- */

static struct proc_stat stat_of(const struct process *process)
{
    const struct proc_stat stat = {
        .pid = world_pid(process),
        .ppid = process->is_child ? getpid() : 1,
        .state = process->state == DEAD ? 'Z' : 'S',
        .comm = "process",
    };

    return stat;
}

WRAP(int, proc_read, pid_t pid, struct proc_stat *stat)
{
    const struct process *const process = world_find(pid);

    if (!process || process->state == ABSENT)
        return fail(ESRCH);
    *stat = stat_of(process);
    return 0;
}

WRAP(int, proc_each, int (*visit)(const struct proc_stat *stat, void *context), void *context)
{
    for (size_t i = 0; i < world.process_count; i++) {
        const struct proc_stat stat = stat_of(&world.processes[i]);

        if (world.processes[i].state != ABSENT && visit(&stat, context) != 0)
            break;
    }
    return 0;
}

WRAP(int, proc_numbers, const char *path, int (*visit)(int number, void *context), void *context)
{
    (void)path;
    (void)visit;
    (void)context;
    return 0;
}

/* A search for hidden processes must not take long. */
WRAP(pid_t, proc_highest_pid, void)
{
    return 64;
}

/* ---- Time. ---- */

WRAP(int, clock_gettime, clockid_t clock, struct timespec *time)
{
    (void)clock;
    time->tv_sec = (time_t)(world.now / 1000000000);
    time->tv_nsec = (long)(world.now % 1000000000);
    return 0;
}

/* A wait in which nothing comes takes no time but that of this world. */
WRAP(int, ppoll, struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask)
{
    const int ready = poll(fds, count, 0);

    (void)mask;
    if (ready == 0 && timeout && timeout->tv_sec < 1000000000 && world.now < INT64_MAX / 2)
        world.now += (int64_t)timeout->tv_sec * 1000000000 + timeout->tv_nsec;
    return ready;
}
