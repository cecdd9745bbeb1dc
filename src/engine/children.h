/* children.h: the children that script processes have spawned and that the engine has not reaped yet, by pid. */
#ifndef REAPER_ENGINE_CHILDREN_H
#define REAPER_ENGINE_CHILDREN_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/journal.h"

enum { CHILDREN_BUCKETS = 256 };

enum owed {
    OWED_NOTHING,
    OWED_CHILD,     /* that it is there, with a pidfd */
    OWED_WITH_HELD, /* and the descriptors that are held of it */
};

struct child {
    struct child *next;
    pid_t pid;
    int exec_failed;    /* its death is a failed exec and is not told */
    int dead;           /* reaped; stays for what is still unread in its outputs */
    int keeps_ready;    /* the last of those that are held is, also when it is dead */
    int held[HELD_MAX]; /* the read ends of its stdout and stderr, and of where it tells that it is ready; or -1 */
    unsigned char owed[JOURNAL_READERS]; /* enum owed: what is to be handed over to each script process */
    char name[NAME_SIZE];                /* "" when it has none */
};

struct children {
    struct child *bucket[CHILDREN_BUCKETS];
    size_t count;
};

struct child *children_find(const struct children *children, pid_t pid);

/* Adds a child without a name, of which nothing is kept, in place of a dead one with that pid. NULL: no memory. */
struct child *children_add(struct children *children, pid_t pid);

/* Forgets a child and closes what is held of it. */
void children_remove(struct children *children, pid_t pid);

/* The child is reaped: forgets it, unless outputs are kept. */
void children_reaped(struct children *children, struct child *child);

/* Where the child says that it is ready is held also when it is dead, until that is closed. */
void children_keep_ready(struct children *children, pid_t pid);

/* Output 0 (stdout) or 1 (stderr), or where it says that it is ready (2), has been read to its end. */
void children_output_closed(struct children *children, pid_t pid, int which);

/* Calls `visit` for every child, in no order. */
void children_each(const struct children *children, void (*visit)(struct child *child, void *context), void *context);

#endif
