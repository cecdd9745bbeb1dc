#define _GNU_SOURCE
#include "script/lua_pages.h"

#include <errno.h>
#include <lauxlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/text.h"
#include "script/script.h"

struct script_page *page_of(lua_State *L)
{
    const struct script *const script = script_of(L);

    return page_to_write(script->watchdog.page);
}

/* ---- Which script process writes. ---- */

/* Writes who it is: with the services that are shown, or, where `services` is negative, those that were there before.
 */
static void show_session(const struct script *script, struct script_page *page, int services)
{
    struct script_session session;
    struct stat inbox;

    if (!LATCH_READ(&page->session, &session))
        memset(&session, 0, sizeof session);
    if (services >= 0)
        session.services = services;
    session.began_at = clock_now();
    session.pid = getpid();
    session.inbox_fd = script->inbox[0];
    session.inbox_inode = script->inbox[0] >= 0 && fstat(script->inbox[0], &inbox) == 0 ? inbox.st_ino : 0;
    LATCH_WRITE(&page->session, &session);
    page_announce(page);
}

void pages_begin(struct script *script)
{
    if (!script->page)
        return;
    script->watchdog.page = page_take(script->page);
    if (!script->watchdog.page) {
        log_line(&script->log, LOG_LEVEL_WARNING, "reaperctl is shown nothing of this script process: %s",
                 strerror(errno));
        return;
    }
    watchdog_show(&script->watchdog); /* the hook in which an earlier one was lost runs no more */
    show_session(script, script->page, -1);
}

/* core.take_page(): from now on this script process writes, after one that was there before it. */
int core_take_page(lua_State *L)
{
    struct script *const script = script_of(L);

    if (!script->watchdog.page)
        pages_begin(script);
    return 0;
}

/* core.show_services(count): there are so many services, COMMAND among them included. */
int core_show_services(lua_State *L)
{
    struct script_page *const page = page_of(L);

    if (page)
        show_session(script_of(L), page, (int)luaL_checkinteger(L, 1));
    return 0;
}

/* core.inbox(): the descriptor from which orders are read, or nil. */
int core_inbox(lua_State *L)
{
    const struct script *const script = script_of(L);

    if (script->inbox[0] >= 0)
        lua_pushinteger(L, script->inbox[0]);
    else
        lua_pushnil(L);
    return 1;
}

/* ---- A service. ---- */

static lua_Integer integer_field(lua_State *L, const char *key, lua_Integer otherwise)
{
    lua_Integer value;

    lua_getfield(L, 2, key);
    value = luaL_optinteger(L, -1, otherwise);
    lua_pop(L, 1);
    return value;
}

/* Seconds, as nanoseconds. */
static int64_t moment_field(lua_State *L, const char *key)
{
    lua_Number value;

    lua_getfield(L, 2, key);
    value = luaL_optnumber(L, -1, 0);
    lua_pop(L, 1);
    return (int64_t)(value * (lua_Number)NANOSECONDS);
}

static void string_field(lua_State *L, const char *key, char *into, size_t size)
{
    lua_getfield(L, 2, key);
    page_text(into, size, luaL_optstring(L, -1, ""));
    lua_pop(L, 1);
}

/* Counts the restarts of the last minutes. */
static void count_restarts(lua_State *L, struct service_row *row)
{
    const int64_t minute = 60 * NANOSECONDS;

    row->minute = (uint64_t)(clock_now() / minute);
    if (lua_getfield(L, 2, "history") == LUA_TTABLE) { // list
        for (lua_Integer i = luaL_len(L, -1); i > 0; i--) {
            uint64_t ago;

            lua_rawgeti(L, -1, i); // list moment
            ago = row->minute - (uint64_t)(lua_tonumber(L, -1) / 60);
            lua_pop(L, 1);
            if (ago >= PAGE_MINUTES)
                break;
            row->restarts_in[ago]++;
        }
    }
    lua_pop(L, 1);
}

static uint32_t flags_field(lua_State *L)
{
    static const struct {
        const char *key;
        enum page_service_flag flag;
    } flags[] = {
        { "is_main", PAGE_SERVICE_MAIN }, { "autostart", PAGE_SERVICE_AUTOSTART }, { "ready", PAGE_SERVICE_READY },
        { "alive", PAGE_SERVICE_ALIVE },  { "fatal", PAGE_SERVICE_FATAL },         { "done", PAGE_SERVICE_DONE },
    };
    uint32_t all = 0;

    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        lua_getfield(L, 2, flags[i].key);
        all |= lua_toboolean(L, -1) ? flags[i].flag : 0;
        lua_pop(L, 1);
    }
    return all;
}

/*
 * core.show_service(index, fields): the service at that place, from 1 on. Moments are seconds: since, started_at,
 * due_at (as core.now), next_run (of the wall clock); then restarts, history (moments of the last ones), pid, leader,
 * status (as in a wait status), flags (PAGE_SERVICE_…), ring (its index, or -1), name, state, detail, output.
 */
int core_show_service(lua_State *L)
{
    struct script_page *const page = page_of(L);
    const lua_Integer index = luaL_checkinteger(L, 1);
    struct service_row row;

    if (!page || index < 1 || index > PAGE_SERVICES)
        return 0;
    luaL_checktype(L, 2, LUA_TTABLE);
    memset(&row, 0, sizeof row);
    row.since = moment_field(L, "since");
    row.started_at = moment_field(L, "started_at");
    row.due_at = moment_field(L, "due_at");
    row.next_run = moment_field(L, "next_run");
    row.restarts = (uint64_t)integer_field(L, "restarts", 0);
    count_restarts(L, &row);
    row.pid = (int32_t)integer_field(L, "pid", 0);
    row.leader = (int32_t)integer_field(L, "leader", 0);
    row.status = (int32_t)integer_field(L, "status", PAGE_STATUS_NONE);
    row.flags = flags_field(L);
    row.ring = (int32_t)integer_field(L, "ring", -1);
    string_field(L, "name", row.name, sizeof row.name);
    string_field(L, "state", row.state, sizeof row.state);
    string_field(L, "detail", row.detail, sizeof row.detail);
    string_field(L, "output", row.output, sizeof row.output);
    LATCH_WRITE(&page->service[index - 1], &row);
    page_announce(page);
    return 0;
}

/* ---- Events, replies. ---- */

/* core.show_event(type, name, state, detail): the next event; strings, of which all but the type can be nil. */
int core_show_event(lua_State *L)
{
    struct script_page *const page = page_of(L);
    struct event_row row;

    if (!page)
        return 0;
    memset(&row, 0, sizeof row);
    row.number = atomic_load_explicit(&page->events, memory_order_relaxed) + 1;
    row.time = clock_wall();
    page_text(row.type, sizeof row.type, luaL_checkstring(L, 1));
    page_text(row.name, sizeof row.name, luaL_optstring(L, 2, ""));
    page_text(row.state, sizeof row.state, luaL_optstring(L, 3, ""));
    page_text(row.detail, sizeof row.detail, luaL_optstring(L, 4, ""));
    LATCH_WRITE(&page->event[row.number % PAGE_EVENTS], &row);
    atomic_store_explicit(&page->events, row.number, memory_order_release);
    page_announce(page);
    return 0;
}

/* The row of the reply with that id, or the oldest one. */
static size_t reply_place(const struct script_page *page, const char *id)
{
    size_t oldest = 0;
    int64_t oldest_at = INT64_MAX;
    struct reply_row row;

    for (size_t i = 0; i < PAGE_REPLIES; i++) {
        if (!LATCH_READ(&page->reply[i], &row))
            continue;
        if (strncmp(row.id, id, sizeof row.id) == 0)
            return i;
        if (row.at < oldest_at) {
            oldest = i;
            oldest_at = row.at;
        }
    }
    return oldest;
}

/* core.show_reply(id, state, text): how far the order with that id is: "accepted", "done" or "refused". */
int core_show_reply(lua_State *L)
{
    static const char *const states[] = { "", "accepted", "done", "refused", NULL };
    struct script_page *const page = page_of(L);
    struct reply_row row;

    if (!page)
        return 0;
    memset(&row, 0, sizeof row);
    row.at = clock_now();
    row.pid = getpid();
    snprintf(row.id, sizeof row.id, "%s", luaL_checkstring(L, 1));
    row.state = luaL_checkoption(L, 2, NULL, states);
    page_text(row.text, sizeof row.text, luaL_optstring(L, 3, ""));
    LATCH_WRITE(&page->reply[reply_place(page, row.id)], &row);
    page_announce(page);
    return 0;
}
