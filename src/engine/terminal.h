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

#include <signal.h>

#include "engine/engine.h"

/* Opens the controlling terminal, if there is one. */
void terminal_find(struct terminal *terminal);

/* True when a new main child stays in reaper-lua's own process group. */
int terminal_shares_group(const struct terminal *terminal);

/* The terminal whose foreground the group of a new main child is to get, or -1 when it is not the engine's to give. */
int terminal_to_give(const struct terminal *terminal);

/* True when the living main child is in reaper-lua's own process group. */
int terminal_is_with_main(pid_t main_child);

/* True when the terminal, or CONT the shell, has sent this to our whole group: the main child has got it by itself. */
int terminal_has_told_main(pid_t main_child, const siginfo_t *record);

/* A child was stopped, perhaps the main child: it has to go on, or the whole job stops with it. True for the job. */
int terminal_main_stopped(const struct terminal *terminal, pid_t main_child);

/* Stops the engine itself, until SIGCONT. Process 1 cannot be stopped by its own kind. */
void terminal_suspend(const struct origin *origin, struct log *log);

/*
 * The main child has ended: what it had of the terminal comes back. True when it was ended by the user, with Ctrl-C or
 * Ctrl-\ in the foreground.
 */
int terminal_main_ended(const struct terminal *terminal, pid_t main_child, int status);

/* The foreground comes back to our own group where nobody else needs it. */
void terminal_take_back(const struct terminal *terminal);

#endif
