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

/* ---- By pid and start time. ---- */

/*
 * Whether it is the process with that pid and start time (0: any) that lives: 0, or an error. A pidfd that was opened
 * before is that of the process then: one that begins later has a later start time.
 */
static int check_member(pid_t pid, uint64_t start, int pidfd)
{
    struct proc_stat stat;

    if (pidfd >= 0 && has_ended(pidfd))
        return ESRCH;
    if (start == 0)
        return 0;
    if (proc_read(pid, &stat) == 0)
        return stat.start_time == start && !proc_is_dead(&stat) ? 0 : ESRCH;
    if (errno != ENOENT && errno != ESRCH)
        return errno;
    return kill(pid, 0) != 0 && errno == ESRCH ? ESRCH : EACCES; /* it is hidden */
}

/*
 * Opens a pidfd of the process with that pid and start time. 0 or an error; *pidfd is -1 with 0 where there are none,
 * and the process lives.
 */
static int open_member(pid_t pid, uint64_t start, int *pidfd)
{
    int error;

    *pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (*pidfd < 0 && (errno == EINVAL || errno == ENOENT)) /* the number is that of a thread by now */
        return ESRCH;
    if (*pidfd < 0 && !is_refused(errno))
        return errno;
    error = check_member(pid, start, *pidfd);
    if (error && *pidfd >= 0)
        close(*pidfd);
    return error;
}

static pid_t pid_argument(lua_State *L)
{
    const lua_Integer pid = luaL_checkinteger(L, 1);

    luaL_argcheck(L, pid > 1 && pid <= INT32_MAX, 1, "a pid of a member expected");
    return (pid_t)pid;
}

static int push_error(lua_State *L, int error)
{
    return error == ESRCH ? push_reason(L, error, "the process has ended") : push_failure(L, error, NULL);
}

/*
 * core.kill_member(pid, start or nil, signal): true; or nil, message, errno: ESRCH when that process has ended, EACCES
 * when /proc does not show any more whether it is the same.
 */
int core_kill_member(lua_State *L)
{
    const pid_t pid = pid_argument(L);
    const uint64_t start = (uint64_t)luaL_optinteger(L, 2, 0);
    const int number = (int)luaL_checkinteger(L, 3);
    int pidfd;
    int error = open_member(pid, start, &pidfd);

    if (error)
        return push_error(L, error);
    if (pidfd >= 0 && syscall(SYS_pidfd_send_signal, pidfd, number, NULL, 0) != 0)
        error = errno;
    if ((pidfd < 0 || is_refused(error)) && (error = check_member(pid, start, pidfd)) == 0)
        error = kill(pid, number) == 0 ? 0 : errno;
    if (pidfd >= 0)
        close(pidfd);
    if (error)
        return push_error(L, error);
    lua_pushboolean(L, 1);
    return 1;
}

/*
 * core.pidfd(pid, start or nil): a descriptor that is readable when that process has ended, to be closed with
 * core.close; or nil, message, errno: ESRCH when it has ended, ENOSYS where there are no such descriptors.
 */
int core_pidfd(lua_State *L)
{
    int pidfd;
    const int error = open_member(pid_argument(L), (uint64_t)luaL_optinteger(L, 2, 0), &pidfd);

    if (error || pidfd < 0)
        return push_error(L, error ? error : ENOSYS);
    lua_pushinteger(L, pidfd);
    return 1;
}

/* ---- Looking and waiting. ---- */

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
