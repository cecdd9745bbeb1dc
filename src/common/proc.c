#define _GNU_SOURCE
#include "common/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/text.h"

enum {
    STAT_SIZE = 1024,         /* 52 numbers of up to 20 digits may be longer, but the fields that count come first */
    KERNEL_THREAD = 0x200000, /* PF_KTHREAD of include/linux/sched.h, unchanged since 2.6.27 */
};

/* The indexes of the numbers behind the state, which is field 3 of proc_pid_stat(5). */
enum {
    FIELD_PPID = 0,
    FIELD_PGRP = 1,
    FIELD_SESSION = 2,
    FIELD_TERMINAL = 3,
    FIELD_FLAGS = 5,
    FIELD_USER = 10,
    FIELD_SYSTEM = 11,
    FIELD_ENDED_USER = 12,
    FIELD_ENDED_SYSTEM = 13,
    FIELD_THREADS = 16,
    FIELD_START = 18,
    FIELD_MEMORY = 20,
    FIELDS_WANTED
};

int proc_usable(void)
{
    char text[32];
    int64_t pid;
    const ssize_t size = readlink("/proc/self", text, sizeof text - 1);

    if (size <= 0)
        return 0;
    text[size] = '\0';
    return text_number(text, INT32_MAX, &pid) == 0 && pid == getpid();
}

/*
 * The name stands in parentheses and may itself hold blanks and parentheses, so the fields are counted from the
 * last closing one (proc_pid_stat(5)).
 */
int proc_parse_stat(const char *text, struct proc_stat *stat)
{
    const char *open = strchr(text, '(');
    const char *close = strrchr(text, ')');
    unsigned long long field[FIELDS_WANTED] = { 0 };
    char *at;
    size_t length;

    if (!open || !close || close < open)
        return -1;
    length = (size_t)(close - open - 1);
    if (length >= COMM_SIZE)
        length = COMM_SIZE - 1;
    memset(stat, 0, sizeof *stat);
    memcpy(stat->comm, open + 1, length);
    if (close[1] != ' ' || !close[2])
        return -1;
    stat->state = close[2];
    at = (char *)close + 3;
    for (int i = 0; i < FIELDS_WANTED; i++) {
        const char *const before = at;

        field[i] = strtoull(before, &at, 10); /* a negative number wraps here, and wraps back below */
        if (at == before)
            return -1;
    }
    stat->pid = (pid_t)strtol(text, NULL, 10);
    stat->ppid = (pid_t)field[FIELD_PPID];
    stat->pgrp = (pid_t)field[FIELD_PGRP];
    stat->session = (pid_t)field[FIELD_SESSION];
    stat->terminal = (int)field[FIELD_TERMINAL];
    stat->flags = (unsigned)field[FIELD_FLAGS];
    stat->threads = (int)field[FIELD_THREADS];
    stat->start_time = field[FIELD_START];
    stat->cpu = field[FIELD_USER] + field[FIELD_SYSTEM];
    stat->cpu_ended = field[FIELD_ENDED_USER] + field[FIELD_ENDED_SYSTEM];
    stat->memory = field[FIELD_MEMORY];
    return 0;
}

/* Reads a small file as text. 0, or -1 with errno. */
static int read_text(const char *path, char *text, size_t room)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size;

    if (fd < 0)
        return -1;
    do
        size = read(fd, text, room - 1);
    while (size < 0 && errno == EINTR);
    close(fd);
    if (size == 0)
        errno = ESRCH;
    if (size <= 0)
        return -1;
    text[size] = '\0';
    return 0;
}

static int read_stat(pid_t pid, struct proc_stat *stat)
{
    char text[STAT_SIZE];

    snprintf(text, sizeof text, "/proc/%d/stat", (int)pid);
    if (read_text(text, text, sizeof text) != 0)
        return -1;
    if (proc_parse_stat(text, stat) != 0) {
        errno = EINVAL;
        return -1;
    }
    return 0;
}

static int has_ended(char state)
{
    return state == 'Z' || state == 'X';
}

/* Reads the state of a thread in /proc/ID, which exists for each thread, although /proc lists only processes. */
static int find_live_thread(int id, void *context)
{
    struct proc_stat *const stat = context;
    struct proc_stat thread;

    if (read_stat(id, &thread) != 0 || has_ended(thread.state))
        return 0;
    stat->state = thread.state;
    return 1;
}

int proc_read(pid_t pid, struct proc_stat *stat)
{
    char path[32];

    if (read_stat(pid, stat) != 0)
        return -1;
    if (has_ended(stat->state) && !proc_is_dead(stat)) {
        snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
        proc_numbers(path, find_live_thread, stat);
    }
    return 0;
}

int proc_is_kernel_thread(const struct proc_stat *stat)
{
    return (stat->flags & KERNEL_THREAD) != 0;
}

int proc_is_dead(const struct proc_stat *stat)
{
    return has_ended(stat->state) && stat->threads <= 1;
}

static int64_t tick_length(void)
{
    return NANOSECONDS / sysconf(_SC_CLK_TCK);
}

static int64_t uptime(void)
{
    struct timespec now;

    clock_gettime(CLOCK_BOOTTIME, &now);
    return (int64_t)now.tv_sec * NANOSECONDS + now.tv_nsec;
}

uint64_t proc_ticks(void)
{
    return (uint64_t)(uptime() / tick_length());
}

int64_t proc_lifetime(const struct proc_stat *stat)
{
    const int64_t now = uptime();

    /* A start that is later than now would wrap in nanoseconds. */
    return stat->start_time > (uint64_t)(now / tick_length()) ? 0 : now - (int64_t)stat->start_time * tick_length();
}

/* The struct of getdents64(2), which the C library does not declare everywhere. */
struct entry {
    uint64_t inode;
    int64_t next;
    uint16_t size;
    uint8_t type;
    char name[];
};

/* Uses getdents64(2) and not readdir(3), which allocates memory. */
int proc_numbers(const char *path, int (*visit)(int number, void *context), void *context)
{
    _Alignas(struct entry) char room[2048];
    const int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int over = directory < 0;
    int64_t number;
    long size = 0;

    while (!over && (size = syscall(SYS_getdents64, directory, room, sizeof room)) > 0) {
        for (long at = 0; !over && at < size; at += ((struct entry *)(room + at))->size)
            if (text_number(((struct entry *)(room + at))->name, INT32_MAX, &number) == 0)
                over = visit((int)number, context) != 0;
    }
    if (directory < 0)
        return -1;
    close(directory);
    return size < 0 ? -1 : 0;
}

static int digit_of(char letter)
{
    return letter >= '0' && letter <= '9' ? letter - '0' : -1;
}

int proc_children(pid_t thread, int (*visit)(int pid, void *context), void *context)
{
    const pid_t parent = thread ? thread : (pid_t)syscall(SYS_gettid);
    char text[1024];
    ssize_t size = 0;
    uint32_t pid = 0;
    int over = 0;
    int fd;

    snprintf(text, sizeof text, "/proc/%d/task/%d/children", (int)parent, (int)parent);
    fd = open(text, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    while (!over && (size = read(fd, text, sizeof text)) > 0)
        for (ssize_t i = 0; !over && i < size; i++) {
            const int digit = digit_of(text[i]);

            if (digit < 0 && pid > 0)
                over = visit((int)pid, context) != 0;
            pid = digit < 0 ? 0 : 10 * pid + (uint32_t)digit; /* each pid is followed by a blank */
        }
    close(fd);
    return size < 0 ? -1 : 0;
}

pid_t proc_highest_pid(void)
{
    static const pid_t limit = 4194304; /* PID_MAX_LIMIT of include/linux/threads.h */
    char text[32];
    int64_t number;

    if (read_text("/proc/sys/kernel/pid_max", text, sizeof text) != 0)
        return limit;
    text[strcspn(text, "\n")] = '\0';
    return text_number(text, limit, &number) == 0 ? (pid_t)number : limit;
}

struct visitor {
    int (*visit)(const struct proc_stat *stat, void *context);
    void *context;
    int result; /* of proc_each */
};

static int visit_process(int pid, void *context)
{
    struct visitor *const visitor = context;
    struct proc_stat stat;

    if (proc_read(pid, &stat) == 0)
        return visitor->visit(&stat, visitor->context) != 0;
    if (errno == ENOENT || errno == ESRCH)
        return 0;
    /* Where descriptors or memory are lacking, no other process can be looked at, either. */
    visitor->result = errno == EMFILE || errno == ENFILE || errno == ENOMEM ? -1 : 1;
    return visitor->result < 0;
}

int proc_each(int (*visit)(const struct proc_stat *stat, void *context), void *context)
{
    struct visitor visitor = { visit, context, 0 };

    return proc_usable() && proc_numbers("/proc", visit_process, &visitor) == 0 ? visitor.result : -1;
}
