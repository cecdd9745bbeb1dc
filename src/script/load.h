/* load.h: the script file, compiled to a Lua function. */
#ifndef REAPER_SCRIPT_LOAD_H
#define REAPER_SCRIPT_LOAD_H

#include <lua.h>

/* Pushes the compiled script and gives 0; or pushes what is wrong with it and gives -1. */
int script_load(lua_State *L, const char *path);

#endif
