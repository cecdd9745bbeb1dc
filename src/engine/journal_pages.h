/* journal_pages.h: the memory of the journal, which is there only where something is unread. */
#ifndef REAPER_ENGINE_JOURNAL_PAGES_H
#define REAPER_ENGINE_JOURNAL_PAGES_H

#include <stddef.h>

#include "engine/journal_writer.h"

/* Makes sure of pages, of which there are none yet. 0, or -1 with errno when memory is refused. */
int journal_pages_populate(void *pages, size_t size);

/* Makes sure of the pages up to `end` (bytes from the beginning) before they are written. 0, or -1 with errno. */
int journal_pages_ensure(struct journal_writer *writer, uint64_t end);

/* Gives the pages before `end` (bytes from the beginning) back. */
void journal_pages_give_back(struct journal_writer *writer, uint64_t end);

#endif
