#define _GNU_SOURCE
#include "engine/handover.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine/main_child.h"

/* The message is counted, so that it is read before the events that follow. 0, or -1: there is no room. */
static int post(struct engine *engine, struct slot *slot, const struct event *event, const int *fds, int count)
{
    if (channel_send(&slot->channel, event, fds, count) != 0)
        return -1;
    journal_sent(&engine->journal, slot->index);
    return 0;
}

/* ---- Replies. ---- */

static void send_replies(struct engine *engine, struct slot *slot)
{
    const struct event *reply;

    while ((reply = late_events_first(&slot->replies)) && post(engine, slot, reply, NULL, 0) == 0)
        late_events_drop(&slot->replies);
}

/* Who asks without reading its replies gets no more of them. */
void handover_reply(struct engine *engine, struct slot *slot, const struct event *event, int fd)
{
    struct event late = *event;

    if (slot->replies.count == 0 && post(engine, slot, event, &fd, fd >= 0) == 0)
        return;
    late.flags &= (uint16_t)~EVENT_HAS_PIDFD;
    if (slot->replies.count < REPLIES_MAX && late_events_add(&slot->replies, &late) != 0)
        log_line(&engine->log, LOG_LEVEL_ERROR, "a reply to the script process is lost: %s", strerror(errno));
}

struct event handover_reply_to(uint32_t serial)
{
    struct event event;

    memset(&event, 0, sizeof event);
    event.kind = EVENT_REPLY;
    event.question = serial;
    return event;
}

struct slot *handover_slot_of(struct engine *engine, pid_t pid)
{
    for (int i = 0; i < JOURNAL_READERS; i++)
        if (pid > 0 && engine->scripts.slot[i].pid == pid)
            return &engine->scripts.slot[i];
    return NULL;
}

void handover_main_started(struct engine *engine, const struct main_order *order)
{
    struct slot *const slot = handover_slot_of(engine, order->by);
    struct event event = handover_reply_to(order->serial);

    event.pid = engine->main_child.pid;
    if (engine->main_child.pidfd >= 0)
        event.flags = EVENT_HAS_PIDFD;
    if (slot)
        handover_reply(engine, slot, &event, engine->main_child.pidfd);
}

int handover_main_failed(struct engine *engine, const struct main_order *order, int error, const char *why)
{
    struct slot *const slot = handover_slot_of(engine, order->by);
    struct event event = handover_reply_to(order->serial);

    if (!slot)
        return -1;
    event.pid = -1;
    event.status = error;
    snprintf(event.of.text, sizeof event.of.text, "%s", why);
    handover_reply(engine, slot, &event, -1);
    return 0;
}

/* ---- Children. ---- */

struct receiver {
    struct engine *engine;
    struct slot *slot;
    int with_held;
};

static int child_message(const struct child *child, int with_held, struct event *event, int fds[MESSAGE_FDS_MAX])
{
    const int pidfd = child->dead ? -1 : (int)syscall(SYS_pidfd_open, child->pid, 0);
    int count = 0;

    memset(event, 0, sizeof *event);
    event->kind = EVENT_CHILD;
    event->pid = child->pid;
    event->status = child->dead;
    memcpy(event->name, child->name, sizeof event->name);
    if (pidfd >= 0) {
        event->flags |= EVENT_HAS_PIDFD;
        fds[count++] = pidfd;
    }
    for (int i = 0; i < HELD_MAX && with_held; i++) {
        if (child->held[i] < 0)
            continue;
        event->flags |= EVENT_HAS_HELD(i);
        fds[count++] = child->held[i];
    }
    return count;
}

static void send_child(struct child *child, void *context)
{
    const struct receiver *const to = context;
    unsigned char *const owed = &child->owed[to->slot->index];
    int fds[MESSAGE_FDS_MAX];
    struct event event;
    int count;

    if (*owed == OWED_NOTHING || !channel_has_room(&to->slot->channel))
        return;
    count = child_message(child, *owed == OWED_WITH_HELD, &event, fds);
    if (child->exec_failed || post(to->engine, to->slot, &event, fds, count) == 0)
        *owed = OWED_NOTHING;
    if (event.flags & EVENT_HAS_PIDFD)
        close(fds[0]);
}

static void send_children(struct engine *engine, struct slot *slot)
{
    struct receiver to = { engine, slot, 0 };

    children_each(&engine->children, send_child, &to);
    slot->owes_children = !channel_has_room(&slot->channel);
}

static void owe_child(struct child *child, void *context)
{
    const struct receiver *const to = context;

    child->owed[to->slot->index] = to->with_held ? OWED_WITH_HELD : OWED_CHILD;
}

void handover_children(struct engine *engine, struct slot *slot, int with_held)
{
    struct receiver to = { engine, slot, with_held };

    children_each(&engine->children, owe_child, &to);
    slot->owes_children = 1;
    handover_step(engine, slot);
}

/* ---- The start. ---- */

static void send_start(struct engine *engine, struct slot *slot)
{
    const int pidfd = engine->main_child.pid > 0 ? engine->main_child.pidfd : -1;
    struct event event;

    memset(&event, 0, sizeof event);
    event.kind = EVENT_START;
    event.pid = engine->main_child.pid;
    event.number = slot->reason;
    if (engine->life.state > ENGINE_RUNNING)
        event.flags |= EVENT_IN_STOP;
    if (main_child_has_run(engine))
        event.flags |= EVENT_MAIN;
    if (pidfd >= 0)
        event.flags |= EVENT_HAS_PIDFD;
    slot->owes_start = post(engine, slot, &event, &pidfd, pidfd >= 0) != 0;
}

void handover_start(struct engine *engine, struct slot *slot)
{
    slot->owes_start = 1;
    handover_step(engine, slot);
}

void handover_step(struct engine *engine, struct slot *slot)
{
    if (slot->channel.fd < 0)
        return;
    slot->channel.full = 0;
    slot->channel.again_at = NEVER;
    send_replies(engine, slot);
    if (slot->owes_children && slot->replies.count == 0)
        send_children(engine, slot);
    if (slot->owes_start && !slot->owes_children && slot->replies.count == 0)
        send_start(engine, slot);
}
