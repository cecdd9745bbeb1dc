/* deadlines.h: what the engine does at some time, in one table. */
#ifndef REAPER_ENGINE_DEADLINES_H
#define REAPER_ENGINE_DEADLINES_H

#include "engine/engine.h"

/* Nothing is due: at the beginning. */
void deadlines_clear(struct engine *engine);

/* When the next thing is due, or NEVER. */
int64_t deadlines_next(const struct engine *engine);

/* Does what is due, in the order of the table: what one of them does may make another one due, or call it off. */
void deadlines_expire(struct engine *engine);

#endif
