/* proc_variable.h: a variable in another process's environment. */
#ifndef REAPER_COMMON_PROC_VARIABLE_H
#define REAPER_COMMON_PROC_VARIABLE_H

#include <stddef.h>
#include <sys/types.h>

enum { PROC_ENVIRONMENT_MAX = 128 * 1024 }; /* of a longer environment only the beginning is read */

/*
 * Reads the value of a variable as it was when the process was executed, unless the process has written over it. 1; 0
 * when it has none, or one that does not fit in `room`; -1 with errno.
 *
 * Without CAP_SYS_PTRACE, as root in a container of Docker's, the environment of another user's process can be read
 * only by that user. So where it is refused, this thread takes the user and the group of the process for its accesses
 * to files (setfsuid(2)) while it opens the file. Nobody gets a right over this process by that: it cannot be traced
 * meanwhile, and signals do not look at these ids. A process that has changed its user since its exec stays unreadable.
 */
int proc_variable(pid_t pid, const char *name, char *value, size_t room);

#endif
