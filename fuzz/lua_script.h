/*
 * lua_script.h: a script of the fuzzer's own that is run over each input. The file is included by targets in which all
 * that is tried is Lua.
 */
#include "lua_state.h"

/* One state for all inputs, with the script on top: nothing that is run here leaves anything behind. */
static lua_State *state_with(const char *script)
{
    static struct lua_run run;
    static lua_State *L;

    if (L)
        return L;
    lua_prepare(&run);
    lua_begin(&run, "", 0);
    L = new_state(&run.script.watchdog);
    open_libraries(L, &run.script);
    lua_settop(L, 0);
    EXPECT(luaL_loadbufferx(L, script, strlen(script), "=fuzz", "t") == LUA_OK);
    return L;
}

/* Calls `run` with a struct input: its upvalue is the script, which it calls with what it makes of that. */
static int run_input(const char *script, lua_CFunction run, const uint8_t *bytes, size_t size)
{
    struct input input = { bytes, bytes + size };
    lua_State *L = state_with(script);

    world_begin();
    lua_pushcfunction(L, with_traceback);
    lua_pushvalue(L, 1);
    lua_pushcclosure(L, run, 1); // script handler run
    lua_pushlightuserdata(L, &input);
    if (lua_pcall(L, 1, 0, 2) != LUA_OK)
        world_wrong(__FILE__, __LINE__, lua_tostring(L, -1));
    lua_settop(L, 1);
    lua_gc(L, LUA_GCCOLLECT);
    world_end();
    return 0;
}
