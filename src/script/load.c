#define _GNU_SOURCE
#include "script/load.h"

#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/options.h"

struct text {
    char *bytes;
    size_t size;
};

/* Reads the file to its end. 0, or -1 with errno. */
static int read_all(int fd, struct text *text)
{
    size_t room = 0;
    ssize_t got = 1;
    char *grown;

    for (text->size = 0; got > 0; text->size += (size_t)got) {
        if (text->size == room) {
            room = room ? 2 * room : 16384;
            grown = realloc(text->bytes, room);
            if (!grown)
                return -1;
            text->bytes = grown;
        }
        got = read(fd, text->bytes + text->size, room - text->size);
        if (got < 0)
            return -1;
    }
    return 0;
}

/*
 * Reads the script. It has to be a regular file, since every later script process reads it again. O_NONBLOCK is set
 * because opening a FIFO would wait for a writer.
 */
static int read_script(const char *path, struct text *text, char *why)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat file;
    int result;

    if (fd < 0 || fstat(fd, &file) != 0) {
        snprintf(why, WHY_SIZE, "cannot open the script %s: %s", path, strerror(errno));
        return -1;
    }
    if (!S_ISREG(file.st_mode)) {
        close(fd);
        snprintf(why, WHY_SIZE, "the script %s is %s, not a file with Lua text", path,
                 S_ISDIR(file.st_mode)    ? "a directory"
                 : S_ISFIFO(file.st_mode) ? "a FIFO"
                                          : "a device or socket");
        return -1;
    }
    result = read_all(fd, text);
    if (result != 0)
        snprintf(why, WHY_SIZE, "cannot read the script %s: %s", path, strerror(errno));
    close(fd);
    return result;
}

static int begins_with(const struct text *text, const char *beginning)
{
    return text->size >= strlen(beginning) && memcmp(text->bytes, beginning, strlen(beginning)) == 0;
}

/*
 * As lua(1) does, passes over a byte order mark of UTF-8, and over a first line that begins with "#", which is meant
 * for the kernel. The newline of that line stays, so that lines keep their numbers.
 */
static const char *skip_beginning(const struct text *text, size_t *size)
{
    size_t at = begins_with(text, "\xef\xbb\xbf") ? 3 : 0;

    if (at < text->size && text->bytes[at] == '#')
        while (at < text->size && text->bytes[at] != '\n')
            at++;
    *size = text->size - at;
    return text->bytes + at;
}

/* ---- Hints: the command line of another init has COMMAND where the script stands here. ---- */

static int is_program(const char *path)
{
    struct stat file;

    return stat(path, &file) == 0 && S_ISREG(file.st_mode) && access(path, X_OK) == 0;
}

/* Finds the program that a shell would run by that name. */
static int find_program(const char *name, char path[PATH_MAX])
{
    const char *directories = getenv("PATH");
    size_t length;
    int size;

    for (; directories && *directories && !strchr(name, '/'); directories += length + (directories[length] == ':')) {
        length = strcspn(directories, ":");
        size = snprintf(path, PATH_MAX, "%.*s/%s", (int)length, directories, name);
        if (length > 0 && size < PATH_MAX && is_program(path))
            return 1;
    }
    return 0;
}

/* Finds the interpreter in a first line such as "#!/bin/sh", unless it is Lua or this program. */
static int other_interpreter(const struct text *text, char name[64])
{
    size_t at = 2;
    size_t length = 0;

    if (!begins_with(text, "#!"))
        return 0;
    while (at < text->size && (text->bytes[at] == ' ' || text->bytes[at] == '\t'))
        at++;
    while (length < 63 && at + length < text->size && text->bytes[at + length] != '\n')
        length++;
    memcpy(name, text->bytes + at, length);
    name[length] = '\0';
    return length > 0 && !strstr(name, "lua");
}

static void push_hint(lua_State *L, const char *what, const char *word)
{
    lua_pushfstring(L, "%s; to run it as COMMAND, put -- before it: reaper-lua -- %s", what, word);
}

static void push_not_opened(lua_State *L, const char *path, const char *why)
{
    char program[PATH_MAX];

    if (find_program(path, program))
        push_hint(L, lua_pushfstring(L, "%s, but there is the program %s", why, program), path);
    else
        lua_pushstring(L, why);
}

/*
 * Pushes the chunk, or a message. Only text is taken, since a precompiled chunk can crash the interpreter (Lua manual,
 * 6.1).
 */
static int compile(lua_State *L, const char *path, const struct text *text)
{
    char interpreter[64];
    size_t size;
    const char *const begin = skip_beginning(text, &size);

    if (begins_with(text, "\177ELF")) {
        push_hint(L, lua_pushfstring(L, "%s:1: this is a program and no Lua script", path), path);
        return -1;
    }
    if (luaL_loadbufferx(L, begin, size, lua_pushfstring(L, "@%s", path), "t") == LUA_OK)
        return 0;
    if (other_interpreter(text, interpreter))
        push_hint(L, lua_pushfstring(L, "%s; its first line is for %s", lua_tostring(L, -1), interpreter), path);
    return -1;
}

int script_load(lua_State *L, const char *path)
{
    const int top = lua_gettop(L);
    struct text text = { NULL, 0 };
    char why[WHY_SIZE];
    int result = -1;

    if (read_script(path, &text, why) != 0)
        push_not_opened(L, path, why);
    else
        result = compile(L, path, &text);
    free(text.bytes);
    lua_insert(L, top + 1);
    lua_settop(L, top + 1);
    return result;
}
