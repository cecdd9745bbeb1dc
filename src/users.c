#define _GNU_SOURCE
#include "users.h"

#include <grp.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "text.h"

/* (uid_t)-1 means "leave as it is" to setuid's kin, so it is no user: who asked for it would stay root. */
static const int64_t id_max = UINT32_MAX - 1;

static int find_entry(const char *text, struct user *user)
{
    FILE *file = fopen("/etc/passwd", "re");
    const struct passwd *entry;
    int64_t number;
    const int by_number = text_number(text, id_max, &number) == 0;
    int found = 0;

    if (!file)
        return 0;
    while (!found && (entry = fgetpwent(file))) {
        found = by_number ? entry->pw_uid == (uid_t)number : strcmp(entry->pw_name, text) == 0;
        found = found && entry->pw_uid <= id_max && entry->pw_gid <= id_max;
        if (found) {
            user->uid = entry->pw_uid;
            user->gid = entry->pw_gid;
            snprintf(user->name, sizeof user->name, "%s", entry->pw_name);
            snprintf(user->home, sizeof user->home, "%s", entry->pw_dir);
        }
    }
    fclose(file);
    return found;
}

static int is_member(const struct group *group, const char *name)
{
    for (char **member = group->gr_mem; *member; member++)
        if (strcmp(*member, name) == 0)
            return 1;
    return 0;
}

/* -1: more groups than fit. */
static int find_groups(struct user *user)
{
    FILE *file = fopen("/etc/group", "re");
    const struct group *group;
    int full = 0;

    user->groups[user->group_count++] = user->gid;
    if (!file)
        return 0;
    while (!full && (group = fgetgrent(file))) {
        if (group->gr_gid == user->gid || group->gr_gid > id_max || !is_member(group, user->name))
            continue;
        full = user->group_count == USER_GROUPS_MAX;
        if (!full)
            user->groups[user->group_count++] = group->gr_gid;
    }
    fclose(file);
    return full ? -1 : 0;
}

int group_find(const char *text, gid_t *gid, char *why, size_t why_size)
{
    FILE *file = fopen("/etc/group", "re");
    const struct group *group;
    int64_t number;
    int found = 0;

    while (file && !found && (group = fgetgrent(file))) {
        found = strcmp(group->gr_name, text) == 0 && group->gr_gid <= id_max;
        if (found)
            *gid = group->gr_gid;
    }
    if (file)
        fclose(file);
    if (!found && text_number(text, id_max, &number) == 0) {
        *gid = (gid_t)number;
        found = 1;
    }
    if (!found)
        snprintf(why, why_size, "there is no group \"%s\" in /etc/group, and it is not a number", text);
    return found ? 0 : -1;
}

static int find_user(const char *text, struct user *user, char *why, size_t why_size)
{
    int64_t number;

    if (find_entry(text, user))
        return 0;
    if (text_number(text, id_max, &number) != 0) {
        snprintf(why, why_size, "there is no user \"%s\" in /etc/passwd, and it is not a number", text);
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
    if (find_groups(user) != 0) {
        snprintf(why, why_size, "user \"%s\" is in more than %d groups", text, USER_GROUPS_MAX);
        return -1;
    }
    return 0;
}
