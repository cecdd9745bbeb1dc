/* Wait statuses and what else the kernel tells of a death, as scripts see it. Input: numbers. */
#include <lauxlib.h>
#include <lualib.h>
#include <string.h>

#include "common/status.h"
#include "engine/engine.h"
#include "harmless.h"
#include "script/lua_values.h"

static const char *text_field(lua_State *L, const char *key)
{
    const char *text;

    lua_getfield(L, 1, key);
    text = lua_tostring(L, -1);
    lua_pop(L, 1); /* the table keeps it */
    return text;
}

static lua_Integer integer_field(lua_State *L, const char *key)
{
    lua_Integer value;

    lua_getfield(L, 1, key);
    value = lua_isnil(L, -1) ? -1 : luaL_checkinteger(L, -1);
    lua_pop(L, 1);
    return value;
}

/* The status of what has ended is what C, the log and tostring say, too. */
static void check_status(lua_State *L, int raw)
{
    const char *kind;
    char text[STATUS_TEXT_SIZE];

    push_status(L, raw);
    kind = text_field(L, "kind");
    EXPECT(integer_field(L, "raw") == raw);
    EXPECT(strlen(luaL_tolstring(L, 1, NULL)) > strlen(kind));
    if (strcmp(kind, "exit") == 0 || strcmp(kind, "signal") == 0) {
        EXPECT(integer_field(L, "exit_code") >= 0 && integer_field(L, "exit_code") <= 255);
        EXPECT(integer_field(L, "exit_code") == status_exit_code(raw));
        status_describe(raw, text);
        EXPECT(strcmp(text, lua_tostring(L, -1)) == 0);
    } else {
        EXPECT(integer_field(L, "exit_code") == -1);
    }
    EXPECT((strcmp(kind, "exit") == 0) == (text_field(L, "signal") == NULL));
    lua_settop(L, 0);
}

static int check_all(lua_State *L)
{
    struct input *input = lua_touserdata(L, 1);
    struct event event;

    lua_settop(L, 0);
    register_values(L);
    while (input->at < input->end) {
        check_status(L, (int)(uint32_t)input_number(input));
        memset(&event, 0, sizeof event);
        event.flags = (uint16_t)input_number(input);
        event.lifetime_ns = input_number(input);
        event.of.usage.utime_us = input_number(input);
        event.of.usage.maxrss_kb = (int32_t)(uint32_t)input_number(input);
        memset(event.comm, (int)input_byte(input), sizeof event.comm); /* without a zero at the end */
        memset(event.name, (int)input_byte(input), sizeof event.name);
        push_info(L, &event);
        push_usage(L, &event.of.usage);
        lua_settop(L, 0);
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct input input = { bytes, bytes + size };
    lua_State *L = luaL_newstate();

    world_begin();
    lua_pushcfunction(L, check_all);
    lua_pushlightuserdata(L, &input);
    EXPECT(lua_pcall(L, 1, 0, 0) == LUA_OK);
    lua_close(L);
    world_end();
    return 0;
}
