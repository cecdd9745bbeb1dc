#define _GNU_SOURCE
#include "script/control.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

#include "script/lua_core.h"
#include "script/lua_embed.h"
#include "script/porter.h"
#include "script/script.h"

enum { CONTROL_UNWRITTEN = 1, CONTROL_FAILED = 2 };

int control_is_meant(int argc, char **argv, int *first)
{
    const char *const slash = argc > 0 ? strrchr(argv[0], '/') : NULL;
    const char *const name = slash ? slash + 1 : argc > 0 ? argv[0] : "";

    *first = 1;
    if (strcmp(name, "reaperctl") == 0)
        return 1;
    *first = 2;
    return argc > 1 && strcmp(argv[1], "--ctl") == 0;
}

static int with_traceback(lua_State *L)
{
    luaL_traceback(L, L, luaL_tolstring(L, 1, NULL), 1);
    return 1;
}

static const luaL_Reg functions[] = {
    { "process_table", core_process_table },
    { "ring_lines", core_ring_lines },
    { NULL, NULL },
};

/* The one argument is a struct control_program. Gives the exit code. */
static int protected_run(lua_State *L)
{
    const struct control_program *const program = lua_touserdata(L, 1);

    luaL_openlibs(L);
    lua_pushlightuserdata(L, program->script);
    open_core(L); // core
    open_control_core(L);
    open_reports_core(L);
    open_listen_core(L);
    open_orders_core(L);
    open_terminal_core(L);
    luaL_setfuncs(L, functions, 0);
    lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE); // core loaded
    lua_insert(L, -2);
    lua_setfield(L, -2, "reaper.core");
    embed_preload(L);
    lua_getglobal(L, "require");
    lua_pushstring(L, program->module);
    lua_call(L, 1, 1); // run
    program->push(L, program->context);
    lua_call(L, 1, 1);
    return 1;
}

int control_call(const struct control_program *program)
{
    lua_State *const L = luaL_newstate();
    int code = CONTROL_FAILED;

    if (!L) {
        fputs("reaperctl: not enough memory\n", stderr);
        return CONTROL_FAILED;
    }
    lua_pushcfunction(L, with_traceback);
    lua_pushcfunction(L, protected_run);
    lua_pushlightuserdata(L, (void *)program);
    if (lua_pcall(L, 1, 1, 1) == LUA_OK)
        code = (int)lua_tointeger(L, -1);
    else
        fprintf(stderr, "reaperctl: %s\n", lua_tostring(L, -1));
    lua_close(L);
    return code;
}

void control_prepare(struct script *script, const struct options *options, const struct inherited_signals *signals)
{
    memset(script, 0, sizeof *script);
    script->link.fd = -1;
    script->epoll_fd = script->timer_fd = script->store_fd = script->inbox[0] = script->inbox[1] = -1;
    script->signals = *signals;
    script->configured = script->options = *options;
}

static void push_words(lua_State *L, const void *context)
{
    const struct script *const script = context;

    lua_createtable(L, script->argc, 0);
    for (int i = 0; i < script->argc; i++) {
        lua_pushstring(L, script->argv[i]);
        lua_rawseti(L, -2, i + 1);
    }
}

/* The exit code, which is not that of success when what was printed has not reached its file. */
static int check_output(int code)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return code;
    fputs("reaperctl: its output could not be written\n", stderr);
    return code ? code : CONTROL_UNWRITTEN;
}

int control_run(int argc, char **argv, const struct inherited_signals *signals)
{
    const struct options options = options_default();
    struct script script;
    const struct control_program program = { &script, "reaper.control", push_words, &script };

    control_prepare(&script, &options, signals);
    script.argc = argc;
    script.argv = argv;
    signals_restore(signals);
    prctl(PR_SET_NAME, "reaperctl");
    return check_output(control_call(&program));
}
