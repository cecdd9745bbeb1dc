/* deaths.h: finds out who has died, and tells whom it concerns. */
#ifndef REAPER_ENGINE_DEATHS_H
#define REAPER_ENGINE_DEATHS_H

#include "engine/engine.h"

/* A signal has named a child that has died; `first`: it is the first of this turn. */
void deaths_named(struct engine *engine, pid_t pid, int first);

/* Signals were about deaths: looks for those that they did not name, now or when that is allowed. */
void deaths_follow(struct engine *engine);

/* Looks for all that are dead now. */
void deaths_sweep(struct engine *engine);

/* Deals with those that have been reaped. */
void deaths_deliver(struct engine *engine);

#endif
