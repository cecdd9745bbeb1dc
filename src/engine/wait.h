/*
 * wait.h: the one wait of the engine.
 *
 * Everything that it waits for is a signal: deaths, signals to forward, and descriptors, which announce themselves with
 * one (O_ASYNC and F_SETSIG of fcntl(2)). So one call waits, with the nearest deadline. Descriptors are polled only
 * where they cannot do that: processes that are no children, and kernels that refuse it or have no memory for the
 * signals.
 */
#ifndef REAPER_ENGINE_WAIT_H
#define REAPER_ENGINE_WAIT_H

#include <signal.h>

#include "engine/engine.h"

/* The signal with which descriptors announce themselves; anybody may send it, and then it is a signal like others. */
enum { DESCRIPTOR_SIGNAL = SIGNAL_MAX - 2 };

enum record_kind {
    RECORD_SIGNAL,     /* somebody has sent it, or has had it sent */
    RECORD_CHILD,      /* the kernel tells of a child, by its pid */
    RECORD_DEATHS,     /* a SIGCHLD that somebody has sent: perhaps of somebody's death all the same */
    RECORD_DESCRIPTOR, /* one of ours, which has been noted */
    RECORD_OVERFLOW, /* the kernel has had no memory for one: all is to be looked at, and descriptors are polled now */
};

/* Lets a descriptor announce itself. What it has to tell already is looked at in the next turn. */
void wait_watch(struct engine *engine, int fd);

/* A process that may have SCRIPT_SIGNAL for its exit signal has this pid. */
void wait_expect(struct engine *engine, pid_t pid);

/*
 * Waits until there is a signal, a descriptor has something to tell, which is noted in engine->wait, or the deadline
 * passes. 1 and the signal's record, or 0.
 */
int wait_for_signal(struct engine *engine, int64_t deadline, siginfo_t *record);

/* The next signal, without waiting: 1, or 0 when there is none. */
int wait_next_signal(siginfo_t *record);

/* What a record is about. What it says of descriptors is noted in engine->wait. */
enum record_kind wait_note(struct engine *engine, const siginfo_t *record);

/* True when a script process has ended that has not been reaped. */
int wait_has_ended(const struct engine *engine);

/* Closes what was opened for it. */
void wait_end(struct engine *engine);

#endif
