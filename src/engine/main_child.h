/* main_child.h: COMMAND, the main child. */
#ifndef REAPER_ENGINE_MAIN_CHILD_H
#define REAPER_ENGINE_MAIN_CHILD_H

#include <signal.h>
#include <stddef.h>

#include "engine/engine.h"

enum main_start {
    MAIN_UNCHANGED, /* no start is under way, or how it comes out is not known yet */
    MAIN_STARTED,
    MAIN_SHORTAGE, /* there was no process to be had (EAGAIN, ENOMEM), which passes */
    MAIN_FAILED,
};

/* How a start has come out. Nothing but `start` is set where that is MAIN_UNCHANGED. */
struct main_outcome {
    enum main_start start;
    struct main_order order; /* the script's, if it was not the engine that began it */
    char why[WHY_SIZE];      /* it has failed */
};

/* Begins to start COMMAND for the first time, without an order. Nothing waits for the new process: main_child_look()
 * learns that it runs.
 */
void main_child_start(struct engine *engine, struct main_outcome *outcome);

/*
 * Starts it on the script's order, for the first time or again, which is answered when it runs or has failed. 0, or -1
 * with errno and the reason in `why`: then it is for the caller to answer.
 */
int main_child_start_ordered(struct engine *engine, const struct main_order *order, char *why, size_t size);

/* True when COMMAND has been started, whether it lives or has ended. */
int main_child_has_run(const struct engine *engine);

/*
 * True while the engine runs and COMMAND has to be started by it before the script goes on: COMMAND has been left to an
 * earlier script, which has not started it, and the present one does not do so.
 */
int main_child_comes_first(const struct engine *engine);

/* How is the start coming out? */
void main_child_look(struct engine *engine, struct main_outcome *outcome);

/* A process whose exec has failed was never COMMAND: its death is not told. */
void main_child_forget(struct engine *engine);

/* The first start has failed: it is tried again later, without end; or given up. */
void main_child_retry_later(struct engine *engine, const char *why);
void main_child_give_up(struct engine *engine, const char *why);

/*
 * Signals the living main child, or with -g its process group. `record` is what came in, or NULL: a value that was
 * queued with it goes on to a main child alone. 0, or -1 with errno.
 */
int main_child_signal(struct engine *engine, int number, const siginfo_t *record);

/* Closes the descriptors from 3 up that reaper-lua was started with: only the main child keeps them. */
void main_child_close_inherited(void);

#endif
