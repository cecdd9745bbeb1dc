/* forward.h: signals that come in. */
#ifndef REAPER_FORWARD_H
#define REAPER_FORWARD_H

#include <sys/signalfd.h>

#include "engine.h"

/* A signal arrived: asks the script if it has on_signal, otherwise does the default. */
void forward_signal(struct engine *engine, const struct signalfd_siginfo *record);

/* The script's answer to ASK_SIGNAL, or ANSWER_DEFAULT when there was none in time. */
void forward_answered(struct engine *engine, const struct ask *ask, enum answer answer, int number);

/* Signals that came while the script was loading. */
void forward_early(struct engine *engine);

#endif
