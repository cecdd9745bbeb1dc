/*
 * hostile.h: a script process that does what no script process should: it orders anything, says anything of its
 * reading, and leaves whenever it likes. Sometimes it reads, too, and what it reads is looked at.
 */
#ifndef REAPER_FUZZ_HOSTILE_H
#define REAPER_FUZZ_HOSTILE_H

#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../spec/support/journal_check.h"
#include "common/descriptors.h"
#include "engine/engine.h"
#include "harmless.h"
#include "liar.h"

struct hostile {
    struct engine *engine;
    struct journal_view view;
    int has_lied; /* it has moved positions, so what it reads may be nonsense */
};

/* ---- Orders. ---- */

/* The script process's end of the socket, or -1. */
static inline int end_of(const struct slot *slot)
{
    const struct process *const process = world_find(slot->pid);

    return process ? process->script_fd : -1;
}

static inline void send_bytes(const struct slot *slot, const void *bytes, size_t size, unsigned fd_count)
{
    struct iovec part = { (void *)bytes, size };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int) * 8)];
    } control;
    int fds[8];

    if (end_of(slot) < 0)
        return;
    memset(&control, 0, sizeof control);
    for (unsigned i = 0; i < fd_count; i++)
        fds[i] = memfd_create("sent", MFD_CLOEXEC);
    if (fd_count > 0) {
        message.msg_control = control.room;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
        memcpy(CMSG_DATA(&control.header), fds, sizeof(int) * fd_count);
    }
    if (sendmsg(end_of(slot), &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
        world_announce(slot->channel.fd, POLL_IN);
    for (unsigned i = 0; i < fd_count; i++)
        close(fds[i]);
}

/* A setting is its key, a zero and its value. */
static inline void read_text(struct input *input, char text[ORDER_TEXT_SIZE])
{
    const char *const *const keys = options_keys();
    const unsigned key = input_byte(input) % 16;
    size_t at = 0;

    memset(text, 0, ORDER_TEXT_SIZE);
    if (key < 14) {
        at = strlen(keys[key]) + 1;
        memcpy(text, keys[key], at);
    }
    at += input_text(input, text + at, ORDER_TEXT_SIZE - at);
    if (key == 15)
        memset(text + at, 'x', ORDER_TEXT_SIZE - at); /* without a zero */
}

/* Mostly of processes and questions that there are. */
static inline void send_order(const struct engine *engine, struct input *input, const struct slot *slot)
{
    struct order order;

    memset(&order, 0, sizeof order);
    order.kind = (uint16_t)(input_byte(input) % (ORDER_COUNT + 1));
    order.flags = (uint16_t)input_number(input);
    order.question = engine->questions.last - (uint32_t)input_number(input);
    order.pid = (int32_t)(uint32_t)input_number(input);
    if (order.pid >= 0 && order.pid < PROCESSES_MAX)
        order.pid += FIRST_PID;
    order.number = (int32_t)(uint32_t)input_number(input);
    if (order.kind == ORDER_CONFIGURE || order.kind == ORDER_SPAWNED)
        read_text(input, order.text);
    send_bytes(slot, &order, sizeof order, order.kind == ORDER_SPAWNED ? input_byte(input) % 8 : 0);
    if (engine->journal.journal.facts)
        journal_ordered((struct journal *)&engine->journal.journal);
}

/* ---- The reader. ---- */

static inline void check_told(const struct engine *engine, const struct event *event, uint64_t position)
{
    EXPECT(event->kind >= EVENT_REAP && event->kind <= EVENT_RELOAD);
    EXPECT(event->kind == EVENT_OVERFLOW ? event->number > 0 : position < engine->journal.written);
}

static inline void read_messages(const struct slot *slot, unsigned count)
{
    int fds[MESSAGE_FDS_MAX];
    struct event event;
    int fd_count;

    while (count-- > 0
           && receive_packet(end_of(slot), &event, sizeof event, fds, &fd_count, MSG_DONTWAIT) == sizeof event) {
        EXPECT(event.kind == EVENT_CHILD || event.kind == EVENT_START || event.kind == EVENT_REPLY
               || event.kind == EVENT_STATS);
        EXPECT(fd_count == 0
               || (event.flags & (EVENT_HAS_PIDFD | EVENT_HAS_STDOUT | EVENT_HAS_STDERR | EVENT_HAS_READY)));
        while (fd_count > 0)
            close(fds[--fd_count]);
        world_announce(slot->channel.fd, POLL_OUT);
    }
}

static inline void read_some(struct hostile *hostile, struct input *input)
{
    struct engine *const engine = hostile->engine;
    struct journal_view *const view = &hostile->view;
    const struct slot *const slot = engine->scripts.current;
    unsigned count = input_byte(input);
    struct event event;

    if (!engine->journal.journal.facts || slot->pid == 0)
        return;
    if (view->pid != slot->pid)
        view_here(view, &engine->journal.journal, slot->index, slot->pid);
    read_messages(slot, count);
    for (; count > 0 && journal_read(view, &event); count--)
        if (!hostile->has_lied)
            check_told(engine, &event, atomic_load(&engine->journal.journal.page->reader[view->index].read) - 1);
    journal_sleep(view, (enum journal_sleep)(input_byte(input) % 3));
}

/* One direction, or both. */
static inline void shut(const struct engine *engine, unsigned how)
{
    const int fd = end_of(engine->scripts.current);

    if (fd >= 0 && shutdown(fd, how == 1 ? SHUT_WR : how == 2 ? SHUT_RD : SHUT_RDWR) == 0)
        world_announce(engine->scripts.current->channel.fd, how == 1 ? POLL_IN : POLL_HUP);
}

#endif
