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
    FIELDS_SURE = LINE_MAX_BYTES / 2, /* so many bytes of fields have room, however long the message is */
    PIECE_SIZE = 16,                  /* room for one character as it is written, which is "\xc2\x9b" at most */
};

static const char ellipsis[] = "…";
static const char fields_cut[] = ",\"cut\":true";

const char *const log_level_names[] = { "error", "warning", "info", "debug", "trace", NULL };

/* A line that is being composed. */
struct line {
    char text[LINE_MAX_BYTES];
    size_t used;
};

/* Adds what is short, and has room for sure. */
static void add(struct line *line, const char *text)
{
    const size_t size = strlen(text);

    memcpy(line->text + line->used, text, size);
    line->used += size;
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

/*
 * Spells the character at `at`, which has `length` bytes, or is one byte that is no UTF-8 when `length` is 0.
 * `is_first`: a newline stands before it, or nothing.
 */
typedef void spell_function(const unsigned char *at, size_t length, int is_first, char piece[PIECE_SIZE]);

/* With the escapes of JSON (RFC 8259, section 7). A byte that is no UTF-8 becomes U+FFFD. */
static void spell_json(const unsigned char *at, size_t length, int is_first, char piece[PIECE_SIZE])
{
    (void)is_first;
    if (*at == '"' || *at == '\\')
        snprintf(piece, PIECE_SIZE, "\\%c", *at);
    else if (length == 0 || is_control(at))
        snprintf(piece, PIECE_SIZE, "\\u%04x", length == 0 ? 0xfffdU : at[length - 1]);
    else
        snprintf(piece, PIECE_SIZE, "%.*s", (int)length, (const char *)at);
}

/*
 * Names in a message come from outside, and could hold what looks like further lines or what a terminal acts on. So
 * each control character, and each byte that is no UTF-8, is written as "\n", "\r", "\t" or "\x" and its value.
 */
static void spell_text(const unsigned char *at, size_t length, int is_first, char piece[PIECE_SIZE])
{
    const int named = *at == '\n' ? 'n' : *at == '\r' ? 'r' : *at == '\t' ? 't' : '\0';

    (void)is_first;
    if (named)
        snprintf(piece, PIECE_SIZE, "\\%c", named);
    else if (length == 0 || (length == 1 && is_control(at)))
        snprintf(piece, PIECE_SIZE, "\\x%02x", *at);
    else if (is_control(at))
        snprintf(piece, PIECE_SIZE, "\\x%02x\\x%02x", at[0], at[1]);
    else
        snprintf(piece, PIECE_SIZE, "%.*s", (int)length, (const char *)at);
}

/* The same for a traceback: its further lines are lines, but begin with two spaces, so none can be taken for another
 * event. Lua begins the lines of frames with a tab, which becomes two more. */
static void spell_traceback(const unsigned char *at, size_t length, int is_first, char piece[PIECE_SIZE])
{
    if (*at == '\n')
        snprintf(piece, PIECE_SIZE, "\n  ");
    else if (*at == '\t' && is_first)
        snprintf(piece, PIECE_SIZE, "  ");
    else
        spell_text(at, length, is_first, piece);
}

/*
 * Adds a text, character by character. What would leave less than `reserve` bytes behind it is cut, and "…" says so. A
 * zero byte stands behind the text, which ends a sequence of UTF-8 that is cut.
 */
static void add_spelled(struct line *line, const char *text, size_t size, spell_function *spell, size_t reserve)
{
    const unsigned char *at = (const unsigned char *)text;
    const unsigned char *const end = at + size;
    const size_t limit = sizeof line->text - reserve - (sizeof ellipsis - 1);
    char piece[PIECE_SIZE];

    while (at < end) {
        const size_t length = utf8_length(at);

        spell(at, length, at == (const unsigned char *)text || at[-1] == '\n', piece);
        if (line->used + strlen(piece) > limit) {
            add(line, ellipsis);
            return;
        }
        add(line, piece);
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
    add(line, text);
    snprintf(text, sizeof text, ".%03ldZ", now.tv_nsec / 1000000);
    add(line, text);
}

/* What is to be written. */
struct entry {
    enum log_level level;
    const char *message;
    size_t size;
    const char *fields;
    int is_traceback;
};

/* What the message has to leave for `fields` and for `closing` bytes behind them. */
static size_t room_of_fields(size_t fields, size_t closing)
{
    const size_t least = sizeof fields_cut - 1;

    return closing + (fields > FIELDS_SURE || fields < least ? least : fields);
}

static void compose_text(struct line *line, const struct log *log, const struct entry *entry)
{
    static const size_t closing = sizeof ellipsis; /* and a newline */
    const size_t fields = strlen(entry->fields);

    if (log->timed) {
        add_time(line);
        add(line, " ");
    }
    add(line, "reaper-lua: ");
    if (entry->level == LOG_LEVEL_WARNING)
        add(line, "warning: ");
    add_spelled(line, entry->message, entry->size, entry->is_traceback ? spell_traceback : spell_text,
                room_of_fields(fields, closing));
    add_spelled(line, entry->fields, fields, spell_text, 1);
    add(line, "\n");
}

static void compose_json(struct line *line, const struct entry *entry)
{
    static const char closing[] = "}\n";
    const size_t fields = strlen(entry->fields);

    add(line, "{\"time\":\"");
    add_time(line);
    add(line, "\",\"level\":\"");
    add(line, log_level_names[entry->level]);
    add(line, "\",\"message\":\"");
    add_spelled(line, entry->message, entry->size, spell_json, room_of_fields(fields, sizeof closing));
    add(line, "\"");
    /* Fields that do not fit are left out as a whole, since a part of one would not be JSON. */
    add(line, line->used + fields + sizeof closing - 1 <= sizeof line->text ? entry->fields : fields_cut);
    add(line, closing);
}

static void compose(struct line *line, const struct log *log, const struct entry *entry)
{
    line->used = 0;
    if (log->json)
        compose_json(line, entry);
    else
        compose_text(line, log, entry);
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
    struct entry entry = { .level = LOG_LEVEL_WARNING, .fields = "" };
    struct line line;
    char text[64];

    entry.size = (size_t)snprintf(text, sizeof text, "%llu lines were dropped here", (unsigned long long)log->dropped);
    entry.message = text;
    compose(&line, log, &entry);
    if (put(log, &line) == 0)
        log->dropped = 0;
}

size_t log_spell(const char *message, size_t size, char *into, size_t room)
{
    struct line line;

    line.used = 0;
    if (room > sizeof line.text)
        room = sizeof line.text;
    add_spelled(&line, message, size, spell_traceback, sizeof line.text - room);
    memcpy(into, line.text, line.used);
    return line.used;
}

/* With its time, since it may be of long ago. */
static void keep_error(const struct log *log, const struct entry *entry)
{
    struct line line;
    size_t length;

    line.used = 0;
    add_time(&line);
    add(&line, " ");
    memcpy(log->last, line.text, line.used);
    length = line.used + log_spell(entry->message, entry->size, log->last + line.used, LOG_LAST_SIZE - 1 - line.used);
    log->last[length] = '\0';
}

static void write_entry(struct log *log, const struct entry *entry)
{
    const int saved = errno;
    struct line line;

    if (entry->level > log->threshold)
        return;
    if (log->last && entry->level == LOG_LEVEL_ERROR)
        keep_error(log, entry);
    if (log->dropped)
        report_dropped(log);
    compose(&line, log, entry);
    if (put(log, &line) != 0)
        log->dropped++;
    errno = saved;
}

void log_message(struct log *log, enum log_level level, const char *message, size_t size, const char *fields)
{
    const struct entry entry = { level, message, size, fields, 0 };

    write_entry(log, &entry);
}

void log_traceback(struct log *log, enum log_level level, const char *message, size_t size)
{
    const struct entry entry = { level, message, size, "", 1 };

    write_entry(log, &entry);
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
    log_message(log, level, message, strlen(message), "");
}
