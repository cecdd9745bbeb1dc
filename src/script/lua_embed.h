/*
 * lua_embed.h: the Lua files of lua/reaper/ inside the binary.
 *
 * make compiles them and packs them in groups (tools/embed.c). A group is what is unpacked at once when a script
 * requires one of its modules: the modules that every script loads (reaper, reaper.process.*, reaper.runtime.*), and
 * for each other directory of lua/reaper/ the modules in it. In the static binary the groups are compressed.
 */
#ifndef REAPER_SCRIPT_LUA_EMBED_H
#define REAPER_SCRIPT_LUA_EMBED_H

#include <lua.h>
#include <stddef.h>

enum { UNPACK_ROOM = 8 * 1024 };

/* The bytes of a group are for each module its name, NUL, the size of its code in decimal, NUL, the code or its text.
 */
struct embedded_group {
    const char *name; /* "reaper.supervisor": of that module, and of those whose name goes on with a dot */
    const unsigned char *packed;
    size_t packed_size;
    size_t size;
    /* Writes the bytes to a block of size + UNPACK_ROOM. 0, or -1. NULL: they are not packed. */
    int (*unpack)(const struct embedded_group *group, char *block);
};

/* The last one has no name; a group whose name begins another's comes after that. make generates it: lua_files.c. */
extern const struct embedded_group embedded_groups[];

/* Lets require find the modules, unless package.preload has one of that name. */
void embed_preload(lua_State *L);

#endif
