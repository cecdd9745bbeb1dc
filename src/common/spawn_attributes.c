/* In the new process: its limits, its priorities, its user and its directory. See spawn_child.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/spawn_child.h"

/* On machines that once had 16-bit ids the plain names still cut ids to 16 bits (setresuid(2)). */
#ifdef SYS_setresuid32
#define ID_CALL(name) SYS_##name##32
#else
#define ID_CALL(name) SYS_##name
#endif

ON_OWN_STACK static int set_limits(const struct spawn_request *request)
{
    for (size_t i = 0; i < request->limit_count; i++)
        if (syscall(SYS_prlimit64, 0, request->limits[i].resource, &request->limits[i].limit, NULL) != 0)
            return -1;
    return 0;
}

ON_OWN_STACK static int set_oom_score(int score)
{
    char text[16];
    size_t at = sizeof text;
    unsigned rest = (unsigned)(score < 0 ? -score : score);
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    ssize_t written;

    if (fd < 0)
        return -1;
    do
        text[--at] = (char)('0' + rest % 10);
    while ((rest /= 10) != 0);
    if (score < 0)
        text[--at] = '-';
    written = write(fd, text + at, sizeof text - at);
    close(fd);
    return written < 0 ? -1 : 0;
}

ON_OWN_STACK static int is_among(gid_t group, const gid_t *groups, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (groups[i] == group)
            return 1;
    return 0;
}

ON_OWN_STACK static int has_groups(const struct user *user)
{
    gid_t groups[USER_GROUPS_MAX];
    const long count = syscall(ID_CALL(getgroups), USER_GROUPS_MAX, groups);

    if (count < 0 || (size_t)count != user->group_count)
        return 0;
    for (size_t i = 0; i < user->group_count; i++)
        if (!is_among(groups[i], user->groups, user->group_count))
            return 0;
    return 1;
}

/* True when the ids are those that were asked for, and nothing else. */
ON_OWN_STACK static int is_user(const struct user *user)
{
    uid_t uids[3];
    gid_t gids[3];

    if (syscall(ID_CALL(getresuid), &uids[0], &uids[1], &uids[2]) != 0
        || syscall(ID_CALL(getresgid), &gids[0], &gids[1], &gids[2]) != 0)
        return 0;
    for (int i = 0; i < 3; i++)
        if (uids[i] != user->uid || gids[i] != user->gid)
            return 0;
    return has_groups(user);
}

/* Raw calls: the C library's would change all threads, and with CLONE_VM those are the caller's. */
ON_OWN_STACK static int set_user(const struct user *user)
{
    if (syscall(ID_CALL(setgroups), user->group_count, user->groups) != 0)
        return -1;
    if (syscall(ID_CALL(setresgid), user->gid, user->gid, user->gid) != 0)
        return -1;
    if (syscall(ID_CALL(setresuid), user->uid, user->uid, user->uid) != 0)
        return -1;
    errno = EOVERFLOW; /* a kernel that has taken less than all of an id */
    return is_user(user) ? 0 : -1;
}

ON_OWN_STACK int spawn_set_attributes(const struct spawn_request *request, enum spawn_stage *stage)
{
    if (request->has_umask)
        umask(request->umask);
    *stage = SPAWN_LIMITS;
    if (set_limits(request) != 0)
        return -1;
    *stage = SPAWN_NICE;
    if (request->has_nice && setpriority(PRIO_PROCESS, 0, request->nice) != 0)
        return -1;
    *stage = SPAWN_OOM_SCORE;
    if (request->has_oom_score && set_oom_score(request->oom_score) != 0)
        return -1;
    *stage = SPAWN_DIRECTORY;
    if (request->directory_fd >= 0 && fchdir(request->directory_fd) != 0)
        return -1;
    if (request->directory && chdir(request->directory) != 0)
        return -1;
    *stage = SPAWN_USER;
    if (request->user && set_user(request->user) != 0)
        return -1;
    *stage = SPAWN_DIRECTORY;
    return request->cwd ? chdir(request->cwd) : 0;
}
