/*
 * What a hostile reader writes into its page of the journal (src/common/journal.h) between the writer's operations.
 * Input: what the writer does, what the reader claims, and when an honest reader follows.
 */
#include "common/journal.h"

#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "../spec/support/journal_check.h"
#include "engine/journal_writer.h"
#include "harmless.h"
#include "liar.h"

enum { MOST = 1 << 17, STEP = 64 * 1024 };

struct run {
    struct input input;
    struct journal_writer writer;
    struct account account;
    struct journal_view ahead; /* honest; it looks ahead beside the liar */
    uint64_t honest;           /* an honest reader has read all events before this one, or a liar has claimed so */
    uint64_t ids[MOST];        /* of the event at each position; 0: it is an overflow event */
};

/* ---- The writer. ---- */

static void check(struct run *run)
{
    uint64_t position = run->account.written;

    EXPECT(account_is_right(&run->account, &run->writer));
    for (; position < run->writer.written; position++) {
        const struct event *const event = &run->writer.journal.ring[position % run->writer.journal.slots];

        run->ids[position] = event->kind == EVENT_OVERFLOW ? 0 : (uint64_t)event->number;
    }
}

static void write_events(struct run *run, unsigned count, enum journal_priority priority)
{
    struct event event;

    for (; count > 0 && run->writer.written < MOST / 2; count--) {
        fill_event(&event, ++run->account.attempts, EVENT_REAP, priority == MAY_DROP ? EVENT_ORPHAN : EVENT_SPAWNED);
        journal_write(&run->writer, &event, priority);
        check(run);
    }
}

static void ask(struct run *run)
{
    struct event event;

    fill_event(&event, run->account.attempts + 1, EVENT_SIGNAL, 0);
    run->account.attempts += journal_ask(&run->writer, &event) >= 0 ? 1 : 0;
}

static void look(struct run *run)
{
    journal_look(&run->writer);
    check(run);
    if (run->writer.holder < 0)
        EXPECT(run->writer.seen * sizeof(struct event) < run->writer.released + STEP);
}

static void ask_about(struct run *run)
{
    const int64_t position = input_number(&run->input);

    EXPECT(!journal_is_read(&run->writer, position) || (position >= 0 && (uint64_t)position < run->writer.seen));
    EXPECT(!journal_died_in(&run->writer, position) || journal_is_read(&run->writer, position));
    journal_has_orders(&run->writer);
    EXPECT(!journal_has_orders(&run->writer));
}

/* ---- Honest ones. ---- */

static void check_read(const struct run *run, struct event event, uint64_t position)
{
    EXPECT(position < run->writer.written);
    EXPECT(event.kind == EVENT_OVERFLOW ? run->ids[position] == 0 : run->ids[position] == (uint64_t)event.number);
    event.flags &= (uint16_t) ~(EVENT_AHEAD | EVENT_KNOWN);
    if (event.kind != EVENT_OVERFLOW)
        check_event(&event);
}

/* All are woken that sleep and are to read on. */
static void sleep_and_wake(struct run *run, struct journal_view *view)
{
    struct pollfd wake = { .fd = run->writer.journal.wake_fd[view->index], .events = POLLIN };
    uint64_t count;

    if (read(wake.fd, &count, sizeof count) < 0 && run->writer.written >= MOST / 2)
        return;
    journal_sleep(view, JOURNAL_ASLEEP);
    if (journal_is_readable(view))
        return;
    write_events(run, 1, MUST_KEEP);
    if (!journal_is_readable(view))
        return; /* nothing could be written any more */
    journal_wake(&run->writer);
    EXPECT(poll(&wake, 1, 0) == 1);
}

/* The liar has ended. What it has not claimed to have read is there for the next one, once. */
static void read_honestly(struct run *run)
{
    const unsigned index = input_byte(&run->input) % JOURNAL_READERS;
    unsigned count = 16 * input_byte(&run->input);
    struct journal_view view;
    struct event event;
    uint64_t position;

    look(run);
    position = run->writer.seen;
    EXPECT(position >= run->honest);
    write_events(run, input_byte(&run->input), MAY_DROP);
    journal_prepare(&run->writer, index);
    view_here(&view, &run->writer.journal, index, getpid());
    journal_give(&run->writer, index, getpid());
    EXPECT(run->writer.seen == position);
    for (; count > 0 && journal_read(&view, &event); count--, position++)
        check_read(run, event, position);
    EXPECT(count == 0 || position == run->writer.written);
    sleep_and_wake(run, &view);
    look(run);
    EXPECT(run->writer.seen == position);
    run->honest = position;
}

static void begin_ahead(struct run *run)
{
    const unsigned index = 1 - run->writer.reader;

    journal_prepare(&run->writer, index);
    view_here(&run->ahead, &run->writer.journal, index, 1);
    run->ahead.reading = JOURNAL_LOOKS_AHEAD;
    run->ahead.ahead = run->writer.written;
    journal_hold(&run->writer, (int)index);
}

static void look_ahead(struct run *run)
{
    unsigned count = 16 * input_byte(&run->input);
    struct event event;

    for (; run->ahead.journal && count > 0 && journal_read(&run->ahead, &event); count--) {
        EXPECT(event.flags & EVENT_AHEAD);
        check_read(run, event, run->ahead.ahead - 1);
    }
}

static void step(struct run *run)
{
    const unsigned what = input_byte(&run->input);

    switch (what % 16) {
    case 0:
    case 1:
        write_events(run, 16 * input_byte(&run->input), what % 16 == 0 ? MAY_DROP : MUST_KEEP);
        break;
    case 2:
        ask(run);
        break;
    case 3:
        look(run);
        break;
    case 4:
        journal_wake(&run->writer);
        break;
    case 5:
        journal_prepare(&run->writer, what / 16 % JOURNAL_READERS);
        break;
    case 6:
        journal_hold(&run->writer, (int)(what / 16 % (JOURNAL_READERS + 1)) - 1);
        break;
    case 7:
        journal_give(&run->writer, what / 16 % JOURNAL_READERS, what & 128 ? 1 : 0);
        break;
    case 8:
        ask_about(run);
        break;
    case 9:
        read_honestly(run);
        break;
    case 10:
        begin_ahead(run);
        break;
    case 11:
        look_ahead(run);
        break;
    default:
        lie(&run->input, &run->writer);
        break;
    }
    check(run);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct run run;

    world_begin();
    memset(&run, 0, offsetof(struct run, ids));
    run.input = (struct input){ bytes, bytes + size };
    begin_small(&run.writer);
    while (run.input.at < run.input.end)
        step(&run);
    end_small(&run.writer);
    world_end();
    return 0;
}
