#define _GNU_SOURCE
#include "engine/census.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/proc.h"
#include "engine/hidden.h"

enum { CENSUS_TRIES = 3 };

/* ---- The list. ---- */

static int add_entry(struct census *census, const struct entry *entry)
{
    const size_t room = census->room ? 2 * census->room : 256;
    struct entry *grown;

    if (census->count == census->room) {
        grown = realloc(census->list, room * sizeof *grown);
        census->cut = !grown;
        if (!grown)
            return -1;
        census->list = grown;
        census->room = room;
    }
    census->list[census->count++] = *entry;
    return 0;
}

static int count_in(const struct proc_stat *stat, void *context)
{
    const struct entry entry = { stat->pid,          stat->ppid, stat->session,   stat->terminal, stat->state,
                                 proc_is_dead(stat), 0,          stat->start_time };

    return proc_is_kernel_thread(stat) ? 0 : add_entry(context, &entry);
}

static int compare_pids(const void *left, const void *right)
{
    const struct entry *const a = left;
    const struct entry *const b = right;

    return a->pid < b->pid ? -1 : a->pid > b->pid;
}

const struct entry *census_find(const struct census *census, pid_t pid)
{
    const struct entry key = { .pid = pid };

    return census->count > 0 ? bsearch(&key, census->list, census->count, sizeof key, compare_pids) : NULL;
}

void census_free(struct census *census)
{
    free(census->list);
    *census = (struct census){ .list = NULL };
}

/* ---- Who is hidden. ---- */

/* A dead process can still be waited for or signalled. Where there are no pidfds it is taken for alive. */
static int is_dead(pid_t pid)
{
    struct pollfd entry = { .fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN };
    int dead;

    if (entry.fd < 0)
        return errno == ESRCH;
    dead = poll(&entry, 1, 0) == 1;
    close(entry.fd);
    return dead;
}

/* Nobody can look at its parent. As process 1 it does not matter who that is, and otherwise it is this process. */
static int add_hidden(struct census *census, pid_t pid)
{
    const struct entry entry = { .pid = pid, .ppid = getpid(), .state = STATE_UNKNOWN, .dead = is_dead(pid) };
    struct proc_stat stat;

    if (proc_usable() && proc_read(pid, &stat) == 0) /* it has only just begun */
        return count_in(&stat, census);
    return add_entry(census, &entry);
}

/* With pid for the group, too, tgkill(2) finds processes and passes over their other threads. */
int census_is_there(const struct scope *scope, pid_t pid)
{
    siginfo_t child;

    if (scope->is_init)
        return syscall(SYS_tgkill, pid, pid, 0) == 0 || errno != ESRCH;
    return waitid(P_PID, (id_t)pid, &child, WEXITED | WNOHANG | WNOWAIT | __WALL) == 0;
}

/* What the visit of a child needs. */
struct look {
    struct hidden *hidden;
    const struct census *census;
};

static int remember_if_hidden(int pid, void *context)
{
    const struct look *const look = context;

    if (!hidden_has(look->hidden, pid) && !census_find(look->census, pid))
        hidden_remember(look->hidden, pid);
    return 0;
}

/* Whoever has gone, or is listed by now, is not hidden any more. */
static void add_all_hidden(struct census *census, struct hidden *hidden, const struct scope *scope)
{
    const struct census listed = *census;
    size_t left = 0;

    for (size_t i = 0; i < hidden->count; i++)
        if (!census_find(&listed, hidden->pids[i]) && census_is_there(scope, hidden->pids[i]))
            hidden->pids[left++] = hidden->pids[i];
    hidden->count = left;
    for (size_t i = 0; i < left; i++)
        add_hidden(census, hidden->pids[i]);
    if (left > 0)
        qsort(census->list, census->count, sizeof *census->list, compare_pids);
}

/* ---- Taking it. ---- */

/* As process 1 all that can be seen is ours; otherwise what descends from this process. */
static void mark_ours(struct census *census, const struct scope *scope)
{
    const pid_t self = getpid();
    const struct entry *parent;
    int more = 1;

    for (size_t i = 0; i < census->count; i++)
        census->list[i].ours = scope->is_init ? census->list[i].pid != self : census->list[i].ppid == self;
    while (more && !scope->is_init) {
        more = 0;
        for (size_t i = 0; i < census->count; i++) {
            parent = census->list[i].ours ? NULL : census_find(census, census->list[i].ppid);
            if (parent && parent->ours)
                more = census->list[i].ours = 1;
        }
    }
}

/* /proc lists processes by ascending pid. Whoever is missed is taken for gone, so a shortage is tried again at once. */
int census_take(struct census *census, struct hidden *hidden, const struct scope *scope)
{
    int tries = CENSUS_TRIES;
    int result;

    *census = (struct census){ .list = NULL };
    while ((result = proc_each(count_in, census)) != 0 && !census->cut && --tries > 0)
        census_free(census);
    if (result >= 0)
        proc_children(0, remember_if_hidden, &(struct look){ hidden, census });
    if (!census->cut)
        add_all_hidden(census, hidden, scope);
    mark_ours(census, scope);
    return census->cut || (result < 0 && proc_usable()) ? -1 : 0; /* without /proc there is nothing to wait for */
}

int census_signal_everybody(const struct scope *scope, int number)
{
    if (!scope->is_init || getpid() != 1) {
        errno = EPERM;
        return -1;
    }
    return kill(-1, number);
}

/* ---- What it says. ---- */

static void say_denied(struct remains *remains, pid_t pid)
{
    struct proc_stat stat = { .comm = "?" };

    for (int i = 0; i < remains->denied_count; i++)
        if (remains->denied[i] == pid)
            return;
    if (remains->denied_count == DENIED_MAX)
        return;
    remains->denied[remains->denied_count++] = pid;
    proc_read(pid, &stat);
    log_line(remains->log, LOG_LEVEL_WARNING,
             "reaper-lua may not signal process %d (%s), so it is not stopped and not waited for%s", (int)pid,
             stat.comm, remains->denied_count == DENIED_MAX ? "; further ones are not named" : "");
}

/* EPERM is the kernel's own answer, EACCES that of AppArmor, for one (security_task_kill). */
static int may_signal(struct remains *remains, pid_t pid)
{
    if (kill(pid, 0) == 0 || (errno != EPERM && errno != EACCES))
        return 1;
    say_denied(remains, pid);
    return 0;
}

int census_counts(const struct entry *entry, const struct scope *scope, struct remains *remains)
{
    return entry->ours && !entry->dead && !scope_spares(scope, entry->pid) && may_signal(remains, entry->pid);
}

int census_has_other_terminal(const struct census *census, const struct entry *entry)
{
    const struct entry *const self = census_find(census, getpid());

    return entry->terminal != 0 && self && (entry->terminal != self->terminal || entry->session != self->session);
}

static int has_child(const struct census *census, const struct scope *scope)
{
    for (size_t i = 0; i < census->count; i++)
        if (census->list[i].ppid == getpid() && !scope_spares(scope, census->list[i].pid))
            return 1;
    return 0;
}

/*
 * Without __WALL the wait does not see script processes (SCRIPT_SIGNAL). A program it does see, so then only a missing
 * /proc is known to hide somebody. kill(-1, 0) succeeds when there is any other process, also one that may not be
 * signalled (kill_something_info of kernel/signal.c).
 */
int census_misses_somebody(const struct census *census, const struct scope *scope)
{
    siginfo_t child;

    if (scope->has_program)
        return !proc_usable() && !has_child(census, scope);
    if (waitid(P_ALL, 0, &child, WEXITED | WNOHANG | WNOWAIT) == 0)
        return !has_child(census, scope);
    return scope->is_init && scope->spared_count == 0 && census_signal_everybody(scope, 0) == 0
           && census->count <= (census_find(census, getpid()) != NULL);
}
