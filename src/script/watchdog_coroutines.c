/* The functions of the coroutine library that the watch-dog has to follow: resume, wrap and close. */
#include <lauxlib.h>

#include "script/watchdog.h"

/*
 * As lua_resume, with `running` following. When the call is being unwound, the error goes on in the caller: a coroutine
 * does not stop it, as it stops other errors.
 */
static int resume_tracked(lua_State *L, lua_State *co, int arguments, int *results)
{
    struct watchdog *watchdog = watchdog_of(L);
    int status;

    watchdog->running = co;
    status = lua_resume(co, L, arguments, results);
    watchdog->running = L;
    if (watchdog->unwinding != UNWIND_NONE)
        watchdog_unwind(L, watchdog, (enum unwinding)watchdog->unwinding);
    return status;
}

/* Moves `arguments` values to `co` and resumes it. The number of results on top of L, or -1 with a message there. */
static int resume_with(lua_State *L, lua_State *co, int arguments)
{
    int results = 0;
    int status;

    if (!lua_checkstack(co, arguments)) {
        lua_pushliteral(L, "too many arguments to resume");
        return -1;
    }
    lua_xmove(L, co, arguments);
    status = resume_tracked(L, co, arguments, &results);
    if (status != LUA_OK && status != LUA_YIELD) {
        lua_xmove(co, L, 1); // message
        return -1;
    }
    if (!lua_checkstack(L, results + 1)) {
        lua_pop(co, results);
        lua_pushliteral(L, "too many results to resume");
        return -1;
    }
    lua_xmove(co, L, results);
    return results;
}

/* coroutine.resume(co, …): as in the Lua manual, 6.2. */
static int coroutine_resume(lua_State *L)
{
    lua_State *co = lua_tothread(L, 1);
    int results;

    luaL_argexpected(L, co, 1, "coroutine");
    results = resume_with(L, co, lua_gettop(L) - 1);
    lua_pushboolean(L, results >= 0);
    lua_insert(L, results >= 0 ? -(results + 1) : -2);
    return results >= 0 ? results + 1 : 2;
}

/* The function that coroutine.wrap gives. Its first upvalue is the coroutine. */
static int wrapped(lua_State *L)
{
    struct watchdog *watchdog = watchdog_of(L);
    lua_State *co = lua_tothread(L, lua_upvalueindex(1));
    const int results = resume_with(L, co, lua_gettop(L));

    if (results >= 0)
        return results;
    if (lua_status(co) != LUA_OK && lua_status(co) != LUA_YIELD) {
        watchdog->running = co;
        lua_resetthread(co);
        watchdog->running = L;
        lua_xmove(co, L, 1); // message, perhaps changed by a __close
        if (watchdog->unwinding != UNWIND_NONE)
            return watchdog_unwind(L, watchdog, (enum unwinding)watchdog->unwinding);
    }
    if (lua_type(L, -1) == LUA_TSTRING) {
        luaL_where(L, 1);
        lua_insert(L, -2);
        lua_concat(L, 2);
    }
    return lua_error(L);
}

/* coroutine.wrap(f) */
static int coroutine_wrap(lua_State *L)
{
    lua_State *co;

    luaL_checktype(L, 1, LUA_TFUNCTION);
    co = lua_newthread(L);
    lua_pushvalue(L, 1);
    lua_xmove(L, co, 1);
    lua_pushcclosure(L, wrapped, 1);
    return 1;
}

/* coroutine.close(co): calls the original, its first upvalue, while the watch-dog follows the __close handlers. */
static int coroutine_close(lua_State *L)
{
    struct watchdog *watchdog = watchdog_of(L);
    lua_State *co = lua_tothread(L, 1);
    const int arguments = lua_gettop(L);
    int status;

    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    watchdog->running = co ? co : L;
    status = lua_pcall(L, arguments, LUA_MULTRET, 0);
    watchdog->running = L;
    if (watchdog->unwinding != UNWIND_NONE)
        return watchdog_unwind(L, watchdog, (enum unwinding)watchdog->unwinding);
    return status == LUA_OK ? lua_gettop(L) : lua_error(L);
}

void watchdog_install(lua_State *L, struct watchdog *watchdog)
{
    watchdog_register(L, watchdog);
    lua_getglobal(L, "coroutine"); // coroutine
    lua_pushcfunction(L, coroutine_resume);
    lua_setfield(L, -2, "resume");
    lua_pushcfunction(L, coroutine_wrap);
    lua_setfield(L, -2, "wrap");
    lua_getfield(L, -1, "close");
    lua_pushcclosure(L, coroutine_close, 1);
    lua_setfield(L, -2, "close");
    lua_pop(L, 1);
}
