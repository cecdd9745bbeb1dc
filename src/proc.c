#define _GNU_SOURCE
#include "proc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "text.h"

enum {
    STAT_SIZE = 1024,          /* 52 numbers of up to 20 digits would be longer, but what is read stands in front */
    KERNEL_THREAD = 0x200000, /* PF_KTHREAD of include/linux/sched.h, unchanged since 2.6.27 */
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
    size_t length;
    unsigned long long start;

    if (!open || !close || close < open)
        return -1;
    length = (size_t)(close - open - 1);
    if (length >= COMM_SIZE)
        length = COMM_SIZE - 1;
    memset(stat, 0, sizeof *stat);
    memcpy(stat->comm, open + 1, length);
    if (sscanf(close + 1,
               " %c %d %d %d %*d %*d %u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu", &stat->state,
               &stat->ppid, &stat->pgrp, &stat->session, &stat->flags, &start) != 6)
        return -1;
    stat->pid = (pid_t)atol(text);
    stat->start_time = start;
    return 0;
}

int proc_read(pid_t pid, struct proc_stat *stat)
{
    char text[STAT_SIZE];
    ssize_t size;
    int fd;

    snprintf(text, sizeof text, "/proc/%d/stat", (int)pid);
    fd = open(text, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    size = read(fd, text, sizeof text - 1);
    close(fd);
    if (size <= 0) {
        errno = ESRCH;
        return -1;
    }
    text[size] = '\0';
    if (proc_parse_stat(text, stat) != 0) {
        errno = EINVAL;
        return -1;
    }
    return 0;
}

int proc_is_kernel_thread(const struct proc_stat *stat)
{
    return (stat->flags & KERNEL_THREAD) != 0;
}

int proc_is_dead(const struct proc_stat *stat)
{
    return stat->state == 'Z' || stat->state == 'X';
}

int64_t proc_lifetime(const struct proc_stat *stat)
{
    const long ticks = sysconf(_SC_CLK_TCK);
    struct timespec now;
    int64_t age;

    clock_gettime(CLOCK_BOOTTIME, &now);
    age = (int64_t)now.tv_sec * NANOSECONDS + now.tv_nsec - (int64_t)stat->start_time * (NANOSECONDS / ticks);
    return age < 0 ? 0 : age;
}

int proc_each(int (*visit)(const struct proc_stat *stat, void *context), void *context)
{
    DIR *folder = proc_usable() ? opendir("/proc") : NULL;
    struct dirent *entry;
    struct proc_stat stat;
    int64_t pid;

    if (!folder)
        return -1;
    while ((entry = readdir(folder)))
        if (text_number(entry->d_name, INT32_MAX, &pid) == 0 && proc_read((pid_t)pid, &stat) == 0
            && visit(&stat, context) != 0)
            break;
    closedir(folder);
    return 0;
}
