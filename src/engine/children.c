#include "engine/children.h"

#include <stdlib.h>
#include <unistd.h>

static struct child **place(const struct children *children, pid_t pid)
{
    struct child **at = (struct child **)&children->bucket[(unsigned)pid % CHILDREN_BUCKETS];

    while (*at && (*at)->pid != pid)
        at = &(*at)->next;
    return at;
}

struct child *children_find(const struct children *children, pid_t pid)
{
    return children->count ? *place(children, pid) : NULL;
}

static void close_held(struct child *child, int which)
{
    if (child->held[which] >= 0)
        close(child->held[which]);
    child->held[which] = -1;
}

void children_remove(struct children *children, pid_t pid)
{
    struct child **at = place(children, pid);
    struct child *gone = *at;

    if (!gone)
        return;
    *at = gone->next;
    for (int i = 0; i < HELD_MAX; i++)
        close_held(gone, i);
    free(gone);
    children->count--;
}

struct child *children_add(struct children *children, pid_t pid)
{
    struct child **at = place(children, pid);
    struct child *const known = *at;

    if (known && !known->dead)
        return known;
    children_remove(children, pid);
    at = place(children, pid);
    *at = calloc(1, sizeof **at);
    if (!*at)
        return NULL;
    (*at)->pid = pid;
    for (int i = 0; i < HELD_MAX; i++)
        (*at)->held[i] = -1;
    children->count++;
    return *at;
}

void children_reaped(struct children *children, struct child *child)
{
    child->dead = 1;
    if (!child->keeps_ready)
        close_held(child, 2);
    if (child->held[0] < 0 && child->held[1] < 0 && child->held[2] < 0)
        children_remove(children, child->pid);
}

void children_keep_ready(struct children *children, pid_t pid)
{
    struct child *child = children_find(children, pid);

    if (child)
        child->keeps_ready = 1;
}

void children_output_closed(struct children *children, pid_t pid, int which)
{
    struct child *child = children_find(children, pid);

    if (!child || which < 0 || which >= HELD_MAX || child->held[which] < 0)
        return;
    close_held(child, which);
    if (child->dead)
        children_reaped(children, child);
}

void children_each(const struct children *children, void (*visit)(struct child *child, void *context), void *context)
{
    struct child *next;

    for (int i = 0; i < CHILDREN_BUCKETS; i++) {
        for (struct child *at = children->bucket[i]; at; at = next) {
            next = at->next;
            visit(at, context);
        }
    }
}
