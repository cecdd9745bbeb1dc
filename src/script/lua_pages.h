/* lua_pages.h: what a script process writes into its page (common/pages.h), which reaperctl reads. */
#ifndef REAPER_SCRIPT_LUA_PAGES_H
#define REAPER_SCRIPT_LUA_PAGES_H

#include <lua.h>

#include "script/script.h"

/* From now on this script process is the one that writes. */
void pages_begin(struct script *script);

/* The page, or NULL when it is not this process that writes it. */
struct script_page *page_of(lua_State *L);

int core_take_page(lua_State *L);
int core_show_services(lua_State *L);
int core_show_service(lua_State *L);
int core_show_event(lua_State *L);
int core_show_reply(lua_State *L);
int core_inbox(lua_State *L);

/* lua_rings.c */
int core_open_ring(lua_State *L);
int core_show_line(lua_State *L);

#endif
