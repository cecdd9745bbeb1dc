/* orders.h: what script processes ask of their engine. */
#ifndef REAPER_ENGINE_ORDERS_H
#define REAPER_ENGINE_ORDERS_H

#include "engine/engine.h"

enum orders_amount {
    SOME_ORDERS, /* one turn's share, so that a script process that floods does not hold up the loop */
    ALL_ORDERS,  /* until the socket is empty, within reason */
};

/* Reads and carries out orders of the script process and the candidate. True when there may be more. */
int orders_read(struct engine *engine, enum orders_amount amount);

/* Reads them all when some have been sent since they were read last. */
void orders_read_new(struct engine *engine);

#endif
