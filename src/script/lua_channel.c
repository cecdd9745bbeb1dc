/* Events and orders: the script process's end of the channel. */
#define _GNU_SOURCE
#include <errno.h>
#include <lauxlib.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/descriptors.h"
#include "script/lua_core.h"
#include "script/lua_values.h"
#include "script/script.h"

union control {
    struct cmsghdr header;
    char room[CMSG_SPACE(sizeof(int) * MESSAGE_FDS_MAX)];
};

/* ---- Packets. ---- */

/* Pages from mmap, of which a small packet touches one: after a storm malloc would keep those of the largest. */
enum { PACKET_ROOM = (int)sizeof(struct packet) + PACKET_SIZE };

static struct packet *new_packet(void)
{
    void *pages = mmap(NULL, PACKET_ROOM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return pages == MAP_FAILED ? NULL : pages;
}

static void give_back(struct packet *packet)
{
    munmap(packet, PACKET_ROOM);
}

static void free_first(struct script *script)
{
    struct packet *packet = script->first;

    for (int i = 0; i < packet->fd_count; i++)
        if (packet->fds[i] >= 0)
            close(packet->fds[i]);
    script->first = packet->next;
    if (!script->first)
        script->last = NULL;
    give_back(packet);
}

void script_drop_packets(struct script *script)
{
    while (script->first)
        free_first(script);
}

int script_read_packet(struct script *script)
{
    struct packet *packet = new_packet();
    struct iovec part = { packet ? packet->events : NULL, PACKET_SIZE };
    union control control;
    struct msghdr message = {
        .msg_iov = &part,
        .msg_iovlen = 1,
        .msg_control = control.room,
        .msg_controllen = CMSG_LEN(sizeof(int) * MESSAGE_FDS_MAX),
    };
    ssize_t got;

    if (!packet)
        return 0;
    do /* ECONNRESET comes once, before the last packets, when the engine has closed without reading the last order */
        got = recvmsg(script->fd, &message, MSG_CMSG_CLOEXEC);
    while (got < 0 && (errno == EINTR || errno == ECONNRESET));
    if (got <= 0) {
        give_back(packet);
        return 0;
    }
    packet->next = NULL;
    packet->at = 0;
    packet->count = (size_t)got / sizeof(struct event);
    packet->fd_count = take_descriptors(&message, packet->fds);
    if (script->last)
        script->last->next = packet;
    else
        script->first = packet;
    script->last = packet;
    return 1;
}

/* ---- Events. ---- */

/* The next descriptor of the packet when `event` says that it has one, or nil. */
static void push_fd(lua_State *L, struct packet *packet, const struct event *event, enum event_flag flag, int *next)
{
    if (!(event->flags & flag) || *next >= packet->fd_count) {
        lua_pushnil(L);
        return;
    }
    lua_pushinteger(L, packet->fds[*next]);
    packet->fds[(*next)++] = -1;
}

/* pid, status, rusage, info, ask, flags */
static int push_reap(lua_State *L, const struct script *script, const struct event *event)
{
    lua_pushinteger(L, event->pid);
    push_status(L, event->status);
    push_usage(L, &event->of.usage);
    if (script->wants_info)
        push_info(L, event);
    else
        lua_pushnil(L);
    lua_pushinteger(L, event->question);
    lua_pushinteger(L, event->flags);
    return 6;
}

/* pid, name, dead, pidfd, stdout, stderr, readiness */
static int push_child(lua_State *L, struct packet *packet, const struct event *event)
{
    int next = 0;

    lua_pushinteger(L, event->pid);
    lua_pushlstring(L, event->name, strnlen(event->name, sizeof event->name));
    lua_pushboolean(L, event->status);
    push_fd(L, packet, event, EVENT_HAS_PIDFD, &next);
    push_fd(L, packet, event, EVENT_HAS_STDOUT, &next);
    push_fd(L, packet, event, EVENT_HAS_STDERR, &next);
    push_fd(L, packet, event, EVENT_HAS_READY, &next);
    return 7;
}

/* pid or nil, pidfd, nil or "crash" or "reload", whether the stop has begun */
static int push_start(lua_State *L, struct packet *packet, const struct event *event)
{
    static const char *const reasons[] = { NULL, "crash", "reload" };
    int next = 0;

    if (event->pid > 0)
        lua_pushinteger(L, event->pid);
    else
        lua_pushnil(L);
    push_fd(L, packet, event, EVENT_HAS_PIDFD, &next);
    lua_pushstring(L, reasons[event->number]);
    lua_pushboolean(L, event->flags & EVENT_IN_STOP);
    return 4;
}

/* ask, code, status or nil */
static int push_exit(lua_State *L, const struct event *event)
{
    lua_pushinteger(L, event->question);
    lua_pushinteger(L, event->number);
    if (event->status >= 0)
        push_status(L, event->status);
    else
        lua_pushnil(L);
    return 3;
}

static int push_values(lua_State *L, struct script *script, struct packet *packet, const struct event *event)
{
    char name[SIGNAL_NAME_SIZE];

    switch (event->kind) {
    case EVENT_CHILD:
        return push_child(L, packet, event);
    case EVENT_START:
        return push_start(L, packet, event);
    case EVENT_REAP:
        return push_reap(L, script, event);
    case EVENT_EXIT:
        return push_exit(L, event);
    case EVENT_SIGNAL: /* ask, name, number */
        lua_pushinteger(L, event->question);
        lua_pushstring(L, signal_name((int)event->number, name));
        lua_pushinteger(L, event->number);
        return 3;
    case EVENT_STOP: /* ask, reason */
        lua_pushinteger(L, event->question);
        lua_pushlstring(L, event->of.text, strnlen(event->of.text, sizeof event->of.text));
        return 2;
    case EVENT_SERVICES: /* ask, reason, whether it is their turn */
        lua_pushinteger(L, event->question);
        lua_pushlstring(L, event->of.text, strnlen(event->of.text, sizeof event->of.text));
        lua_pushboolean(L, event->number != 0);
        return 3;
    case EVENT_OVERFLOW: /* count */
        lua_pushinteger(L, event->number);
        return 1;
    default: /* EVENT_RELOAD: ask */
        lua_pushinteger(L, event->question);
        return 1;
    }
}

/* core.next(): the next event that has been read: its kind and its values; nothing when there is none. */
int core_next(lua_State *L)
{
    struct script *script = script_of(L);
    struct packet *packet = script->first;
    const struct event *event;

    while (packet && packet->at == packet->count) {
        free_first(script);
        packet = script->first;
    }
    if (!packet)
        return 0;
    luaL_checkstack(L, 16, NULL);
    event = &packet->events[packet->at++];
    lua_pushinteger(L, event->kind);
    return 1 + push_values(L, script, packet, event);
}

/* core.want_info(boolean): whether on_reap takes a fourth argument. */
int core_want_info(lua_State *L)
{
    script_of(L)->wants_info = lua_toboolean(L, 1);
    return 0;
}

/* ---- Orders. ---- */

int script_is_connected(const struct script *script)
{
    return script->fd >= 0 && script->pid == getpid();
}

/* An order that is lost could be waited for without end, and a lack of memory passes. */
void script_send(const struct script *script, const struct order *order)
{
    if (!script_is_connected(script))
        return;
    while (send(script->fd, order, sizeof *order, MSG_NOSIGNAL) < 0
           && (errno == EINTR || errno == ENOBUFS || errno == ENOMEM))
        poll(NULL, 0, 1);
}

/* core.is_connected(): true; or false and whether this process was forked from the one that is. */
int core_is_connected(lua_State *L)
{
    const struct script *const script = script_of(L);

    lua_pushboolean(L, script_is_connected(script));
    lua_pushboolean(L, script->fd >= 0);
    return 2;
}

/* core.order(kind[, ask[, pid[, number[, flags]]]]) */
int core_order(lua_State *L)
{
    struct order order;

    memset(&order, 0, sizeof order);
    order.kind = (uint16_t)luaL_checkinteger(L, 1);
    order.question = (uint32_t)luaL_optinteger(L, 2, 0);
    order.pid = (int32_t)luaL_optinteger(L, 3, 0);
    order.number = (int32_t)luaL_optinteger(L, 4, 0);
    order.flags = (uint16_t)luaL_optinteger(L, 5, 0);
    script_send(script_of(L), &order);
    return 0;
}

static struct event *find_reply(struct packet *packet, uint32_t question)
{
    for (size_t i = packet->at; i < packet->count; i++)
        if ((packet->events[i].kind == EVENT_REPLY || packet->events[i].kind == EVENT_STATS)
            && packet->events[i].question == question)
            return &packet->events[i];
    return NULL;
}

/* Reads until the reply is there; it comes in the last packet. Other packets wait in the queue. */
static struct event *wait_for_reply(struct script *script, uint32_t question)
{
    struct event *reply = NULL;

    while (!reply && script_read_packet(script))
        reply = find_reply(script->last, question);
    return reply;
}

/* Takes the reply out of the last packet, which stays for the other events. */
static struct event take_reply(struct packet *packet, struct event *at)
{
    const struct event reply = *at;

    memmove(at, at + 1, (size_t)(&packet->events[packet->count] - (at + 1)) * sizeof *at);
    packet->count--;
    return reply;
}

static int push_main_started(lua_State *L, struct packet *packet, const struct event *reply)
{
    int next = 0;

    if (reply->pid > 0) {
        lua_pushinteger(L, reply->pid);
        push_fd(L, packet, reply, EVENT_HAS_PIDFD, &next);
        return 2;
    }
    luaL_pushfail(L);
    lua_pushlstring(L, reply->of.text, strnlen(reply->of.text, sizeof reply->of.text));
    lua_pushinteger(L, reply->status);
    return 3;
}

/*
 * core.request(kind): asks the engine and waits for the reply. ORDER_STATS: a table. ORDER_MAIN_START: pid, pidfd; or
 * nil, message, errno.
 */
int core_request(lua_State *L)
{
    struct script *script = script_of(L);
    struct order order;
    struct event *found;
    struct event reply;

    memset(&order, 0, sizeof order);
    order.kind = (uint16_t)luaL_checkinteger(L, 1);
    order.question = ++script->last_request;
    luaL_checkstack(L, 8, NULL);
    script_send(script, &order);
    found = script_is_connected(script) ? wait_for_reply(script, order.question) : NULL;
    if (!found)
        return push_failure(L, ENOTCONN, "the engine");
    reply = take_reply(script->last, found);
    script_set_timer(script, 0); /* other events may have been read */
    if (reply.kind == EVENT_REPLY)
        return push_main_started(L, script->last, &reply);
    push_statistics(L, &reply.of.statistics);
    return 1;
}
