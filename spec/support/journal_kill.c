/*
 * Kills readers of the journal wherever a kill can hit:
 *
 *     journal-kill step reads|kept|overflow|ahead|keeps [appending]
 *     journal-kill storm SEED ROUNDS
 *
 * step: a reader makes one step of a processor after the other (PTRACE_SINGLESTEP) through journal_read, and is killed
 * after the first, after the second, …, until it comes to its end. The next one goes on at the shared position.
 * "appending" (with reads): the writer appends an event now and then between these steps.
 * storm: readers are killed at any time, while the writer writes.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "journal_check.h"

enum { EVENTS_MAX = 1 << 22, BATCH = 3, APPEND_EVERY = 7, STEPS_MAX = 100000 };

/* What readers leave behind for the next. */
struct left {
    _Atomic uint64_t id; /* the event that was delivered, or 0 */
    _Atomic uint64_t overflow;
    _Atomic uint64_t last;
    uint8_t times[EVENTS_MAX]; /* of each event: how often it has been delivered */
};

struct trial {
    struct journal_writer writer;
    struct left *left;
    const char *how;
    uint64_t written, last, missing, told;
    int is_appending;
};

static void write_event(struct trial *trial, uint16_t kind)
{
    struct event event;

    fill_event(&event, ++trial->written, kind, EVENT_SPAWNED);
    NEED(journal_write(&trial->writer, &event, MUST_KEEP) >= 0, "%llu finds no room, %llu", trial->written, 0);
    journal_wake(&trial->writer);
    journal_look(&trial->writer);
}

/* ---- The reader that is killed. ---- */

static void set_up(struct journal_view *view, const struct trial *trial)
{
    const uint64_t written = trial->writer.written;

    view->reading = JOURNAL_READS;
    if (strcmp(trial->how, "kept") == 0) {
        view->ahead = written;
        view->has_kept = 1;
    } else if (strcmp(trial->how, "overflow") == 0) {
        view->skipped = 3;
    } else if (strcmp(trial->how, "ahead") == 0) {
        view->reading = JOURNAL_LOOKS_AHEAD;
    } else if (strcmp(trial->how, "keeps") == 0) {
        view->reading = JOURNAL_KEEPS;
    }
}

static _Noreturn void be_reader(struct trial *trial, unsigned index)
{
    struct journal_view view;
    struct event event;

    journal_view(&view, &trial->writer.journal, index, trial->writer.seen);
    set_up(&view, trial);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    ptrace(PTRACE_TRACEME, 0, NULL, NULL);
    raise(SIGSTOP);
    if (journal_read(&view, &event)) {
        if (event.kind == EVENT_OVERFLOW)
            atomic_store(&trial->left->overflow, (uint64_t)event.number);
        else
            atomic_store(&trial->left->id, (uint64_t)event.number);
    }
    journal_sleep(&view, JOURNAL_ASLEEP);
    _exit(journal_is_readable(&view));
}

/* 1 when it has come to its end before it had made so many steps. */
static int step(struct trial *trial, pid_t pid, unsigned steps)
{
    int status;

    NEED(waitpid(pid, &status, 0) == pid && WIFSTOPPED(status), "the reader stops: %llu %llu", (uint64_t)status, 0);
    for (unsigned i = 0; i < steps; i++) {
        if (trial->is_appending && i % APPEND_EVERY == 0 && steps - i <= 3 * APPEND_EVERY)
            write_event(trial, EVENT_REAP);
        NEED(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) == 0, "a step: %llu %llu", (uint64_t)errno, 0);
        NEED(waitpid(pid, &status, 0) == pid, "a wait: %llu %llu", (uint64_t)errno, 0);
        if (WIFEXITED(status))
            return 1;
        NEED(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP, "a step ends with %llx after %llu", (uint64_t)status,
             i);
    }
    kill(pid, SIGKILL);
    NEED(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status), "it is killed: %llu %llu", (uint64_t)status, 0);
    return 0;
}

/* ---- What the next reader finds. ---- */

/* The next of the events that are to be delivered: with "kept", a death. */
static uint64_t next_after(const struct trial *trial, uint64_t id)
{
    do
        id++;
    while (strcmp(trial->how, "kept") == 0 && id % BATCH != 0);
    return id;
}

static void read_rest(struct trial *trial, unsigned index)
{
    struct journal_view view;
    struct event event;

    view_here(&view, &trial->writer.journal, index, getpid());
    set_up(&view, trial);
    view.skipped = 0;
    view.reading = JOURNAL_READS;
    journal_give(&trial->writer, index, getpid());
    while (journal_read(&view, &event)) {
        NEED((uint64_t)event.number == next_after(trial, trial->last), "%llu comes after %llu", (uint64_t)event.number,
             trial->last);
        trial->last = (uint64_t)event.number;
    }
    journal_look(&trial->writer);
    NEED(journal_unread(&trial->writer) == 0, "%llu are unread of %llu", journal_unread(&trial->writer), 0);
}

/* What was killed has delivered its event, or has not; and then it is lost only if the position has moved. */
static void check(struct trial *trial, uint64_t begin)
{
    const uint64_t id = atomic_exchange(&trial->left->id, 0);
    uint64_t moved;

    journal_look(&trial->writer);
    moved = trial->writer.seen - begin;
    if (strcmp(trial->how, "ahead") == 0 || strcmp(trial->how, "keeps") == 0 || strcmp(trial->how, "overflow") == 0) {
        NEED(moved == 0, "the position has moved by %llu, %llu", moved, 0);
        return;
    }
    NEED(moved <= (strcmp(trial->how, "kept") == 0 ? BATCH : 1), "the position has moved by %llu, %llu", moved, 0);
    NEED(id == 0 || id == next_after(trial, trial->last), "%llu comes after %llu", id, trial->last);
    if (id != 0)
        NEED(moved > 0 && begin + moved == id, "%llu is delivered, the position is %llu", id, begin + moved);
    if (id != 0 || begin + moved >= next_after(trial, trial->last)) {
        trial->missing += id == 0;
        trial->last = next_after(trial, trial->last);
        NEED(id != 0 || journal_died_in(&trial->writer, (int64_t)trial->last - 1), "it died in %llu: %llu", trial->last,
             0);
    }
}

/* Positions and numbers of events are the same but for one: none is ever dropped. */
static int try_after(struct trial *trial, unsigned steps)
{
    const unsigned index = steps % JOURNAL_READERS;
    const uint64_t begin = trial->writer.seen;
    int has_ended;
    pid_t pid;

    for (unsigned i = 0; i < BATCH; i++)
        write_event(trial, (i + 1) % BATCH == 0              ? EVENT_REAP
                           : strcmp(trial->how, "kept") == 0 ? EVENT_SIGNAL
                                                             : EVENT_REAP);
    journal_prepare(&trial->writer, index);
    pid = fork();
    if (pid == 0)
        be_reader(trial, index);
    journal_give(&trial->writer, index, pid);
    has_ended = step(trial, pid, steps);
    check(trial, begin);
    read_rest(trial, 1 - index);
    return has_ended;
}

static int run_steps(struct trial *trial)
{
    unsigned steps = 0;

    while (!try_after(trial, steps)) {
        steps++;
        NEED(steps < STEPS_MAX, "%llu steps and no end, %llu", steps, 0);
    }
    printf("%u steps, %llu lost in its dealing\n", steps, (unsigned long long)trial->missing);
    return 0;
}

/* ---- A storm. ---- */

static _Noreturn void read_on(struct trial *trial, unsigned index)
{
    struct left *const left = trial->left;
    struct journal_view view;
    struct event event;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (atomic_load(&trial->writer.journal.facts->reader) != getpid())
        continue;
    journal_view(&view, &trial->writer.journal, index, 0);
    view.reading = JOURNAL_READS;
    for (;;) {
        if (!journal_read(&view, &event))
            continue;
        if (event.kind == EVENT_OVERFLOW) {
            atomic_fetch_add(&left->overflow, (uint64_t)event.number);
            continue;
        }
        check_event(&event);
        if ((uint64_t)event.number <= atomic_load(&left->last))
            _exit(3);
        left->times[event.number]++;
        atomic_store(&left->last, (uint64_t)event.number);
    }
}

/* Bursts of which few fill the ring, while the reader begins, reads, and waits. */
static void storm(struct trial *trial, uint64_t *seed)
{
    struct event event;

    for (uint32_t count = chance(seed) % 4000; count > 0 && trial->written < EVENTS_MAX - 1; count--) {
        fill_event(&event, ++trial->written, EVENT_REAP, EVENT_ORPHAN);
        journal_write(&trial->writer, &event, MAY_DROP);
        if (chance(seed) % 64 == 0)
            journal_look(&trial->writer);
        if (chance(seed) % 256 == 0)
            usleep(100);
        journal_wake(&trial->writer);
    }
}

static int run_storm(struct trial *trial, uint64_t seed, unsigned rounds)
{
    uint64_t missing = 0;
    int status;

    for (unsigned i = 0; i < rounds; i++) {
        const unsigned index = chance(&seed) % JOURNAL_READERS;
        pid_t pid;

        journal_prepare(&trial->writer, index);
        pid = fork();
        if (pid == 0)
            read_on(trial, index);
        journal_give(&trial->writer, index, pid);
        storm(trial, &seed);
        usleep(chance(&seed) % 1000);
        kill(pid, SIGKILL);
        NEED(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL,
             "a reader has ended with %llx in round %llu", (uint64_t)status, i);
    }
    journal_look(&trial->writer);
    NEED(atomic_load(&trial->left->last) > trial->written / 2, "%llu is the last one read of %llu",
         atomic_load(&trial->left->last), trial->written);
    for (uint64_t id = 1; id <= atomic_load(&trial->left->last); id++) {
        NEED(trial->left->times[id] <= 1, "%llu is delivered %llu times", id, trial->left->times[id]);
        missing += trial->left->times[id] == 0;
    }
    NEED(missing <= rounds + trial->writer.dropped_ever, "%llu are missing, of which %llu were dropped", missing,
         trial->writer.dropped_ever);
    printf("%llu events, %llu lost, %llu dropped\n", (unsigned long long)trial->written, (unsigned long long)missing,
           (unsigned long long)trial->writer.dropped_ever);
    return 0;
}

int main(int count, char **values)
{
    static struct trial trial;

    if (count < 3)
        return 2;
    begin_small(&trial.writer);
    trial.left = mmap(NULL, sizeof *trial.left, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (trial.left == MAP_FAILED)
        return 2;
    trial.how = values[2];
    trial.is_appending = count > 3;
    if (strcmp(values[1], "step") == 0)
        return run_steps(&trial);
    return run_storm(&trial, strtoull(values[2], NULL, 10), count > 3 ? (unsigned)atoi(values[3]) : 1);
}
