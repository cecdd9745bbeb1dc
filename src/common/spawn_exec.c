/* In the new process: the search for the file to execute. See spawn_child.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/spawn_child.h"

/* Makes the arguments /bin/sh FILE ARG… in the room of the plan. */
ON_OWN_STACK static char **shell_arguments(struct plan *plan, const char *file)
{
    char *const *argument = plan->request->argv + 1;
    char **list = plan->shell_argv;

    *list++ = (char *)"/bin/sh";
    *list++ = (char *)file;
    while ((*list++ = *argument++))
        continue;
    return plan->shell_argv;
}

/* Returns only on failure, with errno. The shell runs a file without #!, as with execvp. */
ON_OWN_STACK static void try_exec(struct plan *plan, const char *file)
{
    const struct spawn_request *request = plan->request;

    execve(file, request->argv, request->envp);
    if (errno != ENOEXEC)
        return;
    execve("/bin/sh", shell_arguments(plan, file), request->envp);
    errno = ENOEXEC;
}

/* Joins a directory of PATH and the command in plan->file. 0 when there is too little room. */
ON_OWN_STACK static int join(struct plan *plan, const char *directory, size_t length)
{
    const char *command = plan->request->argv[0];
    const size_t rest = strlen(command);

    if (length == 0) {
        directory = ".";
        length = 1;
    }
    if (length + 1 + rest + 1 > sizeof plan->file)
        return 0;
    memcpy(plan->file, directory, length);
    plan->file[length] = '/';
    memcpy(plan->file + length + 1, command, rest + 1);
    return 1;
}

/* The search of execvp: EACCES is remembered, since a later directory may hold a file that can be executed. */
ON_OWN_STACK int spawn_search_and_exec(struct plan *plan)
{
    const char *command = plan->request->argv[0];
    int denied = 0;

    if (strchr(command, '/')) {
        if (strlen(command) < sizeof plan->file)
            memcpy(plan->file, command, strlen(command) + 1);
        try_exec(plan, command);
        return errno;
    }
    for (const char *at = plan->path; *command;) {
        const char *end = strchrnul(at, ':');

        if (join(plan, at, (size_t)(end - at))) {
            try_exec(plan, plan->file);
            if (errno == EACCES)
                denied = 1;
            else if (errno == ENOENT && access(plan->file, F_OK) == 0)
                return ENOENT;
            else if (errno != ENOENT && errno != ENOTDIR)
                return errno;
        }
        if (!*end)
            break;
        at = end + 1;
    }
    plan->file[0] = '\0';
    return denied ? EACCES : ENOENT;
}
