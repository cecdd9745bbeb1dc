#include "engine/sweep.h"

#include "common/clock.h"

enum { SHARE = 9 }; /* rest this many times as long as the sweep took: a tenth of the time */

static const int64_t latest = 20 * MILLISECOND;
static const int64_t latest_of_dearest = 100 * MILLISECOND;
static const int64_t dearest = MILLISECOND / 4;
static const int64_t slice = 2 * MILLISECOND;
static const int64_t cheap = MILLISECOND / 50; /* up to this a sweep follows at once: deaths stay in order */
static const int64_t dear = MILLISECOND / 20;  /* some thousand children */
static const int64_t wait_cost = 200;          /* of wait4 on a pid, about; nanoseconds */

/* Pids on one side of a dead one, `step` being 1 or -1, until a call for each of many was in vain. */
static void comb(const struct sweep *sweep, struct batch *batch, pid_t pid, pid_t step)
{
    const int64_t patience = sweep->cost / 4 / wait_cost;
    int64_t misses = 0;

    for (pid += step; pid > 1 && misses < patience && !batch_is_full(batch); pid += step)
        misses = reap_find(pid) != 0 && reap_one(batch, pid) ? 0 : misses + 1;
}

/*
 * A call that finds nothing has walked the whole list; one that finds something, at most that. The estimate grows step
 * by step, so that a call during which another process had the processor does not count as a long walk.
 */
static void note_cost(struct sweep *sweep, int64_t cost, int found)
{
    const int64_t most = 2 * sweep->cost + cheap / 8;

    if (cost > most)
        cost = most;
    if (!found || cost > sweep->cost)
        sweep->cost = cost;
}

/* The pid of any dead child, which stays one, or 0. `*now` moves on by what it cost to find. */
static pid_t find_any(int64_t *now, int64_t *cost)
{
    const int64_t begin = *now;
    const pid_t pid = reap_find(0);

    *now = clock_now();
    *cost = *now - begin;
    return pid;
}

/* Reaps any that is dead, and where that is dear those that died with it. True when there was one; `*now` moves on. */
static int reap_some(struct sweep *sweep, struct batch *batch, int64_t *now)
{
    int64_t cost;
    pid_t pid = find_any(now, &cost);

    if (cost > cheap && sweep->cost <= cheap)
        pid = find_any(now, &cost); /* on a busy machine several in a row are disturbed, and order hangs on this */
    note_cost(sweep, cost, pid > 0);
    if (pid == 0)
        return 0;
    reap_one(batch, pid);
    if (sweep->cost > dear) {
        comb(sweep, batch, pid, 1);
        comb(sweep, batch, pid, -1);
    }
    *now = clock_now();
    return 1;
}

/* One that still finds some is broken off after a while, and signals and orders get as much time. */
static void rest(struct sweep *sweep, int64_t now, int more)
{
    const int64_t most = sweep->cost >= dearest ? latest_of_dearest : latest;
    int64_t time = more ? now - sweep->from : SHARE * sweep->cost;

    if (sweep->cost <= cheap)
        time = 0;
    sweep->allowed = now + (time < most ? time : most);
    sweep->at = more ? sweep->allowed : NEVER;
}

/*
 * Between two deaths that are named others may have been passed over. A sweep finds the dead in their order, so where
 * it is cheap only the first is taken by its name, and none while a sweep is unfinished.
 */
void sweep_named(const struct sweep *sweep, struct batch *batch, pid_t pid, int first)
{
    if (sweep->cost > cheap || (first && sweep->at == NEVER))
        reap_one(batch, pid);
}

int sweep_may_begin(struct sweep *sweep)
{
    if (clock_now() >= sweep->allowed)
        return 1;
    if (sweep->allowed < sweep->at)
        sweep->at = sweep->allowed;
    return 0;
}

void sweep_begin(struct sweep *sweep)
{
    sweep->from = clock_now();
    sweep->at = NEVER;
}

int sweep_go_on(struct sweep *sweep, struct batch *batch)
{
    int64_t now = clock_now();
    int more = 1;

    while (more && now - sweep->from < slice) {
        if (batch_is_full(batch))
            return 1;
        more = reap_some(sweep, batch, &now);
    }
    rest(sweep, now, more);
    return 0;
}
