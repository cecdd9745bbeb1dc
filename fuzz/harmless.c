#define _GNU_SOURCE
#include "harmless.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "common/proc.h"

int __real_open(const char *path, int flags, ...);
FILE *__real_fopen(const char *path, const char *mode);
long __real_syscall(long which, ...);
int __real_madvise(void *memory, size_t size, int advice);
int __real_timerfd_settime(int fd, int flags, const struct itimerspec *time, struct itimerspec *before);

struct world world;

int world_fail(int error)
{
    errno = error;
    return -1;
}

void world_wrong(const char *file, int line, const char *what)
{
    fprintf(stderr, "%s:%d: this is not so: %s\n", file, line, what);
    abort();
}

void world_begin(void)
{
    memset(&world, 0, sizeof world);
    world.first_fd = dup(STDERR_FILENO);
    close(world.first_fd);
    world.now = 1000000000000;
    world.engine_fd = world.script_fd = -1;
    world.passwd = "root:x:0:0:root:/root:/bin/sh\nme:x:1000:1000::/home/me:\n";
    world.group = "root:x:0:\nwheel:x:10:root,me\n";
}

void world_end(void)
{
    __real_syscall(SYS_close_range, (unsigned)world.first_fd, ~0U, 0);
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

/* ---- Files. ---- */

/* Every file is there and empty, and takes everything. */
WRAP(int, open, const char *path, int flags, ...)
{
    if (strncmp(path, "/none", 5) == 0)
        return world_fail(ENOENT);
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

WRAP(int, fchown, int fd, uid_t user, gid_t group)
{
    (void)fd;
    (void)user;
    (void)group;
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
        return world_fail(ESRCH);
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

/* ---- Memory. ---- */

WRAP(int, madvise, void *memory, size_t size, int advice)
{
    enum { POPULATE_WRITE = 23 }; /* <linux/mman.h> */

    return advice == POPULATE_WRITE && world.memory_error ? world_fail(world.memory_error)
                                                          : __real_madvise(memory, size, advice);
}

/* ---- Time. ---- */

WRAP(int, timerfd_settime, int fd, int flags, const struct itimerspec *time, struct itimerspec *before)
{
    return world.timer_error ? world_fail(world.timer_error) : __real_timerfd_settime(fd, flags, time, before);
}

WRAP(int, clock_gettime, clockid_t clock, struct timespec *time)
{
    (void)clock;
    time->tv_sec = (time_t)(world.now / 1000000000);
    time->tv_nsec = (long)(world.now % 1000000000);
    return 0;
}

/* A wait in which nothing comes takes no time but that of this world. */
static void pass(const struct timespec *timeout)
{
    if (timeout && timeout->tv_sec < 1000000000 && world.now < INT64_MAX / 2)
        world.now += (int64_t)timeout->tv_sec * 1000000000 + timeout->tv_nsec;
}

WRAP(int, ppoll, struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask)
{
    int ready;

    (void)mask;
    if (world.before_wait)
        world.before_wait();
    ready = poll(fds, count, 0);
    if (ready == 0 && world.record_count == 0)
        pass(timeout);
    return ready;
}

int world_wait(siginfo_t *record, const struct timespec *timeout)
{
    if (world.record_count == 0) {
        pass(timeout);
        return world_fail(EAGAIN);
    }
    *record = world.records[world.first_record];
    world.first_record = (world.first_record + 1) % RECORDS_MAX;
    world.record_count--;
    return record->si_signo;
}
