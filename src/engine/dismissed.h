/* dismissed.h: script processes that were dismissed and have not ended yet. */
#ifndef REAPER_ENGINE_DISMISSED_H
#define REAPER_ENGINE_DISMISSED_H

#include "engine/engine.h"

/* How long a script process may take to end by itself: the hook timeout, or a second without one; a program has the
 * grace. */
int64_t dismissed_patience(const struct engine *engine);

/* The script process of the slot has that time to end. Those that left before have been killed. */
void dismissed_add(struct engine *engine, struct slot *slot);

/* True while there is one. */
int dismissed_any(const struct engine *engine);

/* True when `pid` is one. */
int dismissed_is(const struct engine *engine, pid_t pid);

/* True when `pid` was one: it has ended and is forgotten. */
int dismissed_ended(struct engine *engine, pid_t pid);

/* Ends at once those that have not gone in time. */
void dismissed_kill(struct engine *engine);

#endif
