/* Sockets for sd_notify(3), which take datagrams from every process that knows their name. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/refused.h"
#include "script/lua_core.h"
#include "script/lua_values.h"

/* Fills `bytes` from the random numbers of the kernel. 0, or -1 with errno. */
static int make_random(void *bytes, size_t size)
{
    ssize_t got;
    int fd;

    do
        got = getrandom(bytes, size, 0);
    while (got < 0 && errno == EINTR);
    if (got < 0 && is_refused(errno)) {
        fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            return -1;
        got = read(fd, bytes, size);
        close(fd);
    }
    return got == (ssize_t)size ? 0 : -1;
}

/* Makes a name that cannot be guessed, in the abstract namespace, since the file system may be read-only. 0, or -1. */
static int make_name(char name[sizeof((struct sockaddr_un *)0)->sun_path])
{
    uint64_t random[2];

    if (make_random(random, sizeof random) != 0)
        return -1;
    snprintf(name, sizeof((struct sockaddr_un *)0)->sun_path, "@reaper-lua/%016llx%016llx",
             (unsigned long long)random[0], (unsigned long long)random[1]);
    return 0;
}

/* core.notify_open(): a descriptor, and the name of its socket for NOTIFY_SOCKET; or nil, message, errno. */
int core_notify_open(lua_State *L)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    char name[sizeof address.sun_path];
    socklen_t size;
    int fd;

    if (make_name(name) != 0)
        return push_failure(L, errno, "/dev/urandom");
    memcpy(address.sun_path, name, strlen(name));
    address.sun_path[0] = '\0';
    size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return push_failure(L, errno, "socket");
    if (bind(fd, (const struct sockaddr *)&address, size) != 0) {
        const int saved = errno;

        close(fd);
        return push_failure(L, saved, "bind");
    }
    lua_pushinteger(L, fd);
    lua_pushstring(L, name);
    return 2;
}

/* core.notify_read(fd): the text of the next message, or nil when there is none. */
int core_notify_read(lua_State *L)
{
    char text[4096];
    const ssize_t got = recv((int)luaL_checkinteger(L, 1), text, sizeof text, 0);

    if (got < 0)
        return 0;
    lua_pushlstring(L, text, (size_t)got);
    return 1;
}
