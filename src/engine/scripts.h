/* scripts.h: the life of the script process, as its engine sees it: started, lost, started again, dismissed. */
#ifndef REAPER_ENGINE_SCRIPTS_H
#define REAPER_ENGINE_SCRIPTS_H

#include "engine/engine.h"

/* Starts the first script process. 0, or -1 when that cannot be done, which has been said. */
int scripts_start_first(struct engine *engine);

/* Takes the program that was forked already for main child and script process. */
void scripts_take_program(struct engine *engine);

/* Starts a lost script process again, its back-off being over. */
void scripts_start_again(struct engine *engine);

/*
 * COMMAND runs, or will not: the script process, whose script is loaded, is told its start. Does nothing when it has
 * been, or when it waits for its predecessor to end.
 */
void scripts_take_up(struct engine *engine);

/* The script is to stop its services: one that is down starts at once, and no other one takes its place. */
void scripts_stop_services(struct engine *engine);

enum script_end {
    END_OF_ANOTHER, /* it was no script process */
    END_OF_SCRIPT,  /* it has been dealt with */
    END_OF_LOADING, /* the same, and the first script did not load */
    END_OF_PROGRAM, /* it was the main child, too */
};

/* A child has ended. All its orders have been carried out. */
enum script_end scripts_ended(struct engine *engine, pid_t pid, int status);

/* True when `pid` is a script process that lives: KILL spares it and nothing waits for it. */
int scripts_has(const struct engine *engine, pid_t pid);

/* Closes the channel, so that the script process ends by itself; until then scripts_has() holds. */
void scripts_dismiss(struct engine *engine);

#endif
