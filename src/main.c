/* main.c: options, then the engine. The only file that may exit. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lua.h>

#include "common/journal.h"
#include "common/options.h"
#include "common/signals.h"
#include "engine/engine.h"
#include "engine/report.h"
#include "script/control.h"
#include "script/porter.h"
#include "script/script.h"

enum { FAILED = 125 };

extern char **environ;

static const char license[] =
    "reaper-lua " REAPER_VERSION " is free software under the MIT licence:\n"
    "it may be used, copied, changed and passed on by anyone, with this notice, and without any warranty.\n"
    "Lua is copyright Lua.org, PUC-Rio, under the same licence.\n"
    "In the static binary, parts of zlib inflate the Lua files: they are copyright Jean-loup Gailly and Mark Adler,\n"
    "under the zlib licence, and unchanged; they come without any warranty.\n";

/* Runs in the new script process, whose dispositions are still those of the engine. */
static int become_script(struct engine *engine, unsigned reader, int socket_fd)
{
    struct inherited_signals signals = engine->origin.signals;
    const struct script_start start = {
        .argc = engine->origin.start->argc,
        .argv = engine->origin.start->argv,
        .options = &engine->origin.base,
        .signals = &signals,
        .socket_fd = socket_fd,
        .journal = &engine->journal.journal,
        .reader = reader,
        .from = engine->journal.written,
        .store_fd = engine->scripts.store_fd,
        .directory_fd = engine->main_child.directory_fd,
        .directory = engine->main_child.directory,
        .page = report_leave(engine),
        .has_page = engine->scripts.slot[reader].reason != START_RELOAD,
    };

    signals_learn_ignored(&signals);
    return script_run(&start);
}

/* Runs in the new porter, which keeps nothing of the engine's memory that others share. */
static int become_porter(struct engine *engine, int life_fd)
{
    const struct porter_start start = {
        .argc = engine->origin.start->argc,
        .argv = engine->origin.start->argv,
        .options = &engine->origin.base,
        .signals = &engine->origin.signals,
        .engine = getppid(),
        .engine_fd = engine->pages.engine_fd,
        .script_fd = engine->pages.script_fd,
        .life_fd = life_fd,
    };

    report_forget(engine);
    journal_close(&engine->journal.journal);
    return porter_run(&start);
}

static int check(int argc, char **argv, const struct options *options, const struct inherited_signals *signals)
{
    const struct script_start start = {
        .argc = argc,
        .argv = argv,
        .options = options,
        .signals = signals,
        .socket_fd = -1,
        .store_fd = -1,
        .directory_fd = -1,
    };

    engine_fill_standard_descriptors();
    return script_run(&start);
}

static int complain(const struct options *form, const char *why)
{
    struct log log = { .threshold = LOG_LEVEL_ERROR };

    options_set_log(form, &log);
    log_line(&log, LOG_LEVEL_ERROR, "%s", why);
    return FAILED;
}

static void warn_of_idle_options(const struct options *options)
{
    struct log log = { .threshold = LOG_LEVEL_ERROR };
    char why[WHY_SIZE];
    int at = 0;

    options_set_log(options, &log);
    while (options_next_idle(options, &at, why))
        log_line(&log, LOG_LEVEL_WARNING, "%s", why);
}

/* The command line is applied again over what a script configures, so all else in it is no part of the base. */
static void set_what_to_run(struct options *base, const struct options *options)
{
    base->script = options->script;
    base->eval = options->eval;
    base->restart = options->restart;
    base->command = options->command;
    base->pause = options->pause;
    base->control = options->control;
    base->http = options->http;
}

static int run(int argc, char **argv, pid_t parent, const struct inherited_signals *signals)
{
    const struct engine_start start = {
        .argc = argc,
        .argv = argv,
        .environment = environ,
        .parent = parent,
        .become_script = become_script,
        .exit = exit,
        .become_porter = become_porter,
    };
    struct options options = options_default();
    struct options base;
    const struct options form = options_of_log(argc, argv);
    char why[WHY_SIZE];

    if (options_from_environment(&options, why) != 0)
        return complain(&form, why);
    base = options;
    switch (options_from_arguments(&options, argc, argv, why)) {
    case OPTIONS_VERSION:
        printf("reaper-lua %s (%s)\n", REAPER_VERSION, LUA_RELEASE);
        return 0;
    case OPTIONS_HELP:
        options_print_help(stdout);
        return 0;
    case OPTIONS_LICENSE:
        fputs(license, stdout);
        return 0;
    case OPTIONS_BAD:
        return complain(&form, why);
    default:
        break;
    }
    warn_of_idle_options(&options);
    set_what_to_run(&base, &options);
    if (options.check)
        return check(argc, argv, &base, signals);
    return engine_run(&start, &base, signals);
}

int main(int argc, char **argv)
{
    const pid_t parent = getppid();
    struct inherited_signals signals;
    int first;

    signals_take(&signals);
    if (control_is_meant(argc, argv, &first)) {
        engine_fill_standard_descriptors(); /* so that what it opens is not taken for its output */
        return control_run(argc - first, argv + first, &signals);
    }
    return run(argc, argv, parent, &signals);
}
