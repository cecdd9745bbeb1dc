/* load.h: the script as a Lua function. */
#ifndef REAPER_SCRIPT_LOAD_H
#define REAPER_SCRIPT_LOAD_H

#include <lua.h>

/* Pushes the compiled script, 0; or what is wrong with it, -1. */
int script_load(lua_State *L, const char *path);

#endif
