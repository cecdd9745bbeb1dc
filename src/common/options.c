/* The options' defaults, and what sets them but the command line: the environment, and reaper.configure{}. */
#define _GNU_SOURCE
#include "common/options.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/option_table.h"
#include "common/text.h"

enum { SPELLING_SIZE = 32 };

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

void options_set_log(const struct options *options, struct log *log)
{
    log->threshold = options->threshold;
    log->json = options->json;
    log->timed = options->log_time;
}

/* Spells "kill-group" as "REAPER_KILL_GROUP" or "kill_group". */
static void spell(const char *prefix, const char *name, int upper, char out[SPELLING_SIZE])
{
    size_t at = strlen(prefix);

    memcpy(out, prefix, at);
    for (; *name && at < SPELLING_SIZE - 1; name++, at++)
        out[at] = (char)(*name == '-' ? '_' : upper ? toupper((unsigned char)*name) : *name);
    out[at] = '\0';
}

/* Applies a list in the environment, piece by piece. */
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

int options_from_environment(struct options *options, char *why)
{
    char name[SPELLING_SIZE];
    const char *value;
    int failed;

    for (const struct option_row *row = option_table; row->name; row++) {
        if (!(row->kind & ENVIRONMENT))
            continue;
        spell("REAPER_", row->name, 1, name);
        value = getenv(name);
        if (!value || !*value)
            continue;
        failed = row->kind & LIST ? apply_list(row, options, value, why) : row->apply(options, value, why);
        if (failed) {
            option_name_in(why, name);
            return -1;
        }
    }
    return 0;
}

int options_set(struct options *options, const char *key, const char *value, char *why)
{
    char name[SPELLING_SIZE];
    const char *nearest;

    for (const struct option_row *row = option_table; row->name; row++) {
        spell("", row->name, 0, name);
        if ((row->kind & SETTING) && strcmp(name, key) == 0)
            return row->apply(options, value, why);
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
        "kill_group",   "parent_death", "map_exit",       "rewrite",         "grace",      "leave_orphans",
        "user",         "warn",         "verbose",        "quiet",           "log_format", "log_time",
        "hook_timeout", "hook_memory",  "script_timeout", "termination_log", NULL,
    };

    return keys;
}
