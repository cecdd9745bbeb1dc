/* lua_values.h: C values as the Lua values that scripts see. Each function pushes exactly one value. */
#ifndef REAPER_SCRIPT_LUA_VALUES_H
#define REAPER_SCRIPT_LUA_VALUES_H

#include <lua.h>

#include "common/messages.h"

/*
 * A wait status: kind ("exit" or "signal", the words of os.execute), code (exit code or signal number), signal (name
 * or nil), core, ok (booleans), exit_code (0–255, 128 + n for a signal), raw. tostring gives "exit 3".
 */
void push_status(lua_State *L, int raw);

/* utime, stime in seconds; maxrss in bytes; minflt, majflt, inblock, oublock, nvcsw, nivcsw (getrusage(2)). */
void push_usage(lua_State *L, const struct usage *usage);

/* The fourth argument of on_reap: comm, lifetime (seconds), main, orphan, name, oom. */
void push_info(lua_State *L, const struct event *event);

/* reaped, orphans, dropped, script_restarts, zombies_peak; uptime in seconds. */
void push_statistics(lua_State *L, const struct statistics *statistics);

/* The results nil, message, errno of a failed call; `error` is copied from errno before anything else. Gives 3. */
int push_failure(lua_State *L, int error, const char *what);

/* Makes the metatable of status tables. */
void register_values(lua_State *L);

#endif
