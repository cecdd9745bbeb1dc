/*
 * hidden.h: processes that /proc does not show.
 *
 * The kernel has named them as children, or a search by pid has found them (search.c). They belong to each census until
 * they have gone or /proc shows them.
 */
#ifndef REAPER_ENGINE_HIDDEN_H
#define REAPER_ENGINE_HIDDEN_H

#include "engine/engine.h"

/* Remembers one. Without memory for it the next look finds it again. */
void hidden_remember(struct hidden *hidden, pid_t pid);

/* True when `pid` has been remembered. */
int hidden_has(const struct hidden *hidden, pid_t pid);

/* Forgets all of them, and the search that is under way. */
void hidden_forget(struct hidden *hidden);

#endif
