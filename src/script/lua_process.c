/* Processes: kill, wait, look. Their start is in lua_spawn.c. */
#define _GNU_SOURCE
#include <errno.h>
#include <lauxlib.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/proc.h"
#include "common/refused.h"
#include "common/status.h"
#include "script/lua_core.h"
#include "script/lua_values.h"
#include "script/script.h"

/* A pidfd polls readable once its process has ended, a zombie included (pidfd_open(2)). */
static int has_ended(int pidfd)
{
    struct pollfd entry = { .fd = pidfd, .events = POLLIN };

    return poll(&entry, 1, 0) == 1;
}

/* core.kill(pidfd or nil, pid, signal): true; or nil, message, errno (ESRCH when it has ended). */
int core_kill(lua_State *L)
{
    const int pidfd = (int)luaL_optinteger(L, 1, -1);
    const int pid = (int)luaL_checkinteger(L, 2);
    const int number = (int)luaL_checkinteger(L, 3);
    long result = -1;

    if (pidfd >= 0 && has_ended(pidfd))
        return push_reason(L, ESRCH, "the process has ended");
    if (pidfd >= 0)
        result = syscall(SYS_pidfd_send_signal, pidfd, number, NULL, 0);
    if (pidfd < 0 || (result != 0 && is_refused(errno)))
        result = kill(pid, number);
    if (result != 0)
        return push_failure(L, errno, NULL);
    lua_pushboolean(L, 1);
    return 1;
}

/* True when the pid is another's by now, or nobody's. What cannot be read is taken for the same. */
static int is_another(int pid, lua_Integer start_time)
{
    struct proc_stat now;

    return start_time >= 0 && proc_read(pid, &now) == 0 && now.start_time != (uint64_t)start_time;
}

/*
 * core.signal_process(pid, signal[, start_time]): to any process, or with a negative pid to a group. With the start
 * time only to the process that has begun then: it is looked at when the pidfd holds it fast. True; or nil, message,
 * errno.
 */
int core_signal_process(lua_State *L)
{
    const int pid = (int)luaL_checkinteger(L, 1);
    const int number = (int)luaL_checkinteger(L, 2);
    const int pidfd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
    int results;

    if (is_another(pid, luaL_optinteger(L, 3, -1))) {
        results = push_reason(L, ESRCH, "the process has ended");
    } else {
        lua_settop(L, 0);
        if (pidfd >= 0)
            lua_pushinteger(L, pidfd);
        else
            lua_pushnil(L);
        lua_pushinteger(L, pid);
        lua_pushinteger(L, number);
        results = core_kill(L);
    }
    if (pidfd >= 0)
        close(pidfd);
    return results;
}

/* core.engine(): the engine's pid and process group; nothing without one. */
int core_engine(lua_State *L)
{
    const pid_t engine = getppid();

    if (!link_is_connected(&script_of(L)->link))
        return 0;
    lua_pushinteger(L, engine);
    lua_pushinteger(L, getpgid(engine));
    return 2;
}

/* core.is_alive(pidfd or nil, pid): whether the process has not ended. */
int core_is_alive(lua_State *L)
{
    const int pidfd = (int)luaL_optinteger(L, 1, -1);

    lua_pushboolean(L, pidfd >= 0 ? !has_ended(pidfd) : kill((pid_t)luaL_checkinteger(L, 2), 0) == 0);
    return 1;
}

/*
 * core.wait4([pid[, options]]): pid, status, rusage; 0 with WNOHANG when none has ended; or nil, message, errno. It is
 * not called again after a signal, since the interpreter has to act on a Ctrl-C.
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

static int add_process(const struct proc_stat *stat, void *context)
{
    lua_State *L = context;

    lua_createtable(L, 0, 8); // list process
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
    lua_pushinteger(L, (lua_Integer)stat->start_time);
    lua_setfield(L, -2, "start_time");
    lua_rawseti(L, -2, luaL_len(L, -2) + 1);
    return 0;
}

/* core.processes(): a list of { pid, ppid, pgrp, session, state, comm, lifetime, start_time }; or nil, message, errno.
 */
int core_processes(lua_State *L)
{
    lua_newtable(L);
    if (proc_each(add_process, L) < 0)
        return push_failure(L, ENOENT, "/proc");
    return 1;
}
