/*
 * Spawn tables: request.lua and descriptors.lua check them, lua_spawn.c reads them, spawn.c makes its plan of them. The
 * clone is that of harmless_processes.c, which reads the plan. Input: how the clone ends, then tables.
 */
#include "lua_state.h"

#include <math.h>

enum { DEPTH_MAX = 3, ENTRIES_MAX = 12, TABLES_MAX = 16 };

/* Wrong values raise, and nothing else; what is made can be asked and ends. */
static const char script[] =
    "for i = 1, 16 do\n"
    "  local spec = fuzz_table()\n"
    "  if not spec then return end\n"
    "  local ok, child, message, errno = pcall(i % 4 == 0 and reaper.run or reaper.spawn, spec)\n"
    "  if not ok then\n"
    "    assert(type(child) == 'string' and (child:find 'bad argument' or child:find 'unknown key'), child)\n"
    "  elseif not child then\n"
    "    assert(type(message) == 'string' and math.type(errno) == 'integer', message)\n"
    "  elseif i % 4 ~= 0 then\n"
    "    assert(child.pid > 0 and tostring(child))\n"
    "    child:alive()\n"
    "    if child.stdin then child.stdin:write 'some text' child.stdin:close() end\n"
    "  end\n"
    "end\n";

static const char *const keys[] = {
    "name", "env",   "clear_env", "cwd",    "user",    "group",  "umask", "nice", "rlimit", "oom_score_adj", "session",
    "fds",  "stdin", "stdout",    "stderr", "capture", "nofile", "core",  "PATH", "HOME",   "nmae",          "",
};

static const char *const words[] = {
    "true", "null",     "pipe", "inherit", "stdout", "stderr", "/none", "/tmp/file",
    "me",   "me:wheel", "root", "1000",    "0:",     "a=b",    "",      "4294967295",
};

static void push_value(lua_State *L, struct input *input, int depth);

static void push_table(lua_State *L, struct input *input, int depth)
{
    const unsigned count = input_byte(input) % ENTRIES_MAX;

    luaL_checkstack(L, 8, NULL);
    lua_newtable(L);
    for (unsigned i = 0; i < count; i++) {
        const unsigned kind = input_byte(input);

        if (kind < 64)
            lua_pushinteger(L, luaL_len(L, -1) + 1);
        else if (kind < 224)
            lua_pushstring(L, keys[kind % (sizeof keys / sizeof *keys)]);
        else
            push_value(L, input, DEPTH_MAX);
        push_value(L, input, depth + 1); // table key value
        if (lua_isnil(L, -2) || (lua_type(L, -2) == LUA_TNUMBER && !(lua_tonumber(L, -2) == lua_tonumber(L, -2))))
            lua_pop(L, 2);
        else
            lua_rawset(L, -3);
    }
}

static int nothing_at_all(lua_State *L)
{
    (void)L;
    return 0;
}

static void push_value(lua_State *L, struct input *input, int depth)
{
    char text[256];
    size_t length;

    switch (input_byte(input) % 10) {
    case 0:
        lua_pushboolean(L, (int)input_byte(input) & 1);
        return;
    case 1:
    case 2:
        lua_pushinteger(L, input_number(input));
        return;
    case 3:
        lua_pushnumber(L, (lua_Number)input_number(input) / 2);
        return;
    case 4:
        lua_pushnumber(L, input_byte(input) & 1 ? (lua_Number)INFINITY : (lua_Number)NAN);
        return;
    case 5:
    case 6:
        lua_pushstring(L, words[input_byte(input) % (sizeof words / sizeof *words)]);
        return;
    case 7:
        length = input_text(input, text, sizeof text);
        lua_pushlstring(L, text, length);
        return;
    case 8:
        lua_pushcfunction(L, nothing_at_all);
        return;
    default:
        if (depth < DEPTH_MAX)
            push_table(L, input, depth);
        else
            lua_pushnil(L);
    }
}

static struct input input; /* for fuzz_table, which the script calls */

static int fuzz_table(lua_State *L)
{
    if (input.at >= input.end)
        return 0;
    world.clone_error = input_byte(&input) == 1 ? EAGAIN : 0;
    world.exec_error = input_byte(&input) == 1 ? ENOENT : 0;
    push_table(L, &input, 0);
    return 1;
}

/* script.c's own, and then what only this script has. */
static int run_script(lua_State *L)
{
    struct lua_run *run = lua_touserdata(L, 1);

    open_libraries(L, &run->script);
    lua_pushcfunction(L, fuzz_table);
    lua_setglobal(L, "fuzz_table");
    lua_settop(L, 0);
    set_arguments(L, &run->options);
    lua_getglobal(L, "require");
    lua_pushliteral(L, "reaper.runtime.script");
    lua_call(L, 1, 1); // run
    EXPECT(luaL_loadbufferx(L, script, sizeof script - 1, "=fuzz", "t") == LUA_OK);
    lua_call(L, 1, 1);
    EXPECT(lua_tointeger(L, -1) == 0);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct lua_run run;
    lua_State *L;

    world_begin();
    input = (struct input){ bytes, bytes + size };
    lua_prepare(&run);
    lua_begin(&run, NULL, 0);
    shutdown(run.engine_end, SHUT_WR);
    L = new_state(&run.script.watchdog);
    lua_pushcfunction(L, with_traceback);
    lua_pushcfunction(L, run_script);
    lua_pushlightuserdata(L, &run);
    if (lua_pcall(L, 1, 0, 1) != LUA_OK)
        world_wrong(__FILE__, __LINE__, lua_tostring(L, -1));
    lua_close(L);
    run.script.link.fd = -1; /* world_end closes it */
    lua_end(&run);
    world_end();
    return 0;
}
