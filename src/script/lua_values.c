#include "script/lua_values.h"

#include <lauxlib.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "common/signals.h"
#include "script/script.h"

static const char status_type[] = "reaper.status";

void set_integer(lua_State *L, const char *key, lua_Integer value)
{
    lua_pushinteger(L, value);
    lua_setfield(L, -2, key);
}

void set_boolean(lua_State *L, const char *key, int value)
{
    lua_pushboolean(L, value);
    lua_setfield(L, -2, key);
}

static void set_seconds(lua_State *L, const char *key, int64_t value, double unit)
{
    lua_pushnumber(L, (lua_Number)((double)value / unit));
    lua_setfield(L, -2, key);
}

/* Only core.wait4 sees a child that was stopped or continued. */
static const char *kind_of(int raw)
{
    if (WIFEXITED(raw))
        return "exit";
    if (WIFSIGNALED(raw))
        return "signal";
    return WIFSTOPPED(raw) ? "stop" : "continue";
}

static int signal_of(int raw)
{
    if (WIFSIGNALED(raw))
        return WTERMSIG(raw);
    return WIFSTOPPED(raw) ? WSTOPSIG(raw) : SIGCONT;
}

void push_status(lua_State *L, int raw)
{
    const int exited = WIFEXITED(raw);
    const int ended = exited || WIFSIGNALED(raw);
    const int code = exited ? WEXITSTATUS(raw) : signal_of(raw);
    char name[SIGNAL_NAME_SIZE];

    lua_createtable(L, 0, 7); // status
    lua_pushstring(L, kind_of(raw));
    lua_setfield(L, -2, "kind");
    set_integer(L, "code", code);
    if (!exited) {
        lua_pushstring(L, signal_name(code, name));
        lua_setfield(L, -2, "signal");
    }
    set_boolean(L, "core", WIFSIGNALED(raw) && WCOREDUMP(raw));
    set_boolean(L, "ok", exited && code == 0);
    if (ended)
        set_integer(L, "exit_code", exited ? code : 128 + code);
    set_integer(L, "raw", raw);
    luaL_setmetatable(L, status_type);
}

void push_usage(lua_State *L, const struct usage *usage)
{
    lua_createtable(L, 0, 9); // rusage
    set_seconds(L, "utime", usage->utime_us, 1e6);
    set_seconds(L, "stime", usage->stime_us, 1e6);
    set_integer(L, "maxrss", usage->maxrss_kb * 1024);
    set_integer(L, "minflt", usage->minflt);
    set_integer(L, "majflt", usage->majflt);
    set_integer(L, "inblock", usage->inblock);
    set_integer(L, "oublock", usage->oublock);
    set_integer(L, "nvcsw", usage->nvcsw);
    set_integer(L, "nivcsw", usage->nivcsw);
}

void push_info(lua_State *L, const struct event *event)
{
    lua_createtable(L, 0, 6); // info
    if (event->flags & EVENT_LOOKED) {
        lua_pushlstring(L, event->comm, strnlen(event->comm, sizeof event->comm));
        lua_setfield(L, -2, "comm");
        set_seconds(L, "lifetime", event->lifetime_ns, 1e9);
    }
    set_boolean(L, "main", event->flags & EVENT_MAIN);
    set_boolean(L, "orphan", event->flags & EVENT_ORPHAN);
    set_boolean(L, "oom", event->flags & EVENT_OOM);
    if (event->name[0]) {
        lua_pushlstring(L, event->name, strnlen(event->name, sizeof event->name));
        lua_setfield(L, -2, "name");
    }
}

void push_statistics(lua_State *L, const struct statistics *statistics)
{
    lua_createtable(L, 0, 6); // statistics
    set_integer(L, "reaped", statistics->reaped);
    set_integer(L, "orphans", statistics->orphans);
    set_integer(L, "dropped", statistics->dropped);
    set_integer(L, "script_restarts", statistics->script_restarts);
    set_integer(L, "zombies_peak", statistics->zombies_peak);
    set_seconds(L, "uptime", statistics->uptime_ns, 1e9);
}

int push_reason(lua_State *L, int error, const char *message)
{
    luaL_pushfail(L);
    lua_pushstring(L, message);
    lua_pushinteger(L, error);
    return 3;
}

int push_failure(lua_State *L, int error, const char *what)
{
    const char *const words = strerror(error);

    return push_reason(L, error, what ? lua_pushfstring(L, "%s: %s", what, words) : words);
}

void *push_memory(lua_State *L, size_t count, size_t size)
{
    void *const memory = lua_newuserdatauv(L, (count + 1) * size, 0);

    return memset(memory, 0, (count + 1) * size);
}

static int status_to_string(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    lua_getfield(L, 1, "kind");
    lua_getfield(L, 1, "signal");
    lua_getfield(L, 1, "code");
    lua_getfield(L, 1, "core"); // status kind signal code core
    luaL_tolstring(L, 2, NULL);
    luaL_tolstring(L, lua_isnil(L, 3) ? 4 : 3, NULL); // … "kind" "code or signal"
    lua_pushfstring(L, "%s %s%s", lua_tostring(L, 6), lua_tostring(L, 7), lua_toboolean(L, 5) ? " (core dumped)" : "");
    return 1;
}

struct script *script_of(lua_State *L)
{
    return lua_touserdata(L, lua_upvalueindex(1));
}

void register_values(lua_State *L)
{
    luaL_newmetatable(L, status_type); // metatable
    lua_pushcfunction(L, status_to_string);
    lua_setfield(L, -2, "__tostring");
    lua_pop(L, 1);
}
