/* late_events.h: events for which the journal or a socket had no room, in their order. */
#ifndef REAPER_ENGINE_LATE_EVENTS_H
#define REAPER_ENGINE_LATE_EVENTS_H

#include <stddef.h>

#include "common/messages.h"

struct late_event;

struct late_events {
    struct late_event *first, *last;
    size_t count;
};

/* Appends a copy. 0, or -1 when there is no memory, or there are too many. */
int late_events_add(struct late_events *late, const struct event *event);

/* The first one, or NULL. */
const struct event *late_events_first(const struct late_events *late);

/* Forgets the first one, or all. */
void late_events_drop(struct late_events *late);
void late_events_clear(struct late_events *late);

#endif
