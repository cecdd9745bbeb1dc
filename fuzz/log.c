/*
 * Lines of the log: whatever the message is, one line that a pipe takes at once, with text only. Input: the form and
 * the level, how often the message is repeated, how long the fields are, the message.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "harmless.h"

enum { TIMES_MAX = 16 };

/* What stands at `at` is a character of UTF-8 that no terminal acts on: its length. */
static size_t character(const unsigned char *at)
{
    size_t length = 1;

    EXPECT(*at >= 0x20 && *at != 0x7f && *at != 0xff && (*at < 0x80 || *at >= 0xc2));
    EXPECT(*at != 0xc2 || at[1] >= 0xa0);
    while ((at[length] & 0xc0) == 0x80)
        length++;
    EXPECT(length == (*at < 0x80 ? 1U : *at < 0xe0 ? 2U : *at < 0xf0 ? 3U : 4U));
    return length;
}

/* An object of strings, numbers and booleans: quotes are in pairs, and only RFC 8259's escapes are used. */
static void check_json(const char *line, size_t size)
{
    int quoted = 0;

    EXPECT(size > 3 && line[0] == '{' && line[size - 2] == '}' && memchr(line, '\n', size) == line + size - 1);
    for (size_t i = 0; i < size - 1; i++) {
        if (line[i] == '"')
            quoted = !quoted;
        if (line[i] == '\\') {
            EXPECT(quoted && strchr("\"\\u", line[i + 1]));
            i++;
        }
    }
    EXPECT(!quoted);
}

/* In a traceback further lines begin with two spaces; otherwise there are none. */
static void check_text(const char *line, size_t size, int is_traceback)
{
    for (size_t i = 0; i < size - 1; i++)
        EXPECT(line[i] != '\n' || (is_traceback && line[i + 1] == ' ' && line[i + 2] == ' '));
}

static void check(const char *line, size_t size, int json, int is_traceback)
{
    size_t i = 0;

    EXPECT(size > 0 && size <= PIPE_BUF && line[size - 1] == '\n');
    while (i < size)
        i += line[i] == '\n' ? 1 : character((const unsigned char *)line + i);
    if (json)
        check_json(line, size);
    else
        check_text(line, size, is_traceback);
}

static void write_and_check(struct log *log, int out, unsigned form, const char *message, size_t size, size_t fields)
{
    char *const text = calloc(1, fields + 8);
    char line[2 * PIPE_BUF];
    ssize_t got;

    log->json = form & 1;
    log->timed = form >> 1 & 1;
    if (fields) {
        memcpy(text, log->json ? ",\"f\":\"" : " f=", log->json ? 6 : 3);
        memset(text + strlen(text), 'x', fields);
        strcat(text, log->json ? "\"" : "");
    }
    if (form & 4)
        log_traceback(log, LOG_LEVEL_ERROR, message, size);
    else
        log_message(log, (enum log_level)((form >> 3) % LOG_LEVEL_COUNT), message, size, text);
    EXPECT(log->dropped == 0);
    got = read(out, line, sizeof line - 1);
    EXPECT(got > 0);
    line[got] = '\0';
    check(line, (size_t)got, log->json, (form & 4) != 0);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct log log = { .threshold = LOG_LEVEL_TRACE };
    size_t times;
    char *message;
    int ends[2];

    if (size < 3 || pipe(ends) != 0)
        return 0;
    times = 1 + bytes[1] % TIMES_MAX;
    message = malloc(times * (size - 3) + 1);
    for (size_t i = 0; i < times; i++)
        memcpy(message + i * (size - 3), bytes + 3, size - 3);
    message[times * (size - 3)] = '\0';
    log.fd = ends[1];
    write_and_check(&log, ends[0], bytes[0], message, times * (size - 3), 17 * (size_t)bytes[2]);
    free(message);
    close(ends[0]);
    close(ends[1]);
    return 0;
}
