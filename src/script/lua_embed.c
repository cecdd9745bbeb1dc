#include "script/lua_embed.h"

#include <lauxlib.h>

static int load_embedded(lua_State *L)
{
    const struct embedded_file *file = lua_touserdata(L, lua_upvalueindex(1));

    if (luaL_loadbufferx(L, (const char *)file->code, file->size, file->module, "b") != LUA_OK)
        return lua_error(L);
    lua_pushvalue(L, 1);
    lua_call(L, 1, 1);
    return 1;
}

void embed_preload(lua_State *L)
{
    lua_getfield(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE); // preload
    for (const struct embedded_file *file = embedded_files; file->module; file++) {
        lua_pushlightuserdata(L, (void *)file);
        lua_pushcclosure(L, load_embedded, 1);
        lua_setfield(L, -2, file->module);
    }
    lua_pop(L, 1);
}
