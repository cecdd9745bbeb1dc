/*
 * channel.h: the engine's end of the socket to one script process.
 *
 * Nothing here waits. Events are collected into packets; what the socket does not take stays in a backlog, and when
 * that is full, deaths are dropped, counted and told in their place by one overflow event.
 */
#ifndef REAPER_ENGINE_CHANNEL_H
#define REAPER_ENGINE_CHANNEL_H

#include <stddef.h>
#include <stdint.h>

#include "common/messages.h"

enum { BACKLOG_MAX = 65536 }; /* events; about 12 MB */

struct chunk;

struct channel {
    int fd;   /* the engine's end, -1 when closed */
    int peer; /* a duplicate of the script process's end: through it what a dead script process left unread is read back
               */
    struct chunk *head, *tail;
    struct chunk *spare;   /* an empty one for the next packet, so that a storm need not ask the kernel for each */
    size_t backlog;        /* events that wait in the chunks */
    uint64_t dropped;      /* not yet told */
    uint64_t dropped_ever; /* since the start */
    int64_t flush_at;      /* when what waits is sent at the latest; NEVER when nothing waits or the socket is full */
    int64_t sent_at;       /* of the last packet */
    int64_t rest;          /* after it, before the next one that does not ask */
    int has_sent;          /* and the script process may not have read it */
    int shut;              /* the script process has shut it: it is to be replaced */
    int full;              /* the socket took no more: wait until it is writable */
    int collecting;        /* no socket yet: everything waits in the backlog */
    int outq;              /* bytes unread after the last packet was sent */
    int progress;          /* the script process has read something since channel_stalled was last asked */
};

enum priority { MAY_DROP, MUST_KEEP };

/* Opens the pair. *script_end is the other end, close-on-exec. 0, or -1 with errno. */
int channel_open(struct channel *channel, int *script_end);

/* Makes it a mere backlog, to be spliced into a channel later. */
void channel_collect(struct channel *channel);

/* No further orders: who sends one gets EPIPE. Those that are there already can still be received. */
void channel_refuse(const struct channel *channel);

/* Closes it and frees the backlog. */
void channel_close(struct channel *channel);

/*
 * Appends an event. The first of a quiet period is due at once, those that follow within a millisecond go
 * together, in a storm within four; one that asks is due at once.
 */
void channel_put(struct channel *channel, const struct event *event, enum priority priority);

/* Appends an event with descriptors, of which duplicates travel: the caller keeps its own. */
void channel_put_fds(struct channel *channel, const struct event *event, const int *fds, int count);

/* Sends as much as the socket takes. */
void channel_flush(struct channel *channel);

/*
 * The next order. 1: *order is set and fds[0…*fd_count-1] belong to the caller; 0: there is none (or `shut` is set);
 * -1: it was malformed and is gone (its size is in order->number). The text of an order is always terminated.
 */
int channel_receive(struct channel *channel, struct order *order, int fds[MESSAGE_FDS_MAX], int *fd_count);

/* True when events are unread and the script process has read nothing since the last call. */
int channel_stalled(struct channel *channel);

/* True when the script process has not read all that was sent. */
int channel_unread(struct channel *channel);

/* Appends the backlog of `collected`, which is empty afterwards and goes on collecting. */
void channel_splice(struct channel *channel, struct channel *collected);

/*
 * Moves the deaths that the script process of `old` never read to `fresh`, in order. A death that asked is moved,
 * without its question, only where `is_open` says that the question is not open any more: otherwise it is asked again
 * anyway.
 */
void channel_salvage(struct channel *old, struct channel *fresh, int (*is_open)(const void *context, uint32_t question),
                     const void *context);

#endif
