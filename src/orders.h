/* orders.h: what a policy asks of its engine. */
#ifndef REAPER_ORDERS_H
#define REAPER_ORDERS_H

#include "engine.h"

/* Carries one out. The descriptors that came with it are taken over or closed. */
void orders_carry_out(struct engine *engine, struct policy_slot *slot, const struct order *order, int *fds,
                      int fd_count);

#endif
