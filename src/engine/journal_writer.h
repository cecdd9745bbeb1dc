/*
 * journal_writer.h: the engine's side of the journal (common/journal.h).
 *
 * Nothing here waits, and nothing is lost in silence: what finds no room is counted or remembered.
 */
#ifndef REAPER_ENGINE_JOURNAL_WRITER_H
#define REAPER_ENGINE_JOURNAL_WRITER_H

#include "common/journal.h"
#include "engine/late_events.h"

enum journal_priority {
    UNHEARD,   /* an orphan's death that nobody listens to yet: as the next one, and it wakes nobody */
    MAY_DROP,  /* an orphan's death: not in the last ninth of the ring */
    MUST_KEEP, /* what somebody waits for: beyond the ring it is remembered until there is room */
};

struct journal_writer {
    struct journal journal;
    unsigned reader;            /* the index of the reader that counts */
    int holder;                 /* the index of one that looks ahead, for which events are held; -1: there is none */
    uint64_t given;             /* where the reader has begun */
    uint64_t written, seen;     /* positions; what the reader says is clamped between the last `seen` and `written` */
    uint64_t ensured, released; /* bytes from the beginning: there are pages for, and given back until */
    uint64_t dropped;           /* not yet told */
    uint64_t dropped_ever;      /* since the start */
    uint64_t asked_at;          /* `seen` when ORDER_LOOK was asked for last */
    uint32_t orders;            /* as many had been sent when they were read last */
    enum journal_sleep wakes;   /* readers that sleep at least so deeply are to be woken; JOURNAL_AWAKE: none */
    int64_t again_at;           /* a reader could not be woken: when to try again; NEVER */
    struct late_events late;    /* those for which there was no room */
};

/* Maps it, empty. 0, or -1 with errno. */
int journal_begin(struct journal_writer *writer);
void journal_end(struct journal_writer *writer);

/*
 * Appends an event. Its position, or -1 when there is no room for it: then it has been counted, and one overflow event
 * will stand where it would have stood, or it is remembered (MUST_KEEP) and is appended when there is room.
 */
int64_t journal_write(struct journal_writer *writer, const struct event *event, enum journal_priority priority);

/* The same for a question, which is not remembered: -1 with nothing done. Its reader wakes at once. */
int64_t journal_ask(struct journal_writer *writer, const struct event *event);

/* Wakes the readers that sleep although something has been written for them. */
void journal_wake(struct journal_writer *writer);

/*
 * The engine is about to wait: wakes the readers, and where much is unread, or has found no room, asks for ORDER_LOOK
 * when it has been read. journal_look() is called then.
 */
void journal_rest(struct journal_writer *writer);

/* Looks how far the reader is, appends what was remembered, and gives the memory of what has been read back. */
void journal_look(struct journal_writer *writer);

/* How many events are unread. */
uint64_t journal_unread(const struct journal_writer *writer);

/* True when the reader has begun to deal with the event at that position. */
int journal_is_read(struct journal_writer *writer, int64_t position);

/* True when it has begun and has not come back: it died in that event's hook, if it is dead. */
int journal_died_in(const struct journal_writer *writer, int64_t position);

/* True when orders have been sent since the last call. The engine reads its sockets then. */
int journal_has_orders(struct journal_writer *writer);

/* A message has been put into the socket to the reader with that index. */
void journal_sent(struct journal_writer *writer, unsigned index);

/* A new process is to be the reader with that index: of its messages, none has been sent. */
void journal_prepare(struct journal_writer *writer, unsigned index);

/*
 * Events that the reader with that index has not looked at yet are held for it, within half the ring: until it reads,
 * and has looked at what the one before it had read. -1: for nobody.
 */
void journal_hold(struct journal_writer *writer, int index);

/* From now on the process `pid` reads, with that index, from where the last one has stopped. 0: nobody does. */
void journal_give(struct journal_writer *writer, unsigned index, pid_t pid);

#endif
