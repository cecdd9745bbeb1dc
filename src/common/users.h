/*
 * users.h: who a process is to run as.
 *
 * Reads /etc/passwd and /etc/group itself, as container runtimes do: a static binary has no NSS, and process 1 must
 * not load libraries that the image brings.
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
    char home[USER_HOME_SIZE]; /* "/" then */
};

/*
 * Looks up "USER[:GROUP]", names or numbers. 0, or -1 with errno and the reason in `why`: ENOENT for a name that is not
 * there, or what kept a file from being read. A number needs no entry; with GROUP the user has no other groups, as with
 * docker run --user.
 */
int user_find(const char *text, struct user *user, char *why, size_t why_size);

/* The same for a group alone. */
int group_find(const char *text, gid_t *gid, char *why, size_t why_size);

#endif
