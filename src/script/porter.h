/*
 * porter.h: the porter, which answers HTTP requests: a process with the Lua state of reaperctl (control.h).
 *
 *     porter.c        its process, which runs the function of reaper.control.porter
 *     lua_listen.c    reaper.core, what only the porter calls: listening, and taking connections
 */
#ifndef REAPER_SCRIPT_PORTER_H
#define REAPER_SCRIPT_PORTER_H

#include <lua.h>
#include <sys/types.h>

#include "common/options.h"
#include "common/signals.h"

struct porter_start {
    int argc;
    char **argv;
    const struct options *options;
    const struct inherited_signals *signals;
    pid_t engine;
    int engine_fd; /* the descriptors of the pages; -1: there is none */
    int script_fd;
    int life_fd; /* its end is the order to end */
};

/* Runs the porter until it is told to end. The exit code. */
int porter_run(const struct porter_start *start);

/* Adds the functions that only the porter calls to the table of reaper.core on top (lua_listen.c). */
void open_listen_core(lua_State *L);

#endif
