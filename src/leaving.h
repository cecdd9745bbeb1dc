/* leaving.h: policies that were dismissed and have not ended yet. */
#ifndef REAPER_LEAVING_H
#define REAPER_LEAVING_H

#include "engine.h"

/* How long a policy may take to end by itself: the hook timeout, or a second without one; a program has the grace. */
int64_t leaving_patience(const struct engine *engine);

/* The policy of the slot has that time to end. Those that left before have been killed. */
void leaving_add(struct engine *engine, struct policy_slot *slot);

/* True while there is one. */
int leaving_any(const struct engine *engine);

/* True when `pid` is one. */
int leaving_is(const struct engine *engine, pid_t pid);

/* True when `pid` was one: it has ended and is forgotten. */
int leaving_ended(struct engine *engine, pid_t pid);

/* Ends at once those that have not gone in time. */
void leaving_kill(struct engine *engine);

#endif
