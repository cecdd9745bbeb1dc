/* handover.h: what a policy is told when it takes up its work. */
#ifndef REAPER_HANDOVER_H
#define REAPER_HANDOVER_H

#include "engine.h"

/*
 * EVENT_CHILD for each spawned child that lives or has unread output. A candidate gets the outputs only when it takes
 * over: two readers of one pipe would each see half of it.
 */
void hand_over_children(struct engine *engine, struct policy_slot *slot, int with_kept);

/* EVENT_START, with the main child. */
void hand_over_start(struct engine *engine, struct policy_slot *slot);

#endif
