/* Sockets for sd_notify(3), which take datagrams from every process that knows their name: and who has sent them. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/proc.h"
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

/* A socket on which the kernel says who has sent each message. -1 with errno. */
static int open_socket(const struct sockaddr_un *address, socklen_t size)
{
    const int on = 1;
    const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) != 0
        || bind(fd, (const struct sockaddr *)address, size) != 0) {
        const int saved = errno;

        close(fd);
        errno = saved;
        return -1;
    }
    return fd;
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
    fd = open_socket(&address, size);
    if (fd < 0)
        return push_failure(L, errno, "the socket for sd_notify");
    lua_pushinteger(L, fd);
    lua_pushstring(L, name);
    return 2;
}

/* Pushes pid and uid of the sender as the kernel gives them, or nil twice. */
static void push_sender(lua_State *L, struct msghdr *message)
{
    const struct cmsghdr *const header = CMSG_FIRSTHDR(message);
    struct ucred sender;

    if (!header || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_CREDENTIALS) {
        lua_pushnil(L);
        lua_pushnil(L);
        return;
    }
    memcpy(&sender, CMSG_DATA(header), sizeof sender);
    lua_pushinteger(L, sender.pid);
    lua_pushinteger(L, (lua_Integer)sender.uid);
}

/*
 * core.notify_read(fd): the text of the next message, or false for one that is too long; pid and uid of its sender, pid
 * 0 for one outside of the PID namespace. Nothing when there is no message.
 *
 * There is room for the credentials only, which come first. The kernel closes descriptors that find no room: none gets
 * in here, however many somebody sends, and sd_notify_barrier(3), which waits for the end of its descriptor, learns
 * that what was sent before has been read.
 */
int core_notify_read(lua_State *L)
{
    char text[4096]; /* as systemd takes it */
    union {
        struct cmsghdr aligned;
        char bytes[CMSG_SPACE(sizeof(struct ucred))];
    } control;
    struct iovec part = { .iov_base = text, .iov_len = sizeof text };
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control
    };
    const int fd = (int)luaL_checkinteger(L, 1);
    ssize_t got;

    do
        got = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return 0;
    if (message.msg_flags & MSG_TRUNC)
        lua_pushboolean(L, 0);
    else
        lua_pushlstring(L, text, (size_t)got);
    push_sender(L, &message);
    return 3;
}

/*
 * core.sender(pid): the name of that process, its user's number, and whether it is dead (a zombie); nothing when /proc
 * does not show it.
 */
int core_sender(lua_State *L)
{
    const pid_t pid = (pid_t)luaL_checkinteger(L, 1);
    struct proc_stat process;
    char path[32];
    struct stat owner;

    snprintf(path, sizeof path, "/proc/%d", (int)pid);
    if (pid <= 0 || stat(path, &owner) != 0 || proc_read(pid, &process) != 0)
        return 0;
    lua_pushstring(L, process.comm);
    lua_pushinteger(L, (lua_Integer)owner.st_uid);
    lua_pushboolean(L, proc_is_dead(&process));
    return 3;
}
