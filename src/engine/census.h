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
#include "engine/scope.h"

enum { STATE_UNKNOWN = '?' }; /* of a process that is there and cannot be looked at */

struct entry {
    pid_t pid, ppid, session;
    int terminal; /* of struct proc_stat */
    char state;   /* as in proc(5), or STATE_UNKNOWN */
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
int census_take(struct census *census, struct hidden *hidden, const struct scope *scope);
void census_free(struct census *census);

const struct entry *census_find(const struct census *census, pid_t pid);

/*
 * True when it is ours, is alive, may be signalled and is not spared. Says once of each process that it may not be
 * signalled.
 */
int census_counts(const struct entry *entry, const struct scope *scope, struct remains *remains);

/*
 * True when it has a controlling terminal that is not the engine's own: a shell of `docker exec`, or what runs in it or
 * on any other terminal that was made in the container. A session that began outside of the PID namespace reads as 0.
 */
int census_has_other_terminal(const struct census *census, const struct entry *entry);

/* True when the kernel says that there is a process of ours, and the census has nobody who explains that. */
int census_misses_somebody(const struct census *census, const struct scope *scope);

/*
 * True when there is such a process: as process 1 any process, otherwise a child. Our children are not recycled, since
 * only we reap them.
 */
int census_is_there(const struct scope *scope, pid_t pid);

/*
 * The one place where kill(-1) is called: outside of a PID namespace it would end the whole machine, so only process 1
 * gets that far. With 0 nobody is signalled; it fails with ESRCH when there is nobody.
 */
int census_signal_everybody(const struct scope *scope, int number);

#endif
