#define _GNU_SOURCE
#include "engine/journal_writer.h"

#include <errno.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "common/clock.h"
#include "engine/journal_pages.h"

static const int64_t wake_again_after = 10 * MILLISECOND;

enum {
    GIVE_BACK = 64 * 1024, /* bytes at a time, where much is unread */
    MUCH = 512,            /* events: some 92 kB */
};

/* ---- Room. ---- */

int journal_begin(struct journal_writer *writer)
{
    memset(writer, 0, sizeof *writer);
    writer->holder = -1;
    writer->asked_at = UINT64_MAX;
    writer->again_at = NEVER;
    if (journal_open(&writer->journal) != 0)
        return -1;
    if (journal_pages_populate(writer->journal.facts, 2 * journal_page_size()) != 0) {
        journal_close(&writer->journal);
        errno = ENOMEM; /* whatever it was: of pages that are mapped */
        return -1;
    }
    return 0;
}

void journal_end(struct journal_writer *writer)
{
    late_events_clear(&writer->late);
    journal_close(&writer->journal);
}

/* A lie about events that are still to come is taken back, so that it does not become true when they are written. */
static void look_at(struct journal_writer *writer, unsigned index)
{
    _Atomic uint64_t *const position = &writer->journal.page->reader[index].read;
    uint64_t read = atomic_load_explicit(position, memory_order_acquire);

    if (read > writer->written)
        atomic_compare_exchange_strong(position, &read, writer->seen);
    else if (read > writer->seen && index == writer->reader)
        writer->seen = read;
    if (writer->holder == (int)writer->reader
        && atomic_load_explicit(&writer->journal.page->reader[index].ahead, memory_order_acquire) >= writer->given)
        writer->holder = -1; /* it has looked at all that the one before it had read */
}

/*
 * The position up to which nobody needs the events any more. For one that looks ahead too slowly they are not held, but
 * it is woken as ever, and may catch up.
 */
static uint64_t oldest_needed(const struct journal_writer *writer)
{
    uint64_t ahead;

    if (writer->holder < 0)
        return writer->seen;
    ahead = atomic_load_explicit(&writer->journal.page->reader[writer->holder].ahead, memory_order_acquire);
    if (ahead >= writer->seen || writer->written - ahead > writer->journal.slots / 2)
        return writer->seen;
    return ahead;
}

static int has_room(const struct journal_writer *writer, enum journal_priority priority)
{
    const uint32_t slots = writer->journal.slots;
    const uint64_t most = slots - (priority != MUST_KEEP ? slots / JOURNAL_RESERVE : JOURNAL_MARGIN);

    return writer->written - oldest_needed(writer) < most;
}

/* ---- Writing. ---- */

static int64_t append(struct journal_writer *writer, const struct event *event)
{
    struct journal *const journal = &writer->journal;

    if (journal_pages_ensure(writer, (writer->written + 1) * sizeof *event) != 0)
        return -1;
    journal->ring[writer->written % journal->slots] = *event;
    atomic_store_explicit(&journal->facts->written, writer->written + 1, memory_order_seq_cst);
    return (int64_t)writer->written++;
}

static void wake_later(struct journal_writer *writer, enum journal_sleep how)
{
    if (how == JOURNAL_NAPPING || writer->wakes == JOURNAL_AWAKE)
        writer->wakes = how;
}

/* An overflow event stands where the events would have stood that it counts. */
static int tell_dropped(struct journal_writer *writer)
{
    const struct event overflow = { .kind = EVENT_OVERFLOW, .number = (int64_t)writer->dropped };

    if (writer->dropped == 0)
        return 0;
    if (!has_room(writer, MAY_DROP) || append(writer, &overflow) < 0)
        return -1;
    writer->dropped = 0;
    return 0;
}

static void drop(struct journal_writer *writer)
{
    writer->dropped++;
    writer->dropped_ever++;
}

/* 0 when nothing is left that came earlier. */
static int append_late(struct journal_writer *writer)
{
    const struct event *event;

    while ((event = late_events_first(&writer->late))) {
        if (!has_room(writer, MUST_KEEP) || append(writer, event) < 0)
            return -1;
        late_events_drop(&writer->late);
        wake_later(writer, JOURNAL_ASLEEP);
    }
    return 0;
}

/* Where there is no room for the overflow event, what must be kept stands before it. */
static int64_t try_to_append(struct journal_writer *writer, const struct event *event, enum journal_priority priority)
{
    look_at(writer, writer->reader);
    if (append_late(writer) != 0 || !has_room(writer, priority))
        return -1;
    if (tell_dropped(writer) != 0 && priority != MUST_KEEP)
        return -1;
    return append(writer, event);
}

int64_t journal_write(struct journal_writer *writer, const struct event *event, enum journal_priority priority)
{
    const int64_t position = try_to_append(writer, event, priority);

    if (position < 0 && (priority != MUST_KEEP || late_events_add(&writer->late, event) != 0))
        drop(writer);
    if (priority != UNHEARD)
        wake_later(writer, JOURNAL_ASLEEP);
    return position;
}

int64_t journal_ask(struct journal_writer *writer, const struct event *event)
{
    const int64_t position = try_to_append(writer, event, MUST_KEEP);

    wake_later(writer, JOURNAL_NAPPING);
    return position;
}

/* ---- The reader. ---- */

/* True when it has dealt with all that stands there; one that only looks ahead, when it has looked at all. */
static int is_through(const struct journal_writer *writer, unsigned index)
{
    const struct journal_reader *const reader = &writer->journal.page->reader[index];
    const _Atomic uint64_t *const position = index == writer->reader ? &reader->read : &reader->ahead;

    return atomic_load_explicit(position, memory_order_acquire) == writer->written;
}

/* 0, or -1 when it could not be done. A timer that is set cannot be made to wait, as a write to an eventfd can. */
static int wake(struct journal_writer *writer, unsigned index)
{
    static const struct itimerspec now = { .it_value.tv_nsec = 1 };
    struct journal_reader *const reader = &writer->journal.page->reader[index];
    const uint32_t depth = atomic_load_explicit(&reader->sleep, memory_order_seq_cst);

    if ((depth != JOURNAL_ASLEEP && (depth != JOURNAL_NAPPING || writer->wakes != JOURNAL_NAPPING))
        || is_through(writer, index))
        return 0;
    atomic_store_explicit(&reader->sleep, JOURNAL_AWAKE, memory_order_seq_cst);
    if (timerfd_settime(writer->journal.wake_fd[index], 0, &now, NULL) == 0)
        return 0;
    atomic_store_explicit(&reader->sleep, depth, memory_order_seq_cst);
    return -1;
}

void journal_wake(struct journal_writer *writer)
{
    int failed;

    if (writer->wakes == JOURNAL_AWAKE)
        return;
    failed = wake(writer, writer->reader);
    if (writer->holder >= 0 && (unsigned)writer->holder != writer->reader)
        failed |= wake(writer, (unsigned)writer->holder);
    if (failed)
        writer->again_at = clock_after(wake_again_after);
    else
        writer->wakes = JOURNAL_AWAKE;
}

static void give_back_what_is_read(struct journal_writer *writer)
{
    const uint64_t oldest = oldest_needed(writer);
    const uint64_t step = journal_unread(writer) * sizeof(struct event) > GIVE_BACK ? GIVE_BACK : journal_page_size();
    const uint64_t end = oldest * sizeof(struct event) / step * step;

    if (end > writer->released)
        journal_pages_give_back(writer, end);
}

void journal_look(struct journal_writer *writer)
{
    if (!writer->journal.facts)
        return;
    look_at(writer, writer->reader);
    append_late(writer);
    if (writer->dropped > 0 && tell_dropped(writer) == 0)
        wake_later(writer, JOURNAL_ASLEEP);
    give_back_what_is_read(writer);
}

/* Enough that it is worth a wake-up when it has been read. */
static int is_worth_a_look(const struct journal_writer *writer)
{
    return writer->dropped > 0 || writer->late.first || journal_unread(writer) >= MUCH;
}

void journal_rest(struct journal_writer *writer)
{
    if (!writer->journal.facts)
        return;
    journal_wake(writer);
    if (!is_worth_a_look(writer) || writer->asked_at == writer->seen)
        return;
    writer->asked_at = writer->seen;
    atomic_fetch_add_explicit(&writer->journal.facts->asks, 1, memory_order_seq_cst);
}

uint64_t journal_unread(const struct journal_writer *writer)
{
    return writer->written - writer->seen;
}

int journal_is_read(struct journal_writer *writer, int64_t position)
{
    look_at(writer, writer->reader);
    return position >= 0 && (uint64_t)position < writer->seen;
}

int journal_died_in(const struct journal_writer *writer, int64_t position)
{
    const struct journal_reader *const reader = &writer->journal.page->reader[writer->reader];

    return position >= 0 && (uint64_t)position < writer->seen
           && atomic_load_explicit(&reader->busy, memory_order_acquire) == (uint64_t)position + 1;
}

int journal_has_orders(struct journal_writer *writer)
{
    const uint32_t orders = writer->journal.facts
                                ? atomic_load_explicit(&writer->journal.page->orders, memory_order_acquire)
                                : writer->orders;
    const int moved = orders != writer->orders;

    writer->orders = orders;
    return moved;
}

void journal_sent(struct journal_writer *writer, unsigned index)
{
    atomic_fetch_add_explicit(&writer->journal.facts->sent[index], 1, memory_order_release);
}

void journal_prepare(struct journal_writer *writer, unsigned index)
{
    struct journal_reader *const reader = &writer->journal.page->reader[index];

    look_at(writer, index);
    atomic_store(&writer->journal.facts->sent[index], 0);
    atomic_store(&reader->ahead, writer->written);
    atomic_store(&reader->busy, 0);
    atomic_store(&reader->sleep, JOURNAL_AWAKE);
}

void journal_hold(struct journal_writer *writer, int index)
{
    writer->holder = index;
}

void journal_give(struct journal_writer *writer, unsigned index, pid_t pid)
{
    look_at(writer, writer->reader);
    writer->reader = index;
    writer->given = writer->seen;
    if (pid != 0)
        atomic_store(&writer->journal.page->reader[index].read, writer->seen);
    atomic_store(&writer->journal.facts->reader, pid);
    wake_later(writer, JOURNAL_ASLEEP);
}
