#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/options.h"
#include "common/pages.h"
#include "common/proc.h"
#include "script/control.h"
#include "script/lua_values.h"

static const char view_type[] = "reaper.pages";

/* ---- Finding them. ---- */

struct search {
    pid_t pid;
    const char *target; /* what the link of the descriptor says */
    int found;          /* its number, or -1 */
};

static int is_it(int number, void *context)
{
    struct search *const search = context;
    char path[64];
    char target[64];
    ssize_t length;

    snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)search->pid, number);
    length = readlink(path, target, sizeof target - 1);
    if (length <= 0)
        return 0;
    target[length] = '\0';
    if (strcmp(target, search->target) == 0)
        search->found = number;
    return search->found >= 0;
}

/* Opens the descriptor of the process that leads to the memory file of that name. -1 with errno; ENXIO: it has none. */
static int open_file_of(pid_t pid, const char *name)
{
    char target[64];
    char path[64];
    struct search search = { pid, target, -1 };

    snprintf(target, sizeof target, "/memfd:%s (deleted)", name);
    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    if (proc_numbers(path, is_it, &search) != 0)
        return -1;
    errno = ENXIO;
    if (search.found < 0)
        return -1;
    snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)pid, search.found);
    return open(path, O_RDONLY | O_CLOEXEC);
}

/* A file that somebody can make shorter would be a SIGBUS for its reader. */
static int is_safe_to_map(int fd, size_t *size)
{
    const int seals = fcntl(fd, F_GET_SEALS);
    struct stat stat;

    if (seals < 0 || !(seals & F_SEAL_SHRINK) || fstat(fd, &stat) != 0)
        return 0;
    *size = (size_t)stat.st_size;
    return *size >= sizeof(struct page_head);
}

enum page_fault { PAGE_FINE, PAGE_MISSING, PAGE_FOREIGN, PAGE_OF_ANOTHER_VERSION };

/* Maps the page of that size behind a descriptor, and closes it. Its head is in *head where there is one. */
static enum page_fault map_page(int fd, size_t wanted, const void **page, struct page_head *head)
{
    enum page_fault fault = PAGE_FOREIGN;
    size_t size;
    void *map;

    if (fd < 0)
        return PAGE_MISSING;
    if (is_safe_to_map(fd, &size) && (map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0)) != MAP_FAILED) {
        memcpy(head, map, sizeof *head);
        head->program[sizeof head->program - 1] = '\0';
        if (memcmp(head->magic, PAGE_MAGIC, sizeof head->magic) == 0)
            fault = head->version == PAGES_VERSION && size == wanted ? PAGE_FINE : PAGE_OF_ANOTHER_VERSION;
        if (fault == PAGE_FINE)
            *page = map;
        else
            munmap(map, size);
    }
    close(fd);
    return fault;
}

static int close_view(lua_State *L)
{
    struct view *const view = luaL_checkudata(L, 1, view_type);

    if (view->engine)
        munmap((void *)view->engine, sizeof *view->engine);
    if (view->script)
        munmap((void *)view->script, sizeof *view->script);
    view->engine = NULL;
    view->script = NULL;
    return 0;
}

static struct view *push_view(lua_State *L, pid_t pid)
{
    struct view *const view = push_memory(L, 1, sizeof *view);

    view->pid = pid;
    if (luaL_newmetatable(L, view_type)) {
        lua_pushcfunction(L, close_view);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    return view;
}

static int refuse(lua_State *L, const char *why)
{
    luaL_pushfail(L);
    lua_pushstring(L, why);
    return 2;
}

static int explain(lua_State *L, pid_t pid, enum page_fault fault, int error, const struct page_head *head)
{
    if (fault == PAGE_OF_ANOTHER_VERSION)
        return refuse(L, lua_pushfstring(L,
                                         "process %d is reaper-lua %s, which shows itself in version %d of the pages; "
                                         "this is %s, which reads version %d: use the reaperctl of that release",
                                         (int)pid, head->program, (int)head->version, REAPER_VERSION, PAGES_VERSION));
    if (fault == PAGE_MISSING && error == ENOENT)
        return refuse(L, lua_pushfstring(L, "there is no process %d", (int)pid));
    if (fault == PAGE_MISSING && error != ENXIO)
        return refuse(L, lua_pushfstring(L,
                                         "process %d may not be looked into: %s; the kernel allows it to the same user "
                                         "with the same capabilities, and to CAP_SYS_PTRACE",
                                         (int)pid, strerror(error)));
    return refuse(L, lua_pushfstring(L, "process %d is no reaper-lua that can be looked into (--pid names another one)",
                                     (int)pid));
}

/* The descriptor at that argument, which a porter was started with, or what /proc has of the process. */
static int page_descriptor(lua_State *L, int argument, pid_t pid, const char *name)
{
    return lua_isnoneornil(L, argument) ? open_file_of(pid, name) : (int)luaL_checkinteger(L, argument);
}

/*
 * core.pages(pid[, engine_fd, script_fd]): the pages of that reaper-lua; or nil, message. Descriptors of the pages are
 * closed.
 */
static int core_pages(lua_State *L)
{
    const pid_t pid = (pid_t)luaL_checkinteger(L, 1);
    const void *page = NULL;
    struct view *view;
    struct page_head head;
    enum page_fault fault;

    lua_settop(L, 3);
    view = push_view(L, pid);
    errno = ENXIO;
    fault = map_page(page_descriptor(L, 2, pid, ENGINE_PAGE_NAME), sizeof *view->engine, &page, &head);
    if (fault != PAGE_FINE)
        return explain(L, pid, fault, errno, &head);
    view->engine = page;
    if (map_page(page_descriptor(L, 3, pid, SCRIPT_PAGE_NAME), sizeof *view->script, &page, &head) == PAGE_FINE)
        view->script = page;
    return 1;
}

/* ---- What they say, as tables. ---- */

const struct view *view_of(lua_State *L)
{
    const struct view *const view = luaL_checkudata(L, 1, view_type);

    luaL_argcheck(L, view->engine, 1, "it is closed");
    return view;
}

static void set_integer(lua_State *L, const char *key, lua_Integer value)
{
    lua_pushinteger(L, value);
    lua_setfield(L, -2, key);
}

static void set_string(lua_State *L, const char *key, const char *text, size_t size)
{
    lua_pushlstring(L, text, strnlen(text, size));
    lua_setfield(L, -2, key);
}

static void set_flag(lua_State *L, const char *key, int value)
{
    lua_pushboolean(L, value);
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

    if (!LATCH_READ(&view->engine->report, &report))
        return push_failure(L, EAGAIN, "the engine's page");
    report.statistics.uptime_ns = clock_now() - report.started_at;
    lua_createtable(L, 0, 29);
    set_integer(L, "pid_here", view->pid);
    SET_STRING("version", view->engine->head.program);
    set_moment(L, "started_at", report.started_at);
    set_moment(L, "started_time", report.started_time);
    set_moment(L, "script_since", report.script_since);
    set_moment(L, "script_next", report.script_next);
    set_moment(L, "unread_since", report.unread_since);
    set_moment(L, "main_since", report.main_since);
    set_integer(L, "main_starts", report.main_starts);
    set_integer(L, "unread", report.unread);
    set_integer(L, "failed_reloads", report.failed_reloads);
    push_statistics(L, &report.statistics);
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
    set_flag(L, "is_init", report.is_init);
    set_flag(L, "is_program", report.is_program);
    set_flag(L, "is_reloading", report.is_reloading);
    set_flag(L, "has_command", report.has_command);
    SET_STRING("state", report.state);
    SET_STRING("script_state", report.script_state);
    SET_STRING("stop_reason", report.stop_reason);
    SET_STRING("script", report.script);
    SET_STRING("command", report.command);
    return 1;
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
    set_integer(L, "events", (lua_Integer)atomic_load_explicit(&page->events, memory_order_acquire));
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
    set_flag(L, "is_main", row->flags & PAGE_SERVICE_MAIN);
    set_flag(L, "autostart", row->flags & PAGE_SERVICE_AUTOSTART);
    set_flag(L, "ready", row->flags & PAGE_SERVICE_READY);
    set_flag(L, "alive", row->flags & PAGE_SERVICE_ALIVE);
    set_flag(L, "fatal", row->flags & PAGE_SERVICE_FATAL);
    set_flag(L, "done", row->flags & PAGE_SERVICE_DONE);
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
    last = atomic_load_explicit(&page->events, memory_order_acquire);
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

/* ---- Waiting. ---- */

/* core.page_changes(pages): a number that moves on with each change of the script's page; nil without one. */
static int core_page_changes(lua_State *L)
{
    const struct script_page *const page = view_of(L)->script;

    if (!page)
        return 0;
    lua_pushinteger(L, atomic_load_explicit(&page->changes, memory_order_acquire));
    return 1;
}

/* core.await_change(pages, seen, seconds): waits until that number is another one than `seen`, at most so long. */
static int core_await_change(lua_State *L)
{
    const struct view *const view = view_of(L);
    const lua_Integer seen = luaL_optinteger(L, 2, 0);
    const lua_Number seconds = luaL_checknumber(L, 3);
    const struct timespec time = { (time_t)seconds, (long)((seconds - (lua_Number)(time_t)seconds) * 1e9) };

    if (view->script)
        page_await(view->script, (uint32_t)seen, (int64_t)(seconds * (lua_Number)NANOSECONDS));
    else
        nanosleep(&time, NULL);
    return 0;
}

static const luaL_Reg functions[] = {
    { "pages", core_pages },
    { "engine_report", core_engine_report },
    { "script_report", core_script_report },
    { "service_reports", core_service_reports },
    { "event_reports", core_event_reports },
    { "page_changes", core_page_changes },
    { "await_change", core_await_change },
    { NULL, NULL },
};

void open_control_core(lua_State *L)
{
    luaL_setfuncs(L, functions, 0);
}
