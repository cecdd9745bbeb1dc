/*
 * spawn_plan.h: what the caller (spawn.c) prepares for the new process (spawn_child.c). Nobody else needs it.
 */
#ifndef REAPER_COMMON_SPAWN_PLAN_H
#define REAPER_COMMON_SPAWN_PLAN_H

#include <limits.h>

#include "common/spawn.h"

/* Sanitizers keep books about stacks that they do not know; these functions run on one of ours. */
#define ON_OWN_STACK __attribute__((no_sanitize("address", "undefined")))

enum { STACK_SIZE = 128 * 1024 };

/* What the new process writes into the report pipe: its pid where it tells that, and a failure unless exec closes it.
 */
struct report {
    int pid;
    int stage;
    int error;
    int interpreter;
};

/*
 * The new process sees the caller's memory, unless the request copies it, so everything that needs memory is made
 * before.
 */
struct plan {
    size_t size; /* of the memory that it begins */
    const struct spawn_request *request;
    const char *path;  /* where to search argv[0] */
    char **shell_argv; /* room for /bin/sh FILE ARG…, for a text without #! */
    int report_fd;
    int tells_pid; /* the caller does not know it from the clone */
    int notify_fd;
    int base;     /* descriptors from here on are no target */
    char *stack;  /* two of STACK_SIZE */
    int flags;    /* of the clone that makes the new process */
    int *sources; /* the sources of request->fds, moved out of the targets' way */
    char file[PATH_MAX];
};

/* The new process: an entry for clone, with the plan. Does not return when all goes well. */
int spawn_child(void *context);

/* The process between in a double fork: its child is an orphan at once, and the engine adopts it. */
int spawn_relay(void *context);

#endif
