/*
 * options.h: what the user asked for.
 *
 * One table describes every option once: its letter, its long name, its environment variable, its help text and the
 * function that applies it. The command line, the environment and reaper.configure{} all go through this table.
 *
 *     option_table.c   the table, and the help
 *     settings.c       the functions that apply one option each
 *     options.c        the defaults, the environment, and settings by their names (reaper.configure{})
 *     command_line.c   the command line
 */
#ifndef REAPER_COMMON_OPTIONS_H
#define REAPER_COMMON_OPTIONS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "common/log.h"
#include "common/signals.h"

#define REAPER_VERSION "0.1.0"

enum { WHY_SIZE = 512, OPTION_USER_SIZE = 128, OPTION_PATH_SIZE = 96 };

enum { REWRITE_NONE = 0xff }; /* in `rewrite`: the signal is forwarded as it is; 0 drops it */

struct options {
    /* What to run. */
    const char *script;  /* the file, or NULL */
    const char *eval;    /* Lua text in place of a file, or NULL */
    char **command;      /* the words of COMMAND, NULL-terminated, or NULL */
    int check;           /* only load the script */
    const char *restart; /* the restart policy of COMMAND, or NULL */
    const char *control; /* the path of the porter's socket, or NULL */
    const char *http;    /* the address on which it answers probes, or NULL */
    int pause;           /* there is no COMMAND: reap until TERM, INT or QUIT */
    unsigned given;      /* the options that stand in the command line: one bit for each row of the table */

    /* How: also for reaper.configure{}. */
    int kill_group;
    int leave_orphans;
    int warn;
    int json;
    int log_time;
    enum log_level threshold;
    int parent_death;                            /* signal or 0 */
    int64_t grace, hook_timeout, script_timeout; /* nanoseconds; a script_timeout of 0 never ends */
    uint64_t hook_memory;                        /* bytes; 0: no limit */
    char user[OPTION_USER_SIZE];                 /* USER[:GROUP], or "" */
    char termination_log[OPTION_PATH_SIZE];      /* the file into which the end is written, or "" */
    int16_t exit_map[256];                       /* the exit code to use in place of the index, or -1 */
    uint8_t rewrite[SIGNAL_MAX + 1];             /* the signal to forward in place of the index */
};

enum options_result {
    OPTIONS_RUN,
    OPTIONS_VERSION,
    OPTIONS_HELP,
    OPTIONS_LICENSE,
    OPTIONS_BAD, /* the reason is in `why` */
};

struct options options_default(void);

/* Applies the environment to `options`. 0, or -1 with the reason in `why`, which has WHY_SIZE bytes here and below. */
int options_from_environment(struct options *options, char *why);

/*
 * Applies the command line to `options`, and puts the words that say what is to be run into it. The strings stay those
 * of argv.
 */
enum options_result options_from_arguments(struct options *options, int argc, char **argv, char *why);

/*
 * Applies only the settings of the command line to options that reaper.configure{} has changed: the command line has
 * the last word. argv was parsed before, so this cannot fail.
 */
void options_reapply_arguments(struct options *options, int argc, char **argv);

/*
 * Finds the next option of the command line that has no effect with what is to be run. *at is where to go on; it is 0
 * at first. 1, with a sentence about the option in `why`, or 0. An option in the environment may be meant for another
 * container, so it is never found.
 */
int options_next_idle(const struct options *options, int *at, char *why);

/*
 * The form of the log that the environment and the command line ask for, whatever else is wrong in them: a mistake is
 * reported in this form, even where it stands before the option that asks. The other options have their defaults.
 */
struct options options_of_log(int argc, char **argv);

/* Sets the threshold and the form of a log. */
void options_set_log(const struct options *options, struct log *log);

/* Applies one setting by its name, as reaper.configure{} does it. 0, or -1 with `why`. */
int options_set(struct options *options, const char *key, const char *value, char *why);

/* The names that options_set knows, with "_" for "-", NULL-terminated. */
const char *const *options_keys(void);

void options_print_help(FILE *file);

#endif
