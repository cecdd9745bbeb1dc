/* environment.h: COMMAND's environment, and the variables that name a process. */
#ifndef REAPER_COMMON_ENVIRONMENT_H
#define REAPER_COMMON_ENVIRONMENT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/spawn.h"
#include "common/users.h"
#include "common/variables.h"

enum {
    USER_VARIABLES = 3, /* HOME, USER, LOGNAME */
    ADDED_VARIABLES = USER_VARIABLES + SELVES_MAX,
    VARIABLE_SIZE = USER_HOME_SIZE + 16,
};

/* The list that was inherited, or a copy of it in which some variables are replaced. */
struct environment {
    char **list;
    int is_copy;
    size_t count;
    size_t added_count;
    struct spawn_self selves[SELVES_MAX]; /* the texts in the list that are to name the new process */
    size_t self_count;
    char added[ADDED_VARIABLES][VARIABLE_SIZE]; /* the last member, since its pages are mostly not touched */
};

/*
 * The variables of systemd that name the process for which they are meant (systemd.exec(5), sd_listen_fds(3),
 * sd_watchdog_enabled(3)), NULL-terminated.
 */
extern const char *const environment_process_variables[];

/*
 * Makes the environment of COMMAND from `list`. Unless `user` is NULL, HOME, USER and LOGNAME are set as su(1) does.
 * Then the changes are made, whose texts have to outlive it. A variable that names this process will name the new one.
 * 0, or -1 with errno; the caller frees it either way.
 */
int environment_make(struct environment *environment, char **list, const struct user *user,
                     const struct variables *changes);
void environment_free(struct environment *environment);

/* The two ways in which those variables name a process. */
struct process_names {
    pid_t pid;
    uint64_t pidfd_inode; /* 0 where the kernel does not give each process an inode number of its own */
};

/* Of this process. */
struct process_names environment_names(void);

/* Changes the environment of this process: a variable that named the process with the names `before` names this one. */
void environment_rename(const struct process_names *before);

#endif
