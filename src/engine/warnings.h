/*
 * warnings.h: what will make the container fail before long, and is said on stderr once: the cgroup has nearly all the
 * processes and threads that it may have, or a process does not reap its dead children, each of which takes one of
 * them.
 *
 * Nothing here wakes the engine: it looks in turns that happen anyway, at most once a minute, and only for a hundredth
 * of the time.
 */
#ifndef REAPER_ENGINE_WARNINGS_H
#define REAPER_ENGINE_WARNINGS_H

#include <stdint.h>
#include <sys/types.h>

#include "common/log.h"

/* A walk through the processes, a part at a time: how many of them are zombies of others, and whose most of them are.
 */
struct zombie_count {
    pid_t next; /* the pid at which it goes on */
    int count;
    pid_t parent;
    int majority; /* by how many those of `parent` outnumber the others, at least (Boyer and Moore) */
};

struct warnings {
    const char *root;         /* where / is taken to be; "" but in specs */
    struct log *log;          /* where it is said */
    int64_t pids_at, walk_at; /* when to look at the earliest; NEVER: not at all */
    int told_pids, told_zombies;
    struct zombie_count zombies;
};

/* Only process 1 sees no zombies but those of its container: `sees_all`. Looks five seconds after `now` for the first
 * time.
 */
void warnings_begin(struct warnings *warnings, struct log *log, int sees_all, int64_t now);

/* Looks, when it is time to. Called once a turn. */
void warnings_step(struct warnings *warnings, int64_t now);

/* No process was to be had: looks at the next step. */
void warnings_shortage(struct warnings *warnings);

#endif
