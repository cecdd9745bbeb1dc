/* Log, signals, settings, clock and descriptors. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/descriptors.h"
#include "common/text.h"
#include "script/lua_core.h"
#include "script/lua_values.h"
#include "script/script.h"

/* core.log(level, message, fields, as_it_is): `fields` is ready text, in the form of the log. See log.h. */
int core_log(lua_State *L)
{
    struct log *const log = &script_of(L)->log;
    const enum log_level level = (enum log_level)luaL_checkoption(L, 1, NULL, log_level_names);
    const char *const message = luaL_checkstring(L, 2);
    const char *const fields = luaL_checkstring(L, 3);

    if (lua_toboolean(L, 4))
        log_write(log, level, message, fields);
    else
        log_message(log, level, message, fields);
    return 0;
}

/* core.signal(name or number): number, name; or nil, message. 0 is a signal here. */
int core_signal(lua_State *L)
{
    const char *text = lua_tostring(L, 1);
    char name[SIGNAL_NAME_SIZE];
    const char *nearest;
    int number = -1;

    if (lua_isinteger(L, 1)) {
        const lua_Integer given = lua_tointeger(L, 1);

        number = given >= 0 && given <= SIGNAL_MAX ? (int)given : -1;
    } else if (lua_type(L, 1) == LUA_TSTRING) {
        number = signal_from_text(text);
    }
    if (number >= 0) {
        lua_pushinteger(L, number);
        lua_pushstring(L, signal_name(number, name));
        return 2;
    }
    nearest = lua_type(L, 1) == LUA_TSTRING ? signal_nearest(text) : NULL;
    luaL_pushfail(L);
    if (nearest)
        lua_pushfstring(L, "\"%s\" is not a signal; did you mean %s?", text, nearest);
    else
        lua_pushfstring(L, "%s is not a signal (a name such as \"TERM\" or \"RTMIN+3\", or a number from 1 to %d)",
                        lua_isstring(L, 1) ? lua_tostring(L, 1) : luaL_typename(L, 1), SIGNAL_MAX);
    return 2;
}

void script_apply_options(struct script *script)
{
    script->options = script->configured;
    options_reapply_arguments(&script->options, script->argc, script->argv);
    script->log.threshold = script->options.threshold;
    script->log.json = script->options.json;
    if (script->options_changed)
        script->options_changed(script);
}

/* core.configure(key, text): true; or nil, message. The engine holds the setting from now on. */
int core_configure(lua_State *L)
{
    struct script *script = script_of(L);
    const char *key = luaL_checkstring(L, 1);
    const char *value = luaL_checkstring(L, 2);
    char why[WHY_SIZE];
    struct order order;

    memset(&order, 0, sizeof order);
    order.kind = ORDER_CONFIGURE;
    if (strlen(key) + strlen(value) + 2 > sizeof order.text) {
        luaL_pushfail(L);
        lua_pushfstring(L, "%s: the value is too long", key);
        return 2;
    }
    if (options_set(&script->configured, key, value, why) != 0) {
        luaL_pushfail(L);
        lua_pushstring(L, why);
        return 2;
    }
    memcpy(order.text, key, strlen(key) + 1);
    memcpy(order.text + strlen(key) + 1, value, strlen(value) + 1);
    link_send(&script->link, &order);
    script_apply_options(script);
    lua_pushboolean(L, 1);
    lua_pushboolean(L, script->options.json);
    return 2;
}

/* core.check_setting(key, text): true; or nil, message. Nothing is set. */
int core_check_setting(lua_State *L)
{
    struct options scratch = options_default();
    char why[WHY_SIZE];

    if (options_set(&scratch, luaL_checkstring(L, 1), luaL_checkstring(L, 2), why) != 0) {
        luaL_pushfail(L);
        lua_pushstring(L, why);
        return 2;
    }
    lua_pushboolean(L, 1);
    return 1;
}

/* core.now(): seconds of a clock that only goes forward. */
int core_now(lua_State *L)
{
    lua_pushnumber(L, (lua_Number)clock_now() / (lua_Number)NANOSECONDS);
    return 1;
}

/* core.time(): seconds since 1970. */
int core_time(lua_State *L)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    lua_pushnumber(L, (lua_Number)now.tv_sec + (lua_Number)now.tv_nsec / 1e9);
    return 1;
}

enum { WORDS_MAX = 128 };

/* core.nearest(word, list): the member of the list that was probably meant, or nil. */
int core_nearest(lua_State *L)
{
    const char *word = luaL_checkstring(L, 1);
    const char *words[WORDS_MAX + 1] = { NULL };
    lua_Integer count;

    luaL_checktype(L, 2, LUA_TTABLE);
    count = luaL_len(L, 2);
    luaL_argcheck(L, count <= WORDS_MAX, 2, "too long");
    luaL_checkstack(L, (int)count + 1, NULL);
    for (lua_Integer i = 0; i < count; i++) {
        lua_rawgeti(L, 2, i + 1);
        words[i] = luaL_checkstring(L, -1);
    }
    lua_pushstring(L, text_nearest(word, words));
    return 1;
}

/* core.environment(): the list of "NAME=value". A program may have changed it since its start. */
int core_environment(lua_State *L)
{
    lua_Integer count = 0;

    lua_newtable(L);
    for (char **at = environ; at && *at; at++) {
        lua_pushstring(L, *at);
        lua_rawseti(L, -2, ++count);
    }
    return 1;
}

/* ---- Descriptors. ---- */

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
 * Opens without waiting: for the other side of a FIFO, for a terminal's carrier. A FIFO is opened for both directions,
 * so that it neither waits for the other side nor ends with it, as far as its permissions allow that.
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
    if (fd >= 0) /* a child expects that reads and writes wait */
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

/* core.read(fd): bytes, "" at the end, or nil, message, errno; EAGAIN when there is nothing yet. Does not wait. */
int core_read(lua_State *L)
{
    const int fd = (int)luaL_checkinteger(L, 1);
    char bytes[65536];
    ssize_t got;

    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK); /* our own end of a pipe of our own */
    do
        got = read(fd, bytes, sizeof bytes);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return push_failure(L, errno, "read");
    lua_pushlstring(L, bytes, (size_t)got);
    return 1;
}

/* A broken pipe is an EPIPE and no more: the SIGPIPE would end a program. */
static ssize_t write_quietly(int fd, const char *bytes, size_t size,
                             ssize_t (*write_some)(int fd, const void *bytes, size_t size))
{
    const struct timespec at_once = { 0, 0 };
    sigset_t broken;
    sigset_t before;
    ssize_t done;
    int saved;

    sigemptyset(&broken);
    sigaddset(&broken, SIGPIPE);
    sigprocmask(SIG_BLOCK, &broken, &before);
    done = write_some(fd, bytes, size);
    saved = errno;
    if (done < 0 && saved == EPIPE)
        sigtimedwait(&broken, NULL, &at_once);
    sigprocmask(SIG_SETMASK, &before, NULL);
    errno = saved;
    return done;
}

/* Argument 2 from its byte number argument 3 on, which is in it. */
static const char *check_rest(lua_State *L, size_t *size)
{
    const char *bytes = luaL_checklstring(L, 2, size);
    const lua_Integer at = luaL_checkinteger(L, 3);

    luaL_argcheck(L, at >= 1 && (size_t)at <= *size, 3, "out of range");
    *size -= (size_t)at - 1;
    return bytes + at - 1;
}

/*
 * core.write(fd, bytes, at): writes from there on to a pipe of our own, without waiting: how many bytes were taken; or
 * nil, message, errno.
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
 * core.put(fd, bytes, at): writes from there on to an output that others share, so that it cannot be made non-blocking:
 * how many bytes were taken; or nil, message, errno.
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

/* core.fileno(file): the descriptor of an open Lua file, whose buffer is written out first; or nil. */
int core_fileno(lua_State *L)
{
    const luaL_Stream *stream = luaL_testudata(L, 1, LUA_FILEHANDLE);

    if (!stream || !stream->closef)
        return 0;
    fflush(stream->f);
    lua_pushinteger(L, fileno(stream->f));
    return 1;
}
