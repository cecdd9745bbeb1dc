/* slot.h: one script process, or the place for one. */
#ifndef REAPER_ENGINE_SLOT_H
#define REAPER_ENGINE_SLOT_H

#include "engine/engine.h"

/* Makes it a place without a script process. */
void slot_empty(struct slot *slot, const struct options *options);

/* Starts a script process in it, which loads the script. 0, or -1 with errno. */
int slot_start(struct engine *engine, struct slot *slot, enum start_reason reason);

/* Its script process has ended, or is dismissed: closes what belongs to it. */
void slot_forget(struct engine *engine, struct slot *slot);

/* From here on it is told everything, first what happened while there was no script process. */
void slot_begin(struct engine *engine, struct slot *slot);

/* Its script listens to these hooks from now on, a set of enum hook_bit. */
void slot_listens(struct engine *engine, struct slot *slot, unsigned hooks);

/*
 * Nobody can send it an order any more: a new process that tries ends instead of running its command. Orders that were
 * sent are taken out of the socket, to be carried out (orders.h).
 */
void slot_refuse_orders(struct engine *engine, struct slot *slot);

/* The next order that was taken so: 1, or 0 when there is none. `pid` is the script process that had given it. */
int slot_next_last_order(struct engine *engine, pid_t *pid, struct order *order, int fds[MESSAGE_FDS_MAX], int *count);

/* Has the script process read nothing for too long? */
void slot_look(struct engine *engine, struct slot *slot);

/* Writes into the journal, for whoever reads: deaths; and that the stop has begun, which goes into the script's page.
 */
void slot_put_orphan(struct engine *engine, const struct event *event);
void slot_put_spawned(struct engine *engine, const struct event *event);
void slot_put_stop(struct engine *engine, const struct event *event);

#endif
