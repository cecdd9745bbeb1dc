#define _GNU_SOURCE
#include "engine/remains.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/proc.h"
#include "engine/census.h"
#include "engine/hidden.h"
#include "engine/search.h"

enum { CENSUS_ROUNDS = 10 };

static const int64_t unwatched_again = NANOSECONDS / 20; /* where there are no pidfds */

/* True when its pid has become another's since, or nobody's. What cannot be read is taken for the same. */
static int is_gone(const struct entry *entry)
{
    struct proc_stat now;

    if (entry->start_time == 0) /* nobody can look at it */
        return 0;
    return proc_read(entry->pid, &now) == 0 ? now.start_time != entry->start_time : errno == ENOENT || errno == ESRCH;
}

/* Signals the process of the census. Where there are no pidfds, or none to spare, by its pid. */
static void signal_entry(const struct entry *entry, int number)
{
    const int pidfd = (int)syscall(SYS_pidfd_open, entry->pid, 0);

    if (pidfd < 0) {
        if (errno != ESRCH)
            kill(entry->pid, number);
        return;
    }
    if (!is_gone(entry) && syscall(SYS_pidfd_send_signal, pidfd, number, NULL, 0) != 0 && errno != ESRCH)
        kill(entry->pid, number);
    close(pidfd);
}

static int may_be_stopped(const struct entry *entry)
{
    return entry->state == 'T' || entry->state == 't' || entry->state == STATE_UNKNOWN;
}

/* As process 1 it is enough that somebody cannot be looked at: who is not stopped takes no notice of CONT. */
static int wakes_everybody(const struct census *census, const struct scope *scope)
{
    int unknown = census_misses_somebody(census, scope);

    for (size_t i = 0; !unknown && i < census->count; i++)
        unknown = census->list[i].state == STATE_UNKNOWN;
    return unknown && !scope->has_program && census_signal_everybody(scope, SIGCONT) == 0;
}

/*
 * An interactive shell ignores TERM. It ends by HUP, as when its terminal is closed, and passes it on to its jobs. Who
 * has the engine's own terminal has no HUP to expect, since that is not closed: COMMAND, services, daemons that load
 * their configuration anew at HUP. Of whom /proc cannot tell it, nobody knows: they have TERM, and the grace.
 */
static void hang_up(const struct census *census, const struct entry *entry)
{
    if (census_has_other_terminal(census, entry))
        signal_entry(entry, SIGHUP);
}

/*
 * CONT to what is stopped, TERM being delivered before, and HUP to those on terminals: a stopped process acts on them
 * only when it goes on.
 */
static void wake_stopped(struct remains *remains, const struct scope *scope)
{
    struct census census;

    if (census_take(&census, &remains->hidden, scope) == 0 || census_signal_everybody(scope, SIGCONT) != 0)
        wakes_everybody(&census, scope);
    for (size_t i = 0; i < census.count; i++) {
        if (!census_counts(&census.list[i], scope, remains))
            continue;
        hang_up(&census, &census.list[i]);
        if (may_be_stopped(&census.list[i]))
            signal_entry(&census.list[i], SIGCONT);
    }
    census_free(&census);
}

/* Signals those that are not in the census before, and have started before `tick`. True when there was one. */
static int signal_fresh(struct remains *remains, const struct scope *scope, const struct census *census,
                        const struct census *before, int number, uint64_t tick)
{
    int fresh = 0;

    for (size_t i = 0; i < census->count; i++) {
        const struct entry *const entry = &census->list[i];

        if (!census_counts(entry, scope, remains) || census_find(before, entry->pid) || entry->start_time >= tick)
            continue;
        signal_entry(entry, number);
        fresh = 1;
    }
    return fresh;
}

/*
 * A process that forks between the census and its signal leaves a child that nobody has signalled, so there is another
 * census, until one finds nobody new. In those that follow only what has started before `tick` is signalled. Somebody
 * who is still missing then is searched for. kill(-1) needs none: the kernel lets no fork slip through.
 */
static void signal_census(struct remains *remains, const struct scope *scope, int number, uint64_t tick)
{
    struct census before = { .count = 0 };
    struct census census;
    int fresh = 1;

    for (int round = 0; round < CENSUS_ROUNDS && fresh; round++) {
        census_take(&census, &remains->hidden,
                    scope); /* what it lists is to be signalled even where it is not complete */
        fresh = signal_fresh(remains, scope, &census, &before, number, round > 0 ? tick : UINT64_MAX);
        census_free(&before);
        before = census;
    }
    if (census_misses_somebody(&before, scope)) {
        remains->hidden.owed = SIGNAL_BIT(number) | (number == SIGTERM ? SIGNAL_BIT(SIGCONT) : 0);
        search_on(remains, scope, &before);
    }
    census_free(&before);
}

/*
 * A program that stops everything by itself is spared, and kill(-1) spares nobody. The TERM is for what runs now: what
 * is made because of it, such as the clean-up of a trap, is left to its work.
 */
void remains_terminate(struct remains *remains, const struct scope *scope)
{
    if (scope->has_program || census_signal_everybody(scope, SIGTERM) != 0)
        signal_census(remains, scope, SIGTERM, proc_ticks());
    wake_stopped(remains, scope);
}

int remains_signal_group(struct remains *remains, const struct scope *scope, int number)
{
    struct census census;
    int result = -1;

    census_take(&census, &remains->hidden, scope); /* what it lists is signalled even where it is not complete */
    for (size_t i = 0; i < census.count; i++) {
        if (!census_counts(&census.list[i], scope, remains) || getpgid(census.list[i].pid) != getpgrp())
            continue;
        signal_entry(&census.list[i], number);
        result = 0;
    }
    census_free(&census);
    return result;
}

void remains_kill(struct remains *remains, const struct scope *scope)
{
    signal_census(remains, scope, SIGKILL, UINT64_MAX);
}

void remains_unwatch(struct remains *remains)
{
    while (remains->watched_count > 0)
        close(remains->watched[--remains->watched_count]);
}

static int watch_all(struct remains *remains, const struct scope *scope, const struct census *census)
{
    int left = 0;

    for (size_t i = 0; i < census->count && remains->watched_count < WATCHED_MAX; i++) {
        int pidfd;

        if (!census_counts(&census->list[i], scope, remains))
            continue;
        pidfd = (int)syscall(SYS_pidfd_open, census->list[i].pid, 0);
        if (pidfd >= 0)
            remains->watched[remains->watched_count++] = pidfd;
        else if (errno != ESRCH)
            remains->check_at = clock_after(unwatched_again);
        left |= pidfd >= 0 || errno != ESRCH;
    }
    return left;
}

/* Without __WALL the wait does not see script processes (SCRIPT_SIGNAL). A program it does see, so then the census
 * tells. */
static int has_children(const struct scope *scope)
{
    siginfo_t child;

    return !scope->has_program && waitid(P_ALL, 0, &child, WEXITED | WNOHANG | WNOWAIT) == 0;
}

/* The census leaves out the dead, but those that have not been reaped have not been told either. */
static int has_unreaped(void)
{
    siginfo_t child = { .si_pid = 0 };

    return waitid(P_ALL, 0, &child, WEXITED | WNOHANG | WNOWAIT | __WALL) == 0 && child.si_pid != 0;
}

/* A cheap look first, since mostly nothing is left: without a child there is nobody who descends from us. */
static int is_alone(const struct scope *scope)
{
    siginfo_t child;

    if (scope->is_init)
        return census_signal_everybody(scope, 0) != 0 && errno == ESRCH;
    return waitid(P_ALL, 0, &child, WEXITED | WNOHANG | WNOWAIT | __WALL) != 0 && errno == ECHILD;
}

static int search_is_of_use(const struct remains *remains, const struct scope *scope)
{
    return remains->hidden.next > 0 && (has_children(scope) || scope->has_program);
}

/*
 * Watches what the census has found. Where the kernel says that it misses somebody, a search goes on until a whole pass
 * has found nobody.
 */
static int watch_others(struct remains *remains, const struct scope *scope)
{
    struct census census;
    int left;

    if (census_take(&census, &remains->hidden, scope) != 0) {
        census_free(&census);
        remains->check_at = clock_after(unwatched_again); /* a shortage passes */
        return 1;
    }
    left = watch_all(remains, scope, &census);
    if (search_is_of_use(remains, scope) || census_misses_somebody(&census, scope))
        left |= search_on(remains, scope, &census) || has_children(scope);
    else
        remains->hidden.next = 0;
    census_free(&census);
    return left;
}

/* A child is enough, unless it may be one that nobody can signal or that has to be found first. */
int remains_any(struct remains *remains, const struct scope *scope)
{
    remains_unwatch(remains);
    if (is_alone(scope)) {
        hidden_forget(&remains->hidden);
        return 0;
    }
    if (remains->denied_count == 0 && remains->hidden.count == 0 && remains->hidden.next == 0 && has_children(scope))
        return 1;
    return watch_others(remains, scope) || has_unreaped();
}
