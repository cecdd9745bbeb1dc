#include "script/lua_embed.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

static const struct embedded_group *group_of(const char *module)
{
    const struct embedded_group *group = embedded_groups;
    size_t length;

    for (; group->name; group++) {
        length = strlen(group->name);
        if (strncmp(module, group->name, length) == 0 && (module[length] == '.' || module[length] == '\0'))
            return group;
    }
    return NULL;
}

/* Finds the module's bytecode in the bytes of its group; NULL when there is none. */
static const char *find(const struct embedded_group *group, const char *bytes, const char *module, size_t *size)
{
    const char *at = bytes;
    char *code;
    int found;

    for (; at < bytes + group->size; at = code + *size) {
        found = strcmp(at, module) == 0;
        *size = strtoul(at + strlen(at) + 1, &code, 10);
        code++;
        if (found)
            return code;
    }
    return NULL;
}

/* Pushes the module's main function, or nil. */
static void push_chunk(lua_State *L, const struct embedded_group *group, const char *bytes, const char *module)
{
    size_t size;
    const char *const code = find(group, bytes, module, &size);

    if (!code)
        lua_pushnil(L);
    else if (luaL_loadbufferx(L, code, size, module, "b") != LUA_OK)
        lua_error(L);
}

static int give_value(lua_State *L)
{
    lua_pushvalue(L, lua_upvalueindex(1));
    return 1;
}

/*
 * Loads a module while its group is unpacked, and with it those that it requires: they find the bytes in the registry.
 * Pushes a loader that gives the module's value, or nil.
 */
static void load_first(lua_State *L, const struct embedded_group *group, const char *module)
{
    const char *const bytes = group->unpack(L, group);
    int status;

    push_chunk(L, group, bytes, module); // chunk
    if (lua_isnil(L, -1))
        return;
    lua_pushlightuserdata(L, (void *)bytes);
    lua_rawsetp(L, LUA_REGISTRYINDEX, group);
    lua_pushstring(L, module);      // chunk module
    status = lua_pcall(L, 1, 1, 0); // value
    lua_pushnil(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, group);
    if (status != LUA_OK)
        lua_error(L);
    lua_pushcclosure(L, give_value, 1);
}

/* The __index of package.preload: gives a module's loader. */
static int find_loader(lua_State *L)
{
    const char *const module = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
    const struct embedded_group *const group = group_of(module);
    const char *bytes;

    if (!group)
        return 0;
    if (!group->unpack) {
        push_chunk(L, group, (const char *)group->packed, module);
        return 1;
    }
    lua_rawgetp(L, LUA_REGISTRYINDEX, group);
    bytes = lua_touserdata(L, -1);
    if (bytes)
        push_chunk(L, group, bytes, module);
    else
        load_first(L, group, module);
    return 1;
}

void embed_preload(lua_State *L)
{
    lua_getfield(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE); // preload
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, find_loader);
    lua_setfield(L, -2, "__index"); // preload metatable
    lua_setmetatable(L, -2);
    lua_pop(L, 1);
}
