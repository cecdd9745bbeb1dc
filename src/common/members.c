#include "common/members.h"

#include <stdlib.h>

enum progress { NOT_SEEN, CLIMBED, SETTLED };

static int compare_members(const void *left, const void *right)
{
    const struct member *const a = left;
    const struct member *const b = right;

    return a->pid < b->pid ? -1 : a->pid > b->pid;
}

struct member *members_get(const struct members *members, pid_t pid)
{
    const struct member key = { .pid = pid };

    return members->count > 0 ? bsearch(&key, members->list, members->count, sizeof key, compare_members) : NULL;
}

/* ---- The rules. ---- */

static int is_leader(const struct member_service *service, const struct member *process)
{
    if (service->leader != process->pid)
        return 0;
    return service->started ? service->started == process->start : service->is_alive;
}

static int led_service(const struct members *members, const struct member *process)
{
    for (size_t i = 0; i < members->service_count; i++)
        if (members->services[i].is_alive && is_leader(&members->services[i], process))
            return (int)i;
    return MEMBERS_NOBODY;
}

static int compare_known(const void *left, const void *right)
{
    const struct member_known *const a = left;
    const struct member_known *const b = right;

    return a->pid < b->pid ? -1 : a->pid > b->pid;
}

void members_sort_known(struct member_known *known, size_t count)
{
    qsort(known, count, sizeof *known, compare_known);
}

static int known_service(const struct members *members, const struct member *process)
{
    const struct member_known key = { .pid = process->pid };
    const struct member_known *known = NULL;

    if (members->known_count > 0)
        known = bsearch(&key, members->known, members->known_count, sizeof key, compare_known);
    return known && known->start == process->start ? known->service : MEMBERS_NOBODY;
}

/* True when a group in this session can be one that the start of a leader has made. */
static int is_session_of_leader(const struct members *members, const struct member *process, pid_t leader)
{
    const struct member *const engine = members_get(members, members->engine);

    return process->session == leader || !engine || process->session == engine->session;
}

static int joined_service(const struct members *members, const struct member *process)
{
    for (size_t i = 0; i < members->service_count; i++) {
        const struct member_service *const service = &members->services[i];

        if (service->leader <= 0 || service->is_reused)
            continue;
        if (process->session == service->leader
            || (process->pgrp == service->leader && is_session_of_leader(members, process, service->leader)))
            return (int)i;
    }
    return MEMBERS_NOBODY;
}

/* ---- From the oldest ancestor down. ---- */

static struct member *parent_of(const struct members *members, const struct member *process)
{
    struct member *const parent = members_get(members, process->ppid);

    return parent && parent->start <= process->start ? parent : NULL;
}

/* Nothing that can be read stands between it and the engine. A parent outside of the namespace has the number 0. */
static int can_inherit(const struct members *members, const struct member *process, const struct member *parent)
{
    if (process->ppid == members->engine)
        return 1;
    return parent ? parent->can_inherit && parent->is_unreadable : process->ppid != 0;
}

static int owner_of(const struct members *members, const struct member *process, const struct member *parent)
{
    int owner;

    if (!process->is_below || process->is_dead || process->pid == members->engine || process->pid == members->self)
        return MEMBERS_NOBODY;
    owner = led_service(members, process);
    if (owner < 0)
        owner = known_service(members, process);
    if (owner < 0)
        owner = joined_service(members, process);
    if (owner < 0 && parent)
        owner = parent->owner;
    if (owner < 0 && process->can_inherit)
        owner = members->named(members, process->pid);
    return owner;
}

static void decide(const struct members *members, struct member *process, const struct member *parent)
{
    process->is_below = members->engine == 1 || process->ppid == members->engine || (parent && parent->is_below);
    process->can_inherit = can_inherit(members, process, parent);
    process->owner = owner_of(members, process, parent);
    process->is_unreadable = process->owner == MEMBERS_UNREADABLE;
    if (process->is_unreadable)
        process->owner = MEMBERS_NOBODY;
    process->progress = SETTLED;
}

/*
 * Climbs to an ancestor whose parent is settled, or is not there, and comes down again by `child`. A chain of parents
 * can be as long as there are processes, so there is no recursion. Parents are read at different times: a circle of
 * them is cut.
 */
static void settle(const struct members *members, struct member *process)
{
    struct member *parent;

    process->child = NULL;
    process->progress = CLIMBED;
    while ((parent = parent_of(members, process)) != NULL && parent->progress == NOT_SEEN) {
        parent->child = process;
        parent->progress = CLIMBED;
        process = parent;
    }
    if (parent && parent->progress != SETTLED)
        parent = NULL;
    for (; process; process = process->child) {
        decide(members, process, parent);
        parent = process;
    }
}

void members_find(struct members *members)
{
    for (size_t i = 0; i < members->service_count; i++) {
        struct member_service *const service = &members->services[i];
        const struct member *const holder = members_get(members, service->leader);

        service->is_reused = holder && !is_leader(service, holder);
    }
    for (size_t i = 0; i < members->count; i++)
        members->list[i].progress = NOT_SEEN;
    for (size_t i = 0; i < members->count; i++)
        if (members->list[i].progress == NOT_SEEN)
            settle(members, &members->list[i]);
}
