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

/* Copies the list before a variable is set in it. 0, or -1 with errno. */
static int copy_list(struct environment *environment)
{
    char **const from = environment->list;
    char **list;

    if (environment->is_copy)
        return 0;
    while (from[environment->count])
        environment->count++;
    list = calloc(environment->count + ADDED_VARIABLES + 1, sizeof *list);
    if (!list)
        return -1;
    memcpy(list, from, environment->count * sizeof *from);
    environment->list = list;
    environment->is_copy = 1;
    return 0;
}

/* Sets NAME=value, and gives the text of the value, which may be changed later. */
static char *set(struct environment *environment, const char *name, const char *value)
{
    const size_t length = strlen(name);
    char *text = environment->added[environment->added_count++];
    size_t at = 0;

    snprintf(text, VARIABLE_SIZE, "%s=%s", name, value);
    while (at < environment->count
           && (strncmp(environment->list[at], name, length) != 0 || environment->list[at][length] != '='))
        at++;
    environment->list[at] = text;
    if (at == environment->count)
        environment->count++;
    return text + length + 1;
}

static int set_user_variables(struct environment *environment, const struct user *user)
{
    if (copy_list(environment) != 0)
        return -1;
    set(environment, "HOME", user->home);
    if (!user->name[0])
        return 0;
    set(environment, "USER", user->name);
    set(environment, "LOGNAME", user->name);
    return 0;
}

/* A variable that was meant for this process is meant for COMMAND, which writes its own pid into it. 0, or -1. */
static int name_new_process(struct environment *environment)
{
    const struct process_names names = environment_names();

    for (const char *const *name = environment_process_variables; *name; name++) {
        const char *const value = getenv(*name);

        if (!value || !names_it(*name, value, &names))
            continue;
        if (copy_list(environment) != 0)
            return -1;
        environment->selves[environment->self_count++] = (struct spawn_self){
            .digits = set(environment, *name, value),
            .is_pidfd_inode = is_inode_variable(*name),
        };
    }
    return 0;
}

int environment_make(struct environment *environment, char **list, const struct user *user)
{
    environment->list = list;
    environment->is_copy = 0;
    environment->count = environment->added_count = environment->self_count = 0;
    if (user && set_user_variables(environment, user) != 0)
        return -1;
    return has_any() ? name_new_process(environment) : 0;
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
