/*
 * cgroup.h: what the cgroup says, version 1 or 2: was it the out-of-memory killer? The oom_kill counter of the memory
 * cgroup tells.
 */
#ifndef REAPER_ENGINE_CGROUP_H
#define REAPER_ENGINE_CGROUP_H

#include <stdint.h>

/* A file of a controller, under the name that it has in each version. */
struct cgroup_file {
    const char *controller;
    const char *name_1, *name_2;
};

/* Opens it for reading in the cgroup of this process, below `root`, which is "" but in specs. -1: there is none. */
int cgroup_open(const char *root, const struct cgroup_file *file);

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
