/* cgroup.h: was it the out-of-memory killer? Reads the oom_kill counter of the memory cgroup, version 1 or 2. */
#ifndef REAPER_ENGINE_CGROUP_H
#define REAPER_ENGINE_CGROUP_H

#include <stdint.h>

struct oom_watch {
    int fd;             /* -1: not looked for yet, or there is none */
    int searched;       /* look only once */
    int64_t counter;    /* the last value read */
    int64_t credits;    /* kills that no death has been charged to yet */
    int64_t credits_at; /* when the last of them came: they are good for a second */
};

/* Finds the counter and notes its value. Without one (no cgroup mounted) every later answer is 0. */
void oom_watch_open(struct oom_watch *watch);

/*
 * Called for a death by SIGKILL: 1 when the counter has moved since the last call and no other death used that up.
 * Likely, not certain: the counter names no pid, and a user's kill -9 looks the same.
 */
int oom_watch_charge(struct oom_watch *watch);

#endif
