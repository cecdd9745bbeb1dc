/* What reaper.core has in a script process only: calls of the script under the watch-dog, and its os.exit. */
#include <lauxlib.h>
#include <string.h>

#include "script/lua_core.h"
#include "script/lua_pages.h"
#include "script/script.h"

/* core.resume(co, label, …): see watchdog_resume. */
static int core_resume(lua_State *L)
{
    return watchdog_resume(L, &script_of(L)->watchdog);
}

/* core.give_up(co): see watchdog_close. */
static int core_give_up(lua_State *L)
{
    return watchdog_close(L, &script_of(L)->watchdog);
}

/* core.exit(code): begins the stop and ends the running call. Does not return. */
static int core_exit(lua_State *L)
{
    struct script *script = script_of(L);
    struct order order;

    memset(&order, 0, sizeof order);
    order.kind = ORDER_EXIT;
    order.number = (int32_t)luaL_checkinteger(L, 1);
    link_send(&script->link, &order);
    return watchdog_unwind(L, &script->watchdog, UNWIND_EXIT);
}

static const luaL_Reg functions[] = {
    { "resume", core_resume },
    { "give_up", core_give_up },
    { "exit", core_exit },
    { "store", core_store },
    { "stored", core_stored },
    { "take_page", core_take_page },
    { "show_services", core_show_services },
    { "show_service", core_show_service },
    { "show_event", core_show_event },
    { "show_reply", core_show_reply },
    { "inbox", core_inbox },
    { "open_ring", core_open_ring },
    { "show_line", core_show_line },
    { NULL, NULL },
};

void open_script_core(lua_State *L, struct script *script)
{
    lua_pushlightuserdata(L, script); // core script
    luaL_setfuncs(L, functions, 1);
}
