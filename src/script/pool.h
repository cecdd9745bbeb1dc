/*
 * pool.h: small blocks of memory, and nothing else.
 *
 * A Lua state asks for many blocks of few sizes and gives most of them back at once. musl's malloc takes four times as
 * long for that. One region serves all blocks up to 512 bytes from lists of free ones; what is larger, or finds it
 * used up, comes from malloc.
 */
#ifndef REAPER_SCRIPT_POOL_H
#define REAPER_SCRIPT_POOL_H

#include <stddef.h>

/* As realloc(3), and free(3) with new_size 0. `old_size` is what the block was asked for with; aligned to 8 bytes. */
void *pool_allocate(void *block, size_t old_size, size_t new_size);

#endif
