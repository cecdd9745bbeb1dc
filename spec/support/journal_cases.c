/*
 * Single cases of the journal, step by step in one process:
 *
 *     journal-cases NAME
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <sys/mman.h>

#include "journal_check.h"

enum { LEAST = JOURNAL_LEAST, EVENTS = 1000000, HELD_AT_MOST = 64 * 1024 };

struct trial {
    struct journal_writer writer;
    struct journal_view reader, ahead; /* the one that reads, and one that looks ahead, with the index 1 */
    uint64_t written, last;
};

static void append(struct trial *trial, uint16_t kind, uint16_t flags)
{
    struct event event;

    fill_event(&event, ++trial->written, kind, flags);
    NEED(journal_write(&trial->writer, &event, MUST_KEEP) >= 0, "no room for %llu, seen %llu", trial->written,
         trial->writer.seen);
}

static void append_many(struct trial *trial, uint64_t count)
{
    while (count-- > 0)
        append(trial, EVENT_REAP, EVENT_SPAWNED);
}

static void read_many(struct trial *trial, uint64_t count)
{
    struct event event;

    while (count-- > 0) {
        NEED(journal_read(&trial->reader, &event), "nothing after %llu of %llu", trial->last, trial->written);
        check_event(&event);
        NEED((uint64_t)event.number == trial->last + 1, "%llu after %llu", (uint64_t)event.number, trial->last);
        trial->last++;
    }
}

static int is_woken(struct trial *trial, const struct journal_view *view)
{
    struct pollfd wake = { .fd = view->journal->wake_fd[view->index], .events = POLLIN };
    uint64_t count;
    int is_readable;

    journal_wake(&trial->writer);
    is_readable = poll(&wake, 1, 0) > 0;
    NEED(!is_readable || read(wake.fd, &count, sizeof count) == sizeof count, "not read: %llu %llu", 0, 0);
    return is_readable;
}

static void look_ahead(struct trial *trial)
{
    journal_prepare(&trial->writer, 1);
    view_here(&trial->ahead, &trial->writer.journal, 1, getpid() + 1);
    trial->ahead.reading = JOURNAL_LOOKS_AHEAD;
    trial->ahead.ahead = trial->writer.written;
    journal_hold(&trial->writer, 1);
}

/* ---- The cases. ---- */

/* The ring is used twice between two looks, and what is unread then is not given back. */
static void turns_without_a_look(struct trial *trial)
{
    for (int i = 0; i < 5; i++) {
        append_many(trial, LEAST - JOURNAL_MARGIN);
        read_many(trial, LEAST - JOURNAL_MARGIN);
    }
    append_many(trial, LEAST - JOURNAL_MARGIN);
    journal_look(&trial->writer);
    read_many(trial, LEAST - JOURNAL_MARGIN);
}

/* One that looks ahead and is too slow sees events that are whole, in order, and counts the others. */
static void is_overtaken(struct trial *trial)
{
    struct event event;
    uint64_t last = 0, count = 0;

    look_ahead(trial);
    for (int i = 0; i < 5; i++) {
        append_many(trial, LEAST - JOURNAL_MARGIN);
        read_many(trial, LEAST - JOURNAL_MARGIN);
    }
    append_many(trial, 10);
    while (journal_read(&trial->ahead, &event)) {
        NEED(event.flags & EVENT_AHEAD, "event %llu: %llx", (uint64_t)event.number, event.flags);
        event.flags = EVENT_SPAWNED;
        check_event(&event);
        NEED((uint64_t)event.number > last, "%llu after %llu", (uint64_t)event.number, last);
        last = (uint64_t)event.number;
        count++;
    }
    NEED(last == trial->written, "%llu is the last one of %llu", last, trial->written);
    NEED(count + trial->ahead.skipped == trial->written, "%llu seen, %llu skipped", count, trial->ahead.skipped);
    read_many(trial, 10);
}

/* One for which nothing is held any more is woken as ever, and things are held for it when it has caught up. */
static void catches_up(struct trial *trial)
{
    struct event event;

    look_ahead(trial);
    append_many(trial, LEAST - JOURNAL_MARGIN);
    read_many(trial, LEAST - JOURNAL_MARGIN);
    append_many(trial, 1);
    while (journal_read(&trial->ahead, &event))
        continue;
    journal_wake(&trial->writer);
    journal_sleep(&trial->ahead, JOURNAL_ASLEEP);
    NEED(!journal_is_readable(&trial->ahead), "%llu %llu", 0, 0);
    append_many(trial, 1);
    NEED(is_woken(trial, &trial->ahead), "%llu is not told to who looks ahead; seen %llu", trial->written,
         trial->writer.seen);
    read_many(trial, 2);
    append_many(trial, LEAST / 2 - 10);
    read_many(trial, LEAST / 2 - 10);
    journal_look(&trial->writer);
    for (uint64_t count = LEAST / 2 - 9; count > 0; count--)
        NEED(journal_read(&trial->ahead, &event), "%llu are not held, of %llu", count, trial->written);
}

/* Only a question wakes a nap; and nobody who is awake. */
static void wakes_by_depth(struct trial *trial)
{
    struct event event = { .kind = EVENT_STOP };

    NEED(!is_woken(trial, &trial->reader), "given: %llu %llu", 0, 0);
    append_many(trial, 1);
    NEED(!is_woken(trial, &trial->reader), "awake: %llu %llu", 0, 0);
    journal_sleep(&trial->reader, JOURNAL_NAPPING);
    append_many(trial, 1);
    NEED(!is_woken(trial, &trial->reader), "napping: %llu %llu", 0, 0);
    NEED(journal_ask(&trial->writer, &event) >= 0, "asked: %llu %llu", 0, 0);
    append_many(trial, 1);
    NEED(is_woken(trial, &trial->reader), "a question in a nap: %llu %llu", 0, 0);
    NEED(!is_woken(trial, &trial->reader), "twice: %llu %llu", 0, 0);
    journal_sleep(&trial->reader, JOURNAL_ASLEEP);
    append_many(trial, 1);
    NEED(is_woken(trial, &trial->reader), "asleep: %llu %llu", 0, 0);
}

/* A position beyond the end is not taken later, when there is an end beyond it. */
static void lie_comes_true(struct trial *trial)
{
    _Atomic uint64_t *const read = &trial->writer.journal.page->reader[0].read;

    append_many(trial, 10);
    read_many(trial, 5);
    journal_look(&trial->writer);
    atomic_store(read, 100);
    journal_prepare(&trial->writer, 0);
    append_many(trial, 200);
    NEED(trial->writer.seen == 5, "seen: %llu of %llu", trial->writer.seen, trial->written);
    journal_give(&trial->writer, 0, getpid());
    read_many(trial, 205);
}

/* The overflow event of a program that never listens to deaths counts deaths: those too that another one counts. */
static void lets_go(struct trial *trial)
{
    struct event event;
    uint64_t deaths = 0, others = 0, dropped = 0;

    trial->reader.reading = JOURNAL_KEEPS;
    fill_event(&event, 0, EVENT_REAP, EVENT_ORPHAN);
    for (int i = 0; i < 2 * LEAST; i++, deaths++) /* the last ones are dropped */
        journal_write(&trial->writer, &event, MAY_DROP);
    for (int i = 0; i < 5 * LEAST; i++) {
        event.kind = i % 3 == 0 ? EVENT_SIGNAL : EVENT_REAP;
        deaths += event.kind == EVENT_REAP;
        NEED(journal_write(&trial->writer, &event, MUST_KEEP) >= 0, "no room for %llu of %llu", (uint64_t)i, 5 * LEAST);
        while (journal_read(&trial->reader, &event))
            others += event.kind == EVENT_SIGNAL;
        journal_look(&trial->writer);
    }
    NEED(others == (5 * LEAST + 2) / 3, "%llu signals of %llu", others, (5 * LEAST + 2) / 3);
    trial->reader.reading = JOURNAL_READS;
    for (int turn = 0; turn < 2; turn++) {
        while (journal_read(&trial->reader, &event)) {
            NEED(event.kind != EVENT_SIGNAL, "twice: %llu %llu", 0, 0);
            deaths -= event.kind == EVENT_REAP;
            dropped += event.kind == EVENT_OVERFLOW ? (uint64_t)event.number : 0;
        }
        journal_look(&trial->writer);
    }
    NEED(deaths == dropped, "%llu deaths have not been told, %llu are counted", deaths, dropped);
}

/* A reader is read on by one with the other index, and what the old one had begun with is the one it died in. */
static void is_handed_over(struct trial *trial)
{
    struct event event;

    append_many(trial, 10);
    read_many(trial, 3);
    NEED(journal_is_read(&trial->writer, 2) && !journal_is_read(&trial->writer, 3), "%llu %llu", 0, 0);
    NEED(journal_died_in(&trial->writer, 2) && !journal_died_in(&trial->writer, 1), "%llu %llu", 0, 0);
    journal_give(&trial->writer, 0, 0);
    NEED(!journal_is_readable(&trial->reader), "readable: %llu %llu", 0, 0);
    NEED(!journal_read(&trial->reader, &event), "read by one that may not: %llu %llu", (uint64_t)event.number, 0);
    journal_prepare(&trial->writer, 1);
    view_here(&trial->reader, &trial->writer.journal, 1, getpid());
    journal_give(&trial->writer, 1, getpid());
    NEED(!journal_died_in(&trial->writer, 2), "%llu %llu", 0, 0);
    read_many(trial, 7);
    journal_sleep(&trial->reader, JOURNAL_AWAKE);
    NEED(journal_is_read(&trial->writer, 9) && !journal_died_in(&trial->writer, 9), "%llu %llu", 0, 0);
}

/* ---- What is given back. ---- */

static uint64_t resident(const struct journal *journal)
{
    static unsigned char pages[JOURNAL_SLOTS];
    const size_t size = 2 * journal_page_size() + journal_ring_size(journal);
    uint64_t count = 0;

    NEED(mincore(journal->facts, size, pages) == 0, "mincore: %llu %llu", (uint64_t)errno, 0);
    for (size_t i = 0; i < size / journal_page_size(); i++)
        count += pages[i] & 1;
    return count * journal_page_size();
}

/* At most 64 KiB and what is unread; besides, the two pages, and the one that is being written. */
static void check_resident(struct trial *trial)
{
    uint64_t most;

    journal_look(&trial->writer);
    most = journal_unread(&trial->writer) * sizeof(struct event) + HELD_AT_MOST + 3 * journal_page_size();
    NEED(resident(&trial->writer.journal) <= most, "%llu bytes are resident, not %llu",
         resident(&trial->writer.journal), most);
}

/* Over many turns of the whole ring, with more unread and less. */
static void gives_back(struct trial *trial)
{
    uint64_t seed = 1;

    trial->writer.journal.slots = JOURNAL_SLOTS;
    while (trial->written < EVENTS) {
        const uint32_t unread = chance(&seed) % 4 == 0 ? chance(&seed) % 3000 : chance(&seed) % 30;

        append_many(trial, chance(&seed) % 3000);
        read_many(trial, trial->written - trial->last > unread ? trial->written - trial->last - unread : 0);
        check_resident(trial);
    }
    read_many(trial, trial->written - trial->last);
    journal_look(&trial->writer);
    NEED(resident(&trial->writer.journal) <= 3 * journal_page_size(), "%llu bytes are resident, not %llu",
         resident(&trial->writer.journal), 3 * journal_page_size());
}

int main(int count, char **values)
{
    static const struct {
        const char *name;
        void (*run)(struct trial *trial);
    } cases[] = {
        { "turns_without_a_look", turns_without_a_look },
        { "is_overtaken", is_overtaken },
        { "catches_up", catches_up },
        { "wakes_by_depth", wakes_by_depth },
        { "lie_comes_true", lie_comes_true },
        { "lets_go", lets_go },
        { "is_handed_over", is_handed_over },
        { "gives_back", gives_back },
    };
    static struct trial trial;

    begin_small(&trial.writer);
    view_here(&trial.reader, &trial.writer.journal, 0, getpid());
    journal_prepare(&trial.writer, 0);
    journal_give(&trial.writer, 0, getpid());
    for (size_t i = 0; count == 2 && i < sizeof cases / sizeof *cases; i++)
        if (strcmp(cases[i].name, values[1]) == 0) {
            cases[i].run(&trial);
            end_small(&trial.writer);
            return 0;
        }
    return 2;
}
