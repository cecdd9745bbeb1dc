#include "script/lua_inflate.h"

#include <lauxlib.h>
#include <string.h>
#include <zlib.h>

enum {
    RAW = -MAX_WBITS,
    STATE_SIZE = 8 * 1024, /* inflate asks for its state, and for nothing else when all output fits */
};

/* Serves zlib from the memory behind the output, so that one block is all that can be refused. */
static void *take_state(void *place, unsigned count, unsigned size)
{
    return (size_t)count * size <= STATE_SIZE ? place : NULL;
}

static void leave_state(void *place, void *block)
{
    (void)place;
    (void)block;
}

/* The buffer grows beside the stack; the value that luaL_buffinitsize has pushed frees it. */
const char *embed_inflate(lua_State *L, const struct embedded_group *group)
{
    const size_t room = (group->size + 15) & ~(size_t)15; /* what follows is aligned */
    luaL_Buffer buffer;
    char *const bytes = luaL_buffinitsize(L, &buffer, room + STATE_SIZE);
    z_stream stream = { .zalloc = take_state, .zfree = leave_state, .opaque = bytes + room };

    stream.next_in = (z_const Bytef *)group->packed;
    stream.avail_in = (uInt)group->packed_size;
    stream.next_out = (Bytef *)bytes;
    stream.avail_out = (uInt)group->size;
    if (inflateInit2(&stream, RAW) != Z_OK || inflate(&stream, Z_FINISH) != Z_STREAM_END)
        luaL_error(L, "the modules of %s cannot be unpacked", group->name);
    return bytes;
}
