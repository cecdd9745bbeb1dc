/* refused.h: calls that a kernel or a sandbox does not have. */
#ifndef REAPER_COMMON_REFUSED_H
#define REAPER_COMMON_REFUSED_H

#include <errno.h>

/*
 * True when the errno may mean that a call, or a flag of it, is not to be had here, and an older way should be tried:
 * old kernels answer ENOSYS, EINVAL or EOPNOTSUPP, and seccomp profiles mostly EPERM, sometimes EACCES. Where EPERM
 * means that it is forbidden indeed, the older way is forbidden, too.
 */
static inline int is_refused(int error)
{
    return error == ENOSYS || error == EPERM || error == EACCES || error == EINVAL || error == EOPNOTSUPP;
}

#endif
