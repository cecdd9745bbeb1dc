#define _GNU_SOURCE
#include "engine/handover.h"

#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

struct hand_over {
    struct channel *channel;
    int with_held;
};

static void hand_over_child(struct child *child, void *context)
{
    const struct hand_over *const to = context;
    struct event event;
    int fds[MESSAGE_FDS_MAX];
    int count = 0;
    int pidfd = -1;

    if (child->exec_failed)
        return;
    memset(&event, 0, sizeof event);
    event.kind = EVENT_CHILD;
    event.pid = child->pid;
    memcpy(event.name, child->name, sizeof event.name);
    if (!child->dead)
        pidfd = (int)syscall(SYS_pidfd_open, child->pid, 0);
    if (pidfd >= 0) {
        event.flags |= EVENT_HAS_PIDFD;
        fds[count++] = pidfd;
    }
    event.status = child->dead;
    for (int i = 0; i < HELD_MAX && to->with_held; i++) {
        if (child->held[i] < 0)
            continue;
        event.flags |= EVENT_HAS_HELD(i);
        fds[count++] = child->held[i];
    }
    channel_put_fds(to->channel, &event, fds, count);
    channel_flush(to->channel); /* before the next one: the duplicates in the backlog use up descriptors */
    if (pidfd >= 0)
        close(pidfd);
}

void hand_over_children(struct engine *engine, struct slot *slot, int with_held)
{
    struct hand_over to = { &slot->channel, with_held };

    children_each(&engine->children, hand_over_child, &to);
}

void hand_over_start(struct engine *engine, struct slot *slot)
{
    struct event event;

    memset(&event, 0, sizeof event);
    event.kind = EVENT_START;
    event.pid = engine->main_child.pid;
    event.number = slot->reason;
    if (engine->life.state > ENGINE_RUNNING)
        event.flags |= EVENT_IN_STOP;
    if (engine->main_child.pid > 0 && engine->main_child.pidfd >= 0) {
        event.flags |= EVENT_HAS_PIDFD;
        channel_put_fds(&slot->channel, &event, &engine->main_child.pidfd, 1);
    } else {
        channel_put(&slot->channel, &event, MUST_KEEP);
    }
}
