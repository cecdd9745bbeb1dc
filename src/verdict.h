/*
 * verdict.h: questions that the engine puts to the script.
 *
 * Every question has a default and a deadline. The deadline runs on while the policy is down; a policy that is
 * started in time is asked again. A hook that yields has said "wait for me", and is waited for.
 */
#ifndef REAPER_VERDICT_H
#define REAPER_VERDICT_H

#include "engine.h"

/*
 * Asks; `ask` has its kind and event set, and gets its serial. 0, or -1 when there is no policy to ask or too much is
 * being asked: the caller then takes the default.
 */
int verdict_ask(struct engine *engine, struct ask *ask);

/* ORDER_ANSWER and ORDER_WAIT (within so many seconds; 0: whenever). Answers that come too late are ignored. */
void verdict_answer(struct engine *engine, const struct order *order);
void verdict_wait(struct engine *engine, uint32_t serial, int32_t seconds);

/* COMMAND has ended: it is the services' turn. */
void verdict_services_turn(struct engine *engine);

/* Takes the default for each question whose deadline has passed. */
void verdict_expire(struct engine *engine);

/* The nearest deadline, or NEVER. */
int64_t verdict_deadline(const struct engine *engine);

/* The policy is gone: the hooks that were waited for are, too. */
void verdict_policy_lost(struct engine *engine);

/* Asks a new policy what its predecessor left open. */
void verdict_ask_again(struct engine *engine);

/* Forgets the questions of a kind, without answer. */
void verdict_forget(struct engine *engine, enum ask_kind kind);

/* True when one of that kind, or with that serial, is open. */
int verdict_is_open(const struct engine *engine, enum ask_kind kind);

/* True while this policy has not answered what to do with a signal. */
int verdict_is_asked(const struct engine *engine, pid_t pid);
int verdict_serial_is_open(const void *engine, uint32_t serial);

#endif
