/*
 * handover.h: what a new script process is told through its socket: the children that earlier ones have spawned, and
 * that it may begin.
 *
 * The socket may be full, since the script is still being loaded and reads nothing. What is owed is noted, and
 * handover_step() goes on when there is room.
 */
#ifndef REAPER_ENGINE_HANDOVER_H
#define REAPER_ENGINE_HANDOVER_H

#include "engine/engine.h"

enum { REPLIES_MAX = 64 }; /* who asks waits for the reply, so an honest script is owed one at most */

/* Hands over all children, and with `with_held` the descriptors that are held of them. */
void handover_children(struct engine *engine, struct slot *slot, int with_held);

/* Tells the start, after the children. */
void handover_start(struct engine *engine, struct slot *slot);

/* Replies to a request of the script process, with a descriptor or -1. */
void handover_reply(struct engine *engine, struct slot *slot, const struct event *event, int fd);

/* The slot of the script process with that pid, or NULL. */
struct slot *handover_slot_of(struct engine *engine, pid_t pid);

/* An empty reply to the request with that number. */
struct event handover_reply_to(uint32_t serial);

/* Replies to the order to start COMMAND again. */
void handover_main_started(struct engine *engine, const struct main_order *order);

/* The same, with errno and the reason. -1 when who has given the order is not there any more. */
int handover_main_failed(struct engine *engine, const struct main_order *order, int error, const char *why);

/* Sends what is owed, as far as there is room. */
void handover_step(struct engine *engine, struct slot *slot);

#endif
