#include "common/latch.h"

enum { LOOKS = 100000 }; /* a record that is written on and on by a liar holds nobody up */

/* A plain copy would be a data race: each word is a load or a store of its own, and the fences put them in order. */
static void store_words(void *to, const void *from, size_t size)
{
    uint64_t *const words = to;
    const uint64_t *const values = from;

    for (size_t i = 0; i < size / sizeof *words; i++)
        __atomic_store_n(&words[i], values[i], __ATOMIC_RELAXED);
}

static void load_words(void *to, const void *from, size_t size)
{
    uint64_t *const values = to;
    const uint64_t *const words = from;

    for (size_t i = 0; i < size / sizeof *words; i++)
        values[i] = __atomic_load_n(&words[i], __ATOMIC_RELAXED);
}

void latch_write(_Atomic uint64_t *version, void *copies, const void *value, size_t size)
{
    const uint64_t next = atomic_load_explicit(version, memory_order_relaxed) + 1;

    atomic_thread_fence(memory_order_release); /* who sees a word of this copy sees the version before it, too */
    store_words((char *)copies + (next & 1) * size, value, size);
    atomic_store_explicit(version, next, memory_order_release);
}

int latch_read(const _Atomic uint64_t *version, const void *copies, void *value, size_t size)
{
    for (int i = 0; i < LOOKS; i++) {
        const uint64_t seen = atomic_load_explicit(version, memory_order_acquire);

        load_words(value, (const char *)copies + (seen & 1) * size, size);
        atomic_thread_fence(memory_order_acquire);
        if (atomic_load_explicit(version, memory_order_relaxed) == seen)
            return 1;
    }
    return 0;
}
