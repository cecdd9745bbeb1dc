#define _GNU_SOURCE
#include "common/journal.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <unistd.h>

/* ---- The mapping. ---- */

size_t journal_page_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

size_t journal_ring_size(const struct journal *journal)
{
    return journal->slots * sizeof(struct event);
}

static size_t whole_size(const struct journal *journal)
{
    return 2 * journal_page_size() + journal_ring_size(journal);
}

/* Accounted at once, so that the memory is not refused later by the kernel's bookkeeping. */
static int map(struct journal *journal, uint32_t slots)
{
    char *memory;

    journal->slots = slots;
    memory = mmap(NULL, whole_size(journal), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return -1;
    journal->facts = (struct journal_facts *)(void *)memory;
    journal->page = (struct journal_page *)(void *)(memory + journal_page_size());
    journal->ring = (struct event *)(void *)(memory + 2 * journal_page_size());
    return 0;
}

int journal_open(struct journal *journal)
{
    uint32_t slots = JOURNAL_SLOTS;

    memset(journal, 0, sizeof *journal);
    for (int i = 0; i < JOURNAL_READERS; i++)
        journal->wake_fd[i] = -1;
    while (map(journal, slots) != 0) {
        slots /= 2;
        if (slots < JOURNAL_LEAST || slots * sizeof(struct event) % journal_page_size() != 0)
            return -1;
    }
    for (int i = 0; i < JOURNAL_READERS; i++) {
        journal->wake_fd[i] = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
        if (journal->wake_fd[i] < 0) {
            const int saved = errno;

            journal_close(journal);
            errno = saved;
            return -1;
        }
    }
    return 0;
}

void journal_close(struct journal *journal)
{
    if (!journal->facts)
        return;
    munmap(journal->facts, whole_size(journal));
    journal->facts = NULL;
    for (int i = 0; i < JOURNAL_READERS; i++)
        if (journal->wake_fd[i] >= 0)
            close(journal->wake_fd[i]);
}

/* ---- The reader. ---- */

void journal_view(struct journal_view *view, struct journal *journal, unsigned index, uint64_t from)
{
    memset(view, 0, sizeof *view);
    view->journal = journal;
    view->index = index;
    view->pid = getpid();
    view->ahead = from;
    mprotect(journal->facts, journal_page_size(), PROT_READ);
    mprotect(journal->ring, journal_ring_size(journal), PROT_READ);
}

static struct journal_reader *reader_of(const struct journal_view *view)
{
    return &view->journal->page->reader[view->index];
}

static uint64_t written(const struct journal_view *view)
{
    return atomic_load_explicit(&view->journal->facts->written, memory_order_seq_cst);
}

static uint64_t position_of(const struct journal_view *view)
{
    return atomic_load_explicit(&reader_of(view)->read, memory_order_relaxed);
}

int journal_is_mine(const struct journal_view *view)
{
    return atomic_load_explicit(&view->journal->facts->reader, memory_order_acquire) == view->pid;
}

static void begin(const struct journal_view *view, uint64_t position)
{
    atomic_store_explicit(&reader_of(view)->busy, position + 1, memory_order_release);
    atomic_store_explicit(&reader_of(view)->read, position + 1, memory_order_release);
}

static void overflow_event(struct journal_view *view, struct event *event)
{
    memset(event, 0, sizeof *event);
    event->kind = EVENT_OVERFLOW;
    event->number = (int64_t)view->skipped;
    view->skipped = 0;
}

static int read_next(struct journal_view *view, struct event *event)
{
    uint64_t position;

    if (!journal_is_mine(view))
        return 0;
    if (view->skipped > 0) {
        overflow_event(view, event);
        return 1;
    }
    for (position = position_of(view); position < view->end; position++) {
        const int is_known = position < view->ahead;

        *event = view->journal->ring[position % view->journal->slots];
        begin(view, position);
        if (is_known && view->has_kept && event->kind != EVENT_REAP && event->kind != EVENT_OVERFLOW)
            continue;
        if (is_known)
            event->flags |= EVENT_KNOWN;
        return 1;
    }
    return 0;
}

/* Copies an event that may be overwritten meanwhile: then goes on with the oldest that is there. 0: there is none. */
static int copy_ahead(struct journal_view *view, struct event *event)
{
    const struct journal_facts *const facts = view->journal->facts;
    uint64_t oldest;

    while (view->ahead < view->end) {
        *event = view->journal->ring[view->ahead % view->journal->slots];
        atomic_thread_fence(memory_order_acquire);
        oldest = atomic_load_explicit(&facts->oldest, memory_order_seq_cst);
        if (view->ahead >= oldest) {
            view->ahead++;
            return 1;
        }
        view->skipped += oldest - view->ahead;
        view->ahead = oldest;
    }
    return 0;
}

/* How many deaths stand between two positions, or are counted there. */
static uint64_t deaths_between(const struct journal_view *view, uint64_t from, uint64_t to)
{
    uint64_t deaths = 0;

    for (; from < to; from++) {
        const struct event *const event = &view->journal->ring[from % view->journal->slots];

        if (event->kind == EVENT_REAP)
            deaths++;
        else if (event->kind == EVENT_OVERFLOW)
            deaths += (uint64_t)event->number;
    }
    return deaths;
}

/* A program that never listens to deaths must not fill the ring: the oldest are let go, and counted. */
static void let_go(struct journal_view *view)
{
    const uint64_t share = view->journal->slots / JOURNAL_RESERVE / 4;
    const uint64_t position = position_of(view);

    if (written(view) - position < view->journal->slots - JOURNAL_MARGIN - share || position + share > view->ahead)
        return;
    view->skipped += deaths_between(view, position, position + share);
    atomic_store_explicit(&reader_of(view)->read, position + share, memory_order_release);
}

static int look_ahead(struct journal_view *view, struct event *event)
{
    const uint64_t read = position_of(view);

    if (view->reading == JOURNAL_KEEPS && view->ahead < read)
        view->ahead = read;
    while (copy_ahead(view, event)) {
        atomic_store_explicit(&reader_of(view)->ahead, view->ahead, memory_order_release);
        if (view->reading == JOURNAL_KEEPS)
            let_go(view);
        if (event->kind == EVENT_REAP && (event->flags & EVENT_SPAWNED)) {
            event->flags |= EVENT_AHEAD;
            return 1;
        }
        if (view->reading == JOURNAL_KEEPS && event->kind != EVENT_REAP && event->kind != EVENT_OVERFLOW)
            return 1;
    }
    atomic_store_explicit(&reader_of(view)->ahead, view->ahead, memory_order_release);
    return 0;
}

void journal_see(struct journal_view *view)
{
    view->end = written(view);
}

int journal_read_seen(struct journal_view *view, struct event *event)
{
    if (view->reading == JOURNAL_READS)
        return read_next(view, event);
    view->has_kept |= view->reading == JOURNAL_KEEPS;
    return look_ahead(view, event);
}

int journal_read(struct journal_view *view, struct event *event)
{
    journal_see(view);
    return journal_read_seen(view, event);
}

/* A message may be received before it is counted. */
int journal_has_messages(const struct journal_view *view)
{
    const uint32_t sent = atomic_load_explicit(&view->journal->facts->sent[view->index], memory_order_acquire);

    return (int32_t)(sent - view->received) > 0;
}

int journal_is_readable(const struct journal_view *view)
{
    const uint64_t end = written(view);

    if (view->reading == JOURNAL_READS)
        return journal_is_mine(view) && (view->skipped > 0 || position_of(view) < end);
    return view->ahead < end;
}

int journal_is_to_look(struct journal_view *view)
{
    const uint32_t asks = atomic_load_explicit(&view->journal->facts->asks, memory_order_seq_cst);
    const int is_asked = view->reading == JOURNAL_READS && asks != view->answered && journal_is_mine(view);

    if (is_asked)
        view->answered = asks;
    return is_asked;
}

void journal_sleep(const struct journal_view *view, enum journal_sleep sleep)
{
    if (view->reading == JOURNAL_READS && !journal_is_mine(view))
        return; /* it has been replaced, and its place may be another's */
    atomic_store_explicit(&reader_of(view)->busy, 0, memory_order_release);
    atomic_store_explicit(&reader_of(view)->sleep, sleep, memory_order_seq_cst);
}

void journal_ordered(struct journal *journal)
{
    atomic_fetch_add_explicit(&journal->page->orders, 1, memory_order_release);
}
