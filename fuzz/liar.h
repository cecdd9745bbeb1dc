/*
 * liar.h: what a hostile reader may write into its page of the journal (src/common/journal.h).
 */
#ifndef REAPER_FUZZ_LIAR_H
#define REAPER_FUZZ_LIAR_H

#include <stdatomic.h>

#include "engine/journal_writer.h"
#include "harmless.h"

static inline void lie(struct input *input, const struct journal_writer *writer)
{
    struct journal_page *const page = writer->journal.page;
    const unsigned what = input_byte(input);
    struct journal_reader *const reader = &page->reader[what / 8 % JOURNAL_READERS];
    uint64_t value = (uint64_t)input_number(input);

    if (what & 128)
        value += writer->written;
    if (what % 8 < 3)
        atomic_store(&reader->read, value);
    else if (what % 8 < 5)
        atomic_store(&reader->ahead, value);
    else if (what % 8 == 5)
        atomic_store(&reader->busy, value);
    else if (what % 8 == 6)
        atomic_store(&reader->sleep, (uint32_t)value);
    else
        atomic_store(&page->orders, (uint32_t)value);
}

#endif
