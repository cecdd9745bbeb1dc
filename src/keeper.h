/* keeper.h: the life of the policy process, as its engine sees it, and its orders. */
#ifndef REAPER_KEEPER_H
#define REAPER_KEEPER_H

#include "engine.h"

enum keeper_amount {
    KEEPER_SOME_ORDERS, /* one turn's share, so that a policy that floods does not hold up the loop */
    KEEPER_ALL_ORDERS,  /* until the socket is empty, within reason */
};

/* A slot without a policy. */
void keeper_empty_slot(struct policy_slot *slot, const struct options *options);

/* Starts the first policy. */
void keeper_start_first(struct engine *engine);

/* Takes the program that was forked already for main child and policy. It goes on when it has got EVENT_START. */
void keeper_take_program(struct engine *engine);

/* Starts a lost policy again, its back-off being over. */
void keeper_start_again(struct engine *engine);

/* Loads the script anew in a candidate, which takes the policy's place once it is loaded. */
void keeper_reload(struct engine *engine);

/* The reload that was asked for while one was under way, or by a hook that had not answered: now it may begin. */
void keeper_reload_again(struct engine *engine);
void keeper_reload_answered(struct engine *engine, const struct ask *ask, enum answer answer, int number);

/*
 * The policy is to stop its services: no candidate takes its place any more, unless that is just happening, and one
 * that is down starts at once.
 */
void keeper_services_stop(struct engine *engine);

/* The policy that it has replaced has gone, or takes too long: the new one begins. */
void keeper_promoted(struct engine *engine);

/* True when `pid` is one of ours and has been dealt with. A program's end is that of the main child, too: false. */
int keeper_policy_ended(struct engine *engine, pid_t pid, int status);

/* True when `pid` is a policy that lives: KILL spares it and nothing waits for it. */
int keeper_is_policy(const struct engine *engine, pid_t pid);

/* Reads and carries out orders of policy and candidate. */
void keeper_read_orders(struct engine *engine, enum keeper_amount amount);

/* Deaths. */
void keeper_put_orphan(struct engine *engine, const struct event *event);
void keeper_put_spawned(struct engine *engine, const struct event *event);

/* COMMAND runs, or will not: the policy, whose script is loaded, is told its start. Does nothing when it has been. */
void keeper_take_up(struct engine *engine);

/* The script of a slot is loaded (ORDER_READY). */
void keeper_slot_ready(struct engine *engine, struct policy_slot *slot, unsigned hooks);

/* The script of a slot listens to other hooks from now on (ORDER_HOOKS). */
void keeper_slot_listens(struct engine *engine, struct policy_slot *slot, unsigned hooks);

/* Anything else, for a policy that listens (`bit` in its hooks). */
void keeper_put(struct engine *engine, const struct event *event, enum hook_bit bit);

/* Closes the channel, so that the policy ends by itself; until then keeper_is_policy() holds. */
void keeper_dismiss(struct engine *engine);

/* Has the policy read nothing for too long? */
void keeper_look(struct engine *engine, struct policy_slot *slot);

#endif
