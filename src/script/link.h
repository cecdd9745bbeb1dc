/*
 * link.h: what connects a script process, or a program, with its engine: the journal, which it reads, and the socket,
 * through which orders go and messages come that carry descriptors or answer a request.
 */
#ifndef REAPER_SCRIPT_LINK_H
#define REAPER_SCRIPT_LINK_H

#include <sys/types.h>

#include "common/journal.h"
#include "common/messages.h"

struct message {
    struct message *next;
    int fds[MESSAGE_FDS_MAX]; /* -1: it has been taken */
    int fd_count;
    struct event event;
};

struct link {
    int fd;    /* the socket; -1: there is no engine */
    pid_t pid; /* of this process: what forks from it must not touch the socket */
    struct journal journal;
    struct journal_view view;
    struct message *first;  /* those that have been received and not been dealt with */
    struct message current; /* the one that is being dealt with */
    uint32_t last_request;
    unsigned dealt;  /* events since the last wait */
    int closed;      /* the engine has closed the socket, or is gone */
    int end_is_told; /* link_has_ended() has been acted on */
};

/* Begins to read: `index` and `from` are those of journal_view(). */
void link_open(struct link *link, int fd, const struct journal *journal, unsigned index, uint64_t from);

/* Closes the socket and forgets what has been received. */
void link_close(struct link *link);

/* True when there is an engine to speak to: not with --check, not before reaper.start, not in a forked process. */
int link_is_connected(const struct link *link);

/* True when the engine of a connected process has gone, before the next wait notices it. */
int link_lost_engine(const struct link *link);

/* True in a process that was forked from the one that is connected. */
int link_is_forked(const struct link *link);

/* Sends an order, when connected. An engine that has gone is noticed by the next wait. */
void link_send(struct link *link, const struct order *order);

/* Receives a message into the list; waits for it. 1, or 0 when the engine has closed the socket. */
int link_receive(struct link *link);

/* Sends the order as a request and waits for the reply, which is `current` then. 0, or -1 when the engine has gone. */
int link_request(struct link *link, struct order *order);

/* The next message or event, which is `current` then: 1, or 0 when there is none. */
int link_next(struct link *link);

/* True when link_next would give one. */
int link_has_something(const struct link *link);

/* True when the engine has closed the socket and nothing is left to be read, until that is told. */
int link_has_ended(const struct link *link);

/* The next descriptor of `current` when its event says by `flag` that it has one, or -1. It is the caller's. */
int link_take_fd(struct link *link, enum event_flag flag);

#endif
