/*
 * spawn_child.h: what runs in the new process, from clone to exec.
 *
 * It runs on a stack of its own and mostly in the caller's memory (CLONE_VM). So these functions, and all that they
 * call, use only raw or async-signal-safe calls, allocate no memory, and change nothing that the caller would miss.
 *
 *     spawn_child.c        the order of the steps, the reports to the caller and the engine, the descriptors
 *     spawn_attributes.c   limits, nice value, out-of-memory score, user, directory
 *     spawn_exec.c         the search for the file
 */
#ifndef REAPER_COMMON_SPAWN_CHILD_H
#define REAPER_COMMON_SPAWN_CHILD_H

#include "common/spawn_plan.h"

/* Sanitizers keep books about stacks that they do not know; these functions run on one of ours. */
#define ON_OWN_STACK __attribute__((no_sanitize("address", "undefined")))

/* The new process: an entry for clone, with the plan. Does not return when all goes well. */
int spawn_child(void *context);

/* The process between in a double fork: its child is an orphan at once, and the engine adopts it. */
int spawn_relay(void *context);

/* Sets what the request asks for. 0, or -1 with errno and the stage that failed. */
int spawn_set_attributes(const struct spawn_request *request, enum spawn_stage *stage);

/* Executes argv[0], which is searched in the plan's path unless there is a slash in it. Returns only on failure: errno.
 */
int spawn_search_and_exec(struct plan *plan);

#endif
