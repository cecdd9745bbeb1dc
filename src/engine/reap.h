/* reap.h: takes the status of dead children, into a batch that somebody else deals with. */
#ifndef REAPER_ENGINE_REAP_H
#define REAPER_ENGINE_REAP_H

#include <stddef.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "common/proc.h"

struct death {
    pid_t pid;
    int status; /* as wait4(2) gives it */
    int looked; /* `look` is set */
    struct rusage usage;
    struct proc_stat look; /* of the zombie */
};

enum { BATCH = 16 };

/* Deaths are reaped first and dealt with together, so that orders are read only once for all. */
struct batch {
    size_t count;
    int looks;    /* somebody wants to know more of them than their status */
    int is_heard; /* somebody hears of each */
    struct death list[BATCH];
};

/* The pid of a dead child, which stays one until it is reaped: `pid`, or any of all with 0. 0: there is none. */
pid_t reap_find(pid_t pid);

/* Reaps `pid` if it is a dead child. True when it was one. The batch has room for it. */
int reap_one(struct batch *batch, pid_t pid);

int batch_is_full(const struct batch *batch);

/* True when `pid` is a child or may become one, or was one whose death is in the batch. */
int reap_is_ours(const struct batch *batch, pid_t pid);

#endif
