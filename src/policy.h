/*
 * policy.h: the policy process. It holds the only Lua state and runs the user's script.
 *
 *     policy.c        the process: descriptors, signals, the Lua state, loading the script
 *     lua_core.c      the module reaper.core: registration tables only
 *     lua_channel.c   events and orders
 *     lua_process.c   processes: spawn, kill, look
 *     lua_system.c    log, signals, settings, clock, descriptors
 *     lua_values.c    C value to Lua value
 *     watchdog.c      hooks that compute or eat too much
 *
 * What scripts see is written in Lua, in lua/reaper/, on top of reaper.core.
 */
#ifndef REAPER_POLICY_H
#define REAPER_POLICY_H

#include <lua.h>
#include <poll.h>
#include <stddef.h>

#include "log.h"
#include "message.h"
#include "options.h"
#include "signals.h"
#include "watchdog.h"

/* A packet of events that has been read and not yet been dispatched. */
struct packet {
    struct packet *next;
    size_t count, at;
    int fds[MESSAGE_FDS_MAX];
    int fd_count;
    struct event events[];
};

struct policy {
    int argc;
    char **argv;
    char **environment;
    lua_State *L;
    int fd;                        /* the channel; -1 with --check */
    struct options configured;     /* what the script has set, over defaults and environment */
    struct options options;        /* in force: those under the command line */
    struct inherited_signals signals;
    struct log log;
    struct watchdog watchdog;
    struct packet *first, *last;
    uint32_t last_request;
    int wants_info;
    struct pollfd *polled; /* [0] is the channel */
    size_t polled_count, polled_room;
};

struct policy_start {
    int argc;
    char **argv;
    char **environment;
    const struct options *options;
    const struct inherited_signals *signals;
    int channel_fd; /* -1: only check the script */
    int folder_fd;  /* where to run, or -1 */
    const char *folder;
};

/* Runs the policy until its channel is closed. The exit code of its process: 0, or 125 when the script did not load. */
int policy_run(const struct policy_start *start);

/* Puts in force what the script has configured, under the command line. */
void policy_apply_options(struct policy *policy);

/* Sends an order; none with --check. An engine that has gone is noticed by the next poll. */
void policy_send(const struct policy *policy, const struct order *order);

/* The policy behind a function of reaper.core (its first upvalue). */
struct policy *policy_of(lua_State *L);

#endif
