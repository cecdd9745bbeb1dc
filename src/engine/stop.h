/*
 * stop.h: the stop, from its beginning until nothing is left but the script process: what each of its states does.
 *
 * Each function gives the state that follows, or the present one; life.c moves on to it.
 */
#ifndef REAPER_ENGINE_STOP_H
#define REAPER_ENGINE_STOP_H

#include "engine/engine.h"

/* True when the script has services, which are stopped before everything else. */
int stop_has_services(const struct engine *engine);

/* ENGINE_ORDERLY: COMMAND is stopped, and the script is asked to stop its services when COMMAND has ended. */
enum engine_state stop_in_order(struct engine *engine);

/* COMMAND has ended, or was never there, since its exec has failed: it is the services' turn. */
enum engine_state stop_main_gone(struct engine *engine);

/* COMMAND has not ended within its time: it is killed, or is not waited for any more. */
enum engine_state stop_main_overdue(struct engine *engine);

/* The services have been stopped, or there are none: it is everybody's turn. Gives the state in which that begins. */
enum engine_state stop_everybody(struct engine *engine);

/* ENGINE_STOPPING: everything gets TERM, and the script is told. */
enum engine_state stop_terminate(struct engine *engine);
enum engine_state stop_grace_over(struct engine *engine);

/* ENGINE_KILLING: everything gets KILL, and the script is told unless it has been. */
enum engine_state stop_kill(struct engine *engine);
enum engine_state stop_give_up(struct engine *engine);

/* Something has died in one of the two: is anything left? */
enum engine_state stop_check_remains(struct engine *engine);

#endif
