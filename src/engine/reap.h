/* reap.h: who died. */
#ifndef REAPER_ENGINE_REAP_H
#define REAPER_ENGINE_REAP_H

#include <sys/resource.h>
#include <sys/signalfd.h>

#include "engine/engine.h"

/* True for a record that the kernel made for a child, not one that somebody sent or had sent. */
int reap_is_about_a_child(const struct engine *engine, const struct signalfd_siginfo *record);

/* A process that may have SCRIPT_SIGNAL for its exit signal has this pid. */
void reap_expect(struct engine *engine, pid_t pid);

/*
 * Reads the signals that are waiting: children are reaped, the rest is forwarded. At most a few hundred a call, so
 * that a storm does not hold up the loop. The first read is of `signal_fd`, which may wait.
 */
void reap_and_forward(struct engine *engine, int signal_fd);

/* True when `pid` is a child of the engine or may become one, or was one whose death is being told. */
int reap_is_ours(const struct engine *engine, pid_t pid);

/* Reaps what the signals did not name, because they coalesce. */
void reap_sweep(struct engine *engine);

#endif
