/* The settings that reaper.configure{} changes, in this process and in the engine. */
#include <lauxlib.h>
#include <string.h>

#include "script/lua_core.h"
#include "script/lua_values.h"
#include "script/script.h"

void script_apply_options(struct script *script)
{
    script->options = script->configured;
    options_reapply_arguments(&script->options, script->argc, script->argv);
    options_set_log(&script->options, &script->log);
    if (script->options_changed)
        script->options_changed(script);
}

/* nil, `why` */
static int push_refusal(lua_State *L, const char *why)
{
    luaL_pushfail(L);
    lua_pushstring(L, why);
    return 2;
}

/* The engine holds the change of COMMAND's environment. It goes in as many pieces as are needed. */
static void send_variable(struct script *script, const char *change)
{
    size_t left = strlen(change);
    struct order order;

    do {
        const size_t length = left < sizeof order.text ? left : sizeof order.text - 1;

        memset(&order, 0, sizeof order);
        order.kind = ORDER_ENVIRONMENT;
        memcpy(order.text, change, length);
        change += length;
        left -= length;
        order.number = left == 0;
        link_send(&script->link, &order);
    } while (left > 0);
}

/* core.change_variable(text): "NAME=value" sets a variable of COMMAND, "NAME" takes it away. */
int core_change_variable(lua_State *L)
{
    send_variable(script_of(L), luaL_checkstring(L, 1));
    return 0;
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
    if (strlen(key) + strlen(value) + 2 > sizeof order.text)
        return push_refusal(L, lua_pushfstring(L, "%s: the value is too long", key));
    if (options_set(&script->configured, key, value, why) != 0)
        return push_refusal(L, why);
    memcpy(order.text, key, strlen(key) + 1);
    memcpy(order.text + strlen(key) + 1, value, strlen(value) + 1);
    link_send(&script->link, &order);
    script_apply_options(script);
    lua_pushboolean(L, 1);
    return 1;
}

/* core.check_setting(key, text): true; or nil, message. Nothing is set. */
int core_check_setting(lua_State *L)
{
    struct options scratch = options_default();
    char why[WHY_SIZE];

    if (options_set(&scratch, luaL_checkstring(L, 1), luaL_checkstring(L, 2), why) != 0)
        return push_refusal(L, why);
    lua_pushboolean(L, 1);
    return 1;
}
