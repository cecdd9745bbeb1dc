#define _GNU_SOURCE
#include "script/pool.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#ifndef __has_feature /* clang's way to tell */
#define __has_feature(feature) 0
#endif
/* What a sanitizer is to watch has to come from its malloc. */
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
enum { REGION = 0 };
#else
enum { REGION = 1024 * 1024 }; /* of addresses; pages count when they are touched */
#endif

enum { STEP = 8, SMALL = 512 };

struct free_block {
    struct free_block *next;
};

static struct free_block *free_blocks[SMALL / STEP + 1]; /* by size in steps */
static char *region, *unused, *end;

static size_t steps_of(size_t size)
{
    return (size + STEP - 1) / STEP;
}

static int is_ours(const void *block)
{
    return (uintptr_t)block >= (uintptr_t)region && (uintptr_t)block < (uintptr_t)end;
}

static void map_region(void)
{
    void *const mapped =
        REGION ? mmap(NULL, REGION, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) : MAP_FAILED;

    if (mapped == MAP_FAILED)
        return;
    region = unused = mapped;
    end = region + REGION;
}

/* NULL when there is none left. */
static void *take(size_t size)
{
    const size_t steps = steps_of(size);
    struct free_block *block = free_blocks[steps];

    if (block) {
        free_blocks[steps] = block->next;
        return block;
    }
    if (!region)
        map_region();
    if ((size_t)(end - unused) < steps * STEP)
        return NULL;
    unused += steps * STEP;
    return unused - steps * STEP;
}

static void give_back(void *block, size_t size)
{
    struct free_block *const freed = block;

    freed->next = free_blocks[steps_of(size)];
    free_blocks[steps_of(size)] = freed;
}

static void *move(void *block, size_t old_size, size_t new_size) /* NOLINT(misc-no-recursion): one level deep */
{
    void *const moved = pool_allocate(NULL, 0, new_size);

    if (!moved) /* to make one smaller never fails: the Lua manual, lua_Alloc */
        return new_size < old_size ? block : NULL;
    memcpy(moved, block, old_size < new_size ? old_size : new_size);
    give_back(block, old_size);
    return moved;
}

void *pool_allocate(void *block, size_t old_size, size_t new_size) /* NOLINT(misc-no-recursion): see move */
{
    void *small = NULL;

    if (block && is_ours(block)) {
        if (new_size > 0 && steps_of(new_size) == steps_of(old_size))
            return block;
        if (new_size > 0)
            return move(block, old_size, new_size);
        give_back(block, old_size);
        return NULL;
    }
    if (new_size == 0) {
        free(block);
        return NULL;
    }
    if (!block && new_size <= SMALL)
        small = take(new_size);
    return small ? small : realloc(block, new_size);
}
