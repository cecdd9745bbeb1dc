/*
 * terminal.h: the controlling terminal, and who has its foreground.
 *
 * Nothing is remembered but a descriptor: the kernel is asked who has the foreground, each time.
 *
 *     no terminal                        COMMAND leads a process group of its own
 *     reaper-lua leads the session       the same, and that group is given the foreground: there is no shell
 *     reaper-lua belongs to another's    COMMAND stays in reaper-lua's group, which is a job of the shell that leads
 *     session                            the session: that gives it the terminal, stops it, and lets it go on
 */
#ifndef REAPER_ENGINE_TERMINAL_H
#define REAPER_ENGINE_TERMINAL_H

#include <sys/signalfd.h>

#include "engine/engine.h"

/* Opens the controlling terminal, if there is one. */
void terminal_find(struct engine *engine);

/* True when a new main child stays in reaper-lua's own process group. */
int terminal_shares_group(const struct engine *engine);

/* The terminal whose foreground the group of a new main child is to get, or -1 when it is not the engine's to give. */
int terminal_to_give(const struct engine *engine);

/* True when the living main child is in reaper-lua's own process group. */
int terminal_is_with_main(const struct engine *engine);

/* True when the terminal, or CONT the shell, has sent this to our whole group: the main child has got it by itself. */
int terminal_has_told_main(const struct engine *engine, const struct signalfd_siginfo *record);

/* A child was stopped, perhaps the main child: the job stops with it, or it has to go on. */
void terminal_main_stopped(struct engine *engine);

/* Stops the engine itself, until SIGCONT. */
void terminal_suspend(struct engine *engine);

/*
 * The main child `pid` has ended: what it had of the terminal comes back. True when it was ended by the user, with
 * Ctrl-C or Ctrl-\ in the foreground.
 */
int terminal_main_ended(const struct engine *engine, pid_t pid, int status);

/* The foreground comes back to our own group where nobody else needs it. */
void terminal_take_back(const struct engine *engine);

#endif
