/*
 * The environment and the command line. Input: lines. Those before the first empty one are REAPER_… variables without
 * that beginning ("GRACE=3"), the others words; "key=value" words are also given to options_set.
 */
#include <stdlib.h>
#include <string.h>

#include "common/options.h"
#include "harmless.h"

enum { LINES_MAX = 64, LINE_SIZE = 512 };

extern char **environ;

struct lines {
    char text[LINES_MAX][LINE_SIZE];
    char *list[LINES_MAX + 1];
    int count;
};

static const uint8_t *add_line(struct lines *lines, const char *before, const uint8_t *at, const uint8_t *end)
{
    const uint8_t *const newline = memchr(at, '\n', (size_t)(end - at));
    const size_t start = strlen(before);
    size_t length = (size_t)((newline ? newline : end) - at);
    const uint8_t *const next = at + length + (newline != NULL);
    char *const text = lines->text[lines->count];

    if (length > LINE_SIZE - 1 - start)
        length = LINE_SIZE - 1 - start;
    memcpy(text, before, start);
    memcpy(text + start, at, length);
    text[start + length] = '\0';
    lines->list[lines->count++] = text;
    lines->list[lines->count] = NULL;
    return next;
}

/* Every value is one that the engine can use as it is. */
static void check(const struct options *options)
{
    for (int i = 0; i < 256; i++)
        EXPECT(options->exit_map[i] >= -1 && options->exit_map[i] <= 255);
    for (int i = 0; i <= SIGNAL_MAX; i++)
        EXPECT(options->rewrite[i] <= SIGNAL_MAX || options->rewrite[i] == REWRITE_NONE);
    EXPECT(options->rewrite[9] == REWRITE_NONE && options->rewrite[19] == REWRITE_NONE);
    EXPECT(options->threshold < LOG_LEVEL_COUNT);
    EXPECT(options->parent_death >= 0 && options->parent_death <= SIGNAL_MAX);
    EXPECT(options->grace >= 0 && options->hook_timeout >= 0 && options->script_timeout >= 0);
    EXPECT(memchr(options->user, '\0', sizeof options->user));
}

/* A refusal is said, in a line that ends. */
static void check_refusal(const char *why)
{
    EXPECT(*why && memchr(why, '\0', WHY_SIZE));
}

static void check_settings(const struct lines *words)
{
    struct options options = options_default();
    char why[WHY_SIZE] = "";
    char key[LINE_SIZE];

    for (int i = 1; i < words->count; i++) {
        const size_t length = strcspn(words->list[i], "=");

        memcpy(key, words->list[i], length);
        key[length] = '\0';
        if (options_set(&options, key, words->list[i] + length + (words->list[i][length] == '='), why) != 0)
            check_refusal(why);
        check(&options);
    }
}

static void parse(const struct lines *words)
{
    struct options options = options_default();
    struct options again;
    char why[WHY_SIZE] = "";
    enum options_result result;
    int failed;

    failed = options_from_environment(&options, why);
    if (failed)
        check_refusal(why);
    check(&options);
    result = options_from_arguments(&options, words->count, (char **)words->list, why);
    check(&options);
    if (result == OPTIONS_BAD)
        check_refusal(why);
    if (result != OPTIONS_RUN)
        return;
    EXPECT(options.command || options.pause || options.script || options.eval);
    again = options_of_log(words->count, (char **)words->list);
    check(&again);
    if (!failed)
        EXPECT(again.json == options.json && again.log_time == options.log_time);
    again = options;
    options_reapply_arguments(&again, words->count, (char **)words->list);
    check(&again);
    EXPECT(memcmp(again.exit_map, options.exit_map, sizeof again.exit_map) == 0);
    EXPECT(again.grace == options.grace && again.json == options.json && again.threshold == options.threshold);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct lines variables;
    static struct lines words;
    const uint8_t *at = bytes;
    const uint8_t *const end = bytes + size;
    char **const before = environ;

    world_begin();
    variables.count = words.count = 0;
    variables.list[0] = NULL;
    while (at < end && *at != '\n' && variables.count < LINES_MAX)
        at = add_line(&variables, "REAPER_", at, end);
    add_line(&words, "reaper-lua", at, at);
    for (at += at < end; at < end && words.count < LINES_MAX;)
        at = add_line(&words, "", at, end);
    environ = variables.list;
    parse(&words);
    environ = before;
    check_settings(&words);
    world_end();
    return 0;
}
