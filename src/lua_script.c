/* What reaper.core has in a policy only: calls of the script under the watch-dog, and its os.exit. */
#include <lauxlib.h>
#include <string.h>

#include "lua_core.h"
#include "policy.h"

/* core.resume(co, …): see watchdog_resume. */
static int core_resume(lua_State *L)
{
    return watchdog_resume(L, &policy_of(L)->watchdog);
}

/* core.give_up(co): see watchdog_close. */
static int core_give_up(lua_State *L)
{
    return watchdog_close(L, &policy_of(L)->watchdog);
}

/* core.exit(code): begins the stop and ends the running call. Does not return. */
static int core_exit(lua_State *L)
{
    struct policy *policy = policy_of(L);
    struct order order;

    memset(&order, 0, sizeof order);
    order.kind = ORDER_EXIT;
    order.number = (int32_t)luaL_checkinteger(L, 1);
    policy_send(policy, &order);
    return watchdog_unwind(L, &policy->watchdog, UNWIND_EXIT);
}

static const luaL_Reg functions[] = {
    { "resume", core_resume }, { "give_up", core_give_up }, { "exit", core_exit },
    { "store", core_store },   { "stored", core_stored },   { NULL, NULL },
};

void open_script_core(lua_State *L, struct policy *policy)
{
    lua_pushlightuserdata(L, policy); // core policy
    luaL_setfuncs(L, functions, 1);
}
