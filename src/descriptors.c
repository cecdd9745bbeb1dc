#define _GNU_SOURCE
#include "descriptors.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

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
