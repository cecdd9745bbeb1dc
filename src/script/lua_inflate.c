#include "script/lua_inflate.h"

#include <zlib.h>

enum { RAW = -MAX_WBITS, ALIGNMENT = 16 };

/* Serves zlib from the block: inflate asks once, for its state of 7 KiB, when all output fits. */
static void *take_state(void *place, unsigned count, unsigned size)
{
    return (size_t)count * size <= UNPACK_ROOM - ALIGNMENT ? place : NULL;
}

static void leave_state(void *place, void *state)
{
    (void)place;
    (void)state;
}

int embed_inflate(const struct embedded_group *group, char *block)
{
    const size_t end = (group->size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    z_stream stream = { .zalloc = take_state, .zfree = leave_state, .opaque = block + end };

    stream.next_in = (z_const Bytef *)group->packed;
    stream.avail_in = (uInt)group->packed_size;
    stream.next_out = (Bytef *)block;
    stream.avail_out = (uInt)group->size;
    return inflateInit2(&stream, RAW) == Z_OK && inflate(&stream, Z_FINISH) == Z_STREAM_END ? 0 : -1;
}
