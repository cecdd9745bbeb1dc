/*
 * members.h: which processes belong to which service. Pure: from a list of processes to the owner of each.
 *
 * Only a process below the engine belongs to a service: as process 1 that is everything in its PID namespace, as a
 * subreaper what descends from it, so that two of them with services of the same name never touch each other. The
 * engine, the process that asks, zombies and kernel threads belong to nobody. Of the rest, a process belongs to the
 * service for which the first of these is true:
 *
 *   1. It is the living leader.
 *   2. It is known: an earlier look has found it, and its pid and start time are the same. That is how descent survives
 *      the death of a parent.
 *   3. Its session, or its process group, is the leader's.
 *   4. Its parent belongs to the service. Who descends from a nested reaper-lua belongs to the outer service, whatever
 *      its environment says.
 *   5. Its environment names the service, and it can have inherited that from the service: its parent is the engine,
 *      which adopts orphans, or has ended since it was listed, or is a process of that kind whose environment cannot be
 *      read. A parent that can be read and has no such name has set it itself, as another reaper-lua does.
 *
 * So a script process, which no rule names, owns nothing, and neither do the processes that it makes for itself.
 *
 * A pid can be used again. The kernel does not give the number of a process group or a session to a new process while
 * anyone is left in it, hence:
 *
 *   * When a process has the leader's number and is not the leader, the leader's group and session have been empty:
 * rule 3 does not apply to that service. A dead leader's zombie is the leader when its start time is.
 *   * All members of a group are in one session, which is the engine's for a group that the leader's start has made.
 *     Another group with the leader's number is not taken for it when it is in another session.
 *   * A parent has started before its child. A process that has got a parent's number between two reads has not.
 *   * What remains: between the leader's end and the look the group has become empty, its number has come round, and
 * the process that got it has made a group in the engine's session and has ended. So the caller has to give up the
 *     number (leader = 0) once a look after the leader's end has found nobody. And start times count in clock ticks
 *     (10 ms): a number that comes round within one cannot be told from the first.
 *
 * A process can put itself into any service, by its environment or, in the same session, by its group. It cannot put
 * another one's process there. It leaves its service only with all of group, session, environment and parent.
 */
#ifndef REAPER_COMMON_MEMBERS_H
#define REAPER_COMMON_MEMBERS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/messages.h"

enum {
    MEMBERS_NOBODY = -1,
    MEMBERS_UNREADABLE = -2, /* the environment */
};

struct member_service {
    const char *name;
    pid_t leader;         /* the living or last one, or 0 */
    int is_alive;         /* the leader is: its death has not been told */
    uint64_t started;     /* the leader's start time, or 0 where that is not known */
    int is_reused;        /* filled in: another process has the leader's number */
    int has_hidden_group; /* filled in by members_scan.h */
};

/* Found by an earlier look. */
struct member_known {
    pid_t pid;
    uint64_t start;
    int service; /* its index */
};

struct member {
    pid_t pid, ppid, pgrp, session;
    uint64_t start; /* 0: nobody knows */
    uint64_t cpu, cpu_ended, memory;
    char state; /* these four of struct proc_stat; 0: nobody knows */
    char comm[COMM_SIZE];
    int terminal; /* of struct proc_stat */
    int is_dead;  /* a zombie, or a kernel thread, which never lived */
    int is_kernel_thread;
    int owner;    /* filled in: the index of its service, or MEMBERS_NOBODY */
    int progress; /* from here on: of members_find alone */
    int is_below;
    int can_inherit;
    int is_unreadable;
    struct member *child;
};

struct members {
    struct member *list; /* by ascending pids */
    size_t count;
    struct member_service *services;
    size_t service_count;
    const struct member_known *known; /* by ascending pids */
    size_t known_count;
    pid_t engine;
    pid_t self;
    const char *inherited; /* the name that the environment of the engine has, which says nothing; or NULL */

    /* The index of the service that the environment of a process names, MEMBERS_NOBODY or MEMBERS_UNREADABLE. */
    int (*named)(const struct members *members, pid_t pid);
};

/* Finds the owner of each process in the list. */
void members_find(struct members *members);

/* Puts known processes into their order. */
void members_sort_known(struct member_known *known, size_t count);

/* The process with that pid in the list, or NULL. */
struct member *members_get(const struct members *members, pid_t pid);

#endif
