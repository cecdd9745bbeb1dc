/* Sockets with which probes ask a server whether it answers. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <lauxlib.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "script/lua_core.h"
#include "script/lua_values.h"

union address {
    struct sockaddr any;
    struct sockaddr_in four;
    struct sockaddr_in6 six;
};

/* Reads argument 1, a host that is a number; nobody is asked for a name. The size of the address, or 0 for another. */
static socklen_t read_address(lua_State *L, union address *address)
{
    size_t length;
    const char *const host = luaL_checklstring(L, 1, &length);

    memset(address, 0, sizeof *address);
    if (strlen(host) != length)
        return 0;
    if (inet_pton(AF_INET, host, &address->four.sin_addr) == 1) {
        address->any.sa_family = AF_INET;
        return sizeof address->four;
    }
    if (inet_pton(AF_INET6, host, &address->six.sin6_addr) == 1) {
        address->any.sa_family = AF_INET6;
        return sizeof address->six;
    }
    return 0;
}

static void set_port(union address *address, in_port_t port)
{
    if (address->any.sa_family == AF_INET)
        address->four.sin_port = htons(port);
    else
        address->six.sin6_port = htons(port);
}

/* core.address_family(host): 4 or 6 for a host that is a number of that family; nil for another. */
int core_address_family(lua_State *L)
{
    union address address;

    if (!read_address(L, &address))
        return 0;
    lua_pushinteger(L, address.any.sa_family == AF_INET ? 4 : 6);
    return 1;
}

/*
 * core.connect(host, port): begins a connection and does not wait for it: a descriptor, which is writable when the
 * connection is there or has failed (core.connected); or nil, message, errno.
 */
int core_connect(lua_State *L)
{
    const in_port_t port = (in_port_t)luaL_checkinteger(L, 2);
    union address address;
    const socklen_t size = read_address(L, &address);
    int fd;

    luaL_argcheck(L, size > 0, 1, "not an address");
    set_port(&address, port);
    fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return push_failure(L, errno, NULL);
    if (connect(fd, &address.any, size) != 0 && errno != EINPROGRESS) {
        const int saved = errno;

        close(fd);
        return push_failure(L, saved, NULL);
    }
    lua_pushinteger(L, fd);
    return 1;
}

/* True when two addresses and ports of one family are the same. */
static int is_same(const union address *one, const union address *other)
{
    if (one->any.sa_family == AF_INET)
        return one->four.sin_port == other->four.sin_port && one->four.sin_addr.s_addr == other->four.sin_addr.s_addr;
    return one->six.sin6_port == other->six.sin6_port
           && memcmp(&one->six.sin6_addr, &other->six.sin6_addr, sizeof one->six.sin6_addr) == 0;
}

/*
 * Why the connection cannot be used, an errno, or 0. Where nobody listens, the kernel may choose the very port that is
 * asked for as the port of the one who asks, and connects it with itself: both ends are the same then.
 */
static int fault_of_connection(int fd)
{
    union address own = { .any.sa_family = AF_UNSPEC };
    union address other = own;
    socklen_t own_size = sizeof own;
    socklen_t other_size = sizeof other;
    int error = 0;
    socklen_t size = sizeof error;

    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
        return errno;
    if (error != 0)
        return error;
    if (getsockname(fd, &own.any, &own_size) != 0 || getpeername(fd, &other.any, &other_size) != 0)
        return errno;
    return is_same(&own, &other) ? ECONNREFUSED : 0;
}

/* core.connected(fd): how the connection has ended up: true; or nil, message, errno. */
int core_connected(lua_State *L)
{
    const int error = fault_of_connection((int)luaL_checkinteger(L, 1));

    if (error != 0)
        return push_failure(L, error, NULL);
    lua_pushboolean(L, 1);
    return 1;
}
