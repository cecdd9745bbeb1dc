/*
 * search.h: the search for hidden processes, pid by pid.
 *
 * Each call looks at a slice of all pids. A pass over 4,194,304 pids costs about a second; the next one begins at the
 * earliest when as much time has passed again.
 */
#ifndef REAPER_ENGINE_SEARCH_H
#define REAPER_ENGINE_SEARCH_H

#include "engine/census.h"
#include "engine/engine.h"
#include "engine/scope.h"

/*
 * Searches on, and sends what it finds the signals that it has missed (remains->hidden.owed). True when something was
 * found, or may still be found.
 */
int search_on(struct remains *remains, const struct scope *scope, const struct census *census);

#endif
