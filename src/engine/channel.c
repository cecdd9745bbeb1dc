#define _GNU_SOURCE
#include "engine/channel.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/descriptors.h"

static const int64_t full_at_most = NANOSECONDS;         /* should nobody tell that there is room again */
static const int64_t try_again_after = 10 * MILLISECOND; /* for want of memory, or too many descriptors on their way */

int channel_open(struct channel *channel, int *script_end)
{
    int pair[2];

    *channel = (struct channel){ .fd = -1, .again_at = NEVER };
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return -1;
    channel->fd = pair[0];
    *script_end = pair[1];
    return 0;
}

void channel_refuse(const struct channel *channel)
{
    if (channel->fd >= 0)
        shutdown(channel->fd, SHUT_RD);
}

void channel_close(struct channel *channel)
{
    if (channel->fd >= 0)
        close(channel->fd);
    channel->fd = -1;
    channel->full = 0;
    channel->again_at = NEVER;
}

int channel_send(struct channel *channel, const struct event *event, const int *fds, int count)
{
    if (channel->fd < 0 || channel->shut)
        return -1;
    channel->full = 0;
    channel->again_at = NEVER;
    if (send_packet(channel->fd, event, sizeof *event, fds, count) == 0)
        return 0;
    channel->shut = errno == EPIPE || errno == ECONNRESET;
    channel->full = errno == EAGAIN;
    if (!channel->shut)
        channel->again_at = clock_after(channel->full ? full_at_most : try_again_after);
    return -1;
}

int channel_has_room(const struct channel *channel)
{
    return !channel->full && channel->again_at == NEVER;
}

/* An empty packet looks like the end. */
static int is_at_end(int fd)
{
    struct pollfd entry = { .fd = fd, .events = POLLRDHUP };

    return poll(&entry, 1, 0) == 1 && (entry.revents & (POLLRDHUP | POLLHUP));
}

int channel_receive(struct channel *channel, struct order *order, int fds[MESSAGE_FDS_MAX], int *fd_count)
{
    ssize_t got;

    if (channel->fd < 0 || channel->shut)
        return 0;
    got = receive_packet(channel->fd, order, sizeof *order, fds, fd_count, MSG_DONTWAIT);
    if (got < 0)
        return 0;
    if (got == 0 && is_at_end(channel->fd)) {
        close_descriptors(fds, *fd_count); /* an empty packet can have some, too */
        channel->shut = 1;
        return 0;
    }
    if (got != sizeof *order || order->kind == ORDER_NONE || order->kind >= ORDER_COUNT) {
        close_descriptors(fds, *fd_count);
        order->number = (int32_t)got;
        return -1;
    }
    order->text[sizeof order->text - 1] = '\0';
    return 1;
}
