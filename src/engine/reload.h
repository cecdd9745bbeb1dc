/*
 * reload.h: the script is loaded anew, in a candidate beside the script process, which takes its place.
 *
 *     IDLE ─wanted→ LOADING ─loaded→ LOADED ─on_reload?→ ASKED ─answered→ ALLOWED → PARTING ─the old one has ended→
 * IDLE └─ it does not load ─→ IDLE   LOADED ─nobody to ask→ ALLOWED
 *
 * Others only record; reload_step() moves on, once a turn.
 */
#ifndef REAPER_ENGINE_RELOAD_H
#define REAPER_ENGINE_RELOAD_H

#include "engine/engine.h"

/* A reload is wanted, after the one that is under way, if there is one. */
void reload_want(struct engine *engine);

/* The candidate has loaded the script. */
void reload_loaded(struct engine *engine);

/* on_reload has answered. */
void reload_answered(struct engine *engine, const struct settled *settled);

/* The current script process has ended by itself. */
void reload_current_lost(struct engine *engine);

/* The candidate has ended; `how` in words. */
void reload_candidate_lost(struct engine *engine, const char *how);

/* No candidate takes the script process's place any more, unless that is just happening. */
void reload_cancel(struct engine *engine);

/* The time is over that the old script process had to end: the new one begins. */
void reload_overdue(struct engine *engine);

/* True while the new script process waits for the end of the old one. */
int reload_waits_for_old(const struct engine *engine);

/* The new script process begins if it waits for nothing any more. */
void reload_take_over(struct engine *engine);

void reload_step(struct engine *engine);

#endif
