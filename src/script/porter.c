#define _GNU_SOURCE
#include "script/porter.h"

#include <lauxlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/descriptors.h"
#include "script/control.h"
#include "script/lua_values.h"
#include "script/script.h"

/*
 * Every signal stays blocked, as in the engine: the TERM of a stop and a terminal's Ctrl-C are not meant for it. Its
 * socket is made for its own user only.
 */
static void become_porter_process(const struct porter_start *start)
{
    const int kept[] = { start->engine_fd, start->script_fd, start->life_fd };

    prctl(PR_SET_NAME, "reaper-porter");
    prctl(PR_SET_NO_NEW_PRIVS, 1UL, 0UL, 0UL, 0UL);
    setpgid(0, 0);
    umask(S_IXUSR | S_IRWXG | S_IRWXO);
    close_all_but(kept, sizeof kept / sizeof *kept);
}

static void push_start(lua_State *L, const void *context)
{
    const struct porter_start *const start = context;

    lua_createtable(L, 0, 6);
    set_integer(L, "engine", start->engine);
    set_integer(L, "engine_fd", start->engine_fd);
    set_integer(L, "script_fd", start->script_fd);
    set_integer(L, "life_fd", start->life_fd);
    lua_pushstring(L, start->options->control);
    lua_setfield(L, -2, "control");
    lua_pushstring(L, start->options->http);
    lua_setfield(L, -2, "http");
}

int porter_run(const struct porter_start *start)
{
    struct script script;
    const struct control_program program = { &script, "reaper.control.porter", push_start, start };

    become_porter_process(start);
    control_prepare(&script, start->options, start->signals);
    script.argc = start->argc;
    script.argv = start->argv;
    script.log.patient = 1;
    script_apply_options(&script);
    return control_call(&program);
}
