/* lua_values.h: C values as the Lua values that scripts see. Each push_… pushes one value where it says nothing else.
 */
#ifndef REAPER_SCRIPT_LUA_VALUES_H
#define REAPER_SCRIPT_LUA_VALUES_H

#include <lua.h>

#include "common/messages.h"

/*
 * A wait status as a table: kind ("exit" or "signal", the words of os.execute), code (exit code or signal number),
 * signal (name or nil), core, ok (booleans), exit_code (0–255, 128 + n for a signal), raw. tostring gives "exit 3".
 */
void push_status(lua_State *L, int raw);

/* A table with utime, stime in seconds; maxrss in bytes; minflt, majflt, inblock, oublock, nvcsw, nivcsw
 * (getrusage(2)). */
void push_usage(lua_State *L, const struct usage *usage);

/* The fourth argument of on_reap, a table with comm, lifetime (seconds), main, orphan, name, oom. */
void push_info(lua_State *L, const struct event *event);

/* A table with reaped, orphans, dropped, script_restarts, zombies_peak; uptime in seconds. */
void push_statistics(lua_State *L, const struct statistics *statistics);

/*
 * The three results of a failed call: nil, "WHAT: the system's words for the error" (without WHAT when it is NULL), and
 * the error. Gives 3, as a C function returns it.
 */
int push_failure(lua_State *L, int error, const char *what);

/* The same with a ready message. */
int push_reason(lua_State *L, int error, const char *message);

/* Sets a field of the table on top. */
void set_integer(lua_State *L, const char *key, lua_Integer value);
void set_boolean(lua_State *L, const char *key, int value);

/* Pushes zeroed memory, which is freed even where something raises. */
void *push_memory(lua_State *L, size_t count, size_t size);

/* Makes the metatable of status tables. */
void register_values(lua_State *L);

#endif
