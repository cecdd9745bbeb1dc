/*
 * sweep.h: which dead children to look for, and when.
 *
 * A storm of deaths is the busy time of an init. wait4(-1) walks the list of all children, so with many that live each
 * reap costs their number. A signal's record names one that died, and wait4 on a pid is a look-up: that is the fast
 * way. But a SIGCHLD that comes while one is pending is not queued, so a sweep over all must follow. Where many
 * children live the sweep is dear. It is then put off until it has earned its time; and since processes that end
 * together were often made together, the pids around one that it has found are tried, too.
 */
#ifndef REAPER_ENGINE_SWEEP_H
#define REAPER_ENGINE_SWEEP_H

#include <stdint.h>

#include "engine/reap.h"

struct sweep {
    int64_t at;      /* when to sweep; NEVER */
    int64_t allowed; /* not before this moment, to keep sweeping below its share of the time */
    int64_t cost;    /* nanoseconds of a walk over all children */
    int64_t from;    /* when the present slice has begun */
};

/* A signal has named `pid`; `first`: it is the first of this turn. The batch has room. */
void sweep_named(const struct sweep *sweep, struct batch *batch, pid_t pid, int first);

/* True when a sweep may begin now; otherwise it is planned. */
int sweep_may_begin(struct sweep *sweep);

/* Begins a slice of a sweep. */
void sweep_begin(struct sweep *sweep);

/* Goes on with it. True when the batch is full: deal with that, and call again. */
int sweep_go_on(struct sweep *sweep, struct batch *batch);

#endif
