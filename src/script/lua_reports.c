/* What the pages of a reaper-lua say, as tables. */
#include <errno.h>
#include <lauxlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/pages.h"
#include "script/control.h"
#include "script/lua_values.h"

static void set_string(lua_State *L, const char *key, const char *text, size_t size)
{
    lua_pushlstring(L, text, strnlen(text, size));
    lua_setfield(L, -2, key);
}

#define SET_STRING(key, array) set_string(L, key, array, sizeof(array))

/* Seconds; nothing for none. */
static void set_moment(lua_State *L, const char *key, int64_t moment)
{
    if (moment == 0)
        return;
    lua_pushnumber(L, (lua_Number)moment / (lua_Number)NANOSECONDS);
    lua_setfield(L, -2, key);
}

static void set_status(lua_State *L, int32_t status)
{
    if (status == PAGE_STATUS_NONE)
        return;
    if (status < 0)
        lua_pushliteral(L, "unknown");
    else
        push_status(L, status);
    lua_setfield(L, -2, "status");
}

/*
 * core.engine_report(pages): what the engine has written. Moments are seconds, of core.now() or, started_time, since
 * 1970; nil where there is none. statistics is that of reaper.stats(). pid is what the engine calls itself; pid_here is
 * the same process where the caller is, which may be outside of the container.
 */
static int core_engine_report(lua_State *L)
{
    const struct view *const view = view_of(L);
    struct engine_report report;
    struct statistics counters;

    if (!LATCH_READ(&view->engine->counters, &counters) || !LATCH_READ(&view->engine->report, &report)
        || report.started_at <= 0 || report.started_time <= 0)
        return push_failure(L, EAGAIN, "the engine's page"); /* nothing has been written yet, or all the time */
    counters.uptime_ns = clock_now() - report.started_at;
    lua_createtable(L, 0, 30);
    lua_pushstring(L, view->version);
    lua_setfield(L, -2, "version");
    set_moment(L, "started_at", report.started_at);
    set_moment(L, "started_time", report.started_time);
    set_moment(L, "script_since", report.script_since);
    set_moment(L, "script_next", report.script_next);
    set_moment(L, "unread_since", report.unread_since);
    set_moment(L, "main_since", report.main_since);
    set_integer(L, "main_starts", report.main_starts);
    set_integer(L, "unread", report.unread);
    set_integer(L, "failed_reloads", report.failed_reloads);
    push_statistics(L, &counters);
    lua_setfield(L, -2, "statistics");
    set_integer(L, "pid", report.pid);
    set_integer(L, "pid_here", view->pid); /* which is another number where this process is in another PID namespace */
    set_integer(L, "main_pid", report.main_pid);
    set_status(L, report.main_status);
    set_integer(L, "main_code", report.main_code);
    set_integer(L, "exit_code", report.exit_code);
    set_integer(L, "script_pid", report.script_pid);
    set_integer(L, "porter_pid", report.porter_pid);
    set_integer(L, "open_questions", report.open_questions);
    set_boolean(L, "is_init", report.is_init);
    set_boolean(L, "is_program", report.is_program);
    set_boolean(L, "is_reloading", report.is_reloading);
    set_boolean(L, "has_command", report.has_command);
    SET_STRING("state", report.state);
    SET_STRING("script_state", report.script_state);
    SET_STRING("stop_reason", report.stop_reason);
    SET_STRING("script", report.script);
    SET_STRING("command", report.command);
    return 1;
}

/* How many events there were; none where the number is a lie, since nobody counts so far. */
static uint64_t event_count(const struct script_page *page)
{
    const uint64_t count = atomic_load_explicit(&page->events, memory_order_acquire);

    return count <= INT64_MAX ? count : 0;
}

/*
 * core.script_report(pages): what the script process has written: pid, began_at, services (how many),
 * inbox_fd, inbox_inode, events (how many, ever); label and busy_since of the hook that runs, nil when it waits. nil
 * where no script process has written anything.
 */
static int core_script_report(lua_State *L)
{
    const struct script_page *const page = view_of(L)->script;
    struct script_session session;
    struct script_busy busy;

    if (!page || !LATCH_READ(&page->session, &session) || !LATCH_READ(&page->busy, &busy) || session.pid == 0)
        return 0;
    lua_createtable(L, 0, 10);
    set_integer(L, "pid", session.pid);
    set_moment(L, "began_at", session.began_at);
    set_integer(L, "services", session.services < 0 ? 0 : session.services);
    set_integer(L, "inbox_fd", session.inbox_fd);
    set_integer(L, "inbox_inode", (lua_Integer)session.inbox_inode);
    set_integer(L, "events", (lua_Integer)event_count(page));
    if (busy.since != 0) {
        set_moment(L, "busy_since", busy.since);
        SET_STRING("label", busy.label);
    }
    return 1;
}

static void push_service(lua_State *L, const struct service_row *row)
{
    lua_createtable(L, 0, 22);
    SET_STRING("name", row->name);
    SET_STRING("state", row->state);
    SET_STRING("detail", row->detail);
    SET_STRING("output", row->output);
    set_moment(L, "since", row->since);
    set_moment(L, "started_at", row->started_at);
    set_moment(L, "due_at", row->due_at);
    set_moment(L, "next_run", row->next_run);
    set_integer(L, "restarts", (lua_Integer)row->restarts);
    set_integer(L, "minute", (lua_Integer)row->minute);
    lua_createtable(L, PAGE_MINUTES, 0);
    for (int i = 0; i < PAGE_MINUTES; i++) {
        lua_pushinteger(L, row->restarts_in[i]);
        lua_rawseti(L, -2, i + 1);
    }
    lua_setfield(L, -2, "restarts_in");
    set_integer(L, "pid", row->pid);
    set_integer(L, "leader", row->leader);
    set_status(L, row->status);
    set_integer(L, "ring", row->ring);
    set_boolean(L, "is_main", (row->flags & PAGE_SERVICE_MAIN) != 0);
    set_boolean(L, "autostart", (row->flags & PAGE_SERVICE_AUTOSTART) != 0);
    set_boolean(L, "ready", (row->flags & PAGE_SERVICE_READY) != 0);
    set_boolean(L, "alive", (row->flags & PAGE_SERVICE_ALIVE) != 0);
    set_boolean(L, "fatal", (row->flags & PAGE_SERVICE_FATAL) != 0);
    set_boolean(L, "done", (row->flags & PAGE_SERVICE_DONE) != 0);
}

/*
 * core.service_reports(pages): a list with a table for each service, in the order of their starts. Moments as above;
 * status nil, a status table or "unknown"; restarts_in[1] counts restarts in `minute` (core.now() // 60), and so on
 * back.
 */
static int core_service_reports(lua_State *L)
{
    const struct script_page *const page = view_of(L)->script;
    struct script_session session;
    struct service_row row;

    lua_newtable(L);
    if (!page || !LATCH_READ(&page->session, &session))
        return 1;
    for (int i = 0; i < session.services && i < PAGE_SERVICES; i++) {
        if (!LATCH_READ(&page->service[i], &row) || row.name[0] == '\0')
            continue;
        push_service(L, &row);
        lua_rawseti(L, -2, luaL_len(L, -2) + 1);
    }
    return 1;
}

/*
 * core.event_reports(pages, after): a list of the events with numbers above `after` that are still there, oldest first,
 * as tables: number, time (seconds since 1970), type, name, state, detail ("" where there is none); and the number of
 * the last event.
 */
static int core_event_reports(lua_State *L)
{
    const struct script_page *const page = view_of(L)->script;
    const lua_Integer after = luaL_checkinteger(L, 2);
    uint64_t last;
    uint64_t next;
    struct event_row row;

    lua_newtable(L);
    if (!page) {
        lua_pushinteger(L, 0);
        return 2;
    }
    last = event_count(page);
    next = after < 0 ? 1 : (uint64_t)after + 1;
    if (last >= PAGE_EVENTS && next < last - PAGE_EVENTS + 1)
        next = last - PAGE_EVENTS + 1;
    for (; next <= last; next++) {
        if (!LATCH_READ(&page->event[next % PAGE_EVENTS], &row) || row.number != next)
            continue; /* it has been overwritten meanwhile */
        lua_createtable(L, 0, 6);
        set_integer(L, "number", (lua_Integer)row.number);
        set_moment(L, "time", row.time);
        SET_STRING("type", row.type);
        SET_STRING("name", row.name);
        SET_STRING("state", row.state);
        SET_STRING("detail", row.detail);
        lua_rawseti(L, -2, luaL_len(L, -2) + 1);
    }
    lua_pushinteger(L, (lua_Integer)last);
    return 2;
}

static const luaL_Reg functions[] = {
    { "engine_report", core_engine_report },
    { "script_report", core_script_report },
    { "service_reports", core_service_reports },
    { "event_reports", core_event_reports },
    { NULL, NULL },
};

void open_reports_core(lua_State *L)
{
    luaL_setfuncs(L, functions, 0);
}
