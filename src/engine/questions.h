/*
 * questions.h: questions that the engine puts to the script.
 *
 * Every question has a default and a deadline. The deadline runs on while the script process is down; a script process
 * that is started in time is asked again. A hook that yields has said "wait for me", and is waited for.
 */
#ifndef REAPER_ENGINE_QUESTIONS_H
#define REAPER_ENGINE_QUESTIONS_H

#include "engine/engine.h"

/*
 * Asks; `ask` has its kind and event set, and gets its serial. 0, or -1 when there is no script process to ask or too
 * much is being asked: the caller then takes the default.
 */
int questions_ask(struct engine *engine, struct question *question);

/*
 * ORDER_ANSWER: 1 when it has settled a question; answers that come too late are ignored. ORDER_WAIT: within so many
 * seconds (0: whenever).
 */
int questions_answer(struct engine *engine, const struct order *order, struct settled *settled);
void questions_wait(struct engine *engine, uint32_t serial, int32_t seconds);

/* COMMAND has ended: it is the services' turn. */
void questions_services_turn(struct engine *engine);

/* Settles a question whose deadline has passed with its default: 1, or 0 when there is none. */
int questions_expire(struct engine *engine, struct settled *settled);

/* The nearest deadline, or NEVER. */
int64_t questions_deadline(const struct engine *engine);

/* The script process is gone, and the hooks that were waited for are, too; `has_died`: not because it was replaced. */
void questions_script_lost(struct engine *engine, int has_died);

/* Asks a new script process what its predecessor has read and left open. */
void questions_repeat(struct engine *engine);

/* Forgets the questions of a kind, without answer. */
void questions_forget(struct engine *engine, enum question_kind kind);

/* True when one of that kind is open. */
int questions_is_open(const struct engine *engine, enum question_kind kind);

/* True while this script process has not answered what to do with a signal. */
int questions_is_asked(const struct engine *engine, pid_t pid);

#endif
