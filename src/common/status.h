/* status.h: how a process has ended, and which resources it has used (wait4(2)). */
#ifndef REAPER_COMMON_STATUS_H
#define REAPER_COMMON_STATUS_H

#include <stddef.h>
#include <sys/resource.h>

#include "common/messages.h"

enum { STATUS_TEXT_SIZE = 64 };

/* The exit code that a shell gives for a wait status: the code, or 128 + signal. */
int status_exit_code(int status);

/* A wait status in words: "exit 3", "signal SIGSEGV (core dumped)". */
void status_describe(int status, char text[STATUS_TEXT_SIZE]);

/* The part of a struct rusage that Linux fills in (getrusage(2)). */
struct usage usage_of(const struct rusage *usage);

#endif
