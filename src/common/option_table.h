/*
 * option_table.h: every option of reaper-lua, described once. options.c and command_line.c read this table, and nobody
 * else does.
 */
#ifndef REAPER_COMMON_OPTION_TABLE_H
#define REAPER_COMMON_OPTION_TABLE_H

#include "common/options.h"
#include "common/settings.h"

enum option_kind {
    SETTING = 1 << 0,     /* reaper.configure{} takes it, too */
    ENVIRONMENT = 1 << 1, /* a variable REAPER_… sets it */
    LIST = 1 << 2,        /* it can be repeated; in the environment its values are separated by commas */
    OF_COMMAND = 1 << 3,  /* it has no effect without COMMAND */
    OF_SCRIPT = 1 << 4,   /* it has no effect without a script */
};

enum {
    LONG_ONLY = 256,  /* the first "letter" of options that have only a long name */
    OPTIONS_MAX = 32, /* struct options has one bit for each row of the table */
};

struct option_row {
    int letter; /* unique: of an option without a letter it is LONG_ONLY + n */
    const char *name;
    const char *argument;       /* as the help shows it, or NULL */
    apply_function *apply;      /* NULL: the option only shows something */
    int kind;                   /* a set of enum option_kind */
    enum options_result result; /* of an option that only shows something */
    const char *help;
};

/* The last row has the name NULL. */
extern const struct option_row option_table[];

/* The row of a letter that getopt_long gave, or NULL. */
const struct option_row *option_of_letter(int letter);

/* The bit that stands for a row in options->given. */
unsigned option_bit(const struct option_row *row);

/* Puts "NAME: " before the reason that stands in `why`, which has WHY_SIZE bytes. */
void option_name_in(char *why, const char *name);

#endif
