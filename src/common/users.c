#define _GNU_SOURCE
#include "common/users.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "common/text.h"

/* (uid_t)-1 tells setresuid(2) to change nothing. So it is no user: a process with it would stay root. */
static const int64_t id_max = UINT32_MAX - 1;

static const char passwd[] = "/etc/passwd";
static const char groups[] = "/etc/group";

enum { UNREADABLE = -1, NOT_THERE, FOUND };

/*
 * Opens a file that an image need not have: without it, *file is NULL. A file that is there and cannot be opened is a
 * failure, since nobody knows what stands in it. 0, or -1 with errno and the reason in `why`.
 */
static int open_list(const char *path, FILE **file, char *why, size_t why_size)
{
    *file = fopen(path, "re");
    if (*file || errno == ENOENT || errno == ENOTDIR)
        return 0;
    snprintf(why, why_size, "cannot open %s: %s", path, strerror(errno));
    return -1;
}

/* Closes a file after a search that found nothing. 0, or -1 with errno and the reason when its end was not reached. */
static int close_list(const char *path, FILE *file, int error, char *why, size_t why_size)
{
    const int failed = ferror(file) || !feof(file);

    fclose(file);
    if (!failed)
        return 0;
    errno = error ? error : EIO;
    snprintf(why, why_size, "cannot read %s: %s", path, strerror(errno));
    return -1;
}

static int is_entry(const struct passwd *entry, const char *text)
{
    int64_t number;

    if (entry->pw_uid > id_max || entry->pw_gid > id_max)
        return 0;
    return text_number(text, id_max, &number) == 0 ? entry->pw_uid == (uid_t)number : strcmp(entry->pw_name, text) == 0;
}

/* FOUND, NOT_THERE, or UNREADABLE with errno and the reason in `why`. */
static int find_entry(const char *text, struct user *user, char *why, size_t why_size)
{
    const struct passwd *entry;
    FILE *file;

    if (open_list(passwd, &file, why, why_size) != 0)
        return UNREADABLE;
    if (!file)
        return NOT_THERE;
    errno = 0;
    while ((entry = fgetpwent(file)) && !is_entry(entry, text))
        errno = 0;
    if (!entry)
        return close_list(passwd, file, errno, why, why_size) == 0 ? NOT_THERE : UNREADABLE;
    user->uid = entry->pw_uid;
    user->gid = entry->pw_gid;
    snprintf(user->name, sizeof user->name, "%s", entry->pw_name);
    snprintf(user->home, sizeof user->home, "%s", entry->pw_dir);
    fclose(file);
    return FOUND;
}

static int is_member(const struct group *group, const char *name)
{
    for (char **member = group->gr_mem; *member; member++)
        if (strcmp(*member, name) == 0)
            return 1;
    return 0;
}

/* Finds the groups of the user. 0, or -1 with errno and the reason in `why`. */
static int find_groups(struct user *user, char *why, size_t why_size)
{
    const struct group *group;
    FILE *file;

    user->groups[user->group_count++] = user->gid;
    if (open_list(groups, &file, why, why_size) != 0)
        return -1;
    if (!file)
        return 0;
    errno = 0;
    while ((group = fgetgrent(file))) {
        if (group->gr_gid != user->gid && group->gr_gid <= id_max && is_member(group, user->name)) {
            if (user->group_count == USER_GROUPS_MAX) {
                fclose(file);
                snprintf(why, why_size, "user \"%s\" is in more than %d groups", user->name, USER_GROUPS_MAX);
                errno = EINVAL;
                return -1;
            }
            user->groups[user->group_count++] = group->gr_gid;
        }
        errno = 0;
    }
    return close_list(groups, file, errno, why, why_size);
}

/* Gives what find_entry gives. */
static int find_group(const char *name, gid_t *gid, char *why, size_t why_size)
{
    const struct group *group;
    FILE *file;

    if (open_list(groups, &file, why, why_size) != 0)
        return UNREADABLE;
    if (!file)
        return NOT_THERE;
    errno = 0;
    while ((group = fgetgrent(file)) && (strcmp(group->gr_name, name) != 0 || group->gr_gid > id_max))
        errno = 0;
    if (!group)
        return close_list(groups, file, errno, why, why_size) == 0 ? NOT_THERE : UNREADABLE;
    *gid = group->gr_gid;
    fclose(file);
    return FOUND;
}

int group_find(const char *text, gid_t *gid, char *why, size_t why_size)
{
    const int found = find_group(text, gid, why, why_size);
    int64_t number;

    if (found != NOT_THERE)
        return found == FOUND ? 0 : -1;
    if (text_number(text, id_max, &number) != 0) {
        snprintf(why, why_size, "there is no group \"%s\" in %s, and it is not a number", text, groups);
        errno = ENOENT;
        return -1;
    }
    *gid = (gid_t)number;
    return 0;
}

static int find_user(const char *text, struct user *user, char *why, size_t why_size)
{
    const int found = find_entry(text, user, why, why_size);
    int64_t number;

    if (found != NOT_THERE)
        return found == FOUND ? 0 : -1;
    if (text_number(text, id_max, &number) != 0) {
        snprintf(why, why_size, "there is no user \"%s\" in %s, and it is not a number", text, passwd);
        errno = ENOENT;
        return -1;
    }
    user->uid = (uid_t)number;
    user->gid = 0; /* as docker run --user NUMBER does */
    snprintf(user->home, sizeof user->home, "/");
    return 0;
}

int user_find(const char *text, struct user *user, char *why, size_t why_size)
{
    const char *colon = strchr(text, ':');
    char name[USER_NAME_SIZE];
    const size_t length = colon ? (size_t)(colon - text) : strlen(text);

    memset(user, 0, sizeof *user);
    if (length == 0 || length >= sizeof name) {
        snprintf(why, why_size, "\"%s\" is not USER or USER:GROUP", text);
        errno = EINVAL;
        return -1;
    }
    memcpy(name, text, length);
    name[length] = '\0';
    if (find_user(name, user, why, why_size) != 0)
        return -1;
    if (colon) {
        if (group_find(colon + 1, &user->gid, why, why_size) != 0)
            return -1;
        user->groups[user->group_count++] = user->gid;
        return 0;
    }
    return find_groups(user, why, why_size);
}

void user_give_pipe(const struct user *user, int fd)
{
    /* The group stays: it may have no number in this user namespace. */
    if (fchown(fd, user->uid, (gid_t)-1) != 0)
        return;
}

/* A FIFO with a name has an owner who was chosen, and a terminal is there for others afterwards. */
static int is_own_pipe(int fd)
{
    static const unsigned long pipe_file_system = 0x50495045; /* PIPEFS_MAGIC */
    struct statfs system;
    struct stat file;

    return fstat(fd, &file) == 0 && S_ISFIFO(file.st_mode) && file.st_uid == geteuid() && fstatfs(fd, &system) == 0
           && (unsigned long)system.f_type == pipe_file_system;
}

void user_give_standard_pipes(const struct user *user)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (is_own_pipe(fd))
            user_give_pipe(user, fd);
}
