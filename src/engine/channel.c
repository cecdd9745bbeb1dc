#define _GNU_SOURCE
#include "engine/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/descriptors.h"

/* A packet in the making, and a link of the backlog. */
struct chunk {
    struct chunk *next;
    uint32_t count;
    int32_t fd_count; /* a chunk with descriptors holds one event only */
    int fds[MESSAGE_FDS_MAX];
    struct event events[];
};

enum { CHUNK_EVENTS = (PACKET_SIZE - (int)sizeof(struct chunk)) / (int)sizeof(struct event) };
enum {
    SPARE_EVENTS = (8192 - (int)sizeof(struct chunk)) / (int)sizeof(struct event)
}; /* two pages are kept, no more */

static const int64_t try_again_after = 10 * MILLISECOND;
static const int64_t rest_shortest = MILLISECOND;
static const int64_t rest_longest = 4 * MILLISECOND;
enum { MANY_EVENTS = 16 }; /* in one packet: a storm */

/* Pages come from mmap, so that an idle engine gives them back. NULL when there is no memory. */
static struct chunk *new_chunk(void)
{
    void *pages = mmap(NULL, PACKET_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return pages == MAP_FAILED ? NULL : pages;
}

/* Room for the control message of one packet. */
union control {
    struct cmsghdr header;
    char room[CMSG_SPACE(sizeof(int) * MESSAGE_FDS_MAX)];
};

/* The chunk is there from the beginning: a script process that is never told its start would wait for ever. */
int channel_open(struct channel *channel, int *script_end)
{
    int pair[2];
    int saved;

    memset(channel, 0, sizeof *channel);
    channel->fd = channel->peer = -1;
    channel->flush_at = NEVER;
    channel->rest = rest_shortest;
    channel->spare = new_chunk();
    if (!channel->spare)
        return -1;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0) {
        channel->fd = pair[0];
        *script_end = pair[1];
        channel->peer = fcntl(pair[1], F_DUPFD_CLOEXEC, 3);
        if (channel->peer >= 0)
            return 0;
        saved = errno;
        close(pair[1]);
    } else {
        saved = errno;
    }
    channel_close(channel);
    errno = saved;
    return -1;
}

void channel_collect(struct channel *channel)
{
    memset(channel, 0, sizeof *channel);
    channel->fd = channel->peer = -1;
    channel->flush_at = NEVER;
    channel->collecting = 1;
}

static void close_fds(int *fds, int count)
{
    for (int i = 0; i < count; i++)
        close(fds[i]);
}

static void pop_chunk(struct channel *channel)
{
    struct chunk *chunk = channel->head;

    channel->head = chunk->next;
    if (!channel->head)
        channel->tail = NULL;
    channel->backlog -= chunk->count;
    close_fds(chunk->fds, chunk->fd_count);
    if (!channel->spare && chunk->count <= SPARE_EVENTS) {
        memset(chunk, 0, sizeof *chunk);
        channel->spare = chunk;
    } else {
        munmap(chunk, PACKET_SIZE);
    }
}

void channel_refuse(const struct channel *channel)
{
    if (channel->fd >= 0)
        shutdown(channel->fd, SHUT_RD);
}

void channel_close(struct channel *channel)
{
    while (channel->head)
        pop_chunk(channel);
    if (channel->spare)
        munmap(channel->spare, PACKET_SIZE);
    channel->spare = NULL;
    if (channel->fd >= 0)
        close(channel->fd);
    if (channel->peer >= 0)
        close(channel->peer);
    channel->fd = channel->peer = -1;
    channel->flush_at = NEVER;
    channel->full = 0;
}

/* A new last chunk; NULL when there is no memory. */
static struct chunk *push_chunk(struct channel *channel)
{
    struct chunk *chunk = channel->spare ? channel->spare : new_chunk();

    channel->spare = NULL;
    if (!chunk)
        return NULL;
    if (channel->tail)
        channel->tail->next = chunk;
    else
        channel->head = chunk;
    channel->tail = chunk;
    return chunk;
}

static int append(struct channel *channel, const struct event *event)
{
    struct chunk *chunk = channel->tail;

    if (!chunk || chunk->count == CHUNK_EVENTS || chunk->fd_count > 0)
        chunk = push_chunk(channel);
    if (!chunk)
        return -1;
    chunk->events[chunk->count++] = *event;
    channel->backlog++;
    return 0;
}

static void schedule(struct channel *channel, const struct event *event)
{
    const int64_t now = clock_now();
    int64_t due = channel->sent_at + channel->rest;

    if (event->question || due < now)
        due = now;
    if (due < channel->flush_at)
        channel->flush_at = due;
}

/* An overflow event stands where the deaths would have stood that it counts. */
static int append_overflow(struct channel *channel)
{
    const struct event overflow = { .kind = EVENT_OVERFLOW, .number = (int64_t)channel->dropped };

    if (append(channel, &overflow) != 0)
        return -1;
    channel->dropped = 0;
    return 0;
}

void channel_put(struct channel *channel, const struct event *event, enum priority priority)
{
    if (channel->fd < 0 && !channel->collecting)
        return;
    if (priority == MAY_DROP && channel->backlog >= BACKLOG_MAX) {
        channel->dropped++;
        channel->dropped_ever++;
        return;
    }
    if ((channel->dropped && append_overflow(channel) != 0) || append(channel, event) != 0) {
        channel->dropped++;
        channel->dropped_ever++;
        return;
    }
    if (!channel->full && !channel->collecting)
        schedule(channel, event);
}

void channel_put_fds(struct channel *channel, const struct event *event, const int *fds, int count)
{
    struct chunk *chunk;

    if (channel->fd < 0)
        return;
    chunk = push_chunk(channel);
    if (!chunk)
        return;
    for (int i = 0; i < count; i++) {
        chunk->fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 3);
        if (chunk->fds[i] < 0)
            break;
        chunk->fd_count++;
    }
    chunk->events[chunk->count++] = *event;
    if (chunk->fd_count < count) /* no descriptor left here: the script process does without */
        chunk->events[0].flags &= (uint16_t) ~(EVENT_HAS_PIDFD | EVENT_HAS_STDOUT | EVENT_HAS_STDERR | EVENT_HAS_READY);
    channel->backlog++;
    if (!channel->full)
        channel->flush_at = clock_now();
}

static void attach_fds(struct msghdr *message, union control *control, const int *fds, int count)
{
    struct cmsghdr *const header = &control->header;

    memset(control, 0, sizeof *control);
    message->msg_control = control->room;
    message->msg_controllen = (socklen_t)CMSG_SPACE(sizeof(int) * (size_t)count);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = (socklen_t)CMSG_LEN(sizeof(int) * (size_t)count);
    memcpy(CMSG_DATA(header), fds, sizeof(int) * (size_t)count);
}

/* Both processes are woken for a packet, which costs more than all that is in it: in a storm there are fewer. */
static void rest_after(struct channel *channel, uint32_t count)
{
    if (count < MANY_EVENTS)
        channel->rest = rest_shortest;
    else if (channel->rest < rest_longest)
        channel->rest *= 2;
}

static ssize_t send_chunk(int fd, struct chunk *chunk)
{
    struct iovec part = { chunk->events, chunk->count * sizeof(struct event) };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
    union control control;

    if (chunk->fd_count > 0)
        attach_fds(&message, &control, chunk->fds, chunk->fd_count);
    return sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static int unread_bytes(const struct channel *channel)
{
    int bytes = 0;

    return channel->fd >= 0 && ioctl(channel->fd, TIOCOUTQ, &bytes) == 0 ? bytes : 0;
}

int channel_unread(struct channel *channel)
{
    if (!channel->has_sent)
        return 0;
    channel->has_sent = unread_bytes(channel) > 0;
    return channel->has_sent;
}

/* What is unread only shrinks by reading, so less than after the last packet means that the script process is at work.
 */
static void note_progress(struct channel *channel)
{
    const int now = unread_bytes(channel);

    if (now < channel->outq)
        channel->progress = 1;
    channel->outq = now;
}

int channel_stalled(struct channel *channel)
{
    int stalled;

    note_progress(channel);
    stalled = channel->outq > 0 && !channel->progress;
    channel->progress = 0;
    return stalled;
}

/* A full socket polls writable when there is room again. What else fails passes (ENOBUFS, ETOOMANYREFS). */
static void put_off(struct channel *channel, int error)
{
    if (error == EPIPE || error == ECONNRESET)
        channel->shut = 1;
    if (error == EAGAIN || channel->shut)
        channel->full = 1;
    else
        channel->flush_at = clock_after(try_again_after);
}

void channel_flush(struct channel *channel) /* NOLINT(misc-no-recursion): once, for the overflow event */
{
    channel->flush_at = NEVER;
    channel->full = 0;
    if (channel->fd < 0)
        return;
    note_progress(channel);
    while (channel->head) {
        if (send_chunk(channel->fd, channel->head) < 0) {
            if (errno == EINTR)
                continue;
            put_off(channel, errno);
            return;
        }
        rest_after(channel, channel->head->count);
        pop_chunk(channel);
        channel->sent_at = clock_now();
        channel->has_sent = 1;
        channel->outq = unread_bytes(channel);
    }
    if (channel->dropped && append_overflow(channel) == 0)
        channel_flush(channel);
}

static ssize_t receive(int socket, void *buffer, size_t size, int fds[MESSAGE_FDS_MAX], int *fd_count)
{
    struct iovec part = { buffer, size };
    union control control;
    struct msghdr message = {
        .msg_iov = &part,
        .msg_iovlen = 1,
        .msg_control = control.room,
        .msg_controllen = CMSG_LEN(sizeof(int) * MESSAGE_FDS_MAX), /* CMSG_SPACE would let one more through */
    };
    ssize_t got;

    *fd_count = 0;
    do /* ECONNRESET comes once, before the last packets, when a program has ended without reading its events */
        got = recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC | MSG_TRUNC);
    while (got < 0 && (errno == EINTR || errno == ECONNRESET));
    if (got >= 0)
        *fd_count = take_descriptors(&message, fds);
    return got;
}

/* The engine holds a duplicate of the other end, so an end of the stream is a shutdown, not a death. */
static int is_shut(int fd)
{
    struct pollfd entry = { .fd = fd, .events = POLLRDHUP };

    return poll(&entry, 1, 0) == 1 && (entry.revents & (POLLRDHUP | POLLHUP));
}

int channel_receive(struct channel *channel, struct order *order, int fds[MESSAGE_FDS_MAX], int *fd_count)
{
    ssize_t got;

    if (channel->fd < 0 || channel->shut)
        return 0;
    got = receive(channel->fd, order, sizeof *order, fds, fd_count);
    if (got < 0)
        return 0;
    if (got == 0 && is_shut(channel->fd)) {
        close_fds(fds, *fd_count); /* an empty packet can have some, too */
        channel->shut = 1;
        return 0;
    }
    if (got != sizeof *order || order->kind == ORDER_NONE || order->kind >= ORDER_COUNT) {
        close_fds(fds, *fd_count);
        order->number = (int32_t)got;
        return -1;
    }
    order->text[sizeof order->text - 1] = '\0';
    return 1;
}

void channel_splice(struct channel *channel, struct channel *collected)
{
    if (collected->head) {
        if (channel->tail)
            channel->tail->next = collected->head;
        else
            channel->head = collected->head;
        channel->tail = collected->tail;
        channel->backlog += collected->backlog;
        if (!channel->full)
            channel->flush_at = clock_now();
    }
    channel->dropped += collected->dropped;
    channel->dropped_ever += collected->dropped_ever;
    channel_collect(collected);
}

struct salvage {
    struct channel *fresh;
    int (*is_open)(const void *context, uint32_t question);
    const void *context;
};

/* Deaths and overflows live on; a hand-over is done again. */
static void salvage_event(const struct salvage *salvage, struct event *event)
{
    if (event->kind == EVENT_OVERFLOW) {
        salvage->fresh->dropped += (uint64_t)event->number;
    } else if (event->kind == EVENT_REAP && !(event->question && salvage->is_open(salvage->context, event->question))) {
        event->question = 0;
        channel_put(salvage->fresh, event, event->flags & EVENT_ORPHAN ? MAY_DROP : MUST_KEEP);
    }
}

void channel_salvage(struct channel *old, struct channel *fresh, int (*is_open)(const void *context, uint32_t question),
                     const void *context)
{
    const struct salvage salvage = { fresh, is_open, context };
    static const size_t size = PACKET_SIZE;
    struct event *events = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int fds[MESSAGE_FDS_MAX];
    int fd_count;
    ssize_t got;

    if (events != MAP_FAILED) {
        while (old->peer >= 0 && (got = receive(old->peer, events, size, fds, &fd_count)) > 0) {
            close_fds(fds, fd_count);
            for (size_t i = 0; i < (size_t)got / sizeof *events; i++)
                salvage_event(&salvage, &events[i]);
        }
        munmap(events, size);
    }
    for (; old->head; pop_chunk(old))
        for (uint32_t i = 0; i < old->head->count; i++)
            salvage_event(&salvage, &old->head->events[i]);
    fresh->dropped += old->dropped;
    fresh->dropped_ever += old->dropped_ever;
    old->dropped = 0;
}
