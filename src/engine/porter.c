#define _GNU_SOURCE
#include "engine/porter.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/status.h"
#include "engine/dismissed.h"
#include "engine/setup.h"
#include "engine/wait.h"

static const int64_t delay_first = NANOSECONDS / 10;
static const int64_t delay_max = 10 * NANOSECONDS;
static const int64_t patience = NANOSECONDS;          /* for it to end by itself */
static const int64_t stable_after = 10 * NANOSECONDS; /* one that ran so long starts a new series of delays */

/* The next start is due after a delay that doubles up to ten seconds. Gives it in seconds. */
static double schedule(struct porter *porter)
{
    const int64_t delay = porter->delay ? porter->delay : delay_first;

    porter->start_at = clock_after(delay);
    porter->delay = delay * 2 < delay_max ? delay * 2 : delay_max;
    return (double)delay / (double)NANOSECONDS;
}

static void forget(struct porter *porter)
{
    close(porter->life_fd);
    if (porter->pidfd >= 0)
        close(porter->pidfd);
    porter->pid = 0;
    porter->life_fd = porter->pidfd = -1;
}

static int start(struct engine *engine)
{
    struct porter *const porter = &engine->porter;
    int ends[2];
    int saved;

    if (pipe2(ends, O_CLOEXEC) != 0)
        return -1;
    porter->pid = setup_fork();
    if (porter->pid == 0) {
        close(ends[1]);
        engine->origin.start->exit(engine->origin.start->become_porter(engine, ends[0]));
    }
    saved = errno;
    close(ends[0]);
    porter->life_fd = ends[1];
    if (porter->pid < 0) {
        forget(porter);
        errno = saved;
        return -1;
    }
    wait_expect(engine, porter->pid);
    porter->pidfd = (int)syscall(SYS_pidfd_open, porter->pid, 0);
    porter->started_at = clock_now();
    log_line(&engine->log, LOG_LEVEL_DEBUG, "porter %d started", (int)porter->pid);
    return 0;
}

void porter_start(struct engine *engine)
{
    const struct options *const base = &engine->origin.base;

    engine->porter.start_at = NEVER;
    if (engine->porter.is_dismissed || !engine->pages.engine || (!base->control && !base->http) || start(engine) == 0)
        return;
    log_line(&engine->log, LOG_LEVEL_ERROR, "cannot start the porter: %s; trying again in %g s", strerror(errno),
             schedule(&engine->porter));
}

int porter_ended(struct engine *engine, pid_t pid, int status)
{
    struct porter *const porter = &engine->porter;
    char how[STATUS_TEXT_SIZE];

    if (porter->pid == 0 || pid != porter->pid)
        return 0;
    forget(porter);
    if (clock_now() - porter->started_at > stable_after)
        porter->delay = 0;
    status_describe(status, how);
    log_line(&engine->log, LOG_LEVEL_ERROR, "the porter ended (%s); starting it again in %g s", how, schedule(porter));
    return 1;
}

void porter_dismiss(struct engine *engine)
{
    struct porter *const porter = &engine->porter;

    porter->start_at = NEVER;
    porter->is_dismissed = 1;
    if (porter->pid == 0)
        return;
    kill(porter->pid, SIGCONT); /* one that was stopped ends by itself, too */
    dismissed_add(&engine->dismissed, porter->pid, &porter->pidfd, patience);
    forget(porter);
}
