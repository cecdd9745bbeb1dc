#define _GNU_SOURCE
#include "common/status.h"

#include <stdio.h>
#include <sys/wait.h>

#include "common/signals.h"

int status_exit_code(int status)
{
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void status_describe(int status, char text[STATUS_TEXT_SIZE])
{
    char name[SIGNAL_NAME_SIZE];

    if (WIFEXITED(status))
        snprintf(text, STATUS_TEXT_SIZE, "exit %d", WEXITSTATUS(status));
    else
        snprintf(text, STATUS_TEXT_SIZE, "signal %s%s", signal_name(WTERMSIG(status), name),
                 WCOREDUMP(status) ? " (core dumped)" : "");
}

struct usage usage_of(const struct rusage *usage)
{
    const struct usage plain = {
        .utime_us = (int64_t)usage->ru_utime.tv_sec * 1000000 + usage->ru_utime.tv_usec,
        .stime_us = (int64_t)usage->ru_stime.tv_sec * 1000000 + usage->ru_stime.tv_usec,
        .maxrss_kb = usage->ru_maxrss,
        .minflt = usage->ru_minflt,
        .majflt = usage->ru_majflt,
        .inblock = usage->ru_inblock,
        .oublock = usage->ru_oublock,
        .nvcsw = usage->ru_nvcsw,
        .nivcsw = usage->ru_nivcsw,
    };

    return plain;
}
