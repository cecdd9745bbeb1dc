/* core.members: which processes belong to which service. */
#include <errno.h>
#include <lauxlib.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/members_scan.h"
#include "script/lua_core.h"
#include "script/lua_members.h"
#include "script/lua_values.h"
#include "script/script.h"

static const char scan_type[] = "reaper.members";

/* ---- What is asked. ---- */

static lua_Integer integer_field(lua_State *L, const char *key, lua_Integer otherwise)
{
    lua_Integer value;

    lua_getfield(L, -1, key);
    value = luaL_optinteger(L, -1, otherwise);
    lua_pop(L, 1);
    return value;
}

static int boolean_field(lua_State *L, const char *key)
{
    int value;

    lua_getfield(L, -1, key);
    value = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return value;
}

/* The string of a field, which the table on top keeps alive. */
static const char *string_field(lua_State *L, const char *key)
{
    const char *value;

    if (lua_getfield(L, -1, key) != LUA_TSTRING)
        luaL_error(L, "'%s' of core.members: a string expected, got %s", key, luaL_typename(L, -1));
    value = lua_tostring(L, -1);
    lua_pop(L, 1);
    return value;
}

void read_member_services(lua_State *L, int table, struct members *members)
{
    luaL_checktype(L, table, LUA_TTABLE);
    members->service_count = (size_t)luaL_len(L, table);
    members->services = push_memory(L, members->service_count, sizeof *members->services); // memory
    lua_newtable(L);                                                                       // memory indexes
    for (size_t i = 0; i < members->service_count; i++) {
        struct member_service *const service = &members->services[i];

        lua_rawgeti(L, table, (lua_Integer)i + 1); // memory indexes service
        luaL_checktype(L, -1, LUA_TTABLE);
        service->name = string_field(L, "name");
        service->leader = (pid_t)integer_field(L, "leader", 0);
        service->is_alive = boolean_field(L, "alive");
        service->started = (uint64_t)integer_field(L, "started", 0);
        lua_pop(L, 1);
        lua_pushinteger(L, (lua_Integer)i);
        lua_setfield(L, -2, service->name);
    }
}

/* Reads the list of known processes, if there is one, with the table of indexes on top. Pushes its memory. */
static void read_known(lua_State *L, int table, struct members *members)
{
    const int indexes = lua_gettop(L);
    const size_t count = lua_isnoneornil(L, table) ? 0 : (size_t)luaL_len(L, table);
    struct member_known *const known = push_memory(L, count, sizeof *known); // indexes memory

    members->known = known;
    for (size_t i = 0; i < count; i++) {
        struct member_known *const one = &known[members->known_count];

        lua_rawgeti(L, table, (lua_Integer)i + 1); // indexes memory process
        luaL_checktype(L, -1, LUA_TTABLE);
        one->pid = (pid_t)integer_field(L, "pid", 0);
        one->start = (uint64_t)integer_field(L, "start", 0);
        lua_getfield(L, indexes, string_field(L, "name")); // indexes memory process index
        one->service = (int)luaL_optinteger(L, -1, MEMBERS_NOBODY);
        lua_pop(L, 2);
        members->known_count += one->start > 0 && one->service >= 0;
    }
    members_sort_known(known, members->known_count);
}

/* ---- What is told. ---- */

static int collect(lua_State *L)
{
    members_scan_free(luaL_checkudata(L, 1, scan_type));
    return 0;
}

struct members_scan *push_members_scan(lua_State *L)
{
    struct members_scan *const scan = push_memory(L, 1, sizeof *scan);

    if (luaL_newmetatable(L, scan_type)) {
        lua_pushcfunction(L, collect);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    return scan;
}

/* Not for the engine's own terminal, which lives on. */
static int has_other_terminal(const struct members *members, const struct member *process)
{
    const struct member *const engine = members_get(members, members->engine);

    return process->terminal != 0 && !(engine && process->session == engine->session);
}

static void push_process(lua_State *L, const struct members *members, const struct member *process)
{
    lua_createtable(L, 0, 5); // process
    lua_pushboolean(L, has_other_terminal(members, process));
    lua_setfield(L, -2, "terminal");
    lua_pushinteger(L, process->pid);
    lua_setfield(L, -2, "pid");
    if (process->start > 0) {
        lua_pushinteger(L, (lua_Integer)process->start);
        lua_setfield(L, -2, "start");
        lua_pushinteger(L, process->ppid);
        lua_setfield(L, -2, "ppid");
    }
    lua_pushstring(L, process->comm);
    lua_setfield(L, -2, "comm");
}

/* Pushes a table with the list of each service, by its name. Services with one name share a list. */
static void push_lists(lua_State *L, const struct members *members)
{
    lua_createtable(L, 0, (int)members->service_count); // result
    for (size_t i = 0; i < members->service_count; i++) {
        const struct member_service *const service = &members->services[i];

        if (lua_getfield(L, -1, service->name) == LUA_TNIL) { // result nil
            lua_pop(L, 1);
            lua_newtable(L);
            lua_pushvalue(L, -1);
            lua_setfield(L, -3, service->name);
        } // result list
        if (service->has_hidden_group) {
            lua_pushinteger(L, service->leader);
            lua_setfield(L, -2, "group");
        }
        lua_pop(L, 1);
    }
}

static void push_members(lua_State *L, const struct members *members)
{
    push_lists(L, members); // result
    for (size_t i = 0; i < members->count; i++) {
        const struct member *const process = &members->list[i];

        if (process->owner < 0)
            continue;
        lua_getfield(L, -1, members->services[process->owner].name); // result list
        push_process(L, members, process);                           // result list process
        lua_rawseti(L, -2, luaL_len(L, -2) + 1);
        lua_pop(L, 1);
    }
}

/*
 * core.members(services[, known]): a table with the list of each service's processes by its name, and true when it is
 * incomplete, since /proc is not there or hides processes; or nil, message, errno. See members.h.
 *
 * services: a list of { name, leader = pid or nil, alive = boolean, started = start time or nil }. known: a list of
 * { pid, start, name }. A process is { pid, start, ppid, comm, terminal = whether it has a terminal of its own }. A
 * leader that /proc does not show has only a pid. The field `group` of a list is the leader's process group where it
 * has members that /proc does not show.
 */
int core_members(lua_State *L)
{
    const struct script *const script = script_of(L);
    struct members_scan *scan;

    lua_settop(L, 2);
    scan = push_members_scan(L);
    read_member_services(L, 1, &scan->members);
    read_known(L, 2, &scan->members);
    scan->members.self = getpid();
    scan->members.engine = getppid();
    scan->members.inherited = getenv(MEMBERS_VARIABLE); /* from the engine, as its own name for a service */
    if (!link_is_connected(&script->link) || link_lost_engine(&script->link)) /* it was the parent when it was there */
        return push_failure(L, ENOTCONN, "the engine");
    if (members_scan(scan) != 0)
        return push_failure(L, errno, "/proc");
    push_members(L, &scan->members); // result
    members_scan_free(scan);
    lua_pushboolean(L, scan->is_incomplete);
    return 2;
}
