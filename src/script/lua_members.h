/* lua_members.h: what two functions of reaper.core have in common that ask whose processes are whose. */
#ifndef REAPER_SCRIPT_LUA_MEMBERS_H
#define REAPER_SCRIPT_LUA_MEMBERS_H

#include <lua.h>

#include "common/members_scan.h"

/* Pushes a scan that is freed with its value. */
struct members_scan *push_members_scan(lua_State *L);

/*
 * Reads a list of { name, leader = pid or nil, alive = boolean, started = start time or nil }. Pushes the memory of the
 * services, and a table with the index of each name.
 */
void read_member_services(lua_State *L, int table, struct members *members);

#endif
