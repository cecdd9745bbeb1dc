#define _GNU_SOURCE
#include "common/options.h"

#include <ctype.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/clock.h"
#include "common/settings.h"
#include "common/text.h"

enum option_kind {
    SETTING = 1 << 0,     /* reaper.configure{} takes it, too */
    ENVIRONMENT = 1 << 1, /* REAPER_… sets it */
    LIST = 1 << 2,        /* repeatable; in the environment with commas */
    OF_COMMAND = 1 << 3,  /* has no effect without COMMAND */
    OF_SCRIPT = 1 << 4,   /* has no effect without a script */
};

enum { LONG_ONLY = 256, LONG_NAME_SIZE = 32 };

struct option_row {
    int letter; /* LONG_ONLY + index when there is none */
    const char *name;
    const char *argument; /* as the help shows it, or NULL */
    apply_function *apply;
    int kind;
    enum options_result result; /* for those that only show something */
    const char *help;
};

static const struct option_row rows[] = {
    { 'g', "kill-group", NULL, apply_kill_group, SETTING | ENVIRONMENT | OF_COMMAND, OPTIONS_RUN,
      "forward signals to the main child's process group" },
    { 's', "subreaper", NULL, apply_nothing, ENVIRONMENT, OPTIONS_RUN, "accepted; it is automatic when not process 1" },
    { 'p', "parent-death", "SIG", apply_parent_death, SETTING | ENVIRONMENT, OPTIONS_RUN,
      "get SIG when the parent of reaper-lua dies" },
    { 'e', "map-exit", "CODE[:TO]", apply_map_exit, SETTING | ENVIRONMENT | LIST | OF_COMMAND, OPTIONS_RUN,
      "exit with TO (default 0) when the main child ends with CODE; repeatable" },
    { 'r', "rewrite", "FROM:TO", apply_rewrite, SETTING | ENVIRONMENT | LIST, OPTIONS_RUN,
      "rewrite a signal before forwarding (TO 0 drops it); repeatable" },
    { 't', "grace", "SECONDS", apply_grace, SETTING | ENVIRONMENT, OPTIONS_RUN,
      "time between TERM and KILL when stopping (default 5; 0: KILL at once)" },
    { LONG_ONLY + 0, "leave-orphans", NULL, apply_leave_orphans, SETTING | ENVIRONMENT | OF_COMMAND, OPTIONS_RUN,
      "when the main child ends, end at once; do not signal what is left" },
    { 'u', "user", "USER[:GROUP]", apply_user, SETTING | ENVIRONMENT, OPTIONS_RUN,
      "run COMMAND as that user, with its supplementary groups" },
    { 'w', "warn", NULL, apply_warn, SETTING | ENVIRONMENT, OPTIONS_RUN, "say on stderr each orphan that is reaped" },
    { 'v', "verbose", NULL, apply_verbose, SETTING | ENVIRONMENT, OPTIONS_RUN, "more on stderr; up to -vvv" },
    { 'q', "quiet", NULL, apply_quiet, SETTING | ENVIRONMENT, OPTIONS_RUN, "only errors on stderr" },
    { LONG_ONLY + 1, "log-format", "FORMAT", apply_log_format, SETTING | ENVIRONMENT, OPTIONS_RUN,
      "form of those lines: text (default) or json" },
    { LONG_ONLY + 2, "hook-timeout", "SECONDS", apply_hook_timeout, SETTING | ENVIRONMENT | OF_SCRIPT, OPTIONS_RUN,
      "how long to wait for a hook's answer, and how long a hook may compute (default 1)" },
    { LONG_ONLY + 3, "hook-memory", "SIZE", apply_hook_memory, SETTING | ENVIRONMENT | OF_SCRIPT, OPTIONS_RUN,
      "limit of the Lua state, such as 64M (default: none)" },
    { LONG_ONLY + 4, "script-timeout", "SECONDS", apply_script_timeout, SETTING | ENVIRONMENT | OF_SCRIPT, OPTIONS_RUN,
      "kill and replace a script process that reads nothing for so long (default: never)" },
    { 'x', "eval", "CHUNK", apply_eval, ENVIRONMENT, OPTIONS_RUN, "Lua text instead of a script file" },
    { 'C', "check", NULL, apply_check, ENVIRONMENT, OPTIONS_RUN,
      "load the script, report errors and unknown hooks, start nothing" },
    { LONG_ONLY + 5, "restart", "POLICY", apply_restart, ENVIRONMENT, OPTIONS_RUN,
      "start COMMAND again when it ends: no, always, on-failure[:MAX] or another script process" },
    { 'P', "pause", NULL, apply_pause, ENVIRONMENT, OPTIONS_RUN, "no command: reap until TERM, INT or QUIT" },
    { 'c', "single-child", NULL, apply_nothing, ENVIRONMENT, OPTIONS_RUN, "accepted; it is the default" },
    { 'V', "version", NULL, NULL, 0, OPTIONS_VERSION, "show the version" },
    { 'h', "help", NULL, NULL, 0, OPTIONS_HELP, "show this help" },
    { 'l', "license", NULL, NULL, 0, OPTIONS_LICENSE, "show the licence" },
};

enum { ROWS = sizeof rows / sizeof *rows };

_Static_assert(ROWS <= 32, "struct options has a bit for each row");

struct options options_default(void)
{
    struct options options;

    memset(&options, 0, sizeof options);
    options.threshold = LOG_LEVEL_INFO;
    options.grace = 5 * NANOSECONDS;
    options.hook_timeout = NANOSECONDS;
    memset(options.exit_map, -1, sizeof options.exit_map);
    memset(options.rewrite, REWRITE_NONE, sizeof options.rewrite);
    return options;
}

/* "kill-group" as "REAPER_KILL_GROUP" or "kill_group". */
static void spell(const char *prefix, const char *name, int upper, char out[LONG_NAME_SIZE])
{
    size_t at = strlen(prefix);

    memcpy(out, prefix, at);
    for (; *name && at < LONG_NAME_SIZE - 1; name++, at++)
        out[at] = (char)(*name == '-' ? '_' : upper ? toupper((unsigned char)*name) : *name);
    out[at] = '\0';
}

/* A list in the environment is applied piece by piece. */
static int apply_list(const struct option_row *row, struct options *options, const char *list, char *why)
{
    char piece[256];

    while (*list) {
        const size_t length = strcspn(list, ",");

        if (length >= sizeof piece) {
            snprintf(why, WHY_SIZE, "\"%.64s…\" is too long", list);
            return -1;
        }
        memcpy(piece, list, length);
        piece[length] = '\0';
        if (row->apply(options, piece, why) != 0)
            return -1;
        list += length + (list[length] == ',');
    }
    return 0;
}

/* Puts "NAME: " before the reason that stands in `why`. */
static void name_in(char *why, const char *name)
{
    char reason[WHY_SIZE];

    snprintf(reason, sizeof reason, "%s", why);
    snprintf(why, WHY_SIZE, "%.64s: %.440s", name, reason);
}

int options_from_environment(struct options *options, char *why)
{
    char name[LONG_NAME_SIZE];
    const char *value;
    int failed;

    for (int i = 0; i < ROWS; i++) {
        if (!(rows[i].kind & ENVIRONMENT))
            continue;
        spell("REAPER_", rows[i].name, 1, name);
        value = getenv(name);
        if (!value || !*value)
            continue;
        failed = rows[i].kind & LIST ? apply_list(&rows[i], options, value, why) : rows[i].apply(options, value, why);
        if (failed) {
            name_in(why, name);
            return -1;
        }
    }
    return 0;
}

static const struct option_row *row_of_letter(int letter)
{
    for (int i = 0; i < ROWS; i++)
        if (rows[i].letter == letter)
            return &rows[i];
    return NULL;
}

static const char *nearest_option(const char *word)
{
    const char *names[ROWS + 1] = { NULL };

    for (int i = 0; i < ROWS; i++)
        names[i] = rows[i].name;
    return text_nearest(word, names);
}

/* What getopt_long refused: an unknown letter (optopt), or the long option in `word`. */
static void explain_unknown(const char *word, char *why)
{
    char name[64];
    const char *nearest;

    if (optopt && optopt < LONG_ONLY && strncmp(word, "--", 2) != 0) {
        snprintf(why, WHY_SIZE, "unknown option -%c (see reaper-lua --help)", optopt);
        return;
    }
    snprintf(name, sizeof name, "%.*s", (int)strcspn(word, "="), word);
    nearest = strlen(name) > 2 ? nearest_option(name + 2) : NULL;
    if (optopt)
        snprintf(why, WHY_SIZE, "option %s takes no argument", name);
    else if (nearest)
        snprintf(why, WHY_SIZE, "unknown option %s; did you mean --%s?", name, nearest);
    else
        snprintf(why, WHY_SIZE, "unknown option %s (see reaper-lua --help)", name);
}

static void explain_missing(const char *word, char *why)
{
    const struct option_row *row = row_of_letter(optopt);

    snprintf(why, WHY_SIZE, "option %s needs an argument: %s", word, row ? row->argument : "VALUE");
}

/* getopt's two descriptions of the table. */
struct getopt_tables {
    char letters[2 * ROWS + 3];
    struct option longs[ROWS + 1];
};

static void make_tables(struct getopt_tables *tables)
{
    char *at;

    memset(tables, 0, sizeof *tables);
    at = tables->letters;
    *at++ = '+'; /* options end at the first operand */
    *at++ = ':'; /* tell a missing argument from an unknown option */
    for (int i = 0; i < ROWS; i++) {
        tables->longs[i].name = rows[i].name;
        tables->longs[i].has_arg = rows[i].argument ? required_argument : no_argument;
        tables->longs[i].val = rows[i].letter;
        if (rows[i].letter >= LONG_ONLY)
            continue;
        *at++ = (char)rows[i].letter;
        if (rows[i].argument)
            *at++ = ':';
    }
}

/* Applies the option `letter` that getopt_long found. */
static enum options_result apply_letter(struct options *options, int letter, const char *word, char *why)
{
    const struct option_row *const row = row_of_letter(letter);
    char name[LONG_NAME_SIZE];

    if (letter == ':') {
        explain_missing(word, why);
        return OPTIONS_BAD;
    }
    if (!row) { /* '?' */
        explain_unknown(word, why);
        return OPTIONS_BAD;
    }
    if (!row->apply)
        return row->result;
    if (row->apply(options, optarg, why) != 0) {
        snprintf(name, sizeof name, "--%s", row->name);
        name_in(why, name);
        return OPTIONS_BAD;
    }
    return OPTIONS_RUN;
}

/* Its bit in `given`. */
static unsigned bit_of_letter(int letter)
{
    const struct option_row *const row = row_of_letter(letter);

    return row ? 1U << (row - rows) : 0;
}

/* Parses up to the first operand. *dashes: a "--" ended the options. */
static enum options_result parse(struct options *options, int argc, char **argv, int *dashes, char *why)
{
    struct getopt_tables tables;
    enum options_result result = OPTIONS_RUN;
    int letter;
    int before = 1;
    int verbose = 0;

    make_tables(&tables);
    opterr = 0;
    optind = 0; /* glibc and musl: start anew */
    while (result == OPTIONS_RUN) {
        before = optind ? optind : 1;
        letter = getopt_long(argc, argv, tables.letters, tables.longs, NULL);
        if (letter == -1)
            break;
        /* The first -v counts from the default, whatever a script or the environment said. */
        if (letter == 'v' && verbose++ == 0)
            options->threshold = LOG_LEVEL_INFO;
        result = apply_letter(options, letter, argv[before < argc ? before : argc - 1], why);
        if (result == OPTIONS_RUN)
            options->given |= bit_of_letter(letter);
    }
    *dashes = result == OPTIONS_RUN && optind == before + 1;
    return result;
}

/*
 * Who writes -u without COMMAND expects that what the script starts has no rights, and it would have all of them. With
 * --check nothing is started, and COMMAND may come later.
 */
static int has_user_of_nobody(const struct options *options, char *why)
{
    const char *const where = options->given & bit_of_letter('u') ? "--user" : "REAPER_USER";

    if (!options->user[0] || options->command || options->check)
        return 0;
    if (options->pause)
        snprintf(why, WHY_SIZE, "%s %s: --pause runs no command that this could be the user of", where, options->user);
    else
        snprintf(why, WHY_SIZE,
                 "%s %s is the user of COMMAND, and there is none; what the script starts has a user of its own: "
                 "user = \"%s\" in the service, or in reaper.spawn",
                 where, options->user, options->user);
    return 1;
}

static enum options_result take_operands(struct options *options, char **words, int dashes, char *why)
{
    if (*words && !dashes && !options->eval) {
        options->script = *words++;
        if (*words && strcmp(*words, "--") == 0)
            words++;
    }
    if (options->script)
        options->eval = NULL;
    if (*words)
        options->command = words;
    if (options->pause && options->command) {
        snprintf(why, WHY_SIZE, "--pause runs no command, but \"%s\" was given", *words);
        return OPTIONS_BAD;
    }
    if (options->check && !options->script && !options->eval) {
        snprintf(why, WHY_SIZE, "--check needs a script: reaper-lua --check HOOKS.lua");
        return OPTIONS_BAD;
    }
    if (options->restart && strcmp(options->restart, "no") == 0)
        options->restart = NULL;
    if (options->restart && !options->command) {
        snprintf(why, WHY_SIZE, "--restart needs a command: reaper-lua --restart %.64s -- COMMAND", options->restart);
        return OPTIONS_BAD;
    }
    if (options->restart && !options->script && !options->eval)
        options->eval = ""; /* a script process without hooks of its own */
    if (!options->script && !options->eval && !options->command && !options->pause) {
        snprintf(why, WHY_SIZE, "nothing to do: give a script, a command after --, or --pause (see reaper-lua --help)");
        return OPTIONS_BAD;
    }
    return has_user_of_nobody(options, why) ? OPTIONS_BAD : OPTIONS_RUN;
}

enum options_result options_from_arguments(struct options *options, int argc, char **argv, char *why)
{
    int dashes;
    const enum options_result result = parse(options, argc, argv, &dashes, why);

    return result == OPTIONS_RUN ? take_operands(options, argv + optind, dashes, why) : result;
}

int options_next_idle(const struct options *options, int *at, char *why)
{
    const int has_script = options->script || options->eval;

    for (; *at < ROWS && !options->check; (*at)++) {
        const char *lacks = NULL;

        if (rows[*at].kind & OF_COMMAND && !options->command)
            lacks = "a command";
        else if (rows[*at].kind & OF_SCRIPT && !has_script)
            lacks = "a script";
        if (!lacks || !(options->given & 1U << *at))
            continue;
        snprintf(why, WHY_SIZE, "--%s has no effect without %s", rows[(*at)++].name, lacks);
        return 1;
    }
    return 0;
}

/* Only looks for the option, so what is wrong is passed over. */
int options_log_json(int argc, char **argv)
{
    struct options options = options_default();
    struct getopt_tables tables;
    const char *const value = getenv("REAPER_LOG_FORMAT");
    char why[WHY_SIZE];
    int letter;

    if (value)
        apply_log_format(&options, value, why);
    make_tables(&tables);
    opterr = 0;
    optind = 0;
    while ((letter = getopt_long(argc, argv, tables.letters, tables.longs, NULL)) != -1) {
        const struct option_row *const row = row_of_letter(letter);

        if (row && row->apply == apply_log_format)
            apply_log_format(&options, optarg, why);
    }
    return options.json;
}

void options_reapply_arguments(struct options *options, int argc, char **argv)
{
    char why[WHY_SIZE];
    int dashes;

    parse(options, argc, argv, &dashes, why);
}

int options_set(struct options *options, const char *key, const char *value, char *why)
{
    char name[LONG_NAME_SIZE];
    const char *nearest;

    for (int i = 0; i < ROWS; i++) {
        spell("", rows[i].name, 0, name);
        if ((rows[i].kind & SETTING) && strcmp(name, key) == 0)
            return rows[i].apply(options, value, why);
    }
    nearest = text_nearest(key, options_keys());
    if (nearest)
        snprintf(why, WHY_SIZE, "unknown setting \"%.64s\"; did you mean \"%s\"?", key, nearest);
    else
        snprintf(why, WHY_SIZE, "unknown setting \"%.64s\"", key);
    return -1;
}

const char *const *options_keys(void)
{
    static const char *const keys[] = {
        "kill_group", "parent_death", "map_exit",   "rewrite",      "grace",       "leave_orphans",  "user", "warn",
        "verbose",    "quiet",        "log_format", "hook_timeout", "hook_memory", "script_timeout", NULL,
    };

    return keys;
}

void options_print_help(FILE *file)
{
    char left[64];

    fputs("Usage: reaper-lua [OPTIONS] [HOOKS.lua] [--] [COMMAND [ARG...]]\n\n"
          "Runs COMMAND as the init of a container: reaps, forwards signals, stops in good order.\n"
          "HOOKS.lua decides the rest. \"--\" before COMMAND: no script.\n\n",
          file);
    for (int i = 0; i < ROWS; i++) {
        if (rows[i].letter < LONG_ONLY)
            snprintf(left, sizeof left, "-%c, --%s%s%s", rows[i].letter, rows[i].name, rows[i].argument ? " " : "",
                     rows[i].argument ? rows[i].argument : "");
        else
            snprintf(left, sizeof left, "    --%s %s", rows[i].name, rows[i].argument ? rows[i].argument : "");
        fprintf(file, "  %-30s %s\n", left, rows[i].help);
    }
    fputs("\nEach of them but the last three can be set in the environment: REAPER_GRACE=20, REAPER_KILL_GROUP=1.\n"
          "Exit code: that of COMMAND, 128 + signal, 127 not found, 126 cannot be executed, 125 reaper-lua failed.\n",
          file);
}
