/* proc.h: what /proc says about processes. */
#ifndef REAPER_COMMON_PROC_H
#define REAPER_COMMON_PROC_H

#include <stdint.h>
#include <sys/types.h>

#include "common/messages.h"

struct proc_stat {
    pid_t pid, ppid, pgrp, session;
    int terminal; /* the device number of the controlling terminal; 0: there is none */
    char state;   /* R, S, D, T, t, Z, X, … as in proc(5) */
    int threads;
    char comm[COMM_SIZE];
    unsigned flags;      /* PF_… of the kernel */
    uint64_t start_time; /* clock ticks after boot */
    uint64_t cpu;        /* clock ticks that it has computed */
    uint64_t cpu_ended;  /* and those of its children for which it has waited */
    uint64_t memory;     /* pages that it holds in memory */
};

/* True when /proc is mounted and shows this PID namespace. */
int proc_usable(void);

/* Parses the text of /proc/PID/stat. 0, or -1 when the text has another form. */
int proc_parse_stat(const char *text, struct proc_stat *stat);

/*
 * Reads /proc/PID/stat, also that of a zombie. 0, or -1 with errno. When the first thread of a process has ended while
 * others live on, the state is that of a thread that lives.
 */
int proc_read(pid_t pid, struct proc_stat *stat);

/* True for a kernel thread, which cannot be signalled. */
int proc_is_kernel_thread(const struct proc_stat *stat);

/*
 * True for a zombie or a process that is just being reaped. The states Z and X alone do not say so: they are those of
 * the first thread, and the process is alive as long as it has another one.
 */
int proc_is_dead(const struct proc_stat *stat);

/* The start_time of a process that starts now, in clock ticks after boot. */
uint64_t proc_ticks(void);

/* Nanoseconds since the start of the process, by CLOCK_BOOTTIME (proc(5)), in steps of a clock tick (10 ms). */
int64_t proc_lifetime(const struct proc_stat *stat);

/* Calls `visit` for every name in a directory that is a number, until it gives non-zero. 0, or -1 with errno. */
int proc_numbers(const char *path, int (*visit)(int number, void *context), void *context);

/*
 * Calls `visit` for every child of a thread (0: the calling one) until it gives non-zero, also for children that the
 * mount options of /proc hide. 0, or -1 with errno where the kernel has no such list.
 */
int proc_children(pid_t thread, int (*visit)(int pid, void *context), void *context);

/* The highest pid that a process can have. */
pid_t proc_highest_pid(void);

/*
 * Calls `visit` for every process, in the order of /proc, until it gives non-zero. 0; 1 when some processes may not be
 * looked at; -1 without /proc, or when it cannot be read to its end.
 */
int proc_each(int (*visit)(const struct proc_stat *stat, void *context), void *context);

#endif
