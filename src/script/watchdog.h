/*
 * watchdog.h: ends a hook that computes for too long or eats too much memory, and nothing else.
 *
 * A timer on the process's CPU time looks whether the same call is still running; blocking calls use no CPU time,
 * so they may last. A call that has had its time gets a Lua debug hook that raises an error at every instruction,
 * until control is back at the call's beginning: a pcall in the script cannot catch it for good.
 */
#ifndef REAPER_SCRIPT_WATCHDOG_H
#define REAPER_SCRIPT_WATCHDOG_H

#include <lua.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

enum unwinding {
    UNWIND_NONE,
    UNWIND_EXPIRED, /* the call has computed for too long */
    UNWIND_EXIT,    /* the script has called os.exit */
};

struct watchdog {
    lua_State *volatile running; /* the innermost coroutine of the script, or NULL */
    volatile sig_atomic_t unwinding;
    volatile sig_atomic_t ticks; /* since the call began */
    int64_t period;              /* CPU time between two ticks, in nanoseconds */
    int64_t ticked_at;           /* CPU time at the last tick */
    int timer;                   /* as the kernel counts them */
    int has_timer;
    size_t used;  /* bytes of the Lua state */
    size_t limit; /* 0: none */
    int limited;  /* the limit is in force: a script's code is running */
    int full;     /* nearly all of it is in use for good */
};

/* An allocator (lua_Alloc) that keeps the limit; `context` is the struct watchdog. */
void *watchdog_allocate(void *context, void *block, size_t old_size, size_t new_size);

/* Sets the two limits. Called again when the script changes them. */
void watchdog_set(struct watchdog *watchdog, int64_t timeout, uint64_t memory);

/* The struct watchdog is about to go: nothing is timed any more. */
void watchdog_end(void);

/* Ends the running call with `reason`. Raises. */
int watchdog_unwind(lua_State *L, struct watchdog *watchdog, enum unwinding reason);

/* Makes the state's watch-dog known, and replaces coroutine.resume and coroutine.wrap by ones that it can follow. */
void watchdog_install(lua_State *L, struct watchdog *watchdog);

/*
 * resume(co, …): runs a call of the script until it yields or ends. Like coroutine.resume, but a failure gives false,
 * message, traceback. After os.exit: nil.
 */
int watchdog_resume(lua_State *L, struct watchdog *watchdog);

/* close(co): gives up a call that has yielded. */
int watchdog_close(lua_State *L, struct watchdog *watchdog);

#endif
