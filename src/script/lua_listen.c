/* Listening: what the porter answers on, and who asks. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "script/lua_values.h"
#include "script/porter.h"

enum { BACKLOG = 64 };

static int push_fd(lua_State *L, int fd)
{
    lua_pushinteger(L, fd);
    return 1;
}

/* nil, the system's words, errno; the descriptor, if any, is closed. */
static int fail(lua_State *L, int fd, const char *what)
{
    const int saved = errno;

    if (fd >= 0)
        close(fd);
    return push_failure(L, saved, what);
}

/* ---- TCP. ---- */

/* core.listen_tcp(host, port): a descriptor; or nil, message, errno. The host is a number. */
static int core_listen_tcp(lua_State *L)
{
    const char *const host = luaL_checkstring(L, 1);
    const in_port_t port = htons((in_port_t)luaL_checkinteger(L, 2));
    struct sockaddr_in four = { .sin_family = AF_INET, .sin_port = port };
    struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_port = port };
    const int is_four = inet_pton(AF_INET, host, &four.sin_addr) == 1;
    const int yes = 1;
    int fd;

    luaL_argcheck(L, is_four || inet_pton(AF_INET6, host, &six.sin6_addr) == 1, 1, "not an address");
    fd = socket(is_four ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return fail(L, -1, "socket");
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(fd, is_four ? (void *)&four : (void *)&six, is_four ? sizeof four : sizeof six) != 0)
        return fail(L, fd, "bind");
    if (listen(fd, BACKLOG) != 0)
        return fail(L, fd, "listen");
    return push_fd(L, fd);
}

/* ---- A unix socket. ---- */

static struct sockaddr_un address_of(const char *name)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };

    snprintf(address.sun_path, sizeof address.sun_path, "%s", name);
    return address;
}

static int is_ours(uid_t user)
{
    return user == 0 || user == geteuid();
}

/*
 * Whoever may write to the directory can put a socket of his own in the place of ours, and answer in its stead; in a
 * sticky one nobody else can move what is ours. Moves into it, so that what follows is about this very directory, and
 * locks it against another porter until it is closed. -1 with a reason.
 */
static int enter_directory(lua_State *L, const char *directory)
{
    const int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct stat stat;
    const char *why = NULL;

    if (fd < 0 || fstat(fd, &stat) != 0 || fchdir(fd) != 0)
        why = lua_pushfstring(L, "the directory %s: %s", directory, strerror(errno));
    else if (!is_ours(stat.st_uid))
        why = lua_pushfstring(L, "the directory %s belongs to user %d: it must be this user's, or root's", directory,
                              (int)stat.st_uid);
    else if ((stat.st_mode & (S_IWGRP | S_IWOTH)) && !(stat.st_mode & S_ISVTX))
        why = lua_pushfstring(L, "others may write to the directory %s: take one that only its owner may write to",
                              directory);
    else if (flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
        why = "another process makes a socket there";
    if (!why)
        return fd;
    if (fd >= 0)
        close(fd);
    lua_pushstring(L, why);
    return -1;
}

/* True when somebody answers, or it cannot be told that nobody does. */
static int may_answer(const char *name)
{
    const struct sockaddr_un address = address_of(name);
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int refused;

    if (fd < 0)
        return 1;
    refused = connect(fd, (const struct sockaddr *)&address, sizeof address) != 0 && errno == ECONNREFUSED;
    close(fd);
    return !refused;
}

/* Why the name may not be taken, or NULL. A socket that nobody listens on was left behind. */
static const char *why_taken(const char *name)
{
    struct stat stat;

    if (lstat(name, &stat) != 0)
        return errno == ENOENT ? NULL : strerror(errno);
    if (S_ISLNK(stat.st_mode))
        return "it is a symbolic link";
    if (!S_ISSOCK(stat.st_mode))
        return "there is something that is no socket";
    if (!is_ours(stat.st_uid))
        return "the socket there belongs to another user";
    return may_answer(name) ? "somebody answers there already" : NULL;
}

/* Binds, listens, and gives the socket its name at last, so that whoever finds it is answered. 0, or -1 with errno. */
static int publish(int fd, const char *name)
{
    char before[32];
    struct sockaddr_un address;

    snprintf(before, sizeof before, ".reaper-porter.%d", (int)getpid());
    address = address_of(before);
    unlink(before);
    if (bind(fd, (const struct sockaddr *)&address, sizeof address) != 0)
        return -1;
    if (chmod(before, S_IRUSR | S_IWUSR) == 0 && listen(fd, BACKLOG) == 0 && rename(before, name) == 0)
        return 0;
    unlink(before);
    return -1;
}

static void push_identity(lua_State *L, const char *name)
{
    struct stat stat;

    if (lstat(name, &stat) == 0)
        lua_pushfstring(L, "%I:%I", (lua_Integer)stat.st_dev, (lua_Integer)stat.st_ino);
    else
        lua_pushnil(L);
}

/*
 * core.listen_unix(directory, name): a descriptor and what core.remove_socket takes; or nil, message. From then on the
 * process works in the directory.
 */
static int core_listen_unix(lua_State *L)
{
    const char *const name = luaL_checkstring(L, 2);
    const int directory = enter_directory(L, luaL_checkstring(L, 1));
    const char *why;
    int fd = -1;

    if (directory < 0) {
        luaL_pushfail(L);
        lua_insert(L, -2);
        return 2;
    }
    why = why_taken(name);
    if (!why) {
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd < 0 || publish(fd, name) != 0)
            why = strerror(errno);
    }
    if (!why) {
        push_fd(L, fd);
        push_identity(L, name);
    } else {
        if (fd >= 0)
            close(fd);
        luaL_pushfail(L);
        lua_pushstring(L, why);
    }
    close(directory);
    return 2;
}

/* core.remove_socket(name, identity): takes it away, when it is still the one that core.listen_unix has made. */
static int core_remove_socket(lua_State *L)
{
    const char *const name = luaL_checkstring(L, 1);

    push_identity(L, name);
    if (lua_isstring(L, 2) && lua_rawequal(L, 2, -1))
        unlink(name);
    return 0;
}

/* ---- Connections. ---- */

/*
 * core.accept(fd): the descriptor of a connection, and whether its other end is root or this user (nil for TCP, which
 * does not tell); or nil, message, errno, which is EAGAIN when there is none.
 */
static int core_accept(lua_State *L)
{
    struct sockaddr_storage other = { .ss_family = AF_UNSPEC };
    socklen_t size = sizeof other;
    const int fd =
        accept4((int)luaL_checkinteger(L, 1), (struct sockaddr *)&other, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    struct ucred peer;
    socklen_t peer_size = sizeof peer;

    if (fd < 0)
        return push_failure(L, errno, "accept");
    push_fd(L, fd);
    if (other.ss_family != AF_UNIX)
        return 1;
    lua_pushboolean(L, getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &peer_size) == 0 && is_ours(peer.uid));
    return 2;
}

/* core.shutdown(fd): nothing more is written to the connection. */
static int core_shutdown(lua_State *L)
{
    shutdown((int)luaL_checkinteger(L, 1), SHUT_WR);
    return 0;
}

static const luaL_Reg functions[] = {
    { "listen_tcp", core_listen_tcp }, { "listen_unix", core_listen_unix }, { "remove_socket", core_remove_socket },
    { "accept", core_accept },         { "shutdown", core_shutdown },       { NULL, NULL },
};

void open_listen_core(lua_State *L)
{
    luaL_setfuncs(L, functions, 0);
}
