/* lua_embed.h: the files of lua/reaper/, which make compiles and turns into arrays (tools/embed.c). */
#ifndef REAPER_SCRIPT_LUA_EMBED_H
#define REAPER_SCRIPT_LUA_EMBED_H

#include <lua.h>
#include <stddef.h>

struct embedded_file {
    const char *module; /* "reaper.runtime.loop" */
    const unsigned char *code;
    size_t size;
};

/* The last one has the module NULL. The array is generated: build/lua_files.c. */
extern const struct embedded_file embedded_files[];

/* Puts a loader for each file into package.preload. */
void embed_preload(lua_State *L);

#endif
