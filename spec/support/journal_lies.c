/*
 * A reader that writes nonsense into the readers' page, at any time, and an honest one that follows it:
 *
 *     journal-lies SEED ROUNDS
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "journal_check.h"

enum { BURST = 3000 };

struct trial {
    struct journal_writer writer;
    struct account account;
    uint64_t seed, written, last; /* numbers of events: the last one that was written, and that an honest one had */
    uint64_t honest_sum;
};

/* Near what is true, or far from it. */
static uint64_t lie(uint64_t *seed, const struct journal *journal)
{
    const uint64_t written = atomic_load(&journal->facts->written);

    switch (chance(seed) % 6) {
    case 0:
        return UINT64_MAX - chance(seed) % 3;
    case 1:
        return (uint64_t)chance(seed) << 32 | chance(seed);
    case 2:
        return chance(seed) % 4;
    case 3:
        return written + chance(seed) % BURST;
    default:
        return written - chance(seed) % BURST;
    }
}

static _Noreturn void be_liar(struct journal *journal, uint64_t seed)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) {
        struct journal_reader *const reader = &journal->page->reader[chance(&seed) % JOURNAL_READERS];

        switch (chance(&seed) % 5) {
        case 0:
            atomic_store(&reader->read, lie(&seed, journal));
            break;
        case 1:
            atomic_store(&reader->ahead, lie(&seed, journal));
            break;
        case 2:
            atomic_store(&reader->busy, lie(&seed, journal));
            break;
        case 3:
            atomic_store(&reader->sleep, (uint32_t)lie(&seed, journal) % 4);
            break;
        default:
            atomic_store(&journal->page->orders, (uint32_t)lie(&seed, journal));
            break;
        }
    }
}

static void write_one(struct trial *trial)
{
    const int is_kept = chance(&trial->seed) % 8 == 0;
    struct event event;

    fill_event(&event, ++trial->written, EVENT_REAP, is_kept ? EVENT_SPAWNED : EVENT_ORPHAN);
    trial->account.attempts++;
    journal_write(&trial->writer, &event, is_kept ? MUST_KEEP : MAY_DROP);
    NEED(account_is_right(&trial->account, &trial->writer), "the account is wrong at %llu, seen %llu", trial->written,
         trial->writer.seen);
}

static void burst(struct trial *trial)
{
    struct journal_writer *const writer = &trial->writer;

    for (uint32_t count = chance(&trial->seed) % BURST; count > 0; count--) {
        write_one(trial);
        switch (chance(&trial->seed) % 32) {
        case 0:
            journal_look(writer);
            break;
        case 1:
            journal_wake(writer);
            break;
        case 2:
            journal_hold(writer, (int)(chance(&trial->seed) % 3) - 1);
            break;
        case 3:
            (void)(journal_is_read(writer, (int64_t)(trial->written / 2)) + journal_died_in(writer, 0)
                   + journal_has_orders(writer));
            break;
        default:
            break;
        }
    }
}

/* What the liar has not claimed to have read is there, in order, and nothing that an earlier reader had. */
static void read_honestly(struct trial *trial, unsigned index)
{
    struct journal_writer *const writer = &trial->writer;
    struct journal_view view;
    struct event event;
    uint64_t from, count = 0;

    journal_look(writer);
    from = writer->seen;
    burst(trial);
    NEED(writer->seen == from, "%llu were read by the dead: %llu", writer->seen, from);
    journal_hold(writer, -1);
    journal_prepare(writer, index);
    view_here(&view, &writer->journal, index, getpid());
    journal_give(writer, index, getpid());
    NEED(writer->seen == from, "%llu were read by the dead: %llu", writer->seen, from);
    while (journal_read(&view, &event)) {
        count++;
        if (event.kind == EVENT_OVERFLOW)
            continue;
        check_event(&event);
        NEED((uint64_t)event.number > trial->last, "%llu after %llu", (uint64_t)event.number, trial->last);
        trial->last = (uint64_t)event.number;
    }
    NEED(count == trial->account.written - from, "%llu were read of %llu", count, trial->account.written - from);
    journal_look(writer);
    NEED(account_is_right(&trial->account, writer), "the account is wrong at %llu, seen %llu", trial->written,
         writer->seen);
    trial->honest_sum += count;
}

static void have_liar(struct trial *trial)
{
    const unsigned index = chance(&trial->seed) % JOURNAL_READERS;
    const uint64_t seed = trial->seed;
    pid_t pid;
    int status;

    journal_prepare(&trial->writer, index);
    pid = fork();
    if (pid == 0)
        be_liar(&trial->writer.journal, seed);
    journal_give(&trial->writer, index, pid);
    burst(trial);
    usleep(chance(&trial->seed) % 2000);
    burst(trial);
    kill(pid, SIGKILL);
    NEED(waitpid(pid, &status, 0) == pid, "a wait: %llu %llu", (uint64_t)errno, 0);
}

int main(int count, char **values)
{
    static struct trial trial;

    if (count < 3)
        return 2;
    trial.seed = strtoull(values[1], NULL, 10);
    begin_small(&trial.writer);
    for (int i = atoi(values[2]); i > 0; i--) {
        have_liar(&trial);
        read_honestly(&trial, chance(&trial.seed) % JOURNAL_READERS);
    }
    printf("%llu events, %llu dropped, %llu read honestly\n", (unsigned long long)trial.written,
           (unsigned long long)trial.writer.dropped_ever, (unsigned long long)trial.honest_sum);
    end_small(&trial.writer);
    return 0;
}
