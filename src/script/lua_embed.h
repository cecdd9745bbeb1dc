/* lua_embed.h: the files of lua/reaper/, compiled and made into arrays by make (tools/embed.c). */
#ifndef REAPER_SCRIPT_LUA_EMBED_H
#define REAPER_SCRIPT_LUA_EMBED_H

#include <lua.h>
#include <stddef.h>

struct embedded_file {
    const char *module; /* "reaper.runtime.loop" */
    const unsigned char *code;
    size_t size;
};

/* Ends with a module of NULL. Generated: build/lua_files.c. */
extern const struct embedded_file embedded_files[];

/* Puts a loader for each into package.preload, and the global `reaper`. */
void embed_preload(lua_State *L);

#endif
