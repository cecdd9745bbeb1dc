#define _GNU_SOURCE
#include "script/script.h"

#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <lualib.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "common/descriptors.h"
#include "script/load.h"
#include "script/lua_core.h"
#include "script/lua_embed.h"
#include "script/lua_pages.h"

enum { LOAD_FAILED = 125 };

/* ---- The process. ---- */

static void nothing(int number)
{
    (void)number;
}

/* A handler, not SIG_IGN: what the script starts gets the default back from exec. */
static void survive(int number, signal_set ignored)
{
    struct sigaction action;

    if (ignored & SIGNAL_BIT(number))
        return;
    memset(&action, 0, sizeof action);
    action.sa_handler = nothing;
    action.sa_flags = SA_RESTART;
    sigemptyset(&action.sa_mask);
    sigaction(number, &action, NULL);
}

/*
 * The TERM of a stop is meant for what the script manages, not for the script process, which ends when its channel is
 * closed. A group of its own keeps a terminal's Ctrl-C away.
 */
static void become_script_process(const struct script_start *start)
{
    const int kept[] = { start->socket_fd, start->store_fd, start->journal->wake_fd[start->reader] };
    struct options options = *start->options;
    struct log log = { .patient = 1 };

    options_reapply_arguments(&options, start->argc, start->argv);
    options_set_log(&options, &log);
    prctl(PR_SET_NAME, "reaper-script");
    setpgid(0, 0);
    if ((start->directory_fd < 0 || fchdir(start->directory_fd) != 0) && start->directory
        && chdir(start->directory) != 0)
        log_line(&log, LOG_LEVEL_ERROR, "cannot change to %s: %s", start->directory, strerror(errno));
    close_all_but(kept, sizeof kept / sizeof *kept);
    survive(SIGTERM, start->signals->ignored);
    survive(SIGPIPE, start->signals->ignored);
    signals_set_mask(start->signals->mask, NULL);
}

static void set_limits(struct script *script)
{
    watchdog_set(&script->watchdog, script->options.hook_timeout, script->options.hook_memory);
}

static void set_up(struct script *script, const struct script_start *start)
{
    memset(script, 0, sizeof *script);
    script->argc = start->argc;
    script->argv = start->argv;
    script->link.fd = -1;
    if (start->socket_fd >= 0)
        link_open(&script->link, start->socket_fd, start->journal, start->reader, start->from);
    script->epoll_fd = script->timer_fd = script->inbox[0] = script->inbox[1] = -1;
    script->page = start->page;
    script->checking = start->socket_fd < 0;
    script->store_fd = start->store_fd;
    script->options_changed = set_limits;
    script->signals = *start->signals;
    script->configured = *start->options;
    script->log.patient = 1;
    script->wants_info = 1; /* until the script is loaded, nobody knows */
    script_apply_options(script);
    if (script->page && pipe2(script->inbox, O_CLOEXEC | O_NONBLOCK) != 0)
        script->inbox[0] = script->inbox[1] = -1;
    if (start->has_page)
        pages_begin(script);
}

/* ---- The script. ---- */

/* Modules are found beside the script, too. */
static void extend_path(lua_State *L, const char *script)
{
    const char *slash = strrchr(script, '/');

    lua_getglobal(L, "package"); // package
    lua_pushlstring(L, slash ? script : ".", slash ? (size_t)(slash - script) : 1);
    if (slash == script) {
        lua_pop(L, 1);
        lua_pushliteral(L, "");
    }
    lua_getfield(L, -2, "path"); // package directory path
    lua_pushfstring(L, "%s/?.lua;%s/?/init.lua;%s", lua_tostring(L, -2), lua_tostring(L, -2), lua_tostring(L, -1));
    lua_setfield(L, -4, "path");
    lua_pop(L, 3);
}

/* arg[0] is the script, arg[1]… the words of COMMAND. */
static void set_arguments(lua_State *L, const struct options *options)
{
    lua_newtable(L);
    lua_pushstring(L, options->script ? options->script : "-x");
    lua_rawseti(L, -2, 0);
    for (int i = 0; options->command && options->command[i]; i++) {
        lua_pushstring(L, options->command[i]);
        lua_rawseti(L, -2, i + 1);
    }
    lua_setglobal(L, "arg");
}

static void open_libraries(lua_State *L, struct script *script)
{
    luaL_openlibs(L);
    watchdog_install(L, &script->watchdog);
    lua_pushlightuserdata(L, script);
    open_core(L); // core
    open_script_core(L, script);
    lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE); // core loaded
    lua_insert(L, -2);
    lua_setfield(L, -2, "reaper.core");
    lua_pop(L, 1);
    embed_preload(L);
}

static int with_traceback(lua_State *L)
{
    luaL_traceback(L, L, luaL_tolstring(L, 1, NULL), 1);
    return 1;
}

/* All that runs Lua. The one argument is the script process; gives the exit code. */
static int protected_run(lua_State *L)
{
    struct script *script = lua_touserdata(L, 1);
    const struct options *const options = &script->options;
    int loaded;

    open_libraries(L, script);
    set_arguments(L, options);
    if (options->script)
        extend_path(L, options->script);
    lua_getglobal(L, "require");
    lua_pushliteral(L, "reaper.runtime.script");
    lua_call(L, 1, 1); // run
    loaded = options->script ? script_load(L, options->script)
                             : luaL_loadbufferx(L, options->eval, strlen(options->eval), "=-x", "t");
    if (loaded != 0) {
        lua_pushnil(L);
        lua_insert(L, -2); // run nil message
    } else {
        lua_pushnil(L); // run chunk nil
    }
    lua_call(L, 2, 1);
    return 1;
}

/* Lua 5.5 is given the seed of its hashes, which 5.4 makes for itself. */
static lua_State *new_state(struct watchdog *watchdog)
{
#if LUA_VERSION_NUM >= 505
    return lua_newstate(watchdog_allocate, watchdog, luaL_makeseed(NULL));
#else
    return lua_newstate(watchdog_allocate, watchdog);
#endif
}

/* Says the error on top, which has a traceback. */
static void report(struct script *script, lua_State *L)
{
    const char *const message = lua_pushfstring(L, "the script process failed: %s", lua_tostring(L, -1));

    log_traceback(&script->log, LOG_LEVEL_ERROR, message, strlen(message));
}

static int run_lua(struct script *script)
{
    lua_State *L = new_state(&script->watchdog);
    int code = LOAD_FAILED;

    if (!L) {
        log_line(&script->log, LOG_LEVEL_ERROR, "not enough memory for a Lua state");
        return LOAD_FAILED;
    }
    lua_pushcfunction(L, with_traceback);
    lua_pushcfunction(L, protected_run);
    lua_pushlightuserdata(L, script);
    if (lua_pcall(L, 1, 1, 1) == LUA_OK)
        code = (int)lua_tointeger(L, -1);
    else
        report(script, L);
    script->link.fd = -1; /* what the collector closes now is the next script process's to read */
    lua_close(L);
    return code;
}

int script_run(const struct script_start *start)
{
    struct script script;
    int code;

    if (start->socket_fd >= 0)
        become_script_process(start);
    else
        signals_restore(start->signals);
    setvbuf(stdout, NULL, _IOLBF, 0); /* what a hook prints is to be seen now, also through a pipe */
    set_up(&script, start);
    code = run_lua(&script);
    watchdog_end();
    link_close(&script.link);
    return code;
}
