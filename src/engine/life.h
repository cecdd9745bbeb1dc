/*
 * life.h: what state the container is in, and what moves it on.
 *
 * The states and what each does are one table in life.c. What a state does is told in stop.h and leave.h; their
 * functions give the state that follows, and only life.c moves on to it, never back.
 */
#ifndef REAPER_ENGINE_LIFE_H
#define REAPER_ENGINE_LIFE_H

#include "engine/engine.h"

/* The script has been loaded, or there is none: begins to start COMMAND and leaves ENGINE_LOADING. */
void life_begin(struct engine *engine);

/* The script did not load (or left by os.exit): nothing was started; ends with `code`. */
void life_load_failed(struct engine *engine, int code);

/* Starts COMMAND for the first time, or tries again; does nothing when that is not wanted any more. */
void life_start_main(struct engine *engine);

/* Starts COMMAND when the script that has been loaded waits for that (main_child_comes_first). */
void life_start_main_first(struct engine *engine);

/* Looks how the start of COMMAND comes out that is under way, and does what follows. */
void life_look_at_start(struct engine *engine);

/* TERM, INT or QUIT while the script is being loaded, or before COMMAND was started. */
void life_end_before_start(struct engine *engine, int number);

/* The main child ended; `event` is its death. The script is asked, or the stop begins: also for the user's Ctrl-C. */
void life_main_ended(struct engine *engine, struct event *event);

/*
 * TERM, INT or QUIT has been sent to the main child. Where there are services, that is the stop: what does not end by
 * it within the grace is killed, and the services are stopped in their order.
 */
void life_main_asked(struct engine *engine, const char *reason);

/* Begins the stop. `reason` is "main", "exit" or the name of a signal. */
void life_stop(struct engine *engine, const char *reason);

/* TERM or INT came: the second one during the stop cuts the grace short. */
void life_interrupted(struct engine *engine);

/* Answers of the script: what to do about the main child's end; services; on_stop, for which the end waits; on_exit. */
void life_main_answered(struct engine *engine, const struct settled *settled);
void life_services_answered(struct engine *engine, const struct settled *settled);
void life_stop_answered(struct engine *engine, const struct settled *settled);
void life_exit_answered(struct engine *engine, const struct settled *settled);

/* What the present state does when its deadline has passed, and when something has died. */
void life_deadline(struct engine *engine);
void life_check_died(struct engine *engine);

#endif
