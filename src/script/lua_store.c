/*
 * The store: a text that a script process writes for the next one. It is in a memory file, whose descriptor the engine
 * holds and every script process inherits. The engine never reads it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <lauxlib.h>
#include <string.h>
#include <unistd.h>

#include "script/lua_core.h"
#include "script/lua_values.h"
#include "script/script.h"

enum { HALF_SIZE = 16 << 20, HALVES_BEGIN = 4096 };

/*
 * A script process may be killed at any moment. So it writes the text into the half that is not in use, and then this
 * header, which puts that half in use.
 */
struct header {
    uint32_t half;
    uint32_t size;
};

static off_t begin_of(const struct header *header)
{
    return HALVES_BEGIN + (off_t)header->half * HALF_SIZE;
}

static int write_all(int fd, const char *bytes, size_t size, off_t at)
{
    while (size > 0) {
        const ssize_t done = pwrite(fd, bytes, size, at);

        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return -1;
        bytes += done;
        at += done;
        size -= (size_t)done;
    }
    return 0;
}

static struct header read_header(int fd)
{
    struct header header;

    if (pread(fd, &header, sizeof header, 0) != (ssize_t)sizeof header || header.half > 1 || header.size > HALF_SIZE)
        memset(&header, 0, sizeof header);
    return header;
}

/* core.store(text): replaces the text in the store. True; or nil, message, errno. */
int core_store(lua_State *L)
{
    const int fd = script_of(L)->store_fd;
    size_t size;
    const char *text = luaL_checklstring(L, 1, &size);
    struct header header;

    if (fd < 0)
        return push_failure(L, ENOSYS, "memfd_create");
    if (size > HALF_SIZE)
        return push_failure(L, EFBIG, "the store");
    header = read_header(fd);
    header.half = !header.half;
    header.size = (uint32_t)size;
    if (write_all(fd, text, size, begin_of(&header)) != 0
        || write_all(fd, (const char *)&header, sizeof header, 0) != 0)
        return push_failure(L, errno, "the store");
    lua_pushboolean(L, 1);
    return 1;
}

/* core.stored(): the text in the store, or nil. */
int core_stored(lua_State *L)
{
    const int fd = script_of(L)->store_fd;
    const struct header header = fd < 0 ? (struct header){ 0, 0 } : read_header(fd);
    luaL_Buffer buffer;
    char *room;

    if (header.size == 0)
        return 0;
    room = luaL_buffinitsize(L, &buffer, header.size);
    if (pread(fd, room, header.size, begin_of(&header)) != (ssize_t)header.size)
        return 0;
    luaL_pushresultsize(&buffer, header.size);
    return 1;
}
