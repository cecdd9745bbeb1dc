#define _GNU_SOURCE
#include "remains.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "keeper.h"
#include "proc.h"

enum { CENSUS_ROUNDS = 10, CENSUS_TRIES = 3 };

static const int64_t unwatched_again = NANOSECONDS / 20; /* where there are no pidfds */

/* All processes of one look into /proc. `ours`: it is to be stopped with us. */
struct entry {
    pid_t pid, ppid;
    char state;
    int ours;
    uint64_t start_time;
};

struct census {
    const struct engine *engine;
    struct entry *list;
    size_t count, room;
    int cut; /* no memory for all */
};

static int count_in(const struct proc_stat *stat, void *context)
{
    struct census *census = context;
    struct entry *grown;

    if (census->count == census->room) {
        census->room = census->room ? 2 * census->room : 256;
        grown = realloc(census->list, census->room * sizeof *grown);
        census->cut = !grown;
        if (!grown)
            return -1;
        census->list = grown;
    }
    if (!proc_is_kernel_thread(stat))
        census->list[census->count++] = (struct entry){ stat->pid, stat->ppid, stat->state, 0, stat->start_time };
    return 0;
}

/* /proc lists processes by ascending pid. */
static int compare_pids(const void *left, const void *right)
{
    const struct entry *const a = left;
    const struct entry *const b = right;

    return a->pid < b->pid ? -1 : a->pid > b->pid;
}

static const struct entry *find_entry(const struct census *census, pid_t pid)
{
    const struct entry key = { .pid = pid };

    return census->count > 0 ? bsearch(&key, census->list, census->count, sizeof key, compare_pids) : NULL;
}

/* As process 1 all that can be seen is ours; otherwise what descends from this process. */
static void mark_ours(struct census *census)
{
    const pid_t self = getpid();
    const struct entry *parent;
    int more = 1;

    for (size_t i = 0; i < census->count; i++)
        census->list[i].ours = census->engine->is_init ? census->list[i].pid != self : census->list[i].ppid == self;
    while (more && !census->engine->is_init) {
        more = 0;
        for (size_t i = 0; i < census->count; i++) {
            parent = census->list[i].ours ? NULL : find_entry(census, census->list[i].ppid);
            if (parent && parent->ours)
                more = census->list[i].ours = 1;
        }
    }
}

static int try_census(const struct engine *engine, struct census *census)
{
    int result;

    census->engine = engine;
    census->list = NULL;
    census->count = census->room = 0;
    census->cut = 0;
    result = proc_each(count_in, census);
    mark_ours(census);
    return census->cut ? -1 : result;
}

/*
 * Takes the census. -1 without /proc, or where it cannot be read to its end. The caller frees census->list. Whom it
 * misses is taken for gone, so what may be a passing shortage is tried again at once.
 */
static int take_census(const struct engine *engine, struct census *census)
{
    int tries = CENSUS_TRIES;
    int result;

    while ((result = try_census(engine, census)) != 0 && --tries > 0)
        free(census->list);
    if (result >= 0)
        return 0;
    free(census->list);
    return -1;
}

static int counts(const struct engine *engine, const struct entry *entry)
{
    return entry->ours && entry->state != 'Z' && entry->state != 'X' && !keeper_is_policy(engine, entry->pid);
}

/* True when its pid has become another's since, or nobody's. What cannot be read is taken for the same. */
static int is_gone(const struct entry *entry)
{
    struct proc_stat now;

    return proc_read(entry->pid, &now) == 0 ? now.start_time != entry->start_time : errno == ENOENT || errno == ESRCH;
}

/* Signals the process of the census. Where there are no pidfds, or none to spare, by its pid. */
static void signal_entry(const struct entry *entry, int number)
{
    const int pidfd = (int)syscall(SYS_pidfd_open, entry->pid, 0);

    if (pidfd < 0) {
        if (errno != ESRCH)
            kill(entry->pid, number);
        return;
    }
    if (!is_gone(entry) && syscall(SYS_pidfd_send_signal, pidfd, number, NULL, 0) != 0 && errno != ESRCH)
        kill(entry->pid, number);
    close(pidfd);
}

/*
 * Without /proc: as process 1 every pid is ours to signal; otherwise our children are found by asking for each
 * pid. The highest pid comes from a probe, unless the numbers have wrapped around.
 */
static pid_t highest_pid(void)
{
    static const pid_t limit = 4194304; /* PID_MAX_LIMIT of include/linux/threads.h */
    const pid_t probe = vfork();        /* NOLINT(*.vfork): it ends at once, in the next line */

    if (probe == 0)
        _exit(0);
    while (probe > 0 && waitpid(probe, NULL, 0) < 0 && errno == EINTR)
        continue; /* nobody is to be told of it */
    return probe > 0 && probe < 32768 ? probe : limit;
}

static void signal_by_pid(const struct engine *engine, int number)
{
    const pid_t highest = highest_pid();
    siginfo_t child;

    for (pid_t pid = 2; pid <= highest; pid++) {
        if (pid == getpid() || keeper_is_policy(engine, pid))
            continue;
        if (engine->is_init || waitid(P_PID, (id_t)pid, &child, WEXITED | WNOHANG | WNOWAIT | __WALL) == 0)
            kill(pid, number);
    }
}

/*
 * The one place where kill(-1) is called: outside of a PID namespace it would end the whole machine. With 0 nobody is
 * signalled; ESRCH: there is nobody.
 */
static int signal_everything(const struct engine *engine, int number)
{
    if (!engine->is_init || getpid() != 1) {
        errno = EPERM;
        return -1;
    }
    return kill(-1, number);
}

/* CONT to what is stopped, TERM being delivered before: a stopped process acts on TERM only when it goes on. */
static void wake_stopped(const struct engine *engine)
{
    struct census census;

    if (take_census(engine, &census) != 0) {
        if (engine_has_program(engine) || signal_everything(engine, SIGCONT) != 0)
            signal_by_pid(engine, SIGCONT);
        return;
    }
    for (size_t i = 0; i < census.count; i++)
        if (counts(engine, &census.list[i]) && (census.list[i].state == 'T' || census.list[i].state == 't'))
            signal_entry(&census.list[i], SIGCONT);
    free(census.list);
}

/*
 * A process that forks between the census and its signal leaves a child that nobody has signalled, so there is another
 * census, until one finds nobody new. In those that follow only what has started before `tick` is signalled.
 * kill(-1) needs none: the kernel lets no fork slip through.
 */
static void signal_census(const struct engine *engine, int number, uint64_t tick)
{
    struct census before = { .count = 0 };
    struct census census;
    size_t fresh = 1;

    for (int round = 0; round < CENSUS_ROUNDS && fresh > 0; round++) {
        if (take_census(engine, &census) != 0) {
            signal_by_pid(engine, number);
            break;
        }
        fresh = 0;
        for (size_t i = 0; i < census.count; i++) {
            if (!counts(engine, &census.list[i]) || find_entry(&before, census.list[i].pid)
                || (round > 0 && census.list[i].start_time >= tick))
                continue;
            signal_entry(&census.list[i], number);
            fresh++;
        }
        free(before.list);
        before = census;
    }
    free(before.list);
}

/*
 * A program that stops everything by itself is spared, and kill(-1) spares nobody. The TERM is for what runs now: what
 * is made because of it, such as the clean-up of a trap, is left to its work.
 */
void remains_terminate(struct engine *engine)
{
    if (engine_has_program(engine) || signal_everything(engine, SIGTERM) != 0)
        signal_census(engine, SIGTERM, proc_ticks());
    wake_stopped(engine);
}

void remains_kill(struct engine *engine)
{
    signal_census(engine, SIGKILL, UINT64_MAX);
}

void remains_unwatch(struct engine *engine)
{
    while (engine->watched_count > 0)
        close(engine->watched[--engine->watched_count]);
}

/* Without /proc: each pid is tried. */
static int any_by_pid(struct engine *engine)
{
    const pid_t highest = highest_pid();
    siginfo_t child;

    for (pid_t pid = 2; pid <= highest; pid++)
        if (pid != getpid() && !keeper_is_policy(engine, pid)
            && (engine->is_init ? kill(pid, 0) == 0
                                : waitid(P_PID, (id_t)pid, &child, WEXITED | WNOHANG | WNOWAIT | __WALL) == 0))
            return 1;
    return 0;
}

static int watch_others(struct engine *engine)
{
    struct census census;
    int left = 0;
    int pidfd;

    if (take_census(engine, &census) != 0) {
        if (!proc_usable())
            return engine_has_program(engine) && any_by_pid(engine);
        engine->check_at = clock_after(unwatched_again); /* a shortage passes */
        return 1;
    }
    for (size_t i = 0; i < census.count && engine->watched_count < WATCHED_MAX; i++) {
        if (!counts(engine, &census.list[i]))
            continue;
        pidfd = (int)syscall(SYS_pidfd_open, census.list[i].pid, 0);
        if (pidfd >= 0)
            engine->watched[engine->watched_count++] = pidfd;
        else if (errno != ESRCH)
            engine->check_at = clock_after(unwatched_again);
        left |= pidfd >= 0 || errno != ESRCH;
    }
    free(census.list);
    return left;
}

/* Without __WALL the wait does not see policies (POLICY_SIGNAL). A program it does see, so then /proc has to tell. */
static int has_children(const struct engine *engine)
{
    siginfo_t child;

    return !engine_has_program(engine) && waitid(P_ALL, 0, &child, WEXITED | WNOHANG | WNOWAIT) == 0;
}

/* The census leaves out the dead, but those that have not been reaped have not been told either. */
static int has_unreaped(void)
{
    siginfo_t child = { .si_pid = 0 };

    return waitid(P_ALL, 0, &child, WEXITED | WNOHANG | WNOWAIT | __WALL) == 0 && child.si_pid != 0;
}

/* A cheap look first, since mostly nothing is left: without a child there is nobody who descends from us. */
static int is_alone(const struct engine *engine)
{
    siginfo_t child;

    if (engine->is_init)
        return signal_everything(engine, 0) != 0 && errno == ESRCH;
    return waitid(P_ALL, 0, &child, WEXITED | WNOHANG | WNOWAIT | __WALL) != 0 && errno == ECHILD;
}

int remains_any(struct engine *engine)
{
    remains_unwatch(engine);
    if (is_alone(engine))
        return 0;
    return has_children(engine) || watch_others(engine) || (engine_has_program(engine) && has_unreaped());
}
