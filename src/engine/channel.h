/*
 * channel.h: the engine's end of the socket to one script process.
 *
 * Orders come through it, and messages go that carry descriptors or answer a request; what happens stands in the
 * journal. Nothing here waits.
 */
#ifndef REAPER_ENGINE_CHANNEL_H
#define REAPER_ENGINE_CHANNEL_H

#include "common/messages.h"

struct channel {
    int fd;           /* the engine's end, -1 when it is closed */
    int shut;         /* nothing comes any more: the script process has ended, or has shut it */
    int full;         /* the socket took no more: wait until it is writable */
    int64_t again_at; /* it took nothing for another reason, which passes: when to try again; NEVER */
};

/* Opens the pair. *script_end is the other end, close-on-exec. 0, or -1 with errno. */
int channel_open(struct channel *channel, int *script_end);

/* No further orders: who sends one gets EPIPE. Those that are there already can still be received. */
void channel_refuse(const struct channel *channel);

void channel_close(struct channel *channel);

/* Sends a message, with duplicates of descriptors. 0; or -1 when the socket is full or shut. */
int channel_send(struct channel *channel, const struct event *event, const int *fds, int count);

/* True unless the socket has just taken nothing, and may again. */
int channel_has_room(const struct channel *channel);

/*
 * The next order. 1: *order is set and fds[0…*fd_count-1] belong to the caller; 0: there is none (or `shut` is set);
 * -1: it was malformed and is gone (its size is in order->number). The text of an order is always terminated.
 */
int channel_receive(struct channel *channel, struct order *order, int fds[MESSAGE_FDS_MAX], int *fd_count);

#endif
