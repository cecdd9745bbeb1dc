/* Descriptors: make, open, read, write, close. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/descriptors.h"
#include "script/lua_core.h"
#include "script/lua_values.h"

/* core.pipe(): read end, write end, both close-on-exec; or nil, message, errno. */
int core_pipe(lua_State *L)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) != 0)
        return push_failure(L, errno, "pipe");
    lua_pushinteger(L, ends[0]);
    lua_pushinteger(L, ends[1]);
    return 2;
}

/*
 * Opens a file without waiting for the other side of a FIFO or for the carrier of a terminal. A FIFO is opened in both
 * directions, where its permissions allow that: then its reader sees no end when the last writer goes.
 */
static int open_at_once(const char *path, int flags)
{
    const int more = O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    struct stat file;
    int fd = -1;

    if (stat(path, &file) == 0 && S_ISFIFO(file.st_mode))
        fd = open(path, O_RDWR | more);
    if (fd < 0)
        fd = open(path, flags | more, 0666);
    if (fd >= 0) /* a child expects that its reads and writes wait */
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    return fd;
}

/* core.open(path, "r" | "w" | "a"): a descriptor; or nil, message, errno. */
int core_open(lua_State *L)
{
    static const char *const modes[] = { "r", "w", "a", NULL };
    static const int flags[] = { O_RDONLY, O_WRONLY | O_CREAT | O_TRUNC, O_WRONLY | O_CREAT | O_APPEND };
    const char *path = luaL_checkstring(L, 1);
    const int mode = luaL_checkoption(L, 2, "r", modes);
    const int fd = open_at_once(path, flags[mode]);

    if (fd < 0)
        return push_failure(L, errno, path);
    lua_pushinteger(L, fd);
    return 1;
}

/* core.can_execute(path): true; or nil, message, errno where it is no file that the caller may execute. */
int core_can_execute(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    struct stat file;

    if (stat(path, &file) != 0)
        return push_failure(L, errno, NULL);
    if (!S_ISREG(file.st_mode))
        return push_failure(L, EACCES, NULL); /* as execve does */
    if (access(path, X_OK) != 0)
        return push_failure(L, errno, NULL);
    lua_pushboolean(L, 1);
    return 1;
}

/* core.identity(fd): a text that is the same for another descriptor of the same file or device; nil for others. */
int core_identity(lua_State *L)
{
    struct stat file;

    if (fstat((int)luaL_checkinteger(L, 1), &file) != 0
        || !(S_ISREG(file.st_mode) || S_ISCHR(file.st_mode) || S_ISBLK(file.st_mode)))
        return 0;
    lua_pushfstring(L, "%I:%I", (lua_Integer)file.st_dev, (lua_Integer)file.st_ino);
    return 1;
}

/* core.dup(fd): another descriptor of the same, close-on-exec; or nil, message, errno. */
int core_dup(lua_State *L)
{
    const int fd = fcntl((int)luaL_checkinteger(L, 1), F_DUPFD_CLOEXEC, 3);

    if (fd < 0)
        return push_failure(L, errno, "dup");
    lua_pushinteger(L, fd);
    return 1;
}

/* core.is_same(fd, other): whether both are open, and are one file, pipe, socket or device. */
int core_is_same(lua_State *L)
{
    struct stat one;
    struct stat other;

    lua_pushboolean(L, fstat((int)luaL_checkinteger(L, 1), &one) == 0
                           && fstat((int)luaL_checkinteger(L, 2), &other) == 0 && one.st_dev == other.st_dev
                           && one.st_ino == other.st_ino);
    return 1;
}

/*
 * core.read(fd): reads without waiting. The bytes, which are "" at the end; or nil, message, errno, which is EAGAIN
 * when there is nothing yet.
 */
int core_read(lua_State *L)
{
    const int fd = (int)luaL_checkinteger(L, 1);
    char bytes[65536];
    ssize_t got;

    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK); /* nobody shares this end of the pipe */
    do
        got = read(fd, bytes, sizeof bytes);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return push_failure(L, errno, "read");
    lua_pushlstring(L, bytes, (size_t)got);
    return 1;
}

/* Writes with `write_some`. A broken pipe gives EPIPE only, and a limit of a file's size EFBIG: SIGPIPE and SIGXFSZ
 * would end a program. */
static ssize_t write_quietly(int fd, const char *bytes, size_t size,
                             ssize_t (*write_some)(int fd, const void *bytes, size_t size))
{
    const struct timespec at_once = { 0, 0 };
    sigset_t deadly;
    sigset_t before;
    ssize_t done;
    int saved;

    sigemptyset(&deadly);
    sigaddset(&deadly, SIGPIPE);
    sigaddset(&deadly, SIGXFSZ);
    sigprocmask(SIG_BLOCK, &deadly, &before);
    done = write_some(fd, bytes, size);
    saved = errno;
    if (done < 0 && (saved == EPIPE || saved == EFBIG))
        sigtimedwait(&deadly, NULL, &at_once);
    sigprocmask(SIG_SETMASK, &before, NULL);
    errno = saved;
    return done;
}

/* The bytes of argument 2 from number `argument 3` on. At least one byte is left. */
static const char *check_rest(lua_State *L, size_t *size)
{
    const char *bytes = luaL_checklstring(L, 2, size);
    const lua_Integer at = luaL_checkinteger(L, 3);

    luaL_argcheck(L, at >= 1 && (size_t)at <= *size, 3, "out of range");
    *size -= (size_t)at - 1;
    return bytes + at - 1;
}

/*
 * core.write(fd, bytes, at): writes the bytes from number `at` on to a pipe that nobody shares, without waiting. The
 * number of bytes that were taken; or nil, message, errno.
 */
int core_write(lua_State *L)
{
    const int fd = (int)luaL_checkinteger(L, 1);
    size_t size;
    const char *bytes = check_rest(L, &size);
    ssize_t done;

    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    do
        done = write_quietly(fd, bytes, size, write);
    while (done < 0 && errno == EINTR);
    if (done < 0)
        return push_failure(L, errno, "write");
    lua_pushinteger(L, done);
    return 1;
}

/*
 * core.put(fd, bytes, at): the same for an output that others share, and that is therefore not made non-blocking.
 */
int core_put(lua_State *L)
{
    const int fd = (int)luaL_checkinteger(L, 1);
    size_t size;
    const char *bytes = check_rest(L, &size);
    struct pollfd room = { .fd = fd, .events = POLLOUT };
    struct stat file;
    ssize_t done;

    if (fstat(fd, &file) == 0 && S_ISREG(file.st_mode)) {
        done = write_quietly(fd, bytes, size, write);
    } else {
        if (poll(&room, 1, 0) != 1)
            return push_failure(L, EAGAIN, "write");
        done = write_quietly(fd, bytes, size, write_now);
    }
    if (done < 0)
        return push_failure(L, errno, "write");
    lua_pushinteger(L, done);
    return 1;
}

/* core.close(fd) */
int core_close(lua_State *L)
{
    close((int)luaL_checkinteger(L, 1));
    return 0;
}

/* core.fileno(file): writes out the buffer of an open Lua file and gives its descriptor; or nil. */
int core_fileno(lua_State *L)
{
    const luaL_Stream *stream = luaL_testudata(L, 1, LUA_FILEHANDLE);

    if (!stream || !stream->closef)
        return 0;
    fflush(stream->f);
    lua_pushinteger(L, fileno(stream->f));
    return 1;
}
