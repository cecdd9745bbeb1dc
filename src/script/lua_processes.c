/* core.process_table: what runs below an engine, and for which service. */
#define _GNU_SOURCE
#include <errno.h>
#include <lauxlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/proc.h"
#include "common/proc_variable.h"
#include "script/control.h"
#include "script/lua_members.h"
#include "script/lua_values.h"

enum { LINK_SIZE = 64 };

static int read_namespace(const char *process, char *link)
{
    char path[LINK_SIZE];
    ssize_t length;

    snprintf(path, sizeof path, "/proc/%s/ns/pid", process);
    length = readlink(path, link, LINK_SIZE - 1);
    link[length > 0 ? length : 0] = '\0';
    return length > 0;
}

/* True also where nobody knows. */
static int is_in_our_namespace(pid_t pid)
{
    char name[16];
    char ours[LINK_SIZE];
    char its[LINK_SIZE];

    snprintf(name, sizeof name, "%d", (int)pid);
    return !read_namespace("self", ours) || !read_namespace(name, its) || strcmp(ours, its) == 0;
}

static void set_seconds(lua_State *L, const char *key, lua_Number value)
{
    lua_pushnumber(L, value);
    lua_setfield(L, -2, key);
}

static void set_user(lua_State *L, pid_t pid)
{
    char path[LINK_SIZE];
    struct stat stat_of;

    snprintf(path, sizeof path, "/proc/%d", (int)pid);
    if (stat(path, &stat_of) == 0)
        set_integer(L, "uid", stat_of.st_uid);
}

static void push_process(lua_State *L, const struct member *process, int with_user)
{
    const lua_Number tick = 1 / (lua_Number)sysconf(_SC_CLK_TCK);
    const struct proc_stat stat = { .start_time = process->start };
    const char state = (char)(process->state ? process->state : '?');

    lua_createtable(L, 0, 11);
    set_integer(L, "pid", process->pid);
    lua_pushlstring(L, &state, 1);
    lua_setfield(L, -2, "state");
    lua_pushstring(L, process->comm);
    lua_setfield(L, -2, "comm");
    set_seconds(L, "cpu", (lua_Number)process->cpu * tick);
    set_seconds(L, "cpu_ended", (lua_Number)process->cpu_ended * tick);
    set_integer(L, "memory", (lua_Integer)process->memory * sysconf(_SC_PAGESIZE));
    if (process->start > 0) {
        set_integer(L, "ppid", process->ppid);
        set_integer(L, "start", (lua_Integer)process->start);
        set_seconds(L, "age", (lua_Number)proc_lifetime(&stat) / (lua_Number)NANOSECONDS);
    }
    if (process->owner >= 0)
        set_integer(L, "service", process->owner + 1);
    if (with_user)
        set_user(L, process->pid);
}

/*
 * core.process_table(engine, services[, with_user]): a list of the engine, which is a pid of ours, and of every process
 * below it; true as the second result when /proc hides some. Each is a table: pid, ppid, state, comm, cpu (seconds that
 * it has computed), cpu_ended (those of its children that have ended), memory (bytes), start (clock ticks), age
 * (seconds), uid (with_user), service (its index in `services`, which are those of core.members). ppid, start and age
 * are nil for a leader that /proc hides. nil, message, errno: EXDEV when the engine is in another PID namespace.
 */
int core_process_table(lua_State *L)
{
    const pid_t engine = (pid_t)luaL_checkinteger(L, 1);
    const int with_user = lua_toboolean(L, 3);
    char inherited[NAME_SIZE];
    struct members_scan *scan;

    lua_settop(L, 3);
    scan = push_members_scan(L);
    read_member_services(L, 2, &scan->members);
    scan->members.self = getpid();
    scan->members.engine = engine;
    if (!is_in_our_namespace(engine))
        return push_failure(L, EXDEV, NULL);
    if (proc_variable(engine, MEMBERS_VARIABLE, inherited, sizeof inherited) > 0)
        scan->members.inherited = inherited;
    if (members_scan(scan) != 0)
        return push_failure(L, errno, "/proc");
    lua_createtable(L, (int)scan->members.count, 0);
    for (size_t i = 0; i < scan->members.count; i++) {
        const struct member *const process = &scan->members.list[i];

        if (process->is_kernel_thread || !(process->is_below || process->owner >= 0 || process->pid == engine))
            continue;
        push_process(L, process, with_user);
        lua_rawseti(L, -2, luaL_len(L, -2) + 1);
    }
    members_scan_free(scan);
    lua_pushboolean(L, scan->is_incomplete);
    return 2;
}
