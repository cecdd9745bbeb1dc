/*
 * watchdog.h: ends a hook that computes for too long or takes too much memory.
 *
 * A timer that counts the CPU time of the process checks whether the same call is still running; a call that waits uses
 * no CPU time, so it may last. A call that has had its time gets a Lua debug hook that raises an error at every
 * instruction, until control is back where the call began: a pcall in the script cannot catch that error for good.
 *
 *     watchdog.c              the timer, the two limits, and the error that ends a call
 *     watchdog_call.c         a call of the script
 *     watchdog_coroutines.c   the coroutine library, made so that the watch-dog can follow it
 */
#ifndef REAPER_SCRIPT_WATCHDOG_H
#define REAPER_SCRIPT_WATCHDOG_H

#include <lua.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "common/pages.h"
#include "script/pool.h"

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
    struct pool pool;
    size_t used;               /* bytes that the Lua state has allocated */
    size_t limit;              /* of `used`; 0: none */
    int limited;               /* the limit is in force: code of the script is running */
    int full;                  /* nearly all of the limit is in use for good */
    struct script_page **page; /* where it says what runs (page_take), or NULL */
    struct script_busy busy;   /* what it says there */
};

/* An allocator (lua_Alloc) that enforces the limit. `context` is the struct watchdog. */
void *watchdog_allocate(void *context, void *block, size_t old_size, size_t new_size);

/* Sets the two limits. It is called again when the script changes them. */
void watchdog_set(struct watchdog *watchdog, int64_t timeout, uint64_t memory);

/* The timer has no effect from now on: the struct watchdog is about to go out of scope. */
void watchdog_end(void);

/* Ends the running call with `reason`. Raises. */
int watchdog_unwind(lua_State *L, struct watchdog *watchdog, enum unwinding reason);

/* Puts the watch-dog into the registry of the state, where watchdog_of finds it. */
void watchdog_register(lua_State *L, struct watchdog *watchdog);
struct watchdog *watchdog_of(lua_State *L);

/* Registers the watch-dog, and replaces coroutine.resume, wrap and close by functions that it can follow. */
void watchdog_install(lua_State *L, struct watchdog *watchdog);

/* Shows what runs, as `busy` has it. */
static inline void watchdog_show(const struct watchdog *watchdog)
{
    struct script_page *const page = page_to_write(watchdog->page);

    if (page)
        LATCH_WRITE(&page->busy, &watchdog->busy);
}

/* The script process is about to wait: nothing of the script runs. */
static inline void watchdog_rest(struct watchdog *watchdog)
{
    if (watchdog->busy.since == 0)
        return;
    watchdog->busy.since = 0;
    watchdog_show(watchdog);
}

/*
 * resume(co, label, …): runs a call of the script, which is known as `label`, until it yields or ends. Like
 * coroutine.resume, but a failure gives false, message, traceback. After os.exit it gives nil.
 */
int watchdog_resume(lua_State *L, struct watchdog *watchdog);

/* close(co): gives up a call that has yielded. */
int watchdog_close(lua_State *L, struct watchdog *watchdog);

#endif
