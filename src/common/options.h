/*
 * options.h: what the user asked for.
 *
 * One table describes every option once: its letter, long name, environment variable, help text and the function that
 * applies it. Command line, environment and reaper.configure{} all go through it.
 */
#ifndef REAPER_COMMON_OPTIONS_H
#define REAPER_COMMON_OPTIONS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "common/log.h"
#include "common/signals.h"

#define REAPER_VERSION "0.1.0"

enum { WHY_SIZE = 512, OPTION_USER_SIZE = 128 };

enum { REWRITE_NONE = 0xff }; /* in `rewrite`: forward as it is; 0 drops */

struct options {
    /* What to run. */
    const char *script;  /* file, or NULL */
    const char *eval;    /* Lua text instead, or NULL */
    char **command;      /* NULL-terminated, or NULL */
    int check;           /* only load the script */
    const char *restart; /* the script process for COMMAND, or NULL */
    int pause;           /* no command: reap until TERM or INT */
    unsigned given;      /* by the command line: one bit for each row of the table */

    /* How: also for reaper.configure{}. */
    int kill_group;
    int leave_orphans;
    int warn;
    int json;
    enum log_level threshold;
    int parent_death;                            /* signal or 0 */
    int64_t grace, hook_timeout, script_timeout; /* nanoseconds; script_timeout 0 = never */
    uint64_t hook_memory;                        /* bytes; 0 = no limit */
    char user[OPTION_USER_SIZE];                 /* USER[:GROUP], or "" */
    int16_t exit_map[256];                       /* exit code to use instead, or -1 */
    uint8_t rewrite[SIGNAL_MAX + 1];
};

enum options_result {
    OPTIONS_RUN,
    OPTIONS_VERSION,
    OPTIONS_HELP,
    OPTIONS_LICENSE,
    OPTIONS_BAD, /* the reason is in `why` */
};

/* The defaults. */
struct options options_default(void);

/* Environment into `options`. 0, or -1 with `why`. */
int options_from_environment(struct options *options, char *why);

/*
 * Command line over `options`, and the words of it that are to be run. `why` has WHY_SIZE bytes. The strings stay
 * those of argv.
 */
enum options_result options_from_arguments(struct options *options, int argc, char **argv, char *why);

/*
 * Only the settings of the command line, over options that reaper.configure{} has changed: the command line has the
 * last word. argv was parsed before, so it cannot fail.
 */
void options_reapply_arguments(struct options *options, int argc, char **argv);

/*
 * The next option of the command line, from *at (first 0), that has no effect with what is to be run: 1, with what to
 * say of it in `why`, or 0. In the environment such an option may be meant for another container, so it is not told.
 */
int options_next_idle(const struct options *options, int *at, char *why);

/*
 * Whether environment and command line ask for JSON, whatever else is wrong in them: what is wrong is told in that
 * form, wherever it stands.
 */
int options_log_json(int argc, char **argv);

/* One setting by its name, as reaper.configure{} does it. 0, or -1 with `why`. */
int options_set(struct options *options, const char *key, const char *value, char *why);

/* The names that options_set knows, with "_" for "-", NULL-terminated. */
const char *const *options_keys(void);

void options_print_help(FILE *file);

#endif
