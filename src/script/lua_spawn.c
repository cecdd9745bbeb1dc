/* core.spawn: a new process, from a table that lua/reaper/process/ has checked. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "common/spawn.h"
#include "script/lua_core.h"
#include "script/lua_values.h"
#include "script/script.h"

/* The list of strings in field `key`, as execve takes it. The table on the stack keeps the strings alive. */
static char **string_list(lua_State *L, int table, const char *key)
{
    size_t count;
    char **list;

    lua_getfield(L, table, key); // strings
    luaL_checktype(L, -1, LUA_TTABLE);
    count = (size_t)luaL_len(L, -1);
    list = push_memory(L, count, sizeof *list); // strings memory
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

/* The value stays on the stack, which keeps the string alive. */
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

/* Reads the list { target, source, target, source, … }. */
static void read_fds(lua_State *L, int table, struct spawn_request *request)
{
    struct spawn_fd *fds;
    int list;

    lua_getfield(L, table, "fds");
    list = lua_gettop(L);
    request->fd_count = (size_t)luaL_len(L, list) / 2;
    fds = push_memory(L, request->fd_count, sizeof *fds);
    for (int i = 0; i < (int)request->fd_count; i++)
        fds[i] = (struct spawn_fd){ element(L, list, 2 * i + 1), element(L, list, 2 * i + 2) };
    request->fds = fds;
}

/* Reads the list { resource, soft, hard, … }. -1 means "no limit". */
static void read_limits(lua_State *L, int table, struct spawn_request *request)
{
    struct spawn_limit *limits;
    int list;

    lua_getfield(L, table, "limits");
    list = lua_gettop(L);
    request->limit_count = (size_t)luaL_len(L, list) / 3;
    limits = push_memory(L, request->limit_count, sizeof *limits);
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

/* Reads the fields `user` ("USER[:GROUP]") and `group`. 0, or the number of results of a failure. */
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
        return push_reason(L, errno, why);
    if (group && user->group_count == 0)
        user->group_count = 1;
    if (group)
        user->groups[0] = user->gid; /* the first one is the primary group */
    request->user = user;
    return 0;
}

/* Gives the list of pipes that were made for the new process to its user. */
static void give_pipes(lua_State *L, int table, const struct user *user)
{
    lua_Integer count;

    if (!user || user->uid == geteuid())
        return;
    lua_getfield(L, table, "pipes");
    count = luaL_len(L, -1);
    for (int i = 1; i <= count; i++)
        user_give_pipe(user, element(L, -1, i));
    lua_pop(L, 1);
}

/*
 * The terminal that the engine's session has, where the engine leads that: else a shell shares it out. A descriptor to
 * be closed, or -1.
 */
static int open_terminal(void)
{
    if (getsid(0) != getppid())
        return -1;
    return open("/dev/tty", O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
}

/* core.take_terminal(): the foreground goes back to the engine's group, which then gets what is typed as signals. */
int core_take_terminal(lua_State *L)
{
    const int terminal = open_terminal();
    sigset_t refusal;
    sigset_t before;

    (void)L;
    if (terminal < 0)
        return 0;
    sigemptyset(&refusal);
    sigaddset(&refusal, SIGTTOU); /* by which the kernel stops who is in the background */
    sigprocmask(SIG_BLOCK, &refusal, &before);
    tcsetpgrp(terminal, getpgid(getppid()));
    sigprocmask(SIG_SETMASK, &before, NULL);
    close(terminal);
    return 0;
}

/*
 * core.spawn(request): pid, pidfd or nil; or nil, message, errno. Fields of `request`: argv, env (lists of strings),
 * fds, limits (flat lists), pipes (a list of those that were made for the process), name, cwd, user, group, umask,
 * nice, oom_score_adj, session and terminal (0 or 1: it gets the foreground of the terminal); tell_stdout, tell_stderr
 * and tell_ready are descriptors that the engine is to hold.
 */
int core_spawn(lua_State *L)
{
    struct script *script = script_of(L);
    struct spawn_request request = spawn_request_empty();
    struct spawn_result result;
    struct user user;
    char why[WHY_SIZE];
    int spawned;

    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_checkstack(L, 32, NULL);
    /* Without the engine, a sibling would be a child of the process that has adopted this one. */
    if (!link_is_connected(&script->link) || link_lost_engine(&script->link))
        return push_failure(L, ENOTCONN, "the engine");
    request.argv = string_list(L, 1, "argv");
    request.envp = string_list(L, 1, "env");
    request.signals = &script->signals;
    request.sibling = 1;
    request.close_others = 1;
    request.notify_fd = script->link.fd;
    request.notify_count = &script->link.journal.page->orders;
    read_attributes(L, 1, &request);
    read_fds(L, 1, &request);
    read_limits(L, 1, &request);
    if (read_user(L, 1, &user, &request) != 0)
        return 3;
    give_pipes(L, 1, request.user);
    request.copies_memory = request.user != NULL; /* the user's other processes may stop it before its exec */
    if (integer_field(L, 1, "terminal", 0))
        request.terminal_fd = open_terminal();
    spawned = spawn(&request, &result);
    if (request.terminal_fd >= 0)
        close(request.terminal_fd);
    if (spawned == 0) {
        lua_pushinteger(L, result.pid);
        if (result.pidfd >= 0)
            lua_pushinteger(L, result.pidfd);
        else
            lua_pushnil(L);
        return 2;
    }
    spawn_describe(&result, request.argv[0], why, sizeof why);
    return push_reason(L, result.error, why);
}
