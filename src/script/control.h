/*
 * control.h: reaperctl, which looks into a running reaper-lua and steers it: the same binary under another name.
 * The porter (porter.h) is its sister.
 *
 *     control.c       its process: a Lua state with the files of lua/reaper/control/, and nothing of the user's
 *     lua_control.c   reaper.core, what only it has: the pages of another process
 *     lua_reports.c   the same: what they say, as tables
 *     lua_orders.c    the same: its inbox, and the replies
 *     lua_terminal.c  the terminal of reaperctl top
 *     lua_rings.c     the last lines of its services
 *     lua_processes.c the processes of its services
 */
#ifndef REAPER_SCRIPT_CONTROL_H
#define REAPER_SCRIPT_CONTROL_H

#include <lua.h>
#include <sys/types.h>

#include "common/options.h"
#include "common/pages.h"
#include "common/signals.h"

struct script;

/* The pages of one reaper-lua, as another process sees them. */
struct view {
    pid_t pid;
    const struct engine_page *engine;
    const struct script_page *script; /* NULL: there is none */
    char version[sizeof(((struct page_head *)0)->program)];
};

/* True when the program was called as reaperctl, or as reaper-lua --ctl; *first is where the words of that begin. */
int control_is_meant(int argc, char **argv, int *first);

/* Runs reaperctl with those words. The exit code. */
int control_run(int argc, char **argv, const struct inherited_signals *signals);

/* A function of ours that a process of its own runs: the module that gives it, and what pushes its argument. */
struct control_program {
    struct script *script;
    const char *module;
    void (*push)(lua_State *L, const void *context);
    const void *context;
};

/* Makes the script of such a process. */
void control_prepare(struct script *script, const struct options *options, const struct inherited_signals *signals);

/* Runs it in a Lua state with nothing of the user's. The exit code, which it gives; 2 for a fault of ours. */
int control_call(const struct control_program *program);

/* Add the functions that only reaperctl has to the table of reaper.core on top (lua_control.c and so on). */
void open_control_core(lua_State *L);
void open_reports_core(lua_State *L);
void open_orders_core(lua_State *L);
void open_terminal_core(lua_State *L);

/* The first argument, which core.pages has given. */
const struct view *view_of(lua_State *L);

/* lua_processes.c */
int core_process_table(lua_State *L);

/* lua_rings.c */
int core_ring_lines(lua_State *L);

#endif
