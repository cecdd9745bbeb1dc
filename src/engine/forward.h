/* forward.h: signals that come in. */
#ifndef REAPER_ENGINE_FORWARD_H
#define REAPER_ENGINE_FORWARD_H

#include <signal.h>

#include "engine/engine.h"

/* A signal arrived: asks the script if it has on_signal, otherwise does the default. */
void forward_signal(struct engine *engine, const siginfo_t *record);

/* The script's answer to QUESTION_SIGNAL, or ANSWER_DEFAULT when there was none in time. */
void forward_answered(struct engine *engine, const struct settled *settled);

/* Signals that came early, as soon as COMMAND runs; or one of them ends the wait for a process. */
void forward_early(struct engine *engine);

/* Looks whether COMMAND runs by now, and forwards what has waited for that. */
void forward_look(struct engine *engine);

#endif
