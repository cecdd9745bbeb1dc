/* forward.h: signals that come in. */
#ifndef REAPER_ENGINE_FORWARD_H
#define REAPER_ENGINE_FORWARD_H

#include <sys/signalfd.h>

#include "engine/engine.h"

/* A signal arrived: asks the script if it has on_signal, otherwise does the default. */
void forward_signal(struct engine *engine, const struct signalfd_siginfo *record);

/* The script's answer to QUESTION_SIGNAL, or ANSWER_DEFAULT when there was none in time. */
void forward_answered(struct engine *engine, const struct question *question, enum answer answer, int number);

/* Signals that came before COMMAND ran. */
void forward_early(struct engine *engine);

/* One of them that begins a stop: there is no process for COMMAND yet, and it ends the wait for one. */
void forward_early_stop(struct engine *engine);

#endif
