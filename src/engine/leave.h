/*
 * leave.h: the end, when nothing is left but the script process: the exit code, its parting, and what it leaves behind.
 *
 * Each function that gives a state does what there is to do in the present one, and gives the state that follows, or
 * the present one.
 */
#ifndef REAPER_ENGINE_LEAVE_H
#define REAPER_ENGINE_LEAVE_H

#include "engine/engine.h"

/* The exit code, as far as on_exit has not named another. */
int leave_code(const struct engine *engine);

/* True when what the main child has left behind is not stopped (--leave-orphans). */
int leave_spares_orphans(const struct engine *engine);

/* ENGINE_ASKING_CODE: asks on_exit; with `check`, something has died, perhaps who could answer. */
enum engine_state leave_ask_code(struct engine *engine);
enum engine_state leave_check_asked(struct engine *engine);

/* ENGINE_PARTING: closes the script process's channel, and waits for its end. */
enum engine_state leave_part(struct engine *engine);
enum engine_state leave_check_script(struct engine *engine);

/* ENGINE_LAST_SWEEP: kills what is left. */
enum engine_state leave_sweep(struct engine *engine);

/* What KILL does not end is left to the kernel. */
enum engine_state leave_give_up(struct engine *engine);

/* Script processes that were dismissed have not ended in time: they are killed. */
void leave_dismissed_overdue(struct engine *engine);

#endif
