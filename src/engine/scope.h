/* scope.h: whom a signal to all is meant for, and who of them is spared. */
#ifndef REAPER_ENGINE_SCOPE_H
#define REAPER_ENGINE_SCOPE_H

#include "engine/engine.h"

enum { SPARED_MAX = 3 + DISMISSED_MAX };

/*
 * As process 1 every process of the PID namespace is meant, otherwise what descends from this process. Script processes
 * and the porter are spared: they are not signalled, and nothing waits for them here.
 */
struct scope {
    int is_init;
    int has_program; /* one of the spared is a program: an ordinary child, which only its pid tells from others */
    pid_t spared[SPARED_MAX];
    size_t spared_count;
};

/* The scope at this moment: it is out of date when a script process has started or ended. */
struct scope scope_of(const struct engine *engine);

/* True when `pid` is to be spared. */
int scope_spares(const struct scope *scope, pid_t pid);

#endif
