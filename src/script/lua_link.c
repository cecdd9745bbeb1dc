/* Events and orders, as Lua sees them. */
#define _GNU_SOURCE
#include <errno.h>
#include <lauxlib.h>
#include <string.h>

#include "script/lua_core.h"
#include "script/lua_values.h"
#include "script/script.h"

/* ---- Events. ---- */

/* The next descriptor of the message when its event says that it has one, or nil. */
static void push_fd(lua_State *L, struct link *link, enum event_flag flag)
{
    const int fd = link_take_fd(link, flag);

    if (fd >= 0)
        lua_pushinteger(L, fd);
    else
        lua_pushnil(L);
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
static int push_child(lua_State *L, struct link *link, const struct event *event)
{
    lua_pushinteger(L, event->pid);
    lua_pushlstring(L, event->name, strnlen(event->name, sizeof event->name));
    lua_pushboolean(L, event->status);
    push_fd(L, link, EVENT_HAS_PIDFD);
    push_fd(L, link, EVENT_HAS_STDOUT);
    push_fd(L, link, EVENT_HAS_STDERR);
    push_fd(L, link, EVENT_HAS_READY);
    return 7;
}

/* pid or nil, pidfd, nil or "crash" or "reload", whether the stop has begun, whether COMMAND has been started */
static int push_start(lua_State *L, struct link *link, const struct event *event)
{
    static const char *const reasons[] = { NULL, "crash", "reload" };
    if (event->pid > 0)
        lua_pushinteger(L, event->pid);
    else
        lua_pushnil(L);
    push_fd(L, link, EVENT_HAS_PIDFD);
    lua_pushstring(L, reasons[event->number]);
    lua_pushboolean(L, event->flags & EVENT_IN_STOP);
    lua_pushboolean(L, event->flags & EVENT_MAIN);
    return 5;
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

static int push_values(lua_State *L, struct script *script, const struct event *event)
{
    struct link *const link = &script->link;
    char name[SIGNAL_NAME_SIZE];

    switch (event->kind) {
    case EVENT_CHILD:
        return push_child(L, link, event);
    case EVENT_START:
        return push_start(L, link, event);
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

/* core.next(): the next message or event: its kind and its values; nothing when there is none. */
int core_next(lua_State *L)
{
    struct script *script = script_of(L);
    struct link *const link = &script->link;

    if (!link_next(link)) {
        script_watch_link(script);
        return 0;
    }
    luaL_checkstack(L, 16, NULL);
    lua_pushinteger(L, link->current.event.kind);
    return 1 + push_values(L, script, &link->current.event);
}

/*
 * core.has_read_all(): whether all that stands in the journal has been read; nil when this process does not read any
 * more, because another one has taken its place.
 */
int core_has_read_all(lua_State *L)
{
    const struct link *const link = &script_of(L)->link;

    if (!link_is_connected(link) || !journal_is_mine(&link->view))
        lua_pushnil(L);
    else
        lua_pushboolean(L, !link_has_something(link));
    return 1;
}

/* core.read_deaths(boolean): whether a program listens to deaths; until it does, they stay in the journal. */
int core_read_deaths(lua_State *L)
{
    struct script *script = script_of(L);

    if (script->is_program)
        script->link.view.reading = lua_toboolean(L, 1) ? JOURNAL_READS : JOURNAL_KEEPS;
    return 0;
}

/* core.want_info(boolean): whether on_reap takes a fourth argument. */
int core_want_info(lua_State *L)
{
    script_of(L)->wants_info = lua_toboolean(L, 1);
    return 0;
}

/* ---- Orders. ---- */

/* core.is_connected(): true; or false and whether this process was forked from the one that is. */
int core_is_connected(lua_State *L)
{
    const struct script *const script = script_of(L);

    lua_pushboolean(L, link_is_connected(&script->link));
    lua_pushboolean(L, script->link.fd >= 0);
    return 2;
}

/* core.give_reason(text): why the script is about to end the container. What is too long is cut. */
int core_give_reason(lua_State *L)
{
    size_t size;
    const char *const text = luaL_checklstring(L, 1, &size);
    struct order order;

    if (size > REASON_SIZE - 1)
        size = REASON_SIZE - 1;
    for (size_t at = 0; at < size; at += ORDER_TEXT_SIZE) {
        memset(&order, 0, sizeof order);
        order.kind = ORDER_REASON;
        order.number = (int32_t)at;
        memcpy(order.text, text + at, size - at < ORDER_TEXT_SIZE ? size - at : ORDER_TEXT_SIZE);
        link_send(&script_of(L)->link, &order);
    }
    return 0;
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
    link_send(&script_of(L)->link, &order);
    return 0;
}

static int push_main_started(lua_State *L, struct link *link, const struct event *reply)
{
    if (reply->pid > 0) {
        lua_pushinteger(L, reply->pid);
        push_fd(L, link, EVENT_HAS_PIDFD);
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
    struct link *const link = &script->link;
    struct order order;

    memset(&order, 0, sizeof order);
    order.kind = (uint16_t)luaL_checkinteger(L, 1);
    luaL_checkstack(L, 8, NULL);
    if (link_request(link, &order) != 0)
        return push_failure(L, ENOTCONN, "the engine");
    script_set_timer(script, 0); /* other messages may have been received */
    if (link->current.event.kind == EVENT_REPLY)
        return push_main_started(L, link, &link->current.event);
    push_statistics(L, &link->current.event.of.statistics);
    return 1;
}
