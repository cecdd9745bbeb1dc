/*
 * A Lua module that starts the specs' containers. libuv forks, and a fork of a process with a large heap costs twice:
 * its page tables are copied, and each page that it writes afterwards is. vfork(2) shares the memory until the exec.
 *
 *     launch.spawn(words, environment, folder, stdin, stdout, stderr)   the pid; raises when it cannot be started
 *     launch.ended(pid)   the exit code, or 128 and the signal's number, once it has ended; else nil
 */
#define _GNU_SOURCE
#include <errno.h>
#include <lauxlib.h>
#include <lua.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

int luaopen_launch(lua_State *L);

/* The texts of the list at that index with a NULL behind them, as a userdata on the stack. */
static char **texts(lua_State *L, int index)
{
    const lua_Integer count = luaL_len(L, index);
    char **list = lua_newuserdatauv(L, ((size_t)count + 1) * sizeof *list, 0);

    for (lua_Integer i = 1; i <= count; i++) {
        lua_rawgeti(L, index, i);
        list[i - 1] = (char *)luaL_checkstring(L, -1); /* the list keeps it alive */
        lua_pop(L, 1);
    }
    list[count] = NULL;
    return list;
}

/* In the new process, which has the memory of the one that waits for it: gives what went wrong. */
static int become(char **words, char **environment, const char *folder, const int *fds)
{
    for (int fd = 0; fd < 3; fd++)
        if (dup2(fds[fd], fd) < 0)
            return errno;
    if (folder && chdir(folder) != 0)
        return errno;
    execve(words[0], words, environment);
    return errno;
}

static int launch_spawn(lua_State *L)
{
    char **words = texts(L, 1);
    char **environment = texts(L, 2);
    const char *folder = luaL_optstring(L, 3, NULL);
    const int fds[] = { (int)luaL_checkinteger(L, 4), (int)luaL_checkinteger(L, 5), (int)luaL_checkinteger(L, 6) };
    volatile int error = 0;
    sigset_t all, before;
    pid_t pid;

    /* No handler may run in the new process, in our memory; the helper unblocks all. */
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &before);
    pid = vfork();
    if (pid == 0) {
        error = become(words, environment, folder, fds);
        _exit(127);
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
    if (pid > 0 && error != 0)
        waitpid(pid, NULL, 0);
    if (pid < 0 || error != 0)
        return luaL_error(L, "%s: %s", words[0], strerror(pid < 0 ? errno : error));
    lua_pushinteger(L, pid);
    return 1;
}

static int launch_ended(lua_State *L)
{
    const pid_t pid = (pid_t)luaL_checkinteger(L, 1);
    int status;
    pid_t ended;

    do
        ended = waitpid(pid, &status, WNOHANG);
    while (ended < 0 && errno == EINTR);
    if (ended < 0)
        return luaL_error(L, "waitpid: %s", strerror(errno));
    if (ended == 0)
        return 0;
    lua_pushinteger(L, WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
    return 1;
}

static const luaL_Reg functions[] = {
    { "spawn", launch_spawn },
    { "ended", launch_ended },
    { NULL, NULL },
};

int luaopen_launch(lua_State *L)
{
    luaL_newlib(L, functions);
    return 1;
}
