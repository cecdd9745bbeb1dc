#define _GNU_SOURCE
#include "common/descriptors.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/refused.h"

#ifndef RWF_NOWAIT
#define RWF_NOWAIT 0x8 /* <linux/fs.h>; musl has neither it nor pwritev2 */
#endif

enum { DESCRIPTORS_MAX = 1 << 16 }; /* where the kernel cannot close a range */

void close_descriptors(const int *fds, int count)
{
    for (int i = 0; i < count; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

static int is_kept(int fd, const int *kept, int count)
{
    for (int i = 0; i < count; i++)
        if (kept[i] == fd)
            return 1;
    return 0;
}

void close_all_but(const int *kept, int count)
{
    struct rlimit limit;
    int highest = 2;

    for (int i = 0; i < count; i++)
        if (kept[i] > highest)
            highest = kept[i];
    for (int fd = 3; fd < highest; fd++)
        if (!is_kept(fd, kept, count))
            close(fd);
    if (syscall(SYS_close_range, (unsigned)highest + 1, ~0U, 0) == 0)
        return;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > DESCRIPTORS_MAX)
        limit.rlim_cur = DESCRIPTORS_MAX;
    for (rlim_t fd = (rlim_t)highest + 1; fd < limit.rlim_cur; fd++)
        close((int)fd);
}

/* Room for the control message of one packet. */
union control {
    struct cmsghdr header;
    char room[CMSG_SPACE(sizeof(int) * MESSAGE_FDS_MAX)];
};

static void attach(struct msghdr *message, union control *control, const int *fds, int count)
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

int send_packet(int socket, const void *bytes, size_t size, const int *fds, int count)
{
    struct iovec part = { (void *)bytes, size };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
    union control control;
    ssize_t sent;

    if (count > 0)
        attach(&message, &control, fds, count);
    do
        sent = sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent < 0 ? -1 : 0;
}

static int take(const struct msghdr *message, int fds[MESSAGE_FDS_MAX])
{
    const struct cmsghdr *const first = CMSG_FIRSTHDR(message);
    size_t size;

    if (!first || first->cmsg_level != SOL_SOCKET || first->cmsg_type != SCM_RIGHTS)
        return 0;
    size = first->cmsg_len - CMSG_LEN(0);
    memcpy(fds, CMSG_DATA(first), size);
    return (int)(size / sizeof(int));
}

/* ECONNRESET comes once, before the last packets, when the other side has ended without reading all of ours. */
ssize_t receive_packet(int socket, void *bytes, size_t size, int fds[MESSAGE_FDS_MAX], int *count, int flags)
{
    struct iovec part = { bytes, size };
    union control control;
    struct msghdr message = {
        .msg_iov = &part,
        .msg_iovlen = 1,
        .msg_control = control.room,
        .msg_controllen = CMSG_LEN(sizeof(int) * MESSAGE_FDS_MAX), /* CMSG_SPACE would let one more through */
    };
    ssize_t got;

    do
        got = recvmsg(socket, &message, flags | MSG_CMSG_CLOEXEC | MSG_TRUNC);
    while (got < 0 && (errno == EINTR || errno == ECONNRESET));
    *count = got >= 0 ? take(&message, fds) : 0;
    return got;
}

ssize_t write_now(int fd, const void *bytes, size_t size)
{
    const struct iovec part = { (void *)bytes, size };
    const ssize_t written = syscall(SYS_pwritev2, fd, &part, 1UL, -1L, -1L, RWF_NOWAIT);

    if (written >= 0 || (!is_refused(errno) && errno != ESPIPE))
        return written;
    return write(fd, bytes, size < PIPE_BUF ? size : PIPE_BUF);
}
