#define _GNU_SOURCE
#include "engine/warnings.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/proc.h"
#include "engine/cgroup.h"

enum {
    NEAR = 10, /* a tenth of the limit is left: it is said */
    FAR = 4,   /* a quarter is left: it may be said again */
    ZOMBIES_MANY = 100,
    ZOMBIES_FEW = 50,
    PART = 128,  /* processes that are looked at in one turn */
    SHARE = 100, /* a turn that looks at them takes a hundredth of the time */
};

static const int64_t first_after = 5 * NANOSECONDS; /* not while much begins */
static const int64_t look_every = 60 * NANOSECONDS;

/* ---- The limit of the cgroup. ---- */

/* The number in a file of the cgroup; -1: there is none, or it is "max". */
static int64_t read_number(const char *root, const char *name)
{
    const struct cgroup_file file = { "pids", name, name };
    const int fd = cgroup_open(root, &file);
    char text[32];
    ssize_t size;

    if (fd < 0)
        return -1;
    size = read(fd, text, sizeof text - 1);
    close(fd);
    if (size <= 0 || text[0] < '0' || text[0] > '9')
        return -1;
    text[size] = '\0';
    return strtoll(text, NULL, 10);
}

static void look_at_pids(struct warnings *warnings)
{
    const int64_t limit = read_number(warnings->root, "pids.max");
    const int64_t used = limit > 0 ? read_number(warnings->root, "pids.current") : 0;

    if (limit <= 0 || used < limit - limit / FAR)
        warnings->told_pids = 0;
    if (limit <= 0 || used < limit - limit / NEAR || warnings->told_pids)
        return;
    warnings->told_pids = 1;
    log_line(warnings->log, LOG_LEVEL_WARNING,
             "the cgroup has %lld of the %lld processes and threads that it may have (pids.max)", (long long)used,
             (long long)limit);
}

/* ---- Zombies. ---- */

struct part {
    struct zombie_count *zombies;
    int left;
};

static void count_zombie(struct zombie_count *zombies, pid_t parent)
{
    zombies->count++;
    if (zombies->majority == 0)
        zombies->parent = parent;
    zombies->majority += zombies->parent == parent ? 1 : -1;
}

/* /proc lists the processes in the order of their pids. */
static int look_at_process(int pid, void *context)
{
    struct part *const part = context;
    struct proc_stat stat;

    if (pid < part->zombies->next)
        return 0;
    if (part->left-- == 0) {
        part->zombies->next = pid;
        return 1;
    }
    if (proc_read(pid, &stat) == 0 && stat.state == 'Z' && stat.ppid != getpid())
        count_zombie(part->zombies, stat.ppid);
    return 0;
}

static void warn_of_zombies(struct warnings *warnings)
{
    const struct zombie_count *const zombies = &warnings->zombies;
    struct proc_stat parent;

    if (zombies->count < ZOMBIES_FEW)
        warnings->told_zombies = 0;
    if (zombies->count < ZOMBIES_MANY || warnings->told_zombies)
        return;
    warnings->told_zombies = 1;
    if (proc_read(zombies->parent, &parent) != 0)
        memcpy(parent.comm, "?", 2);
    log_line(warnings->log, LOG_LEVEL_WARNING,
             "%d dead processes are not reaped by their parents, such as process %d (%s); each takes one of pids.max",
             zombies->count, (int)zombies->parent, parent.comm);
}

static void walk(struct warnings *warnings, int64_t now)
{
    struct part part = { &warnings->zombies, PART };
    const int64_t from = clock_now();
    const int failed = proc_numbers("/proc", look_at_process, &part) != 0;

    if (!failed && part.left < 0) {
        warnings->walk_at = now + (clock_now() - from) * SHARE;
        return;
    }
    if (!failed)
        warn_of_zombies(warnings);
    memset(&warnings->zombies, 0, sizeof warnings->zombies);
    warnings->walk_at = now + look_every;
}

/* ---- When. ---- */

void warnings_begin(struct warnings *warnings, struct log *log, int sees_all, int64_t now)
{
    memset(warnings, 0, sizeof *warnings);
    warnings->root = "";
    warnings->log = log;
    warnings->pids_at = now + first_after;
    warnings->walk_at = sees_all ? now + first_after : NEVER;
}

void warnings_step(struct warnings *warnings, int64_t now)
{
    if (now >= warnings->pids_at) {
        warnings->pids_at = now + look_every;
        look_at_pids(warnings);
    }
    if (now >= warnings->walk_at)
        walk(warnings, now);
}

void warnings_shortage(struct warnings *warnings)
{
    warnings->pids_at = 0;
}
