#include "engine/late_events.h"

#include <stdlib.h>

enum { LATE_MAX = 65536 };

struct late_event {
    struct late_event *next;
    struct event event;
};

int late_events_add(struct late_events *late, const struct event *event)
{
    struct late_event *const added = late->count < LATE_MAX ? malloc(sizeof *added) : NULL;

    if (!added)
        return -1;
    added->next = NULL;
    added->event = *event;
    if (late->first)
        late->last->next = added;
    else
        late->first = added;
    late->last = added;
    late->count++;
    return 0;
}

const struct event *late_events_first(const struct late_events *late)
{
    return late->first ? &late->first->event : NULL;
}

void late_events_drop(struct late_events *late)
{
    struct late_event *const first = late->first;

    late->first = first->next;
    late->count--;
    free(first);
}

void late_events_clear(struct late_events *late)
{
    while (late->first)
        late_events_drop(late);
}
