#define _GNU_SOURCE
#include "script/watchdog.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { TICKS = 10 }; /* in each timeout */

static const char registry_key = 0;

void *watchdog_allocate(void *context, void *block, size_t old_size, size_t new_size)
{
    struct watchdog *watchdog = context;
    void *fresh;

    if (!block)
        old_size = 0; /* it is the kind of the object then (lua_Alloc) */
    if (new_size == 0) {
        watchdog->used -= old_size;
        return pool_allocate(&watchdog->pool, block, old_size, 0);
    }
    if (watchdog->limited && watchdog->limit && new_size > old_size
        && watchdog->used + (new_size - old_size) > watchdog->limit)
        return NULL;
    fresh = pool_allocate(&watchdog->pool, block, old_size, new_size);
    if (fresh)
        watchdog->used += new_size - old_size;
    return fresh;
}

void watchdog_register(lua_State *L, struct watchdog *watchdog)
{
    lua_pushlightuserdata(L, watchdog);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &registry_key);
}

struct watchdog *watchdog_of(lua_State *L)
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

/* The debug hook. It stays set, and raises again and again, until the call has been left. */
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

/* The watch-dog whose timer runs. The signal does not carry its address, since anybody can send one with any address.
 */
static struct watchdog **ticking(void)
{
    static struct watchdog *watchdog;

    return &watchdog;
}

/*
 * The handler of the timer's signal. A signal that somebody else sends looks the same, so a tick counts only when at
 * least half a period of CPU time has passed. lua_sethook may be called from a signal handler (lua.c does so).
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
    /* A raw call: the C library's timers can be threads, and musl's code for them would come into a static binary. */
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
