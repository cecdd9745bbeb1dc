/* main_child.h: COMMAND, the main child. */
#ifndef REAPER_ENGINE_MAIN_CHILD_H
#define REAPER_ENGINE_MAIN_CHILD_H

#include <stddef.h>
#include <sys/signalfd.h>

#include "engine/engine.h"

/*
 * Starts COMMAND for the first time, in ENGINE_STARTING. Nothing waits for the new process: main_child_look() learns
 * that it runs. A missing or unusable file begins the stop with 127 or 126; when there is no process to be had (EAGAIN,
 * ENOMEM) it is tried again later, without end.
 */
void main_child_start(struct engine *engine);

/*
 * Starts it again on the script's order, which is answered when it runs or has failed. 0, or -1 with errno and the
 * reason in `why`: then it is for the caller to answer.
 */
int main_child_start_again(struct engine *engine, const struct main_order *order, char *why, size_t size);

/* How is the start coming out? Does nothing when there is none. */
void main_child_look(struct engine *engine);

/*
 * Signals the living main child, or with -g its process group. `record` is what came in, or NULL: a value that was
 * queued with it goes on to a main child alone. 0, or -1 with errno.
 */
int main_child_signal(struct engine *engine, int number, const struct signalfd_siginfo *record);

/* Closes the descriptors from 3 up that reaper-lua was started with: only the main child keeps them. */
void main_child_close_inherited(void);

#endif
