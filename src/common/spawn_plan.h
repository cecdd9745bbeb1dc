/* spawn_plan.h: what the caller (spawn.c) prepares for the new process (spawn_child.h). Nobody else needs it. */
#ifndef REAPER_COMMON_SPAWN_PLAN_H
#define REAPER_COMMON_SPAWN_PLAN_H

#include <limits.h>

#include "common/spawn.h"

enum { STACK_SIZE = 128 * 1024 };

/*
 * What the new process writes into the report pipe: first its pid, where the caller does not know it; then the failure,
 * unless its exec closes the pipe.
 */
struct report {
    int pid;
    int stage;
    int error;
    int interpreter;
};

/*
 * The new process sees the caller's memory, unless the request copies it, so the caller allocates everything that it
 * needs.
 */
struct plan {
    size_t size; /* of the memory at whose beginning the plan stands */
    const struct spawn_request *request;
    const char *path;  /* where to search argv[0] */
    char **shell_argv; /* room for /bin/sh FILE ARG…, for a text without #! */
    int report_fd;
    int reports_pid; /* the caller does not learn the pid from the clone */
    int notify_fd;
    int base;     /* descriptors from here on are no target */
    char *stack;  /* room for two stacks of STACK_SIZE */
    int flags;    /* of the clone that makes the new process */
    int *sources; /* the sources of request->fds, moved out of the targets' way */
    char file[PATH_MAX];
};

#endif
