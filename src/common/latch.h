/*
 * latch.h: a record in shared memory that one process writes and others read, without a lock and never torn.
 *
 * There are two copies of it, and a version that says which one holds: the last bit of its number. A write goes into
 * the other copy and moves the version on, so a writer that is killed in its midst leaves a record that can be read, as
 * it was before. A reader whose version has moved on while it copied takes another look (Boehm, "Can seqlocks get along
 * with programming language memory models?", 2012, has the order of loads and stores).
 */
#ifndef REAPER_COMMON_LATCH_H
#define REAPER_COMMON_LATCH_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* The type of such a record in shared memory. Zeros are a record of zeros. */
#define LATCHED(type)             \
    struct {                      \
        _Atomic uint64_t version; \
        type copy[2];             \
    }

/* Writes the record at `latched` from `value`. */
#define LATCH_WRITE(latched, value) \
    latch_write(&(latched)->version, (latched)->copy, (value), sizeof((latched)->copy[0]))

/* Copies the record at `latched` into `value`. 1, or 0 when it was written again and again meanwhile. */
#define LATCH_READ(latched, value) latch_read(&(latched)->version, (latched)->copy, (value), sizeof((latched)->copy[0]))

/* The size of a record is a multiple of 8. */
void latch_write(_Atomic uint64_t *version, void *copies, const void *value, size_t size);
int latch_read(const _Atomic uint64_t *version, const void *copies, void *value, size_t size);

#endif
