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

/* Finds the module's bytecode, or its text, in the bytes of its group; NULL when there is none. */
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

/* The groups that are unpacked while a script loads a module: what that requires is often of another group. */
struct unpacked {
    int loading;
    char *blocks[]; /* one for each group, NULL when it is not unpacked */
};

static size_t block_size(const struct embedded_group *group)
{
    return group->size + UNPACK_ROOM;
}

/* Gives the bytes of a group. Raises for want of memory. */
static const char *unpack(lua_State *L, struct unpacked *unpacked, const struct embedded_group *group)
{
    char **const block = &unpacked->blocks[group - embedded_groups];
    void *context;
    const lua_Alloc allocate = lua_getallocf(L, &context);

    if (!group->unpack)
        return (const char *)group->packed;
    if (!*block) {
        *block = allocate(context, NULL, 0, block_size(group));
        if (!*block) {
            lua_pushliteral(L, "not enough memory");
            lua_error(L);
        }
        if (group->unpack(group, *block) != 0)
            luaL_error(L, "the modules of %s cannot be unpacked", group->name);
    }
    return *block;
}

static void give_back(lua_State *L, struct unpacked *unpacked)
{
    char **block = unpacked->blocks;
    void *context;
    const lua_Alloc allocate = lua_getallocf(L, &context);

    for (const struct embedded_group *group = embedded_groups; group->name; group++, block++)
        if (*block) {
            allocate(context, *block, block_size(group), 0);
            *block = NULL;
        }
}

/* Pushes the module's main function, or nil. */
static void push_chunk(lua_State *L, struct unpacked *unpacked, const struct embedded_group *group, const char *module)
{
    size_t size;
    const char *const code = find(group, unpack(L, unpacked, group), module, &size);

    if (!code) {
        lua_pushnil(L);
        return;
    }
    lua_pushfstring(L, "=%s", module); // name
    if (luaL_loadbufferx(L, code, size, lua_tostring(L, -1), "bt") != LUA_OK)
        lua_error(L);
    lua_remove(L, -2); // chunk
}

static int give_value(lua_State *L)
{
    lua_pushvalue(L, lua_upvalueindex(1));
    return 1;
}

/* (unpacked, group, module): a loader that gives the value of the module, which runs now; or nil. */
static int load_module(lua_State *L)
{
    push_chunk(L, lua_touserdata(L, 1), lua_touserdata(L, 2), lua_tostring(L, 3)); // … chunk
    if (lua_isnil(L, -1))
        return 1;
    lua_pushvalue(L, 3);
    lua_call(L, 1, 1); // … value
    lua_pushcclosure(L, give_value, 1);
    return 1;
}

/*
 * The __index of package.preload: gives a module's loader. The first module runs here, so that all that it requires
 * finds its group unpacked, and the memory is given back when it has been loaded.
 */
static int find_loader(lua_State *L)
{
    struct unpacked *const unpacked = lua_touserdata(L, lua_upvalueindex(1));
    const char *const module = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
    const struct embedded_group *const group = group_of(module);
    int status;

    if (!group)
        return 0;
    if (unpacked->loading || !group->unpack) {
        push_chunk(L, unpacked, group, module);
        return 1;
    }
    lua_pushcfunction(L, load_module);
    lua_pushlightuserdata(L, unpacked);
    lua_pushlightuserdata(L, (void *)group);
    lua_pushvalue(L, 2);
    unpacked->loading = 1;
    status = lua_pcall(L, 3, 1, 0); // loader
    unpacked->loading = 0;
    give_back(L, unpacked);
    return status == LUA_OK ? 1 : lua_error(L);
}

static void push_unpacked(lua_State *L)
{
    const struct embedded_group *end = embedded_groups;
    size_t size;

    while (end->name)
        end++;
    size = sizeof(struct unpacked) + (size_t)(end - embedded_groups) * sizeof(char *);
    memset(lua_newuserdatauv(L, size, 0), 0, size);
}

void embed_preload(lua_State *L)
{
    lua_getfield(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE); // preload
    lua_createtable(L, 0, 1);
    push_unpacked(L);
    lua_pushcclosure(L, find_loader, 1);
    lua_setfield(L, -2, "__index"); // preload metatable
    lua_setmetatable(L, -2);
    lua_pop(L, 1);
}
