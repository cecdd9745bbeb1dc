#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/descriptors.h"
#include "engine/channel.h"
#include "harmless.h"

enum { DESCRIPTORS = 256 };

int __real_fcntl(int fd, int command, ...);
int __real_channel_open(struct channel *channel, int *script_end);
ssize_t __real_receive_packet(int socket, void *bytes, size_t size, int fds[MESSAGE_FDS_MAX], int *count, int flags);
int __real_send_packet(int socket, const void *bytes, size_t size, const int *fds, int count);
ssize_t __real_send(int socket, const void *bytes, size_t size, int flags);

static int signal_of_fd[DESCRIPTORS]; /* that F_SETSIG has asked for */

void world_signal(const siginfo_t *record)
{
    if (world.record_count == RECORDS_MAX)
        return;
    world.records[(world.first_record + world.record_count) % RECORDS_MAX] = *record;
    world.record_count++;
}

void world_announce(int fd, int code)
{
    siginfo_t record;

    if (fd < 0 || fd >= DESCRIPTORS || signal_of_fd[fd] == 0 || world.refuses_async)
        return;
    memset(&record, 0, sizeof record);
    record.si_signo = signal_of_fd[fd];
    record.si_code = code;
    record.si_fd = fd;
    world_signal(&record);
}

/* No signal is sent to anybody, and no owner is set, whose pid would be another's. */
__attribute__((no_sanitize("address"))) WRAP(int, fcntl, int fd, int command, ...)
{
    long argument;
    va_list rest;

    va_start(rest, command);
    argument = va_arg(rest, long);
    va_end(rest);
    if (command != F_SETOWN && command != F_SETSIG && !(command == F_SETFL && (argument & O_ASYNC)))
        return __real_fcntl(fd, command, argument);
    if (world.refuses_async)
        return world_fail(EINVAL);
    if (command == F_SETSIG && fd >= 0 && fd < DESCRIPTORS)
        signal_of_fd[fd] = (int)argument;
    return 0;
}

/* The script's end stays open for the target, which speaks for the script process. */
WRAP(int, channel_open, struct channel *channel, int *script_end)
{
    if (__real_channel_open(channel, script_end) != 0)
        return -1;
    world.engine_fd = channel->fd;
    world.script_fd = dup(*script_end);
    return 0;
}

/* Who waits for a message gets what the other side sends meanwhile, or its end. */
WRAP(ssize_t, receive_packet, int socket, void *bytes, size_t size, int fds[MESSAGE_FDS_MAX], int *count, int flags)
{
    struct pollfd entry = { .fd = socket, .events = POLLIN };

    while (!(flags & MSG_DONTWAIT) && world.before_wait && poll(&entry, 1, 0) == 0)
        world.before_wait();
    return __real_receive_packet(socket, bytes, size, fds, count, flags);
}

WRAP(int, send_packet, int socket, const void *bytes, size_t size, const int *fds, int count)
{
    return world.send_error ? world_fail(world.send_error) : __real_send_packet(socket, bytes, size, fds, count);
}

WRAP(ssize_t, send, int socket, const void *bytes, size_t size, int flags)
{
    if (world.before_send)
        world.before_send();
    return __real_send(socket, bytes, size, flags);
}
