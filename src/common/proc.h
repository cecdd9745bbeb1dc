/* proc.h: what /proc says of processes. */
#ifndef REAPER_COMMON_PROC_H
#define REAPER_COMMON_PROC_H

#include <stdint.h>
#include <sys/types.h>

#include "common/messages.h"

struct proc_stat {
    pid_t pid, ppid, pgrp, session;
    char state; /* R, S, D, T, t, Z, X, … as in proc(5) */
    int threads;
    char comm[COMM_SIZE];
    unsigned flags;      /* PF_… of the kernel */
    uint64_t start_time; /* clock ticks after boot */
};

/* True when /proc is mounted and shows this PID namespace. */
int proc_usable(void);

/* Parses the text of /proc/PID/stat. 0, or -1 when it is not one. */
int proc_parse_stat(const char *text, struct proc_stat *stat);

/*
 * Reads it. 0, or -1 with errno. A zombie can be read, too. Of a process whose first thread has ended while others live
 * on, the state is that of one that lives.
 */
int proc_read(pid_t pid, struct proc_stat *stat);

/* A process that can neither be signalled nor is anyone's: a kernel thread. */
int proc_is_kernel_thread(const struct proc_stat *stat);

/*
 * True for a zombie or a process that is being taken away. State Z or X alone does not say so: it is the state of the
 * first thread, and the process is alive as long as it has another one.
 */
int proc_is_dead(const struct proc_stat *stat);

/* Now, as the start_time of a process that starts now: clock ticks after boot. */
uint64_t proc_ticks(void);

/* Nanoseconds since its start, from CLOCK_BOOTTIME (proc(5)); steps of a clock tick, 10 ms. */
int64_t proc_lifetime(const struct proc_stat *stat);

/* Calls `visit` for every name in a directory that is a number, until it gives non-zero. -1 with errno. */
int proc_numbers(const char *path, int (*visit)(int number, void *context), void *context);

/*
 * Calls `visit` for every child of the calling thread, also for those that the mount options of /proc hide, until it
 * gives non-zero. -1 with errno where the kernel has no such list.
 */
int proc_children(int (*visit)(int pid, void *context), void *context);

/* The highest pid that there can be. */
pid_t proc_highest_pid(void);

/*
 * Calls `visit` for every process, in the order of /proc, until it gives non-zero. 0; 1 when some may not be looked at;
 * -1 without /proc, or where it cannot be read to its end.
 */
int proc_each(int (*visit)(const struct proc_stat *stat, void *context), void *context);

#endif
