/*
 * A Lua module for scripts that mistreat the socket to their engine, as a broken C module might:
 *
 *     raw.send(size, descriptors[, kind[, pid[, flags]]])   a packet of so many bytes with so many descriptors
 *     raw.shut()                                            shutdown(SHUT_WR)
 */
#include <lauxlib.h>
#include <lua.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DESCRIPTORS_MAX = 8, PACKET_MAX = 1024 };

int luaopen_raw(lua_State *L);

static int find_socket(void)
{
    struct stat file;

    for (int fd = 3; fd < 64; fd++)
        if (fstat(fd, &file) == 0 && S_ISSOCK(file.st_mode))
            return fd;
    return -1;
}

static int raw_send(lua_State *L)
{
    struct {
        uint16_t kind, flags;
        uint32_t ask;
        int32_t pid, number;
        char rest[PACKET_MAX];
    } packet;
    const size_t size = (size_t)luaL_checkinteger(L, 1);
    const size_t count = (size_t)luaL_checkinteger(L, 2);
    struct iovec part = { &packet, size };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int) * DESCRIPTORS_MAX)];
    } control;
    int *slots = (int *)CMSG_DATA(&control.header);

    luaL_argcheck(L, size <= PACKET_MAX, 1, "too long");
    luaL_argcheck(L, count <= DESCRIPTORS_MAX, 2, "too many");
    memset(&packet, 0, sizeof packet);
    memset(&control, 0, sizeof control);
    packet.kind = (uint16_t)luaL_optinteger(L, 3, 0);
    packet.pid = (int32_t)luaL_optinteger(L, 4, 0);
    packet.flags = (uint16_t)luaL_optinteger(L, 5, 0);
    if (count > 0) {
        message.msg_control = control.room;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * count);
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(sizeof(int) * count);
        for (size_t i = 0; i < count; i++)
            slots[i] = STDERR_FILENO;
    }
    lua_pushboolean(L, sendmsg(find_socket(), &message, MSG_NOSIGNAL) >= 0);
    return 1;
}

static int raw_shut(lua_State *L)
{
    lua_pushboolean(L, shutdown(find_socket(), SHUT_WR) == 0);
    return 1;
}

static const luaL_Reg functions[] = {
    { "send", raw_send },
    { "shut", raw_shut },
    { NULL, NULL },
};

int luaopen_raw(lua_State *L)
{
    luaL_newlib(L, functions);
    return 1;
}
