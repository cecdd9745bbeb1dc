/*
 * journal.h: what the engine has to tell, in memory that outlives every script process.
 *
 * The engine maps it before the first script process exists; a fork inherits it, and no descriptor leads to it. It is a
 * ring of events, which the engine alone writes, with one page of facts about it; and one page in which readers say how
 * far they are. The engine trusts nothing in that page: positions are clamped.
 *
 * Positions count events from the beginning and never turn back. A reader moves its position on *before* it deals with
 * an event, so each is dealt with at most once, whenever a reader is lost, and its successor goes on behind it.
 */
#ifndef REAPER_COMMON_JOURNAL_H
#define REAPER_COMMON_JOURNAL_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/messages.h"

enum {
    JOURNAL_SLOTS = 9 * 8192, /* for 65,536 orphans' deaths: about 13 MB, of which only what is unread is there */
    JOURNAL_LEAST = 9 * 1024, /* where that much is refused, a half, a quarter, … of it */
    JOURNAL_MARGIN = 512,     /* slots that are never used, so that the oldest and the newest event share no page */
    JOURNAL_RESERVE = 9,      /* this part of the ring is for what must be kept */
    JOURNAL_READERS = 2,      /* the script process, and the one that is about to take its place */
};

enum journal_sleep {
    JOURNAL_AWAKE,
    JOURNAL_NAPPING, /* it looks again within a millisecond, so only a question wakes it */
    JOURNAL_ASLEEP,
};

/* The engine's page. Readers see it and the ring read-only. */
struct journal_facts {
    _Atomic uint64_t written;
    _Atomic uint64_t oldest;                /* events before this one may have been overwritten */
    _Atomic int32_t reader;                 /* the pid of the process that may read on; 0: none may */
    _Atomic uint32_t asks;                  /* how often the engine has asked for ORDER_LOOK */
    _Atomic uint32_t sent[JOURNAL_READERS]; /* messages in the socket to each, which come before later events */
};

struct journal_reader {
    _Atomic uint64_t read;  /* it has begun to deal with all events before this one */
    _Atomic uint64_t ahead; /* of one that is being loaded: how far it has looked ahead */
    _Atomic uint64_t busy;  /* one more than the position of the event that it deals with now; 0: it waits */
    _Atomic uint32_t sleep; /* enum journal_sleep */
};

/* The readers' page. */
struct journal_page {
    struct journal_reader reader[JOURNAL_READERS];
    _Atomic uint32_t orders; /* how many have been sent; counted after the sending */
};

/* The shared memory, as each side sees it. */
struct journal {
    struct journal_facts *facts; /* NULL: there is no journal */
    struct journal_page *page;
    struct event *ring;
    uint32_t slots;
    int wake_fd[JOURNAL_READERS]; /* timerfd_create(2), set to now: readable when the reader is to wake up */
};

/* Maps it and makes the timers. 0, or -1 with errno. */
int journal_open(struct journal *journal);
void journal_close(struct journal *journal);

/* Sizes in bytes: of one page, and of the ring, which is a multiple of it. */
size_t journal_page_size(void);
size_t journal_ring_size(const struct journal *journal);

enum journal_reading {
    JOURNAL_LOOKS_AHEAD, /* the script is being loaded: only the ends of spawned children are seen, for who waits */
    JOURNAL_KEEPS,       /* a program without on_reap: deaths stay, and all else is read */
    JOURNAL_READS,
};

struct journal_view {
    struct journal *journal;
    unsigned index;
    pid_t pid;
    enum journal_reading reading;
    uint64_t end;      /* how far it was written when journal_see looked */
    uint64_t ahead;    /* what stands before this has been looked at already */
    uint64_t skipped;  /* events that were overwritten before it could look at them, or were let go to make room */
    int has_kept;      /* it has been JOURNAL_KEEPS: of what was looked at, only deaths are left */
    uint32_t received; /* messages from the socket */
    uint32_t answered; /* the last of `asks` that has been answered with ORDER_LOOK */
};

/* Makes the process's view of ring and facts read-only. `from`: where it begins to look ahead. */
void journal_view(struct journal_view *view, struct journal *journal, unsigned index, uint64_t from);

/* Looks how far it is written. Messages that are received then have been sent before the events that follow. */
void journal_see(struct journal_view *view);

/*
 * The next event: 1, or 0 when there is none. An event that was looked at ahead has EVENT_AHEAD then, and EVENT_KNOWN
 * when it is read at last.
 */
int journal_read(struct journal_view *view, struct event *event);

/* The same for what journal_see has seen. */
int journal_read_seen(struct journal_view *view, struct event *event);

/* True until another process reads in its place. */
int journal_is_mine(const struct journal_view *view);

/* True when journal_read would give one. */
int journal_is_readable(const struct journal_view *view);

/* True when messages wait in the socket that the engine has sent before the next event. */
int journal_has_messages(const struct journal_view *view);

/* True, once for each time, when the engine has asked for ORDER_LOOK, and the process reads. */
int journal_is_to_look(struct journal_view *view);

/* Says how deep the reader sleeps; it looks whether something is readable afterwards, and only then waits. */
void journal_sleep(const struct journal_view *view, enum journal_sleep sleep);

/* An order has been sent. */
void journal_ordered(struct journal *journal);

#endif
