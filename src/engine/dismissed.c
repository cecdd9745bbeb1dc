#include "engine/dismissed.h"

#include <signal.h>
#include <unistd.h>

static void close_pidfd(int *pidfd)
{
    if (*pidfd >= 0)
        close(*pidfd);
    *pidfd = -1;
}

static int find_dismissed(const struct dismissals *dismissals, pid_t pid)
{
    for (int i = 0; i < DISMISSED_MAX; i++)
        if (pid > 0 && dismissals->list[i].pid == pid)
            return i;
    return -1;
}

int64_t dismissed_patience(const struct options *options, int is_program)
{
    const int64_t patience = options->hook_timeout > 0 ? options->hook_timeout : NANOSECONDS;

    return is_program && options->grace > patience ? options->grace : patience;
}

void dismissed_add(struct dismissals *dismissals, pid_t pid, int *pidfd, int64_t patience)
{
    struct dismissed *place = &dismissals->list[0];

    for (int i = 0; i < DISMISSED_MAX; i++)
        if (dismissals->list[i].pid == 0)
            place = &dismissals->list[i];
    close_pidfd(&place->pidfd);
    place->pid = pid;
    place->pidfd = *pidfd;
    *pidfd = -1;
    if (dismissals->deadline == NEVER || dismissals->deadline < clock_after(patience))
        dismissals->deadline = clock_after(patience);
}

int dismissed_any(const struct dismissals *dismissals)
{
    for (int i = 0; i < DISMISSED_MAX; i++)
        if (dismissals->list[i].pid > 0)
            return 1;
    return 0;
}

int dismissed_is(const struct dismissals *dismissals, pid_t pid)
{
    return find_dismissed(dismissals, pid) >= 0;
}

int dismissed_ended(struct dismissals *dismissals, pid_t pid)
{
    const int at = find_dismissed(dismissals, pid);

    if (at < 0)
        return 0;
    dismissals->list[at].pid = 0;
    close_pidfd(&dismissals->list[at].pidfd);
    if (!dismissed_any(dismissals))
        dismissals->deadline = NEVER;
    return 1;
}

int dismissed_kill(struct dismissals *dismissals)
{
    int left = 0;

    for (int i = 0; i < DISMISSED_MAX; i++) {
        if (dismissals->list[i].pid == 0)
            continue;
        kill(dismissals->list[i].pid, SIGKILL);
        left = 1;
    }
    dismissals->deadline = NEVER;
    return left;
}
