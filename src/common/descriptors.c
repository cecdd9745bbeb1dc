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

void close_all_but(int first, int second)
{
    const int low = first < second ? first : second;
    const int high = first < second ? second : first;
    const unsigned from = high < 3 ? 3 : (unsigned)high + 1;
    struct rlimit limit;

    for (int fd = 3; fd < high; fd++)
        if (fd != low)
            close(fd);
    if (syscall(SYS_close_range, from, ~0U, 0) == 0)
        return;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > DESCRIPTORS_MAX)
        limit.rlim_cur = DESCRIPTORS_MAX;
    for (rlim_t fd = from; fd < limit.rlim_cur; fd++)
        close((int)fd);
}

int take_descriptors(const struct msghdr *message, int fds[MESSAGE_FDS_MAX])
{
    const struct cmsghdr *const first = CMSG_FIRSTHDR(message);
    size_t size;

    if (!first || first->cmsg_level != SOL_SOCKET || first->cmsg_type != SCM_RIGHTS)
        return 0;
    size = first->cmsg_len - CMSG_LEN(0);
    memcpy(fds, CMSG_DATA(first), size);
    return (int)(size / sizeof(int));
}

ssize_t write_now(int fd, const void *bytes, size_t size)
{
    const struct iovec part = { (void *)bytes, size };
    const ssize_t written = syscall(SYS_pwritev2, fd, &part, 1UL, -1L, -1L, RWF_NOWAIT);

    if (written >= 0 || (!is_refused(errno) && errno != ESPIPE))
        return written;
    return write(fd, bytes, size < PIPE_BUF ? size : PIPE_BUF);
}
