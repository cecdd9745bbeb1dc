#define _GNU_SOURCE
#include "script/watchdog.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "script/pool.h"

enum { TICKS = 10 }; /* the timer's period is this part of the timeout */

static const char registry_key = 0;

void *watchdog_allocate(void *context, void *block, size_t old_size, size_t new_size)
{
    struct watchdog *watchdog = context;
    void *fresh;

    if (!block)
        old_size = 0; /* Lua tells the kind of object there */
    if (new_size == 0) {
        watchdog->used -= old_size;
        return pool_allocate(block, old_size, 0);
    }
    if (watchdog->limited && watchdog->limit && new_size > old_size
        && watchdog->used + (new_size - old_size) > watchdog->limit)
        return NULL;
    fresh = pool_allocate(block, old_size, new_size);
    if (fresh)
        watchdog->used += new_size - old_size;
    return fresh;
}

static struct watchdog *watchdog_of(lua_State *L)
{
    struct watchdog *watchdog;

    lua_rawgetp(L, LUA_REGISTRYINDEX, &registry_key); // watchdog
    watchdog = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return watchdog;
}

static const char *unwinding_message(const struct watchdog *watchdog)
{
    return watchdog->unwinding == UNWIND_EXIT ? "the script ends (os.exit)"
                                              : "computed for too long without yielding (--hook-timeout)";
}

/* The debug hook: set again and again until the call has been left. */
static void raise_error(lua_State *L, lua_Debug *debug)
{
    const struct watchdog *watchdog = watchdog_of(L);

    (void)debug;
    if (watchdog->unwinding == UNWIND_NONE) {
        lua_sethook(L, NULL, 0, 0);
        return;
    }
    luaL_where(L, 0); /* a debug hook has no level of its own */
    lua_pushstring(L, unwinding_message(watchdog));
    lua_concat(L, 2);
    lua_error(L);
}

static int64_t processor_time(void)
{
    struct timespec time;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

/* The watch-dog whose timer runs. A signal could bring its address, but anybody can send one with any address. */
static struct watchdog **ticking(void)
{
    static struct watchdog *watchdog;

    return &watchdog;
}

/*
 * A tick of CPU time. What somebody else sends looks the same, so a tick counts only when its time has passed, with
 * half a period to spare. lua_sethook may be called from a signal handler (lua.c does so).
 */
static void tick(int number)
{
    struct watchdog *watchdog = *ticking();
    const int64_t now = processor_time();

    (void)number;
    if (!watchdog || watchdog->period == 0 || now - watchdog->ticked_at < watchdog->period / 2)
        return;
    watchdog->ticked_at = now;
    if (!watchdog->running || ++watchdog->ticks < TICKS)
        return;
    watchdog->unwinding = UNWIND_EXPIRED;
    lua_sethook(watchdog->running, raise_error, LUA_MASKCOUNT, 1);
}

static void make_timer(struct watchdog *watchdog)
{
    struct sigaction action;
    struct sigevent event;
    sigset_t unblocked;

    *ticking() = watchdog;
    memset(&action, 0, sizeof action);
    action.sa_handler = tick;
    action.sa_flags = SA_RESTART;
    sigemptyset(&action.sa_mask);
    sigaction(SIGPROF, &action, NULL);
    sigemptyset(&unblocked);
    sigaddset(&unblocked, SIGPROF);
    sigprocmask(SIG_UNBLOCK, &unblocked, NULL);
    memset(&event, 0, sizeof event);
    event.sigev_notify = SIGEV_SIGNAL;
    event.sigev_signo = SIGPROF;
    /* Not through the C library, whose timers can be threads: musl's would come into a static binary. */
    watchdog->has_timer = syscall(SYS_timer_create, CLOCK_PROCESS_CPUTIME_ID, &event, &watchdog->timer) == 0;
}

void watchdog_set(struct watchdog *watchdog, int64_t timeout, uint64_t memory)
{
    const int64_t period = timeout / TICKS;
    struct itimerspec times;

    watchdog->limit = (size_t)memory;
    watchdog->period = period;
    if (!watchdog->has_timer && timeout > 0)
        make_timer(watchdog);
    if (!watchdog->has_timer)
        return;
    memset(&times, 0, sizeof times);
    times.it_interval.tv_sec = (time_t)(period / 1000000000);
    times.it_interval.tv_nsec = (long)(period % 1000000000);
    times.it_value = times.it_interval;
    syscall(SYS_timer_settime, watchdog->timer, 0, &times, NULL);
}

void watchdog_end(void)
{
    *ticking() = NULL;
}

int watchdog_unwind(lua_State *L, struct watchdog *watchdog, enum unwinding reason)
{
    watchdog->unwinding = (int)reason;
    lua_sethook(L, raise_error, LUA_MASKCOUNT, 1);
    return luaL_error(L, "%s", unwinding_message(watchdog));
}

/* ---- Coroutines of the script's own. ---- */

/*
 * lua_resume for `co`, with `running` following. When the call is being unwound, the error goes on in the caller,
 * even where the script has made a coroutine to be safe from errors.
 */
static int resume_tracked(lua_State *L, lua_State *co, int arguments, int *results)
{
    struct watchdog *watchdog = watchdog_of(L);
    int status;

    watchdog->running = co;
    status = lua_resume(co, L, arguments, results);
    watchdog->running = L;
    if (watchdog->unwinding != UNWIND_NONE) {
        lua_sethook(L, raise_error, LUA_MASKCOUNT, 1);
        luaL_error(L, "%s", unwinding_message(watchdog));
    }
    return status;
}

/* Moves `arguments` values to `co` and resumes it. The number of results on L's stack, or -1 with a message there. */
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

/* coroutine.resume (Lua 5.4 manual, 6.2) */
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

/* coroutine.wrap */
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

/* coroutine.close: the original, its first upvalue, with the watch-dog on what the __close handlers do. */
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
    lua_pushlightuserdata(L, watchdog);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &registry_key);
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

/* ---- A call of the script. ---- */

/* The limits hold for what `co` does from now on. */
static void enter(struct watchdog *watchdog, lua_State *co)
{
    watchdog->ticks = 0;
    watchdog->limited = 1;
    watchdog->running = co;
}

/* Back in what ran before. */
static void leave(struct watchdog *watchdog, const struct watchdog *outer)
{
    watchdog->running = outer->running;
    watchdog->limited = outer->limited;
    watchdog->ticks = outer->ticks;
}

/* Closes a coroutine that has ended or is given up. Its __close handlers are the script's, so the limits hold. */
static void reset(lua_State *co, struct watchdog *watchdog)
{
    const struct watchdog outer = *watchdog;

    enter(watchdog, co);
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

/* Replaces the value on top by a string: its own __tostring may fail. */
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
 * A call has asked for more memory than there is. Usually what it had made is garbage now. But when earlier calls keep
 * nearly all, every later call would fail, too: then the script process ends, and a fresh one takes its place.
 */
static void look_for_room(lua_State *L, struct watchdog *watchdog)
{
    lua_gc(L, LUA_GCCOLLECT);
    watchdog->full = watchdog->used > watchdog->limit - watchdog->limit / 8;
}

/* false, message, traceback; the coroutine is closed. */
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
    const int arguments = lua_gettop(L) - 1;
    const struct watchdog outer = *watchdog; /* a call may begin another: what a woken reader does, for one */
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
    enter(watchdog, co);
    status = lua_resume(co, L, arguments, &results);
    leave(watchdog, &outer);
    if (status != LUA_OK && status != LUA_YIELD)
        return report_failure(L, co, watchdog, status);
    if (watchdog->unwinding != UNWIND_NONE) { /* it has ended by itself at the last moment */
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
