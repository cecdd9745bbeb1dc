#define _GNU_SOURCE
#include "script/pool.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#ifndef __has_feature /* only clang has it */
#define __has_feature(feature) 0
#endif
/* A sanitizer watches only the blocks of its own malloc. */
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
enum { REGION = 0 };
#else
enum { REGION = 1024 * 1024 }; /* bytes of addresses; a page takes memory only when it is touched */
#endif

static size_t steps_of(size_t size)
{
    return (size + POOL_STEP - 1) / POOL_STEP;
}

static int is_from(const struct pool *pool, const void *block)
{
    return (uintptr_t)block >= (uintptr_t)pool->region && (uintptr_t)block < (uintptr_t)pool->end;
}

static void map_region(struct pool *pool)
{
    void *const mapped =
        REGION ? mmap(NULL, REGION, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) : MAP_FAILED;

    if (mapped == MAP_FAILED)
        return;
    pool->region = pool->unused = mapped;
    pool->end = pool->region + REGION;
}

/* Takes a free block, or one from the rest of the region. NULL when the region is used up. */
static void *take(struct pool *pool, size_t size)
{
    const size_t steps = steps_of(size);
    struct free_block *const block = pool->free_blocks[steps];

    if (block) {
        pool->free_blocks[steps] = block->next;
        return block;
    }
    if (!pool->region)
        map_region(pool);
    if ((size_t)(pool->end - pool->unused) < steps * POOL_STEP)
        return NULL;
    pool->unused += steps * POOL_STEP;
    return pool->unused - steps * POOL_STEP;
}

static void give_back(struct pool *pool, void *block, size_t size)
{
    struct free_block *const freed = block;

    freed->next = pool->free_blocks[steps_of(size)];
    pool->free_blocks[steps_of(size)] = freed;
}

/* Moves a block of the pool to another size. It calls pool_allocate, which does not come back here. */
static void *move(struct pool *pool, void *block, size_t old_size, size_t new_size) /* NOLINT(misc-no-recursion) */
{
    void *const moved = pool_allocate(pool, NULL, 0, new_size);

    if (!moved) /* making a block smaller never fails: the Lua manual, lua_Alloc */
        return new_size < old_size ? block : NULL;
    memcpy(moved, block, old_size < new_size ? old_size : new_size);
    give_back(pool, block, old_size);
    return moved;
}

void *pool_allocate(struct pool *pool, void *block, size_t old_size, size_t new_size) /* NOLINT(misc-no-recursion) */
{
    void *small = NULL;

    if (block && is_from(pool, block)) {
        if (new_size > 0 && steps_of(new_size) == steps_of(old_size))
            return block;
        if (new_size > 0)
            return move(pool, block, old_size, new_size);
        give_back(pool, block, old_size);
        return NULL;
    }
    if (new_size == 0) {
        free(block);
        return NULL;
    }
    if (!block && new_size <= POOL_SMALL)
        small = take(pool, new_size);
    return small ? small : realloc(block, new_size);
}
