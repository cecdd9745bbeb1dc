/* remains.h: every process that is left: signal them, see whether there are any. */
#ifndef REAPER_ENGINE_REMAINS_H
#define REAPER_ENGINE_REMAINS_H

#include "engine/engine.h"
#include "engine/scope.h"

/* What KILL does not end within this time (a process in uninterruptible sleep) is left to the kernel. */
#define KILL_PATIENCE (2 * NANOSECONDS)

/*
 * Sends TERM to all that is left, HUP to those on terminals of their own, and CONT to those that are stopped. As
 * process 1 that is every process of the PID namespace; otherwise the descendants, each through a pidfd, so that no
 * stranger with a recycled pid is hit.
 */
void remains_terminate(struct remains *remains, const struct scope *scope);

/*
 * Sends a signal to those of our own process group whom a stop would signal: others of a shell's job are spared. -1
 * when there is nobody, or no /proc.
 */
int remains_signal_group(struct remains *remains, const struct scope *scope, int number);

/* Sends KILL to all that is left. */
void remains_kill(struct remains *remains, const struct scope *scope);

/*
 * True while anything that is not spared is left. Children report their end by themselves; of others (what somebody
 * else has put into the namespace, what a script process has started) pidfds are put into remains->watched.
 */
int remains_any(struct remains *remains, const struct scope *scope);

/* Closes the pidfds of the last remains_any(). */
void remains_unwatch(struct remains *remains);

#endif
