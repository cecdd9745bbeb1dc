#define _GNU_SOURCE
#include "common/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/descriptors.h"

enum {
    LINE_MAX_BYTES = PIPE_BUF,
    JSON_RESERVE = 64, /* for the fields that close the object */
};

const char *const log_level_names[] = { "error", "warning", "info", "debug", "trace", NULL };

/* A line that is being composed. Its last byte is reserved for the newline. */
struct line {
    char text[LINE_MAX_BYTES];
    size_t used;
    int cut; /* something did not fit */
};

static void add(struct line *line, const char *text, size_t size)
{
    const size_t room = sizeof line->text - 1 - line->used;

    if (size > room) {
        size = room;
        line->cut = 1;
    }
    memcpy(line->text + line->used, text, size);
    line->used += size;
}

static void add_text(struct line *line, const char *text)
{
    add(line, text, strlen(text));
}

/* The length of the UTF-8 sequence at `text` (RFC 3629), 0 when there is none. */
static size_t utf8_length(const unsigned char *text)
{
    const size_t length = *text < 0x80                    ? 1
                          : *text >= 0xc2 && *text < 0xe0 ? 2
                          : *text >= 0xe0 && *text < 0xf0 ? 3
                          : *text >= 0xf0 && *text < 0xf5 ? 4
                                                          : 0;

    for (size_t i = 1; i < length; i++)
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    if (length == 3 && ((text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xed && text[1] > 0x9f)))
        return 0;
    if (length == 4 && ((text[0] == 0xf0 && text[1] < 0x90) || (text[0] == 0xf4 && text[1] > 0x8f)))
        return 0;
    return length;
}

/* True for the characters that a terminal acts on: C0, DEL, and C1, which in UTF-8 are U+0080 to U+009F. */
static int is_control(const unsigned char *text)
{
    return *text < 0x20 || *text == 0x7f || (*text == 0xc2 && text[1] >= 0x80 && text[1] < 0xa0);
}

/* Adds a text with the escapes of JSON (RFC 8259, section 7). A byte that is not UTF-8 becomes U+FFFD. */
static void add_json(struct line *line, const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    char escape[8];

    while (*at) {
        const size_t length = utf8_length(at);

        if (line->used + JSON_RESERVE > sizeof line->text) {
            add_text(line, "...");
            return;
        }
        if (*at == '"' || *at == '\\')
            snprintf(escape, sizeof escape, "\\%c", *at);
        else if (length == 0 || is_control(at))
            snprintf(escape, sizeof escape, "\\u%04x", length == 0 ? 0xfffdU : at[length - 1]);
        else
            snprintf(escape, sizeof escape, "%.*s", (int)length, (const char *)at);
        add_text(line, escape);
        at += length ? length : 1;
    }
}

static void add_time(struct line *line)
{
    struct timespec now;
    struct tm calendar;
    char text[64];

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &calendar);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &calendar);
    add_text(line, text);
    snprintf(text, sizeof text, ".%03ldZ", now.tv_nsec / 1000000);
    add_text(line, text);
}

static void compose(struct line *line, const struct log *log, enum log_level level, const char *message,
                    const char *fields)
{
    line->used = 0;
    line->cut = 0;
    if (!log->json) {
        add_text(line, "reaper-lua: ");
        if (level == LOG_LEVEL_WARNING)
            add_text(line, "warning: ");
        add_text(line, message);
        add_text(line, fields);
    } else {
        add_text(line, "{\"time\":\"");
        add_time(line);
        add_text(line, "\",\"level\":\"");
        add_text(line, log_level_names[level]);
        add_text(line, "\",\"message\":\"");
        add_json(line, message);
        add_text(line, "\"");
        /* Fields that do not fit are left out as a whole, since a part of one would not be JSON. */
        add_text(line, line->used + strlen(fields) + 2 < sizeof line->text ? fields : ",\"cut\":true");
        add_text(line, "}");
    }
    if (line->cut)
        memcpy(line->text + line->used - 3, "...", 3);
    line->text[line->used++] = '\n';
}

static int put_without_waiting(int fd, const struct line *line)
{
    struct pollfd room = { .fd = fd, .events = POLLOUT };

    if (poll(&room, 1, 0) != 1 || !(room.revents & POLLOUT))
        return -1;
    return write_now(fd, line->text, line->used) < 0 ? -1 : 0;
}

static int put_waiting(const struct line *line)
{
    size_t done = 0;

    while (done < line->used) {
        const ssize_t written = write(STDERR_FILENO, line->text + done, line->used - done);

        if (written < 0 && errno != EINTR)
            return -1;
        if (written > 0)
            done += (size_t)written;
    }
    return 0;
}

void log_open(struct log *log)
{
    static const int flags = O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
    int fd;

    if (!isatty(STDERR_FILENO))
        return;
    fd = open("/proc/self/fd/2", flags);
    if (fd < 0)
        fd = open("/dev/tty", flags);
    if (fd > STDERR_FILENO)
        log->fd = fd;
}

static int put(const struct log *log, const struct line *line)
{
    return log->patient ? put_waiting(line) : put_without_waiting(log->fd ? log->fd : STDERR_FILENO, line);
}

/* Writes how many lines were dropped, and forgets them when this line finds room. */
static void report_dropped(struct log *log)
{
    struct line line;
    char text[64];

    snprintf(text, sizeof text, "%llu lines were dropped here", (unsigned long long)log->dropped);
    compose(&line, log, LOG_LEVEL_WARNING, text, "");
    if (put(log, &line) == 0)
        log->dropped = 0;
}

void log_write(struct log *log, enum log_level level, const char *message, const char *fields)
{
    const int saved = errno;
    struct line line;

    if (level > log->threshold)
        return;
    if (log->dropped)
        report_dropped(log);
    compose(&line, log, level, message, fields);
    if (put(log, &line) != 0)
        log->dropped++;
    errno = saved;
}

/*
 * Names in a message come from outside, and could hold what looks like further lines or what a terminal acts on. So a
 * message becomes one line: a newline is written as "\n", and any other byte that is no text in UTF-8 as "\x" and its
 * value.
 */
static void clean(const char *message, struct line *line)
{
    const unsigned char *at = (const unsigned char *)message;
    char escape[8];

    while (*at) {
        const size_t length = utf8_length(at);

        if (length > 0 && !is_control(at)) {
            add(line, (const char *)at, length);
            at += length;
            continue;
        }
        snprintf(escape, sizeof escape, *at == '\n' ? "\\n" : "\\x%02x", *at);
        add_text(line, escape);
        at++;
    }
    line->text[line->used] = '\0';
}

void log_message(struct log *log, enum log_level level, const char *message, const char *fields)
{
    struct line cleaned = { .used = 0 };

    if (level > log->threshold)
        return;
    clean(message, &cleaned);
    log_write(log, level, log->json ? message : cleaned.text, fields);
}

void log_line(struct log *log, enum log_level level, const char *format, ...)
{
    char message[LINE_MAX_BYTES];
    va_list values;

    if (level > log->threshold)
        return;
    va_start(values, format);
    vsnprintf(message, sizeof message, format, values);
    va_end(values);
    log_message(log, level, message, "");
}
