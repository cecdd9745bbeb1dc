#define _GNU_SOURCE
#include "engine/journal_pages.h"

#include <errno.h>
#include <sys/mman.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* <linux/mman.h>, from Linux 5.14 on */
#endif

/* Where memory is refused, a write would be a SIGBUS, or would wait in a memory cgroup that kills nobody. */
int journal_pages_populate(void *pages, size_t size)
{
    if (madvise(pages, size, MADV_POPULATE_WRITE) == 0)
        return 0;
    return errno == ENOMEM || errno == EFAULT || errno == EAGAIN ? -1 : 0; /* another: the kernel does not know it */
}

/*
 * Announces that the events before `end` (bytes from the beginning) are gone, before their memory is given back or used
 * again: one that looks ahead may be copying them.
 */
static void forget(struct journal_writer *writer, uint64_t end)
{
    const uint64_t oldest = (end + sizeof(struct event) - 1) / sizeof(struct event);

    if (end <= writer->released)
        return;
    writer->released = end;
    atomic_store_explicit(&writer->journal.facts->oldest, oldest, memory_order_seq_cst);
    atomic_thread_fence(memory_order_release);
}

/* Makes sure of the pages up to `end` (bytes from the beginning) before they are written. */
int journal_pages_ensure(struct journal_writer *writer, uint64_t end)
{
    char *const ring = (char *)writer->journal.ring;
    const size_t page = journal_page_size();
    const size_t size = journal_ring_size(&writer->journal);

    while (writer->ensured < end) {
        if (journal_pages_populate(ring + writer->ensured % size, page) != 0)
            return -1;
        writer->ensured += page;
        if (writer->ensured > size)
            forget(writer, writer->ensured - size);
    }
    return 0;
}

/* In one piece or two: the ring may turn in between. What is removed reads as zeros. */
void journal_pages_give_back(struct journal_writer *writer, uint64_t end)
{
    const size_t size = journal_ring_size(&writer->journal);
    char *const ring = (char *)writer->journal.ring;
    uint64_t from = writer->released;

    forget(writer, end);
    while (from < end) {
        const size_t at = from % size;
        const size_t length = end - from < size - at ? (size_t)(end - from) : size - at;

        madvise(ring + at, length, MADV_REMOVE);
        from += length;
    }
}
