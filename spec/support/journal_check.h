/*
 * journal_check.h: what the programs that try the journal (src/common/journal.h) have in common.
 */
#ifndef REAPER_SPEC_JOURNAL_CHECK_H
#define REAPER_SPEC_JOURNAL_CHECK_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/journal.h"
#include "engine/journal_writer.h"

/* Ends the program as a failure unless `truth`. */
#define NEED(truth, ...) ((truth) ? (void)0 : (journal_wrong(__FILE__, __LINE__, #truth), journal_say(__VA_ARGS__)))

static inline void journal_wrong(const char *file, int line, const char *what)
{
    fprintf(stderr, "%s:%d: this is not so: %s; ", file, line, what);
}

static inline void journal_say(const char *format, uint64_t a, uint64_t b)
{
    fprintf(stderr, format, (unsigned long long)a, (unsigned long long)b);
    fputc('\n', stderr);
    _exit(1);
}

/* An event with the number `id`, of which each byte depends on it: one that is torn is seen. */
static inline void fill_event(struct event *event, uint64_t id, uint16_t kind, uint16_t flags)
{
    memset(event, (int)(id % 251), sizeof *event);
    event->kind = kind;
    event->flags = flags;
    event->number = (int64_t)id;
}

static inline void check_event(const struct event *event)
{
    struct event same;

    fill_event(&same, (uint64_t)event->number, event->kind, event->flags);
    NEED(memcmp(event, &same, sizeof same) == 0, "event %llu of kind %llu is torn", (uint64_t)event->number,
         event->kind);
}

/* A reader in the writer's own process: what journal_view does, but the mapping stays as it is. */
static inline void view_here(struct journal_view *view, struct journal *journal, unsigned index, pid_t pid)
{
    memset(view, 0, sizeof *view);
    view->journal = journal;
    view->index = index;
    view->pid = pid;
    view->reading = JOURNAL_READS;
}

/* A journal with the smallest ring, which is full soon. Its memory is as large as ever. */
static inline void begin_small(struct journal_writer *writer)
{
    NEED(journal_begin(writer) == 0, "no journal: %llu of %llu", 0, 0);
    writer->journal.slots = JOURNAL_LEAST;
}

static inline void end_small(struct journal_writer *writer)
{
    writer->journal.slots = JOURNAL_SLOTS;
    journal_end(writer);
}

/* Where each event is that somebody has tried to write. */
struct account {
    uint64_t attempts, appended, counted; /* counted: by overflow events */
    uint64_t seen, written;               /* as they were when it was looked at last */
};

/* Looks at what has been appended, before it can be read. 0 when the sums or the positions are wrong. */
static inline int account_is_right(struct account *account, const struct journal_writer *writer)
{
    const struct journal *const journal = &writer->journal;

    if (writer->written < account->written || writer->seen < account->seen || writer->seen > writer->written)
        return 0;
    for (; account->written < writer->written; account->written++) {
        const struct event *const event = &journal->ring[account->written % journal->slots];

        if (event->kind == EVENT_OVERFLOW)
            account->counted += (uint64_t)event->number;
        else
            account->appended++;
    }
    account->seen = writer->seen;
    return account->attempts == account->appended + account->counted + writer->dropped + writer->late.count
           && account->counted + writer->dropped == writer->dropped_ever
           && writer->written - writer->seen <= journal->slots - JOURNAL_MARGIN + 1
           && writer->released <= writer->seen * sizeof(struct event)
           && writer->ensured - writer->released <= journal_ring_size(journal)
           && atomic_load(&journal->facts->oldest) * sizeof(struct event) >= writer->released;
}

/* A number that looks like chance, and the same ones for the same seed. */
static inline uint32_t chance(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*seed >> 33);
}

#endif
