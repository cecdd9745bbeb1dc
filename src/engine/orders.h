/* orders.h: what a script process asks of its engine. */
#ifndef REAPER_ENGINE_ORDERS_H
#define REAPER_ENGINE_ORDERS_H

#include "engine/engine.h"

/* Carries one out. The descriptors that came with it are taken over or closed. */
void orders_carry_out(struct engine *engine, struct slot *slot, const struct order *order, int *fds, int fd_count);

/* Answers the order to start COMMAND again. */
void orders_main_started(struct engine *engine, const struct main_order *order);

/* The same, with errno and the reason. -1 when who has given the order is not there any more. */
int orders_main_failed(struct engine *engine, const struct main_order *order, int error, const char *why);

#endif
