/* dismissed.h: script processes that were dismissed, and the porter, and have not ended yet. */
#ifndef REAPER_ENGINE_DISMISSED_H
#define REAPER_ENGINE_DISMISSED_H

#include "engine/engine.h"

/*
 * How long a script process may take to end by itself: the hook timeout; a program has the grace, where that is longer.
 * Even with --hook-timeout 0 it gets one second to handle the events that it has already read.
 */
int64_t dismissed_patience(const struct options *options, int is_program);

/* That process has that time to end. Its pidfd is taken over. Script processes that left before have been killed. */
void dismissed_add(struct dismissals *dismissals, pid_t pid, int *pidfd, int64_t patience);

/* True while there is one. */
int dismissed_any(const struct dismissals *dismissals);

/* True when `pid` is one. */
int dismissed_is(const struct dismissals *dismissals, pid_t pid);

/* True when `pid` was one: it has ended and is forgotten. */
int dismissed_ended(struct dismissals *dismissals, pid_t pid);

/* Kills those that there are. True when there was one, whose end is to be waited for. */
int dismissed_kill(struct dismissals *dismissals);

#endif
