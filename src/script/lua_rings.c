/*
 * Rings with the last lines of services (struct log_ring of common/pages.h): the script process writes them, reaperctl
 * reads them. Neither makes a system call for a line, nor waits for the other.
 */
#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "script/control.h"
#include "script/lua_pages.h"

static int is_owned_by(const struct log_ring *ring, const char *name, struct ring_owner *owner)
{
    return LATCH_READ(&ring->owner, owner) && strncmp(owner->name, name, sizeof owner->name) == 0;
}

/* ---- Writing. ---- */

/* The ring of that name; else one that nobody has, or the one that was longest with a service that is gone. -1: none.
 */
static int find_place(lua_State *L, const struct script_page *page, const char *name)
{
    int64_t oldest = INT64_MAX;
    int place = -1;

    for (int i = 0; i < PAGE_RINGS; i++) {
        struct ring_owner owner;
        int is_gone;

        if (is_owned_by(&page->ring[i], name, &owner))
            return i;
        owner.name[sizeof owner.name - 1] = '\0';
        is_gone = lua_getfield(L, 2, owner.name) == LUA_TNIL;
        lua_pop(L, 1);
        if (is_gone && owner.taken_at < oldest) {
            oldest = owner.taken_at;
            place = i;
        }
    }
    return place;
}

/*
 * core.open_ring(name, names): the index of the ring in which the service of that name keeps its lines. It goes on with
 * its own, if there is one. `names` has the names of all such services as keys: their rings are not taken. false when
 * there are no more; nil without a page.
 */
int core_open_ring(lua_State *L)
{
    struct script_page *const page = page_of(L);
    const char *const name = luaL_checkstring(L, 1);
    struct ring_owner owner;
    int place;

    luaL_checktype(L, 2, LUA_TTABLE);
    if (!page)
        return 0;
    place = find_place(L, page, name);
    if (place < 0) {
        lua_pushboolean(L, 0);
        return 1;
    }
    if (!is_owned_by(&page->ring[place], name, &owner)) {
        memset(&owner, 0, sizeof owner);
        snprintf(owner.name, sizeof owner.name, "%s", name);
        owner.taken_at = clock_now();
        owner.first = atomic_load_explicit(&page->ring[place].written, memory_order_relaxed);
        LATCH_WRITE(&page->ring[place].owner, &owner);
    }
    lua_pushinteger(L, place);
    return 1;
}

/* A byte is a store of its own, as a word of a latch is. */
static void put(struct log_ring *ring, uint64_t at, const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        __atomic_store_n(&ring->text[(at + i) % PAGE_RING_SIZE], text[i], __ATOMIC_RELAXED);
}

/*
 * `begun` never goes back: what a writer has begun that was killed in the midst of it stays announced. The positions of
 * a line are those of all of its bytes, also where it is longer than the ring and only its end is kept.
 */
static void write_line(struct log_ring *ring, const char *line, size_t length)
{
    const uint64_t at = atomic_load_explicit(&ring->written, memory_order_relaxed);
    const uint64_t end = at + length + 1;
    const size_t kept = length < PAGE_RING_SIZE ? length : PAGE_RING_SIZE - 1;

    if (end > atomic_load_explicit(&ring->begun, memory_order_relaxed))
        atomic_store_explicit(&ring->begun, end, memory_order_relaxed);
    atomic_thread_fence(memory_order_release); /* who sees a byte of this line sees `begun` before it, too */
    put(ring, end - 1 - kept, line + length - kept, kept);
    put(ring, end - 1, "\n", 1);
    atomic_store_explicit(&ring->written, end, memory_order_release);
}

/* core.show_line(ring, line): a line, without its newline, for a ring of core.open_ring. */
int core_show_line(lua_State *L)
{
    struct script_page *const page = page_of(L);
    const lua_Integer index = luaL_checkinteger(L, 1);
    size_t length;
    const char *const line = luaL_checklstring(L, 2, &length);

    if (page && index >= 0 && index < PAGE_RINGS)
        write_line(&page->ring[index], line, length);
    return 0;
}

/* ---- Reading. ---- */

static void copy(const struct log_ring *ring, uint64_t at, char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        text[i] = __atomic_load_n(&ring->text[(at + i) % PAGE_RING_SIZE], __ATOMIC_RELAXED);
}

static uint64_t at_least(uint64_t value, uint64_t least)
{
    return value < least ? least : value;
}

static uint64_t room_before(uint64_t position)
{
    return position > PAGE_RING_SIZE ? position - PAGE_RING_SIZE : 0;
}

/* Behind the first newline, since the line in front of it is not whole. */
static size_t skip_line(const char *text, size_t length)
{
    const char *const newline = length > 0 ? memchr(text, '\n', length) : NULL;

    return newline ? (size_t)(newline + 1 - text) : length;
}

static int push_lines(lua_State *L, const struct log_ring *ring, uint64_t wanted, uint64_t next)
{
    const uint64_t first = at_least(wanted, room_before(next));
    const size_t length = (size_t)(next - first);
    luaL_Buffer buffer;
    char *const text = luaL_buffinitsize(L, &buffer, PAGE_RING_SIZE);
    uint64_t intact;
    size_t from;

    copy(ring, first, text, length);
    atomic_thread_fence(memory_order_acquire);
    intact = at_least(first, room_before(atomic_load_explicit(&ring->begun, memory_order_relaxed)));
    from = intact < next ? (size_t)(intact - first) : length;
    if (first + from != wanted)
        from += skip_line(text + from, length - from);
    memmove(text, text + from, length - from);
    luaL_pushresultsize(&buffer, length - from);
    lua_pushinteger(L, (lua_Integer)next);
    lua_pushinteger(L, (lua_Integer)(first + from - wanted));
    return 3;
}

/*
 * core.ring_lines(pages, name[, position]): the lines of the service of that name from that position on, which is one
 * that this function has given, or from its first line on, as text with their newlines; the position behind them; and
 * how many bytes in front of them are lost, since they were overwritten before they were read. nil: it has no ring.
 */
int core_ring_lines(lua_State *L)
{
    const struct script_page *const page = view_of(L)->script;
    const char *const name = luaL_checkstring(L, 2);
    const lua_Integer given = luaL_optinteger(L, 3, 0);

    for (int i = 0; page && i < PAGE_RINGS; i++) {
        const struct log_ring *const ring = &page->ring[i];
        struct ring_owner owner;
        uint64_t wanted = given > 0 ? (uint64_t)given : 0;
        uint64_t next;

        if (!is_owned_by(ring, name, &owner))
            continue;
        next = atomic_load_explicit(&ring->written, memory_order_acquire);
        if (wanted < owner.first || wanted > next) /* the ring was another's in between */
            wanted = owner.first;
        push_lines(L, ring, wanted < next ? wanted : next, next);
        if (is_owned_by(ring, name, &owner))
            return 3;
        lua_settop(L, 3); /* it has just become another's */
    }
    return 0;
}
