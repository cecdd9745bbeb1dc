/* origin.h: what the engine was started with, which never changes, and what follows from it. */
#ifndef REAPER_ENGINE_ORIGIN_H
#define REAPER_ENGINE_ORIGIN_H

#include <stdint.h>
#include <sys/types.h>

#include "common/options.h"
#include "common/signals.h"
#include "engine/channel.h"
#include "engine/journal_writer.h"

struct engine;

/* A Lua program that has loaded the library: main child and script in one. It was forked before the engine runs. */
struct engine_program {
    pid_t pid;
    struct channel channel;
    struct journal_writer journal;
    unsigned hooks;
    pid_t told;    /* whose deaths are told, as wait4(2) takes it; all are reaped */
    int subreaper; /* become one, where this is not process 1 */
};

/* What main.c or library.c gives; outlives the engine. */
struct engine_start {
    int argc;
    char **argv;
    char **environment;
    pid_t parent;                         /* getppid() of the first moment */
    const struct engine_program *program; /* or NULL */
    /* Runs in the new script process and gives its exit code, with which that process ends. */
    int (*become_script)(struct engine *engine, unsigned reader, int socket_fd);
    void (*exit)(int code);
    /* Runs in the new porter in the same way; the end of `life_fd` is its order to end. */
    int (*become_porter)(struct engine *engine, int life_fd);
};

struct origin {
    const struct engine_start *start;
    struct options base; /* defaults and environment, what and how to run */
    struct inherited_signals signals;
    int is_init; /* process 1 of a PID namespace: decided by getpid() == 1, here only */
    int64_t started_at;
};

/* True when there is a script, so that there is or will be a script process. */
int engine_has_script(const struct engine *engine);

/* True when there is a script process, or a program that takes its place. */
int engine_has_listener(const struct engine *engine);

/* True while a program lives. It is an ordinary child, so other children cannot be told from it without their pids. */
int engine_has_program(const struct engine *engine);

#endif
