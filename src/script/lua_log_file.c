/* Log files: opened to be appended to, and looked at again, since others may rename or remove them. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "script/lua_core.h"
#include "script/lua_values.h"

/*
 * core.log_path(path): the same path, absolute, without symbolic links in its directories; or nil, message, errno. The
 * directory must be there, the file need not.
 */
int core_log_path(lua_State *L)
{
    const char *const path = luaL_checkstring(L, 1);
    const char *const slash = strrchr(path, '/');
    const char *const name = slash ? slash + 1 : path;
    char *directory;

    if (*name == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return push_failure(L, *path ? EISDIR : ENOENT, path);
    lua_pushlstring(L, slash ? path : "./", slash ? (size_t)(slash + 1 - path) : 2); // path directory
    directory = realpath(lua_tostring(L, -1), NULL);
    if (!directory)
        return push_failure(L, errno, lua_tostring(L, -1));
    lua_pushfstring(L, "%s/%s", strcmp(directory, "/") == 0 ? "" : directory, name);
    free(directory);
    return 1;
}

/* Whoever may write into the directory could lead a link elsewhere, and a FIFO or a terminal would make writers wait.
 */
static int refuse_kind(lua_State *L, const char *path, mode_t mode)
{
    if (S_ISDIR(mode))
        return push_failure(L, EISDIR, path);
    if (S_ISLNK(mode))
        return push_reason(L, ELOOP, lua_pushfstring(L, "%s: a symbolic link, not a regular file", path));
    return push_reason(L, EINVAL, lua_pushfstring(L, "%s: not a regular file", path));
}

/* A new file belongs to whom the one before it belonged, `like`. */
static void inherit(int fd, int like)
{
    struct stat before;

    if (like < 0 || fstat(like, &before) != 0)
        return;
    if (fchown(fd, before.st_uid, before.st_gid) == 0)
        fchmod(fd, before.st_mode & 0777);
}

/* A descriptor, or -1 with errno. To know how the file ends it is to be read, too, where that is permitted. */
static int open_file(const char *path, int like)
{
    const int flags = O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW;
    int fd = open(path, flags | O_RDWR | O_CREAT | O_EXCL, 0640);

    if (fd >= 0)
        inherit(fd, like);
    else if (errno == EEXIST)
        fd = open(path, flags | O_RDWR | O_CREAT, 0640);
    return fd < 0 && errno == EACCES ? open(path, flags | O_WRONLY) : fd;
}

static int ends_with_newline(int fd, off_t size)
{
    char last = '\n';

    if (size > 0 && pread(fd, &last, 1, size - 1) != 1)
        return 1;
    return last == '\n';
}

/*
 * core.log_open(path[, like]): a descriptor, and whether what the file holds ends with a newline; or nil, message,
 * errno. The file is made where it is not there, with owner and mode of the open file `like`.
 */
int core_log_open(lua_State *L)
{
    const char *const path = luaL_checkstring(L, 1);
    const int like = (int)luaL_optinteger(L, 2, -1);
    struct stat file;
    int fd;

    if (lstat(path, &file) == 0 && !S_ISREG(file.st_mode))
        return refuse_kind(L, path, file.st_mode);
    fd = open_file(path, like);
    if (fd < 0)
        return push_failure(L, errno, path);
    if (fstat(fd, &file) != 0 || !S_ISREG(file.st_mode)) {
        close(fd);
        return refuse_kind(L, path, file.st_mode);
    }
    lua_pushinteger(L, fd);
    lua_pushboolean(L, ends_with_newline(fd, file.st_size));
    return 2;
}

/* core.log_size(fd, path): the size of the open file; nil when it is not the one that stands at the path (any more). */
int core_log_size(lua_State *L)
{
    struct stat open_one;
    struct stat named;

    if (fstat((int)luaL_checkinteger(L, 1), &open_one) != 0 || lstat(luaL_checkstring(L, 2), &named) != 0
        || open_one.st_dev != named.st_dev || open_one.st_ino != named.st_ino)
        return 0;
    lua_pushinteger(L, open_one.st_size);
    return 1;
}
