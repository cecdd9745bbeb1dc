/* Processes: spawn, kill, look. The tables come checked from lua/reaper/process.lua. */
#define _GNU_SOURCE
#include <errno.h>
#include <lauxlib.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/proc.h"
#include "common/refused.h"
#include "common/spawn.h"
#include "common/status.h"
#include "script/lua_core.h"
#include "script/lua_values.h"
#include "script/script.h"

/* ---- spawn ---- */

/*
 * Memory for a request. It is a userdata, so that it is freed even where reading the table raises; the strings are
 * those of the table, which stays on the stack.
 */
static void *scratch(lua_State *L, size_t count, size_t size)
{
    void *memory = lua_newuserdatauv(L, (count + 1) * size, 0);

    memset(memory, 0, (count + 1) * size);
    return memory;
}

/* A list of strings in field `key`, as execve takes it. The list stays alive in the table. */
static char **string_list(lua_State *L, int table, const char *key)
{
    size_t count;
    char **list;

    lua_getfield(L, table, key); // strings
    luaL_checktype(L, -1, LUA_TTABLE);
    count = (size_t)luaL_len(L, -1);
    list = scratch(L, count, sizeof *list); // strings memory
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, -2, (lua_Integer)i + 1);
        list[i] = (char *)luaL_checkstring(L, -1);
        lua_pop(L, 1);
    }
    return list;
}

static int integer_field(lua_State *L, int table, const char *key, int otherwise)
{
    int value;

    lua_getfield(L, table, key);
    value = (int)luaL_optinteger(L, -1, otherwise);
    lua_pop(L, 1);
    return value;
}

static int has_field(lua_State *L, int table, const char *key)
{
    const int has = lua_getfield(L, table, key) != LUA_TNIL;

    lua_pop(L, 1);
    return has;
}

/* Left on the stack, so that the string stays alive. */
static const char *string_field(lua_State *L, int table, const char *key)
{
    lua_getfield(L, table, key);
    return luaL_optstring(L, -1, NULL);
}

static int element(lua_State *L, int list, int index)
{
    int value;

    lua_rawgeti(L, list, index);
    value = (int)luaL_checkinteger(L, -1);
    lua_pop(L, 1);
    return value;
}

/* { target, source, target, source, … } */
static void read_fds(lua_State *L, int table, struct spawn_request *request)
{
    struct spawn_fd *fds;
    int list;

    lua_getfield(L, table, "fds");
    list = lua_gettop(L);
    request->fd_count = (size_t)luaL_len(L, list) / 2;
    fds = scratch(L, request->fd_count, sizeof *fds);
    for (int i = 0; i < (int)request->fd_count; i++)
        fds[i] = (struct spawn_fd){ element(L, list, 2 * i + 1), element(L, list, 2 * i + 2) };
    request->fds = fds;
}

/* { resource, soft, hard, … }; -1 is "no limit" */
static void read_limits(lua_State *L, int table, struct spawn_request *request)
{
    struct spawn_limit *limits;
    int list;

    lua_getfield(L, table, "limits");
    list = lua_gettop(L);
    request->limit_count = (size_t)luaL_len(L, list) / 3;
    limits = scratch(L, request->limit_count, sizeof *limits);
    for (int i = 0; i < (int)request->limit_count; i++) {
        lua_rawgeti(L, list, 3 * i + 2);
        lua_rawgeti(L, list, 3 * i + 3); // soft hard
        limits[i].resource = element(L, list, 3 * i + 1);
        limits[i].limit.soft = (uint64_t)luaL_checkinteger(L, -2);
        limits[i].limit.hard = (uint64_t)luaL_checkinteger(L, -1);
        lua_pop(L, 2);
    }
    request->limits = limits;
}

static void read_attributes(lua_State *L, int table, struct spawn_request *request)
{
    request->has_umask = has_field(L, table, "umask");
    request->umask = (mode_t)integer_field(L, table, "umask", 0);
    request->has_nice = has_field(L, table, "nice");
    request->nice = integer_field(L, table, "nice", 0);
    request->has_oom_score = has_field(L, table, "oom_score_adj");
    request->oom_score = integer_field(L, table, "oom_score_adj", 0);
    request->session = integer_field(L, table, "session", 0);
    request->held_fds[0] = integer_field(L, table, "tell_stdout", -1);
    request->held_fds[1] = integer_field(L, table, "tell_stderr", -1);
    request->held_fds[2] = integer_field(L, table, "tell_ready", -1);
    request->cwd = string_field(L, table, "cwd");
    request->name = string_field(L, table, "name");
}

/* nil, `why`, errno */
static int push_user_failure(lua_State *L, const char *why)
{
    const int error = errno;

    luaL_pushfail(L);
    lua_pushstring(L, why);
    lua_pushinteger(L, error);
    return 3;
}

/* `user` ("USER[:GROUP]") and `group`. 0, or the number of results of a failure. */
static int read_user(lua_State *L, int table, struct user *user, struct spawn_request *request)
{
    const char *const name = string_field(L, table, "user");
    const char *const group = string_field(L, table, "group");
    char why[WHY_SIZE];

    if (!name && !group)
        return 0;
    memset(user, 0, sizeof *user);
    user->uid = getuid();
    if ((name && user_find(name, user, why, sizeof why) != 0)
        || (group && group_find(group, &user->gid, why, sizeof why) != 0))
        return push_user_failure(L, why);
    if (group && user->group_count == 0)
        user->group_count = 1;
    if (group)
        user->groups[0] = user->gid; /* the first of them is the user's own */
    request->user = user;
    return 0;
}

/* A sibling would be a child of whoever has adopted this process. */
static int engine_has_gone(const struct script *script)
{
    struct pollfd entry = { .fd = script->fd, .events = 0 };

    return poll(&entry, 1, 0) == 1 && (entry.revents & (POLLHUP | POLLERR));
}

/*
 * core.spawn(request): pid, pidfd or nil; or nil, message, errno. Fields of `request`: argv, env (lists of strings),
 * fds, limits (flat lists), name, cwd, user, group, umask, nice, oom_score_adj, session (0 or 1), tell_stdout,
 * tell_stderr.
 */
int core_spawn(lua_State *L)
{
    struct script *script = script_of(L);
    struct spawn_request request = spawn_request_empty();
    struct spawn_result result;
    struct user user;
    char why[WHY_SIZE];

    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_checkstack(L, 32, NULL);
    if (!script_is_connected(script) || engine_has_gone(script))
        return push_failure(L, ENOTCONN, "the engine");
    request.argv = string_list(L, 1, "argv");
    request.envp = string_list(L, 1, "env");
    request.signals = &script->signals;
    request.sibling = 1;
    request.close_others = 1;
    request.notify_fd = script->fd;
    read_attributes(L, 1, &request);
    read_fds(L, 1, &request);
    read_limits(L, 1, &request);
    if (read_user(L, 1, &user, &request) != 0)
        return 3;
    request.copies_memory = request.user != NULL; /* whose processes may stop it before its exec */
    if (spawn(&request, &result) == 0) {
        lua_pushinteger(L, result.pid);
        if (result.pidfd >= 0)
            lua_pushinteger(L, result.pidfd);
        else
            lua_pushnil(L);
        return 2;
    }
    spawn_describe(&result, request.argv[0], why, sizeof why);
    luaL_pushfail(L);
    lua_pushstring(L, why);
    lua_pushinteger(L, result.error);
    return 3;
}

/* core.find_user(text): name, home; or nil, message, errno. */
int core_find_user(lua_State *L)
{
    struct user user;
    char why[WHY_SIZE];

    if (user_find(luaL_checkstring(L, 1), &user, why, sizeof why) != 0)
        return push_user_failure(L, why);
    lua_pushstring(L, user.name);
    lua_pushstring(L, user.home);
    return 2;
}

/* ---- kill ---- */

/* A pidfd polls readable once its process has ended, a zombie included (pidfd_open(2)). */
static int has_ended(int pidfd)
{
    struct pollfd entry = { .fd = pidfd, .events = POLLIN };

    return poll(&entry, 1, 0) == 1;
}

/* core.kill(pidfd or nil, pid, signal): true; or nil, message, errno (3 when it has ended). */
int core_kill(lua_State *L)
{
    const int pidfd = (int)luaL_optinteger(L, 1, -1);
    const int pid = (int)luaL_checkinteger(L, 2);
    const int number = (int)luaL_checkinteger(L, 3);
    long result = -1;

    if (pidfd >= 0 && has_ended(pidfd)) {
        luaL_pushfail(L);
        lua_pushliteral(L, "the process has ended");
        lua_pushinteger(L, ESRCH);
        return 3;
    }
    if (pidfd >= 0)
        result = syscall(SYS_pidfd_send_signal, pidfd, number, NULL, 0);
    if (pidfd < 0 || (result != 0 && is_refused(errno)))
        result = kill(pid, number);
    if (result != 0)
        return push_failure(L, errno, NULL);
    lua_pushboolean(L, 1);
    return 1;
}

/* core.is_alive(pidfd or nil, pid) */
int core_is_alive(lua_State *L)
{
    const int pidfd = (int)luaL_optinteger(L, 1, -1);

    lua_pushboolean(L, pidfd >= 0 ? !has_ended(pidfd) : kill((pid_t)luaL_checkinteger(L, 2), 0) == 0);
    return 1;
}

/* ---- wait4 ---- */

/*
 * core.wait4([pid[, options]]): pid, status, rusage; 0 with WNOHANG when none has ended; or nil, message, errno. Not
 * begun again after a signal: a Ctrl-C is the interpreter's to act on.
 */
int core_wait4(lua_State *L)
{
    const pid_t pid = (pid_t)luaL_optinteger(L, 1, -1);
    const int options = (int)luaL_optinteger(L, 2, 0);
    struct rusage rusage;
    struct usage usage;
    int status = 0;
    const pid_t got = wait4(pid, &status, options, &rusage);

    if (got < 0)
        return push_failure(L, errno, "wait4");
    lua_pushinteger(L, got);
    if (got == 0)
        return 1;
    usage = usage_of(&rusage);
    push_status(L, status);
    push_usage(L, &usage);
    return 3;
}

/* core.status(raw): a wait status as a table. */
int core_status(lua_State *L)
{
    push_status(L, (int)luaL_checkinteger(L, 1));
    return 1;
}

/* core.set_child_subreaper(boolean): true; or nil, message, errno. */
int core_set_child_subreaper(lua_State *L)
{
    if (prctl(PR_SET_CHILD_SUBREAPER, (unsigned long)lua_toboolean(L, 1)) != 0)
        return push_failure(L, errno, "prctl");
    lua_pushboolean(L, 1);
    return 1;
}

/* ---- processes ---- */

static int add_process(const struct proc_stat *stat, void *context)
{
    lua_State *L = context;

    lua_createtable(L, 0, 7); // list process
    lua_pushinteger(L, stat->pid);
    lua_setfield(L, -2, "pid");
    lua_pushinteger(L, stat->ppid);
    lua_setfield(L, -2, "ppid");
    lua_pushinteger(L, stat->pgrp);
    lua_setfield(L, -2, "pgrp");
    lua_pushinteger(L, stat->session);
    lua_setfield(L, -2, "session");
    lua_pushlstring(L, &stat->state, 1);
    lua_setfield(L, -2, "state");
    lua_pushstring(L, stat->comm);
    lua_setfield(L, -2, "comm");
    lua_pushnumber(L, (lua_Number)proc_lifetime(stat) / 1e9);
    lua_setfield(L, -2, "lifetime");
    lua_rawseti(L, -2, luaL_len(L, -2) + 1);
    return 0;
}

/* core.processes(): a list of { pid, ppid, pgrp, session, state, comm, lifetime }; or nil, message, errno. */
int core_processes(lua_State *L)
{
    lua_newtable(L);
    if (proc_each(add_process, L) < 0)
        return push_failure(L, ENOENT, "/proc");
    return 1;
}
