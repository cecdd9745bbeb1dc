/*
 * census.h: all processes that are to be stopped with this one, as far as they can be found.
 *
 * /proc may be missing, belong to another PID namespace, or hide processes of other users (hidepid). So the census
 * consists of what /proc lists, of the children that the kernel names although /proc hides them, and of the hidden
 * processes that a search by pid has found.
 */
#ifndef REAPER_ENGINE_CENSUS_H
#define REAPER_ENGINE_CENSUS_H

#include "engine/engine.h"

enum { STATE_UNKNOWN = '?' }; /* of a process that is there and cannot be looked at */

struct entry {
    pid_t pid, ppid;
    char state; /* as in proc(5), or STATE_UNKNOWN */
    int dead;
    int ours;            /* it is to be stopped with us */
    uint64_t start_time; /* 0: not known */
};

struct census {
    struct entry *list; /* by ascending pids */
    size_t count, room;
    int cut; /* there was no memory for all */
};

/* Takes it. -1 when something that may come back is short (memory, descriptors). The caller frees it, after -1, too. */
int census_take(struct engine *engine, struct census *census);
void census_free(struct census *census);

const struct entry *census_find(const struct census *census, pid_t pid);

/* True when it is ours, is alive, may be signalled and is no script process. Says once of each process that it may not
 * be. */
int census_counts(struct engine *engine, const struct entry *entry);

/* True when the kernel says that there is a process of ours, and the census has nobody who explains that. */
int census_misses_somebody(const struct engine *engine, const struct census *census);

/*
 * Searches for hidden processes pid by pid, a slice of all pids at each call. They belong to each census from then on.
 * A pass over 4,194,304 pids costs about a second; the next one begins at the earliest when as much time has passed
 * again. True while a pass is under way.
 */
int census_search(struct engine *engine, const struct census *census);

/*
 * The one place where kill(-1) is called: outside of a PID namespace it would end the whole machine, so only process 1
 * gets that far. With 0 nobody is signalled; it fails with ESRCH when there is nobody.
 */
int census_signal_everybody(const struct engine *engine, int number);

/* Forgets the hidden processes. */
void census_forget(struct engine *engine);

#endif
