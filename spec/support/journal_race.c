/*
 * Hammers the journal from two threads and more, in a build with -fsanitize=thread:
 *
 *     journal-race SEED ROUNDS small|whole [slow]
 *
 * The main thread writes: storms, pauses, questions, and hand-overs from one reader to the next, which looks ahead
 * before. With "slow", readers take their time: the ring is full again and again, and one that looks ahead is given up.
 * Then it copies events while they may be overwritten, and finds out afterwards: for the sanitizer that is a race in
 * copy_ahead.
 */
#define _GNU_SOURCE
#include <sys/timerfd.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>

#include "journal_check.h"

enum { EVENTS_MAX = 1 << 22, LOST_MS = 1000, FIRST_PID = 1000 };
enum wanted { GO_ON, SWITCH, STOP };

/* The readers follow each other: what they write here needs no lock, if the hand-over is one. */
struct race {
    struct journal_writer writer;
    uint64_t seed, written;
    int is_slow, is_small;
    pid_t last_pid;
    uint8_t *is_kept;                 /* of each event: whether it must not be dropped */
    uint8_t *is_delivered;            /* by one that reads */
    uint64_t last, missing, overflow; /* of those that read */
};

struct reader {
    struct race *race;
    struct journal_view view;
    uint64_t seed, last_ahead;
    uint8_t *is_ahead; /* what it has looked at before its turn */
    _Atomic int order;
    pthread_t thread;
};

/* ---- A reader. ---- */

static void take_ahead(struct reader *reader, const struct event *event)
{
    const uint64_t id = (uint64_t)event->number;

    NEED(event->kind == EVENT_REAP && (event->flags & EVENT_SPAWNED), "ahead: %llu of kind %llu", id, event->kind);
    NEED(id > reader->last_ahead, "ahead: %llu after %llu", id, reader->last_ahead);
    reader->last_ahead = id;
    reader->is_ahead[id] = 1;
}

static void take(struct reader *reader, const struct event *event)
{
    struct race *const race = reader->race;
    const uint64_t id = (uint64_t)event->number;

    if (event->kind == EVENT_OVERFLOW) {
        race->overflow += id;
        return;
    }
    NEED(id > race->last, "%llu after %llu", id, race->last);
    NEED(!race->is_delivered[id], "%llu twice, after %llu", id, race->last);
    NEED(!reader->is_ahead[id] || (event->flags & EVENT_KNOWN), "%llu is known, after %llu", id, race->last);
    race->is_delivered[id] = 1;
    race->missing += id - race->last - 1;
    race->last = id;
}

/* What it has not looked at would stand in `skipped`, as lost for those that wait: here the old one had it. */
static int read_one(struct reader *reader)
{
    struct event event;

    if (reader->view.reading == JOURNAL_READS)
        reader->view.skipped = 0;
    if (!journal_read(&reader->view, &event))
        return 0;
    if (event.kind != EVENT_OVERFLOW) {
        const uint16_t flags = event.flags;

        check_event(&event);
        event.flags = flags;
    }
    if (event.flags & EVENT_AHEAD)
        take_ahead(reader, &event);
    else
        take(reader, &event);
    return 1;
}

static int has_reason(struct reader *reader)
{
    const int order = atomic_load(&reader->order);

    return order == STOP || (order == SWITCH && reader->view.reading == JOURNAL_LOOKS_AHEAD)
           || journal_is_readable(&reader->view);
}

/* Sleeps as lua_poll.c does. That nobody wakes it although it has a reason is the fault. */
static void rest(struct reader *reader)
{
    const enum journal_sleep sleep = chance(&reader->seed) % 4 == 0 ? JOURNAL_NAPPING : JOURNAL_ASLEEP;
    struct pollfd wake = { .fd = reader->view.journal->wake_fd[reader->view.index], .events = POLLIN };
    uint64_t count;

    journal_sleep(&reader->view, sleep);
    if (!has_reason(reader) && poll(&wake, 1, sleep == JOURNAL_NAPPING ? 1 : LOST_MS) == 0 && sleep == JOURNAL_ASLEEP
        && has_reason(reader))
        NEED(poll(&wake, 1, 5 * LOST_MS) > 0, "nobody wakes reader %llu, which reads: %llu", reader->view.index,
             reader->view.reading == JOURNAL_READS);
    journal_sleep(&reader->view, JOURNAL_AWAKE);
    if (read(wake.fd, &count, sizeof count) < 0)
        return; /* it was a nap */
}

static void *reader_thread(void *given)
{
    struct reader *const reader = given;

    for (unsigned turns = 0; atomic_load(&reader->order) != STOP; turns++) {
        if (atomic_load(&reader->order) == SWITCH)
            reader->view.reading = JOURNAL_READS;
        if (reader->race->is_slow && chance(&reader->seed) % 512 == 0)
            usleep(chance(&reader->seed) % 2000);
        if (!read_one(reader))
            rest(reader);
    }
    return NULL;
}

/* ---- The writer. ---- */

static struct reader *start_reader(struct race *race, unsigned index)
{
    struct reader *const reader = calloc(1, sizeof *reader);

    NEED(reader, "memory: %llu of %llu", 0, 0);
    reader->race = race;
    reader->seed = race->seed + (uint64_t)race->last_pid;
    reader->is_ahead = calloc(EVENTS_MAX, 1);
    view_here(&reader->view, &race->writer.journal, index, ++race->last_pid);
    reader->view.reading = JOURNAL_LOOKS_AHEAD;
    journal_prepare(&race->writer, index);
    reader->view.ahead = race->writer.written;
    journal_hold(&race->writer, (int)index);
    NEED(pthread_create(&reader->thread, NULL, reader_thread, reader) == 0, "thread %llu of %llu", index, 0);
    return reader;
}

static void stop_reader(struct reader *reader)
{
    static const struct itimerspec now = { .it_value.tv_nsec = 1 };

    atomic_store(&reader->order, STOP);
    NEED(timerfd_settime(reader->view.journal->wake_fd[reader->view.index], 0, &now, NULL) == 0, "wake: %llu %llu", 0,
         0);
    pthread_join(reader->thread, NULL);
    free(reader->is_ahead);
    free(reader);
}

static void give(struct race *race, struct reader *reader)
{
    atomic_store(&reader->order, SWITCH);
    journal_give(&race->writer, reader->view.index, reader->view.pid);
    journal_wake(&race->writer);
}

static void write_one(struct race *race)
{
    const uint32_t how = chance(&race->seed);
    const int is_spawned = how % 8 == 0;
    const uint16_t kind = how % 64 == 1 ? EVENT_SIGNAL : EVENT_REAP;
    struct event event;

    fill_event(&event, race->written + 1, kind, is_spawned ? EVENT_SPAWNED : EVENT_ORPHAN);
    race->is_kept[race->written + 1] = is_spawned ? 1 : 0;
    if (kind == EVENT_SIGNAL && journal_ask(&race->writer, &event) < 0)
        return;
    race->written++;
    if (kind != EVENT_SIGNAL)
        journal_write(&race->writer, &event, is_spawned ? MUST_KEEP : MAY_DROP);
}

static void storm(struct race *race)
{
    const uint32_t most = chance(&race->seed) % 4 == 0 ? 4000 : 40;
    const uint32_t count = chance(&race->seed) % most;

    for (uint32_t i = 0; i < count && race->written < EVENTS_MAX - 2; i++) {
        write_one(race);
        if (chance(&race->seed) % 16 == 0)
            journal_wake(&race->writer);
        if (chance(&race->seed) % 256 == 0)
            journal_look(&race->writer);
    }
    journal_wake(&race->writer);
}

/* Often until the reader sleeps, or is just about to. */
static void rest_between(struct race *race)
{
    const _Atomic uint32_t *const sleep = &race->writer.journal.page->reader[race->writer.reader].sleep;

    switch (chance(&race->seed) % 4) {
    case 0:
        usleep(chance(&race->seed) % 300);
        break;
    case 1:
    case 2:
        for (int i = 0; i < 20000 && atomic_load(sleep) != JOURNAL_ASLEEP; i++)
            continue;
        break;
    default:
        break;
    }
}

static struct reader *hand_over(struct race *race, struct reader *old)
{
    struct reader *const reader = start_reader(race, 1 - old->view.index);

    for (uint32_t storms = chance(&race->seed) % 8; storms > 0; storms--) {
        storm(race);
        rest_between(race);
    }
    stop_reader(old);
    if (chance(&race->seed) % 2 == 0)
        journal_give(&race->writer, 1 - reader->view.index, 0);
    storm(race);
    give(race, reader);
    return reader;
}

/* Everything is read, or has been counted as an overflow. */
static void finish(struct race *race, struct reader *reader)
{
    struct journal_writer *const writer = &race->writer;

    for (int i = 0; i < 20000; i++) {
        journal_look(writer);
        journal_wake(writer);
        if (writer->dropped == 0 && writer->late.count == 0 && journal_unread(writer) == 0)
            break;
        usleep(1000);
    }
    NEED(journal_unread(writer) == 0, "%llu are unread, and %llu dropped ones untold", journal_unread(writer),
         writer->dropped);
    stop_reader(reader);
    race->missing += race->written - race->last;
    NEED(race->missing == race->overflow, "%llu are missing, %llu are told", race->missing, race->overflow);
    NEED(race->missing == writer->dropped_ever, "%llu are missing, %llu dropped", race->missing, writer->dropped_ever);
    for (uint64_t id = 1; id <= race->written; id++)
        NEED(!race->is_kept[id] || race->is_delivered[id], "%llu is lost, of %llu", id, race->written);
}

int main(int count, char **values)
{
    static struct race race;
    struct reader *reader;
    int rounds;

    if (count < 4)
        return 2;
    race.seed = strtoull(values[1], NULL, 10);
    rounds = atoi(values[2]);
    race.is_small = strcmp(values[3], "small") == 0;
    race.is_slow = count > 4;
    race.last_pid = FIRST_PID;
    race.is_kept = calloc(EVENTS_MAX, 1);
    race.is_delivered = calloc(EVENTS_MAX, 1);
    NEED(journal_begin(&race.writer) == 0, "no journal: %llu of %llu", 0, 0);
    if (race.is_small)
        race.writer.journal.slots = JOURNAL_LEAST;
    reader = start_reader(&race, 0);
    give(&race, reader);
    for (int i = 0; i < rounds; i++) {
        storm(&race);
        rest_between(&race);
        if (chance(&race.seed) % 16 == 0)
            reader = hand_over(&race, reader);
    }
    finish(&race, reader);
    printf("%llu events, %llu dropped, %d readers\n", (unsigned long long)race.written,
           (unsigned long long)race.overflow, race.last_pid - FIRST_PID);
    race.writer.journal.slots = JOURNAL_SLOTS;
    journal_end(&race.writer);
    return 0;
}
