/* environment.h: COMMAND's environment, and the variables that name a process. */
#ifndef REAPER_COMMON_ENVIRONMENT_H
#define REAPER_COMMON_ENVIRONMENT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/spawn.h"
#include "common/users.h"

enum {
    USER_VARIABLES = 3, /* HOME, USER, LOGNAME */
    ADDED_VARIABLES = USER_VARIABLES + SELVES_MAX,
    VARIABLE_SIZE = USER_HOME_SIZE + 16,
};

/* The list that was inherited, or a copy with some variables replaced. */
struct environment {
    char **list;
    int is_copy;
    size_t count;
    size_t added_count;
    struct spawn_self selves[SELVES_MAX]; /* texts in it that are to name the new process */
    size_t self_count;
    char added[ADDED_VARIABLES][VARIABLE_SIZE]; /* last: mostly not touched */
};

/*
 * The variables of systemd that name the process for which they are meant (systemd.exec(5), sd_listen_fds(3),
 * sd_watchdog_enabled(3)), NULL-terminated.
 */
extern const char *const environment_process_variables[];

/*
 * COMMAND's environment made of `list`: the user's variables, if `user` is not NULL, as su(1) sets them; and where a
 * variable names this process, the new one is named in its place. 0, or -1 with errno. The caller frees it either way.
 */
int environment_make(struct environment *environment, char **list, const struct user *user);
void environment_free(struct environment *environment);

/* How the variables that name a process name one. */
struct process_names {
    pid_t pid;
    uint64_t pidfd_inode; /* 0 where the kernel has none of its own for each process */
};

/* The names of this process. */
struct process_names environment_names(void);

/* In this process's own environment: what named the process that was called `before` names this one. */
void environment_rename(const struct process_names *before);

#endif
