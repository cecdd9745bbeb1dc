/* scripts.h: the life of the script process, as its engine sees it, and its orders. */
#ifndef REAPER_ENGINE_SCRIPTS_H
#define REAPER_ENGINE_SCRIPTS_H

#include "engine/engine.h"

enum orders_amount {
    SOME_ORDERS, /* one turn's share, so that a script process that floods does not hold up the loop */
    ALL_ORDERS,  /* until the socket is empty, within reason */
};

/* A slot without a script process. */
void scripts_empty_slot(struct slot *slot, const struct options *options);

/* Starts the first script process. */
void scripts_start_first(struct engine *engine);

/* Takes the program that was forked already for main child and script. It goes on when it has got EVENT_START. */
void scripts_take_program(struct engine *engine);

/* Starts a lost script process again, its back-off being over. */
void scripts_start_again(struct engine *engine);

/* Loads the script anew in a candidate, which takes the script process's place once it is loaded. */
void scripts_reload(struct engine *engine);

/* The reload that was asked for while one was under way, or by a hook that had not answered: now it may begin. */
void scripts_reload_again(struct engine *engine);
void scripts_reload_answered(struct engine *engine, const struct question *question, enum answer answer, int number);

/*
 * The script process is to stop its services: no candidate takes its place any more, unless that is just happening, and
 * one that is down starts at once.
 */
void scripts_services_stop(struct engine *engine);

/* The script process that it has replaced has gone, or takes too long: the new one begins. */
void scripts_promoted(struct engine *engine);

/* True when `pid` is one of ours and has been dealt with. A program's end is that of the main child, too: false. */
int scripts_ended(struct engine *engine, pid_t pid, int status);

/* True when `pid` is a script process that lives: KILL spares it and nothing waits for it. */
int scripts_has(const struct engine *engine, pid_t pid);

/* Reads and carries out orders of the script process and the candidate. True when there may be more. */
int scripts_read_orders(struct engine *engine, enum orders_amount amount);

/* Reads them all when some have been sent since they were read last. */
void scripts_read_new_orders(struct engine *engine);

/* Reads them all when some have been sent since they were read last. */
void scripts_read_new_orders(struct engine *engine);

/* Deaths. */
void scripts_put_orphan(struct engine *engine, const struct event *event);
void scripts_put_spawned(struct engine *engine, const struct event *event);

/* COMMAND runs, or will not: the script process, whose script is loaded, is told its start. Does nothing when it has
 * been. */
void scripts_take_up(struct engine *engine);

/* The script of a slot is loaded (ORDER_READY). */
void scripts_slot_ready(struct engine *engine, struct slot *slot, unsigned hooks);

/* The script of a slot listens to other hooks from now on (ORDER_HOOKS). */
void scripts_slot_listens(struct engine *engine, struct slot *slot, unsigned hooks);

/* Anything else, for a script process that listens (`bit` in its hooks). */
void scripts_put(struct engine *engine, const struct event *event, enum hook_bit bit);

/* Closes the channel, so that the script process ends by itself; until then scripts_has() holds. */
void scripts_dismiss(struct engine *engine);

/* Has the script process read nothing for too long? */
void scripts_look(struct engine *engine, struct slot *slot);

#endif
