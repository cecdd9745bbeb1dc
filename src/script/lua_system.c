/* Log, signal names, clocks, environment, users, and the word of a list that was probably meant. */
#define _GNU_SOURCE
#include <errno.h>
#include <lauxlib.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/text.h"
#include "common/users.h"
#include "script/lua_core.h"
#include "script/lua_values.h"
#include "script/script.h"

/* core.log(level, message, fields): `fields` is a text in the form of the log, or nil for a traceback. See log.h. */
int core_log(lua_State *L)
{
    struct log *const log = &script_of(L)->log;
    const enum log_level level = (enum log_level)luaL_checkoption(L, 1, NULL, log_level_names);
    size_t size;
    const char *const message = luaL_checklstring(L, 2, &size);
    const char *const fields = luaL_optstring(L, 3, NULL);

    if (fields)
        log_message(log, level, message, size, fields);
    else
        log_traceback(log, level, message, size);
    return 0;
}

/* core.log_form(): whether lines are JSON, and whether those in text begin with the time. */
int core_log_form(lua_State *L)
{
    const struct log *const log = &script_of(L)->log;

    lua_pushboolean(L, log->json);
    lua_pushboolean(L, log->timed);
    return 2;
}

/* core.signal(name or number): number, name; or nil, message. The number 0 is taken, too. */
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

/* core.now(): seconds of a clock that only goes forward. */
int core_now(lua_State *L)
{
    lua_pushnumber(L, (lua_Number)clock_now() / (lua_Number)NANOSECONDS);
    return 1;
}

/*
 * core.wall_clock(time): a descriptor that is readable at that time (whole seconds since 1970), or when the clock is
 * set (timerfd_settime(2), TFD_TIMER_CANCEL_ON_SET); or nil, message, errno. It goes on while the machine sleeps.
 */
int core_wall_clock(lua_State *L)
{
    const struct itimerspec time = { .it_value.tv_sec = (time_t)luaL_checkinteger(L, 1) };
    const int fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);

    if (fd < 0)
        return push_failure(L, errno, "timerfd_create");
    if (timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &time, NULL) != 0) {
        const int saved = errno;

        close(fd);
        return push_failure(L, saved, "timerfd_settime");
    }
    lua_pushinteger(L, fd);
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

/* core.nearest(word, list): the member of the list that was probably meant, or nil. */
int core_nearest(lua_State *L)
{
    const char *word = luaL_checkstring(L, 1);
    const char **words;
    lua_Integer count;

    luaL_checktype(L, 2, LUA_TTABLE);
    count = luaL_len(L, 2);
    words = push_memory(L, (size_t)count + 1, sizeof *words);
    for (lua_Integer i = 0; i < count; i++) {
        lua_rawgeti(L, 2, i + 1);
        luaL_argcheck(L, lua_type(L, -1) == LUA_TSTRING, 2, "not a list of strings");
        words[i] = lua_tostring(L, -1); /* which the list holds */
        lua_pop(L, 1);
    }
    lua_pushstring(L, text_nearest(word, words));
    return 1;
}

/* core.environment(): the list of "NAME=value", with what a program may have changed since its start. */
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

/* core.find_user(text): name, home; or nil, message, errno. */
int core_find_user(lua_State *L)
{
    struct user user;
    char why[WHY_SIZE];

    if (user_find(luaL_checkstring(L, 1), &user, why, sizeof why) != 0)
        return push_reason(L, errno, why);
    lua_pushstring(L, user.name);
    lua_pushstring(L, user.home);
    return 2;
}
