/*
 * users.h: the user and the groups with which a process is to run.
 *
 * These functions read /etc/passwd and /etc/group themselves, as container runtimes do: a static binary has no NSS, and
 * process 1 must not load libraries of the image.
 */
#ifndef REAPER_COMMON_USERS_H
#define REAPER_COMMON_USERS_H

#include <stddef.h>
#include <sys/types.h>

enum { USER_NAME_SIZE = 256, USER_HOME_SIZE = 1024, USER_GROUPS_MAX = 1024 };

struct user {
    uid_t uid;
    gid_t gid;
    size_t group_count; /* supplementary groups */
    gid_t groups[USER_GROUPS_MAX];
    char name[USER_NAME_SIZE]; /* "" for a number without an entry */
    char home[USER_HOME_SIZE]; /* "/" for a number without an entry */
};

/*
 * Looks up "USER[:GROUP]", which are names or numbers. 0, or -1 with the reason in `why` and errno, which is ENOENT for
 * an unknown name, or the error of a file that cannot be read. A number needs no entry. With GROUP the user has no
 * other groups, as with docker run --user.
 */
int user_find(const char *text, struct user *user, char *why, size_t why_size);

/*
 * Gives a pipe to the user, who can open it again then, such as with "echo >/dev/stdout", as container runtimes do with
 * the pipes that they make. Where that is not permitted, the pipe stays as it is.
 */
void user_give_pipe(const struct user *user, int fd);

/*
 * The same for those of the standard descriptors that are pipes without a name and belong to this process's own user.
 */
void user_give_standard_pipes(const struct user *user);

/* Looks up a group, which is a name or a number, in the same way. */
int group_find(const char *text, gid_t *gid, char *why, size_t why_size);

#endif
