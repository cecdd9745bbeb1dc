/* answers.h: what follows the answers of the script, or the defaults that are taken in their place. */
#ifndef REAPER_ENGINE_ANSWERS_H
#define REAPER_ENGINE_ANSWERS_H

#include "engine/engine.h"

/* Does what a question's answer says. */
void answers_follow(struct engine *engine, const struct settled *settled);

/* Takes the default for each question whose deadline has passed. */
void answers_expire(struct engine *engine);

#endif
