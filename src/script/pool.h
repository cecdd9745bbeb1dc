/*
 * pool.h: small blocks of memory.
 *
 * A Lua state asks for many blocks of few sizes, and gives most of them back at once. malloc of musl takes four times
 * as long for that. A pool serves all blocks up to 512 bytes from one region, with a list of free blocks for each size.
 * A larger block comes from malloc, and so does every block when the region is used up.
 */
#ifndef REAPER_SCRIPT_POOL_H
#define REAPER_SCRIPT_POOL_H

#include <stddef.h>

enum {
    POOL_STEP = 8, /* sizes are rounded up to a multiple of this */
    POOL_SMALL = 512,
};

struct free_block {
    struct free_block *next;
};

/* A pool that is all zero is empty. Its region is never unmapped: it lasts as long as the process. */
struct pool {
    struct free_block *free_blocks[POOL_SMALL / POOL_STEP + 1]; /* by size in steps */
    char *region, *unused, *end;
};

/*
 * As realloc(3), or as free(3) with a new_size of 0. `old_size` is the size with which the block was asked for. Blocks
 * are aligned to 8 bytes.
 */
void *pool_allocate(struct pool *pool, void *block, size_t old_size, size_t new_size);

#endif
