/* log.h: lines on stderr, as text or JSON. Writing them never makes process 1 wait. */
#ifndef REAPER_COMMON_LOG_H
#define REAPER_COMMON_LOG_H

#include <stddef.h>
#include <stdint.h>

enum log_level {
    LOG_LEVEL_ERROR,   /* something that the user must know: always shown */
    LOG_LEVEL_WARNING, /* hidden by -q */
    LOG_LEVEL_INFO,    /* the default threshold */
    LOG_LEVEL_DEBUG,   /* -v: the life of main child, script and stop */
    LOG_LEVEL_TRACE,   /* -vv: each signal and each reap */
    LOG_LEVEL_COUNT,
};

enum { LOG_LAST_SIZE = 1024 };

struct log {
    enum log_level threshold; /* lines above it are not written */
    int json;                 /* one JSON object a line instead of text */
    int timed;                /* text begins with the time; JSON has it anyway */
    int fd;                   /* where to write; 0 means stderr (log_open) */
    int patient;              /* wait for a slow reader; so in the script process, never in the engine */
    char *last;               /* the last error is kept there, LOG_LAST_SIZE bytes; NULL: nowhere */
    uint64_t dropped;         /* how many lines have found no room since the last one that did */
};

/* The names of the levels, NULL-terminated, in the order of enum log_level. */
extern const char *const log_level_names[];

/*
 * A terminal may make a writer wait although poll says that there is room. So the engine opens the terminal of stderr
 * once more, with O_NONBLOCK; on descriptor 2 itself, that flag would concern every process that shares it.
 */
void log_open(struct log *log);

/*
 * Writes one line. It is cut at PIPE_BUF bytes, so that the lines of several writers never mix; a message that is cut
 * ends with "…". When stderr has no room, the line is dropped and counted, and the count precedes the next line that
 * finds room. Control characters of the message are escaped, since names in it come from outside.
 */
void log_line(struct log *log, enum log_level level, const char *format, ...) __attribute__((format(printf, 3, 4)));

/*
 * The same without a format; a zero byte stands behind the message. `fields` is a text in the form of the log, without
 * control characters: ` key=value` or `,"key":value`. In JSON, fields that have no room become `,"cut":true`.
 */
void log_message(struct log *log, enum log_level level, const char *message, size_t size, const char *fields);

/*
 * Spells a message as a line of the log has it, without the newline, in at most `room` bytes (at least 8) and without a
 * zero behind them: how many they are.
 */
size_t log_spell(const char *message, size_t size, char *into, size_t room);

/* The same for a message with a traceback. In text, its further lines begin with two spaces. */
void log_traceback(struct log *log, enum log_level level, const char *message, size_t size);

#endif
