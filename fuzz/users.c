/* /etc/passwd and /etc/group. Input: USER[:GROUP] in the first line, then passwd, an empty line, group. */
#include <stdlib.h>
#include <string.h>

#include "common/users.h"
#include "harmless.h"

/* The text up to `end`, which is cut off; *rest is what follows. */
static char *cut(char *text, const char *end, char **rest)
{
    char *const found = strstr(text, end);

    *rest = found ? found + strlen(end) : text + strlen(text);
    if (found)
        *found = '\0';
    return text;
}

static void check(const struct user *user)
{
    EXPECT(user->uid != (uid_t)-1 && user->gid != (gid_t)-1); /* to the kernel: "leave it", root perhaps */
    EXPECT(user->group_count <= USER_GROUPS_MAX);
    for (size_t i = 0; i < user->group_count; i++)
        EXPECT(user->groups[i] != (gid_t)-1);
    EXPECT(memchr(user->name, '\0', sizeof user->name) && memchr(user->home, '\0', sizeof user->home));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    char *const text = malloc(size + 1);
    struct user user;
    char why[512] = "";
    char *rest;
    char *who;
    gid_t gid = 0;

    memcpy(text, bytes, size);
    text[size] = '\0';
    world_begin();
    who = cut(text, "\n", &rest);
    world.passwd = cut(rest, "\n\n", &rest);
    world.group = rest;
    if (user_find(who, &user, why, sizeof why) == 0)
        check(&user);
    else
        EXPECT(*why);
    if (group_find(who, &gid, why, sizeof why) == 0)
        EXPECT(gid != (gid_t)-1);
    world_end();
    free(text);
    return 0;
}
