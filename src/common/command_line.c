/* Parses the command line: first its options, with getopt_long, then the words that say what is to be run. */
#define _GNU_SOURCE
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "common/option_table.h"
#include "common/options.h"
#include "common/text.h"

static const char *nearest_option(const char *word)
{
    const char *names[OPTIONS_MAX + 1] = { NULL };

    for (int i = 0; option_table[i].name; i++)
        names[i] = option_table[i].name;
    return text_nearest(word, names);
}

/* getopt_long has refused an unknown letter, which is in optopt then, or the long option in `word`. */
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
    const struct option_row *row = option_of_letter(optopt);

    snprintf(why, WHY_SIZE, "option %s needs an argument: %s", word, row ? row->argument : "VALUE");
}

/* The table of options in the two forms that getopt_long takes. */
struct getopt_tables {
    char letters[2 * OPTIONS_MAX + 3];
    struct option longs[OPTIONS_MAX + 1];
};

static void make_tables(struct getopt_tables *tables)
{
    struct option *option;
    char *at;

    memset(tables, 0, sizeof *tables);
    option = tables->longs;
    at = tables->letters;
    *at++ = '+'; /* options end at the first operand */
    *at++ = ':'; /* a missing argument is not reported as an unknown option */
    for (const struct option_row *row = option_table; row->name; row++) {
        *option++ = (struct option){
            .name = row->name,
            .has_arg = row->argument ? required_argument : no_argument,
            .val = row->letter,
        };
        if (row->letter >= LONG_ONLY)
            continue;
        *at++ = (char)row->letter;
        if (row->argument)
            *at++ = ':';
    }
}

/* Applies the option that getopt_long has found. `word` is the word of the command line in which it stands. */
static enum options_result apply_letter(struct options *options, int letter, const char *word, char *why)
{
    const struct option_row *const row = option_of_letter(letter);
    char name[64];

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
        option_name_in(why, name);
        return OPTIONS_BAD;
    }
    return OPTIONS_RUN;
}

/* Parses the options, up to the first word that is none. *dashes becomes true when "--" has ended them. */
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
            options->given |= option_bit(option_of_letter(letter));
    }
    *dashes = result == OPTIONS_RUN && optind == before + 1;
    return result;
}

/*
 * Somebody who writes -u without COMMAND expects that the processes which the script starts run as that user, but they
 * would run as root. With --check nothing is started, and COMMAND may be added later.
 */
static int has_user_of_nobody(const struct options *options, char *why)
{
    const char *const where = options->given & option_bit(option_of_letter('u')) ? "--user" : "REAPER_USER";

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

/* The words behind the options are: the script, unless "--" or --eval came before it; then COMMAND. */
static void take_words(struct options *options, char **words, int dashes)
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
    if (options->restart && strcmp(options->restart, "no") == 0)
        options->restart = NULL;
}

/* True when what is to be run fits together; otherwise the reason is in `why`. */
static int can_be_run(const struct options *options, char *why)
{
    const int has_script = options->script || options->eval;

    if (options->pause && options->command)
        snprintf(why, WHY_SIZE, "--pause runs no command, but \"%s\" was given", options->command[0]);
    else if (options->check && !has_script)
        snprintf(why, WHY_SIZE, "--check needs a script: reaper-lua --check HOOKS.lua");
    else if (options->restart && !options->command)
        snprintf(why, WHY_SIZE, "--restart needs a command: reaper-lua --restart %.64s -- COMMAND", options->restart);
    else if (!has_script && !options->command && !options->pause)
        snprintf(why, WHY_SIZE, "nothing to do: give a script, a command after --, or --pause (see reaper-lua --help)");
    else
        return !has_user_of_nobody(options, why);
    return 0;
}

enum options_result options_from_arguments(struct options *options, int argc, char **argv, char *why)
{
    int dashes;
    const enum options_result result = parse(options, argc, argv, &dashes, why);

    if (result != OPTIONS_RUN)
        return result;
    take_words(options, argv + optind, dashes);
    if (!can_be_run(options, why))
        return OPTIONS_BAD;
    if (options->restart && !options->script && !options->eval)
        options->eval = ""; /* a script process restarts COMMAND, here one without hooks */
    return OPTIONS_RUN;
}

int options_next_idle(const struct options *options, int *at, char *why)
{
    const int has_script = options->script || options->eval;

    while (option_table[*at].name && !options->check) {
        const struct option_row *const row = &option_table[(*at)++];
        const char *lacks = NULL;

        if (row->kind & OF_COMMAND && !options->command)
            lacks = "a command";
        else if (row->kind & OF_SCRIPT && !has_script)
            lacks = "a script";
        if (!lacks || !(options->given & option_bit(row)))
            continue;
        snprintf(why, WHY_SIZE, "--%s has no effect without %s", row->name, lacks);
        return 1;
    }
    return 0;
}

static int is_of_log(const struct option_row *row)
{
    return row && (row->apply == apply_log_format || row->apply == apply_log_time);
}

/* Looks for the options of the log only, and passes over whatever is wrong. */
struct options options_of_log(int argc, char **argv)
{
    struct options options = options_default();
    struct getopt_tables tables;
    const char *const format = getenv("REAPER_LOG_FORMAT");
    const char *const time = getenv("REAPER_LOG_TIME");
    char why[WHY_SIZE];
    int before = 1;
    int letter;

    if (format)
        apply_log_format(&options, format, why);
    if (time)
        apply_log_time(&options, time, why);
    make_tables(&tables);
    opterr = 0;
    optind = 0;
    while ((letter = getopt_long(argc, argv, tables.letters, tables.longs, NULL)) != -1) {
        const struct option_row *const row = option_of_letter(letter);

        if (is_of_log(row))
            row->apply(&options, optarg, why);
        /* The word behind an unknown option is probably its argument, and not where the options end. */
        if (letter == '?' && optind > before && optind < argc && argv[optind][0] != '-')
            optind++;
        before = optind;
    }
    return options;
}

void options_reapply_arguments(struct options *options, int argc, char **argv)
{
    char why[WHY_SIZE];
    int dashes;

    parse(options, argc, argv, &dashes, why);
}
