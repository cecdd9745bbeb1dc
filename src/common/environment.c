#define _GNU_SOURCE
#include "common/environment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/text.h"

const char *const environment_process_variables[] = {
    "LISTEN_PID", "LISTEN_PIDFDID", "WATCHDOG_PID", "SYSTEMD_EXEC_PID", NULL,
};

/* True for the variable whose value is the inode number of a pidfd, not a pid. */
static int is_inode_variable(const char *name)
{
    return strcmp(name, "LISTEN_PIDFDID") == 0;
}

struct process_names environment_names(void)
{
    return (struct process_names){ .pid = getpid(), .pidfd_inode = spawn_pidfd_inode() };
}

/* True when the value of the variable names the process with these names. */
static int names_it(const char *name, const char *value, const struct process_names *names)
{
    const uint64_t own = is_inode_variable(name) ? names->pidfd_inode : (uint64_t)names->pid;
    int64_t number;

    return text_number(value, INT64_MAX, &number) == 0 && number > 0 && (uint64_t)number == own;
}

static int has_any(void)
{
    for (const char *const *name = environment_process_variables; *name; name++)
        if (getenv(*name))
            return 1;
    return 0;
}

static size_t count_of(const struct variables *changes)
{
    const char *change = NULL;
    size_t count = 0;

    while ((change = variables_next(changes, change)))
        count++;
    return count;
}

/* Copies the list before a variable is set in it, with room for the changes. 0, or -1 with errno. */
static int copy_list(struct environment *environment, const struct variables *changes)
{
    char **const from = environment->list;
    char **list;

    if (environment->is_copy)
        return 0;
    while (from[environment->count])
        environment->count++;
    list = calloc(environment->count + ADDED_VARIABLES + count_of(changes) + 1, sizeof *list);
    if (!list)
        return -1;
    memcpy(list, from, environment->count * sizeof *from);
    environment->list = list;
    environment->is_copy = 1;
    return 0;
}

/* Where a variable of that name stands in the list, or its end. */
static size_t place_of(const struct environment *environment, const char *name, size_t length)
{
    size_t at = 0;

    while (at < environment->count
           && (strncmp(environment->list[at], name, length) != 0 || environment->list[at][length] != '='))
        at++;
    return at;
}

static void put(struct environment *environment, size_t at, char *text)
{
    environment->list[at] = text;
    if (at == environment->count)
        environment->count++;
}

/* Sets NAME=value, and gives the text of the value, which may be changed later. */
static char *set(struct environment *environment, const char *name, const char *value)
{
    const size_t length = strlen(name);
    char *text = environment->added[environment->added_count++];

    snprintf(text, VARIABLE_SIZE, "%s=%s", name, value);
    put(environment, place_of(environment, name, length), text);
    return text + length + 1;
}

/* It may stand there more than once, since nothing keeps a parent from that. A NULL follows the list. */
static void take_away(struct environment *environment, const char *name, size_t length)
{
    size_t at;

    while ((at = place_of(environment, name, length)) < environment->count) {
        memmove(&environment->list[at], &environment->list[at + 1],
                (environment->count - at) * sizeof *environment->list);
        environment->count--;
    }
}

static void set_user_variables(struct environment *environment, const struct user *user)
{
    set(environment, "HOME", user->home);
    if (!user->name[0])
        return;
    set(environment, "USER", user->name);
    set(environment, "LOGNAME", user->name);
}

static void make_changes(struct environment *environment, const struct variables *changes)
{
    const char *change = NULL;

    while ((change = variables_next(changes, change))) {
        const size_t length = variables_name_length(change);

        take_away(environment, change, length);
        if (change[length] == '=')
            put(environment, environment->count, (char *)change);
    }
}

/*
 * A variable that was meant for this process is meant for COMMAND, which writes its own pid into it, unless there is a
 * change of it. 0, or -1.
 */
static int name_new_process(struct environment *environment, const struct variables *changes)
{
    const struct process_names names = environment_names();

    for (const char *const *name = environment_process_variables; *name; name++) {
        const char *const value = getenv(*name);

        if (!value || !names_it(*name, value, &names) || variables_find(changes, *name, strlen(*name)))
            continue;
        if (copy_list(environment, changes) != 0)
            return -1;
        environment->selves[environment->self_count++] = (struct spawn_self){
            .digits = set(environment, *name, value),
            .is_pidfd_inode = is_inode_variable(*name),
        };
    }
    return 0;
}

int environment_make(struct environment *environment, char **list, const struct user *user,
                     const struct variables *changes)
{
    environment->list = list;
    environment->is_copy = 0;
    environment->count = environment->added_count = environment->self_count = 0;
    if ((user || changes->size > 0) && copy_list(environment, changes) != 0)
        return -1;
    if (user)
        set_user_variables(environment, user);
    make_changes(environment, changes);
    return has_any() ? name_new_process(environment, changes) : 0;
}

void environment_free(struct environment *environment)
{
    if (environment->is_copy)
        free(environment->list);
    environment->is_copy = 0;
}

void environment_rename(const struct process_names *before)
{
    const struct process_names names = environment_names();
    char text[24];

    for (const char *const *name = environment_process_variables; *name; name++) {
        const char *const value = getenv(*name);

        if (!value || !names_it(*name, value, before))
            continue;
        snprintf(text, sizeof text, "%llu",
                 (unsigned long long)(is_inode_variable(*name) ? names.pidfd_inode : (uint64_t)names.pid));
        setenv(*name, text, 1);
    }
}
