#define _GNU_SOURCE
#include "engine/termination.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/status.h"

enum { TEXT_SIZE = 4096, LEAST_ROOM = 16 };

/* ---- The text. ---- */

struct text {
    char bytes[TEXT_SIZE];
    size_t used;
};

/* Adds a line, which is cut where there is no room for it. */
__attribute__((format(printf, 2, 3))) static void add(struct text *text, const char *format, ...)
{
    const size_t room = sizeof text->bytes - text->used;
    char line[REASON_SIZE + LOG_LAST_SIZE];
    va_list values;

    if (room < LEAST_ROOM)
        return;
    va_start(values, format);
    vsnprintf(line, sizeof line, format, values);
    va_end(values);
    text->used += log_spell(line, strlen(line), text->bytes + text->used, room - 1);
    text->bytes[text->used++] = '\n';
}

static void add_command(struct text *text, const struct main_child *main_child)
{
    char how[STATUS_TEXT_SIZE];

    if (main_child->status >= 0) {
        status_describe(main_child->status, how);
        add(text, "COMMAND: %s", how);
    } else if (main_child->code >= 0) {
        add(text, "COMMAND could not be started");
    }
}

static void add_stop(struct text *text, const char *reason)
{
    if (strcmp(reason, "main") == 0)
        add(text, "the stop began with the end of COMMAND");
    else if (strcmp(reason, "exit") == 0)
        add(text, "the stop was asked for by the script");
    else if (*reason)
        add(text, "the stop began with %s", reason);
}

static void compose(const struct engine *engine, struct text *text)
{
    text->used = 0;
    add(text, "exit code %d", engine->life.final_code);
    add_command(text, &engine->main_child);
    add_stop(text, engine->life.stop_reason);
    if (engine->life.script_reason[0])
        add(text, "the script: %s", engine->life.script_reason);
    if (engine->last_error[0])
        add(text, "the last error: %s", engine->last_error);
}

/* ---- The file. ---- */

/* Kubernetes binds a file that is there. Nothing here may make the end wait: a FIFO has no reader, perhaps. */
static int open_file(const char *path)
{
    static const int flags = O_WRONLY | O_TRUNC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
    const int fd = open(path, flags);

    return fd < 0 && errno == ENOENT ? open(path, flags | O_CREAT | O_EXCL, 0644) : fd;
}

static int write_file(const char *path, const struct text *text)
{
    const int fd = open_file(path);
    struct stat stat;
    int failed;

    if (fd < 0)
        return -1;
    failed = fstat(fd, &stat) != 0;
    if (!failed && !S_ISREG(stat.st_mode)) {
        errno = EINVAL;
        failed = 1;
    }
    if (!failed)
        errno = ENOSPC; /* what a short write means */
    failed = failed || write(fd, text->bytes, text->used) != (ssize_t)text->used;
    close(fd);
    return failed ? -1 : 0;
}

void termination_write(struct engine *engine)
{
    const char *const path = engine->options.termination_log;
    struct text text;

    if (!*path)
        return;
    compose(engine, &text);
    if (write_file(path, &text) != 0)
        log_line(&engine->log, LOG_LEVEL_WARNING, "the termination log %s is not written: %s", path,
                 errno == EINVAL ? "it is no regular file" : strerror(errno));
}
