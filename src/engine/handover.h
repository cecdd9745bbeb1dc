/* handover.h: what a script process is told when it takes up its work. */
#ifndef REAPER_ENGINE_HANDOVER_H
#define REAPER_ENGINE_HANDOVER_H

#include "engine/engine.h"

/*
 * EVENT_CHILD for each spawned child that lives or has unread output. A candidate gets the outputs only when it takes
 * over: two readers of one pipe would each see half of it.
 */
void hand_over_children(struct engine *engine, struct slot *slot, int with_held);

/* EVENT_START, with the main child. */
void hand_over_start(struct engine *engine, struct slot *slot);

#endif
