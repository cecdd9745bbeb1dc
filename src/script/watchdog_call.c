/* A call of the script under the watch-dog: it runs until it yields or ends, and its failure is reported. */
#include <lauxlib.h>
#include <string.h>

#include "common/clock.h"
#include "script/watchdog.h"

/* What the watch-dog knows of one call. A call may begin another one, such as that of a reader that it wakes. */
struct call {
    lua_State *running;
    int limited;
    int ticks;
};

/* ---- What is seen of it from outside. ---- */

/* In a storm many calls of one hook begin within a step of the clock: they are shown as one. */
static void show(struct watchdog *watchdog, const char *label)
{
    struct script_busy *const busy = &watchdog->busy;
    const int64_t now = clock_tick();

    if (!watchdog->page || (busy->since == now && strcmp(busy->label, label) == 0))
        return;
    busy->since = now;
    strncpy(busy->label, label, sizeof busy->label - 1);
    watchdog_show(watchdog);
}

/* The call that began the one that is over goes on. */
static void show_again(struct watchdog *watchdog, const struct script_busy *outer)
{
    watchdog->busy = *outer;
    watchdog_show(watchdog);
}

/* ---- The call. ---- */

/* From now on the limits hold, for what `co` does. Gives the call that has run until now. */
static struct call enter(struct watchdog *watchdog, lua_State *co)
{
    const struct call outer = { watchdog->running, watchdog->limited, watchdog->ticks };

    watchdog->ticks = 0;
    watchdog->limited = 1;
    watchdog->running = co;
    return outer;
}

/* Goes back to the call that ran before. */
static void leave(struct watchdog *watchdog, const struct call *outer)
{
    watchdog->running = outer->running;
    watchdog->limited = outer->limited;
    watchdog->ticks = outer->ticks;
}

/* Closes a coroutine that has ended or is given up. Its __close handlers belong to the script, so the limits hold. */
static void reset(lua_State *co, struct watchdog *watchdog)
{
    const struct call outer = enter(watchdog, co);

    lua_resetthread(co);
    leave(watchdog, &outer);
    watchdog->unwinding = UNWIND_NONE;
    lua_sethook(co, NULL, 0, 0);
    lua_settop(co, 0);
}

static int protected_tostring(lua_State *L)
{
    luaL_tolstring(L, 1, NULL);
    return 1;
}

/* Replaces the value on top by a string. Its __tostring may fail. */
static void make_string(lua_State *L)
{
    lua_pushcfunction(L, protected_tostring);
    lua_pushvalue(L, -2); // value function value
    if (lua_pcall(L, 1, 1, 0) != LUA_OK) {
        lua_pop(L, 1);
        lua_pushfstring(L, "(an error that is a %s)", luaL_typename(L, -1));
    }
    lua_remove(L, -2);
}

/*
 * A call has asked for more memory than the limit leaves. Usually what it has made is garbage now. But where the script
 * still holds nearly all of the memory, every later call would fail, too: then the script process ends, and another one
 * takes its place.
 */
static void look_for_room(lua_State *L, struct watchdog *watchdog)
{
    lua_gc(L, LUA_GCCOLLECT);
    watchdog->full = watchdog->used > watchdog->limit - watchdog->limit / 8;
}

/* Gives false, message, traceback, or nil after os.exit. The coroutine is closed. */
static int report_failure(lua_State *L, lua_State *co, struct watchdog *watchdog, int status)
{
    const int exited = watchdog->unwinding == UNWIND_EXIT;

    watchdog->unwinding = UNWIND_NONE;
    lua_sethook(co, NULL, 0, 0);
    if (exited) {
        reset(co, watchdog);
        lua_pushnil(L);
        return 1;
    }
    lua_pushboolean(L, 0);
    lua_xmove(co, L, 1);                           // false value
    make_string(L);                                // false message
    luaL_traceback(L, co, lua_tostring(L, -1), 0); // false message traceback
    reset(co, watchdog);
    if (status == LUA_ERRMEM)
        look_for_room(L, watchdog);
    return 3;
}

int watchdog_resume(lua_State *L, struct watchdog *watchdog)
{
    lua_State *co = lua_tothread(L, 1);
    const int arguments = lua_gettop(L) - 2;
    struct script_busy before;
    struct call outer;
    lua_Debug frame;
    int results = 0;
    int status;

    luaL_argexpected(L, co, 1, "coroutine");
    if (lua_status(co) == LUA_OK && lua_getstack(co, 0, &frame))
        return luaL_error(L, "a coroutine that is running cannot be resumed"); /* its failure would close it */
    if (watchdog->full)
        return luaL_error(L, "what the script keeps needs nearly all of --hook-memory");
    luaL_checkstack(co, arguments, "too many arguments");
    lua_xmove(L, co, arguments);
    if (watchdog->running)
        before = watchdog->busy;
    show(watchdog, lua_isstring(L, 2) ? lua_tostring(L, 2) : "?"); // co label
    outer = enter(watchdog, co);
    status = lua_resume(co, L, arguments, &results);
    leave(watchdog, &outer);
    if (outer.running)
        show_again(watchdog, &before);
    if (status != LUA_OK && status != LUA_YIELD)
        return report_failure(L, co, watchdog, status);
    if (watchdog->unwinding != UNWIND_NONE) { /* its time was over, but it ended before the error was raised */
        watchdog->unwinding = UNWIND_NONE;
        lua_sethook(co, NULL, 0, 0);
    }
    luaL_checkstack(L, results + 1, "too many results");
    lua_pushboolean(L, 1);
    lua_xmove(co, L, results);
    return results + 1;
}

int watchdog_close(lua_State *L, struct watchdog *watchdog)
{
    lua_State *co = lua_tothread(L, 1);

    luaL_argexpected(L, co, 1, "coroutine");
    reset(co, watchdog);
    return 0;
}
