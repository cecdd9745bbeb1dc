/*
 * script.h: the process that holds the Lua state: the script process, which runs the user's script, or a program that
 * has loaded the library.
 *
 *     script.c        a script process: descriptors, signals, the Lua state, loading the script
 *     lua_script.c    reaper.core, what only a script process has
 *     watchdog.c      hooks that compute or eat too much
 *     library.c       a program: luaopen_reaper_core, and the split into engine and program
 *     lua_core.c      the module reaper.core: registration tables only
 *     link.c          what connects it with the engine
 *     lua_link.c      events and orders
 *     lua_poll.c      waiting
 *     lua_process.c   processes: spawn, kill, wait, look
 *     lua_members.c   the processes of services
 *     lua_pages.c     what reaperctl reads
 *     lua_rings.c     the last lines of services, which reaperctl reads, too
 *     lua_system.c    log, signals, settings, clock, descriptors
 *     lua_log_file.c  files for the lines of services
 *     lua_values.c    C value to Lua value
 *
 * What scripts and programs see is written in Lua, in lua/reaper/, on top of reaper.core.
 */
#ifndef REAPER_SCRIPT_SCRIPT_H
#define REAPER_SCRIPT_SCRIPT_H

#include <lua.h>
#include <stddef.h>
#include <sys/types.h>

#include "common/log.h"
#include "common/messages.h"
#include "common/options.h"
#include "common/pages.h"
#include "common/signals.h"
#include "script/link.h"
#include "script/watchdog.h"

struct script {
    int argc;
    char **argv;
    struct link link;          /* with the engine; its socket is -1 with --check, and before reaper.start */
    int is_program;            /* it has loaded the library */
    int checking;              /* --check */
    int store_fd;              /* what one script process keeps for the next, or -1 */
    struct options configured; /* what the script has set, over defaults and environment */
    struct options options;    /* in force: those under the command line */
    struct inherited_signals signals;
    struct log log;
    struct watchdog watchdog;                       /* of a script process; the hooks of a program are its own affair */
    void (*options_changed)(struct script *script); /* or NULL */
    int wants_info;
    int epoll_fd;             /* the link, the watched descriptors and the timer; -1 until it is needed */
    int timer_fd;             /* readable when the loop is to run again; -1 unless reaper.fd() was called */
    struct script_page *page; /* what reaperctl reads (common/pages.h), or NULL */
    int inbox[2];             /* the pipe of its orders: to read, and to write, which is never closed; -1 */
};

struct script_start {
    int argc;
    char **argv;
    const struct options *options;
    const struct inherited_signals *signals;
    int socket_fd; /* -1: only check the script */
    const struct journal *journal;
    unsigned reader; /* its index there, and where it begins to look ahead */
    uint64_t from;
    int store_fd;     /* what earlier script processes have kept (lua_store.c), or -1 */
    int directory_fd; /* where to run, or -1 */
    const char *directory;
    struct script_page *page; /* or NULL */
    int has_page;             /* it writes there from the beginning: no other script process lives */
};

/* Runs the script process until its channel is closed. The exit code of its process: 0, or 125 when the script did not
 * load. */
int script_run(const struct script_start *start);

/* Puts in force what the script has configured, under the command line. */
void script_apply_options(struct script *script);

/* Nothing is left to be read: what comes now makes the descriptor readable that reaper.fd() gave. */
void script_watch_link(struct script *script);

/* Makes the descriptor that reaper.fd() gave readable after `delay` (nanoseconds); NEVER: not for the time's sake. */
void script_set_timer(const struct script *script, int64_t delay);

/* The script process behind a function of reaper.core (its first upvalue). */
struct script *script_of(lua_State *L);

#endif
