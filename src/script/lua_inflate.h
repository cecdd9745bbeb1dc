/* lua_inflate.h: unpacks the groups of modules that are compressed in the static binary. */
#ifndef REAPER_SCRIPT_LUA_INFLATE_H
#define REAPER_SCRIPT_LUA_INFLATE_H

#include "script/lua_embed.h"

/* Is the `unpack` of a group whose `packed` is one stream of raw deflate (RFC 1951). */
int embed_inflate(const struct embedded_group *group, char *block);

#endif
