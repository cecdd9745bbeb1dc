/*
 * A storm of deaths is the busy time of an init. wait4(-1) walks the list of all children, so with many that live
 * each reap costs their number. A signal's record names one that died, and wait4 on a pid is a look-up: that is the
 * fast way. But a SIGCHLD that comes while one is pending is not queued, so a sweep over all must follow.
 * Where many children live the sweep is dear. It is then put off until it has earned its time; and since processes
 * that end together were often made together, the pids around one that it has found are tried, too.
 */
#define _GNU_SOURCE
#include "engine/reap.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/proc.h"
#include "common/status.h"
#include "engine/forward.h"
#include "engine/questions.h"
#include "engine/scripts.h"
#include "engine/life.h"
#include "engine/terminal.h"

enum {
    RECORDS = 16,       /* read at once */
    DEATHS = 16,        /* told at once */
    TURN_RECORDS = 256, /* in one turn of the loop */
    SWEEP_SHARE = 9,    /* rest this many times as long as the sweep took: a tenth of the time */
};

static const int64_t sweep_latest = 20 * MILLISECOND;
static const int64_t sweep_slice = 2 * MILLISECOND;
static const int64_t sweep_cheap = MILLISECOND / 50; /* up to this a sweep follows at once: deaths stay in order */
static const int64_t sweep_dear = MILLISECOND / 20;  /* some thousand children */
static const int64_t wait_cost = 200;                /* of wait4 on a pid, about; nanoseconds */

struct death {
    pid_t pid;
    int status;
    int looked;
    struct rusage usage;
    struct proc_stat look;
};

/* Deaths are reaped first and told together, so that the orders of the script process are read only once for all. */
struct deaths {
    size_t count;
    size_t total; /* in this turn */
    struct death list[DEATHS];
};

/*
 * The kernel gives codes from 1 to 6 (CLD_EXITED to CLD_CONTINUED) to signals of children, and the same numbers, as
 * POLL_IN to POLL_HUP, to what fcntl(2) has F_SETSIG send for a descriptor. SIGCHLD is spared that (send_sigio_to_task
 * of fs/fcntl.c). For SCRIPT_SIGNAL a signalfd tells the poll events, where the pid of a child would be.
 */
enum { POLL_EVENTS_IN = 0x41, POLL_EVENTS_OUT = 0x304, POLL_EVENTS_MSG = 0x441 }; /* band_table of fs/fcntl.c */

static const uint32_t poll_events[] = {
    [CLD_EXITED] = POLL_EVENTS_IN,
    [CLD_KILLED] = POLL_EVENTS_OUT,
    [CLD_DUMPED] = POLL_EVENTS_MSG,
};

/* Few pids are such a number, and they count as pids from the moment when a process with that exit signal had one. */
static unsigned alike(pid_t pid)
{
    for (unsigned code = CLD_EXITED; code <= CLD_DUMPED; code++)
        if ((uint32_t)pid == poll_events[code])
            return 1U << code;
    return 0;
}

void reap_expect(struct engine *engine, pid_t pid)
{
    engine->reaper.pids_like_events |= alike(pid);
}

int reap_is_about_a_child(const struct engine *engine, const struct signalfd_siginfo *record)
{
    const int code = record->ssi_code;

    if (record->ssi_signo == SIGCHLD)
        return code >= CLD_EXITED && code <= CLD_CONTINUED;
    if (record->ssi_signo != SCRIPT_SIGNAL || code < CLD_EXITED || code > CLD_DUMPED)
        return 0;
    return (uint32_t)record->ssi_band != poll_events[code] || (engine->reaper.pids_like_events & (1U << code));
}

/* Whose deaths a program has asked for, as wait4(2) takes it: every one unless there is such a wish. */
static pid_t told_pid(const struct engine *engine)
{
    return engine->origin.start->program ? engine->origin.start->program->told : -1;
}

static pid_t told_group(const struct engine *engine)
{
    if (told_pid(engine) != 0)
        return -told_pid(engine);
    return terminal_shares_group(&engine->terminal) ? getpgrp() : engine->origin.start->program->pid;
}

static int is_about_a_group(pid_t told)
{
    return told == 0 || told < -1;
}

static int is_to_be_told(const struct engine *engine, const struct death *death)
{
    const pid_t told = told_pid(engine);

    if (is_about_a_group(told))
        return death->looked && death->look.pgrp == told_group(engine);
    return told == -1 || told == death->pid;
}

/* What a script that is still being loaded will want, nobody knows. */
static int wants_look(const struct engine *engine)
{
    return is_about_a_group(told_pid(engine)) || (engine->scripts.current.hooks & HOOK_REAP_INFO)
           || engine->options.warn || engine->options.threshold >= LOG_LEVEL_TRACE
           || engine->life.state == ENGINE_LOADING;
}

/* What a process calls itself. It may be anything, so what would begin a line or steer a terminal is replaced. */
static const char *name_of(const struct death *death)
{
    return death->looked ? death->look.comm : "?";
}

static void warn_of_orphan(struct engine *engine, const struct death *death)
{
    char how[STATUS_TEXT_SIZE];

    status_describe(death->status, how);
    log_line(&engine->log, LOG_LEVEL_WARNING, "reaped orphan %d (%s): %s", (int)death->pid, name_of(death), how);
}

static void trace(struct engine *engine, const struct death *death, const char *what)
{
    char how[STATUS_TEXT_SIZE];

    if (engine->log.threshold < LOG_LEVEL_TRACE)
        return;
    status_describe(death->status, how);
    log_line(&engine->log, LOG_LEVEL_TRACE, "reaped %s %d (%s): %s", what, (int)death->pid, name_of(death), how);
}

static struct event event_of(struct engine *engine, const struct death *death)
{
    struct event event;

    memset(&event, 0, sizeof event);
    event.kind = EVENT_REAP;
    event.pid = death->pid;
    event.status = death->status;
    event.of.usage = usage_of(&death->usage);
    if (death->looked) {
        event.flags |= EVENT_LOOKED;
        event.lifetime_ns = proc_lifetime(&death->look);
        memcpy(event.comm, death->look.comm, sizeof event.comm);
    }
    if (WIFSIGNALED(death->status) && WTERMSIG(death->status) == SIGKILL && oom_watch_charge(&engine->reaper.oom))
        event.flags |= EVENT_OOM;
    return event;
}

static void tell_main(struct engine *engine, struct event *event, const struct death *death)
{
    char how[STATUS_TEXT_SIZE];

    event->flags |= EVENT_MAIN;
    engine->main_child.pid = 0;
    engine->main_child.status = death->status;
    if (engine->main_child.pidfd >= 0)
        close(engine->main_child.pidfd);
    engine->main_child.pidfd = -1;
    status_describe(death->status, how);
    log_line(&engine->log, LOG_LEVEL_DEBUG, "the main child %d ended: %s", (int)death->pid, how);
    life_main_ended(engine, event);
}

static void tell_spawned(struct engine *engine, struct event *event, struct child *child)
{
    const int failed = child->exec_failed;

    event->flags |= EVENT_SPAWNED;
    memcpy(event->name, child->name, sizeof event->name);
    children_reaped(&engine->children, child);
    if (!failed)
        scripts_put_spawned(engine, event);
}

/* Finds out what the dead process was and tells whom it concerns. */
static void tell_death(struct engine *engine, const struct death *death)
{
    struct child *child;
    struct event event;

    if (scripts_ended(engine, death->pid, death->status))
        return;
    if (death->pid == engine->main_child.pid)
        forward_look(engine); /* if its exec has failed, it was never COMMAND */
    event = event_of(engine, death);
    child = children_find(&engine->children, death->pid);
    if (child && child->dead)
        child = NULL;
    engine->statistics.reaped += !(child && child->exec_failed);
    if (death->pid == engine->main_child.pid) {
        trace(engine, death, "the main child");
        tell_main(engine, &event, death);
    } else if (child) {
        trace(engine, death, "spawned child");
        if (!is_to_be_told(engine, death))
            event.flags |= EVENT_TOLD;
        tell_spawned(engine, &event, child);
    } else {
        event.flags |= EVENT_ORPHAN;
        engine->statistics.orphans++;
        if (engine->options.warn)
            warn_of_orphan(engine, death);
        else
            trace(engine, death, "orphan");
        if (is_to_be_told(engine, death))
            scripts_put_orphan(engine, &event);
    }
}

int reap_is_ours(const struct engine *engine, pid_t pid)
{
    siginfo_t child;

    if (pid <= 0)
        return 0;
    for (size_t i = 0; engine->reaper.telling && i < engine->reaper.telling->count; i++)
        if (engine->reaper.telling->list[i].pid == pid)
            return 1;
    if (waitid(P_PID, (id_t)pid, &child, WEXITED | WNOHANG | WNOWAIT | __WALL) == 0)
        return 1;
    return kill(pid, 0) == 0; /* of a double fork: it is adopted in a moment */
}

/* A child that a script process spawned said so before its exec, so its order is in the socket before its death is
 * seen. */
static void read_orders(struct engine *engine, struct deaths *deaths)
{
    if (!journal_has_orders(&engine->journal))
        return;
    engine->reaper.telling = deaths;
    scripts_read_orders(engine, ALL_ORDERS);
    engine->reaper.telling = NULL;
}

static void tell_deaths(struct engine *engine, struct deaths *deaths)
{
    if (deaths->count == 0)
        return;
    read_orders(engine, deaths);
    for (size_t i = 0; i < deaths->count; i++)
        tell_death(engine, &deaths->list[i]);
    deaths->total += deaths->count;
    deaths->count = 0;
    engine->life.something_died = 1;
}

/* A zombie can be looked at until it is reaped. `pid` is one whose death was told, so it cannot be another's. */
static void look(const struct engine *engine, struct death *death, pid_t pid)
{
    death->looked = wants_look(engine) && proc_read(pid, &death->look) == 0 && proc_is_dead(&death->look)
                    && death->look.ppid == getpid();
}

/*
 * PTRACE_TRACEME of a child's thread makes this process its tracer, who has to reap it before the process can end. The
 * thread is no process, whose pid would be that of its group, too.
 */
static int is_thread(pid_t id)
{
    return syscall(SYS_tgkill, id, id, 0) != 0 && errno == ESRCH;
}

/* Somebody hears of each death; otherwise the question costs more than its answer is worth. */
static int is_listened_to(const struct engine *engine)
{
    return engine_has_listener(engine) || engine->options.warn || engine->options.threshold >= LOG_LEVEL_TRACE;
}

/* Reaps `pid` if it is a dead child. True when it was one. */
static int reap_one(struct engine *engine, pid_t pid, struct deaths *deaths)
{
    struct death *death = &deaths->list[deaths->count];
    const int nobody = is_listened_to(engine) && is_thread(pid);

    look(engine, death, pid);
    do
        death->pid = wait4(pid, &death->status, WNOHANG | __WALL, &death->usage);
    while (death->pid < 0 && errno == EINTR);
    /* With ptrace a positive pid can be a stop, which is not a death. */
    if (death->pid <= 0 || !(WIFEXITED(death->status) || WIFSIGNALED(death->status)))
        return 0;
    deaths->count += !nobody;
    return 1;
}

/* The pid of a dead child, which stays one until it is reaped: `pid`, or any of all with 0. 0: there is none. */
static pid_t find_dead(pid_t pid)
{
    siginfo_t child;

    child.si_pid = 0;
    if (waitid(pid > 0 ? P_PID : P_ALL, (id_t)pid, &child, WEXITED | WNOWAIT | WNOHANG | __WALL) != 0)
        return 0;
    return child.si_pid;
}

static void make_room(struct engine *engine, struct deaths *deaths)
{
    if (deaths->count == DEATHS)
        tell_deaths(engine, deaths);
}

/* Pids on one side of a dead one, `step` being 1 or -1, until a call for each of many was in vain. */
static void comb(struct engine *engine, pid_t pid, pid_t step, struct deaths *deaths)
{
    const int64_t patience = engine->reaper.sweep_cost / 4 / wait_cost;
    int64_t misses = 0;

    for (pid += step; pid > 1 && misses < patience; pid += step) {
        make_room(engine, deaths);
        misses = find_dead(pid) != 0 && reap_one(engine, pid, deaths) ? 0 : misses + 1;
    }
}

/*
 * A call that finds nothing has walked the whole list; one that finds something, at most that. The estimate grows step
 * by step, so that a call during which another process had the processor does not count as a long walk.
 */
static void note_cost(struct engine *engine, int64_t cost, int found)
{
    const int64_t most = 2 * engine->reaper.sweep_cost + sweep_cheap / 8;

    if (cost > most)
        cost = most;
    if (!found || cost > engine->reaper.sweep_cost)
        engine->reaper.sweep_cost = cost;
}

/* The pid of any dead child, which stays one, or 0. `*now` moves on by what it cost to find. */
static pid_t find_any(int64_t *now, int64_t *cost)
{
    const int64_t begin = *now;
    const pid_t pid = find_dead(0);

    *now = clock_now();
    *cost = *now - begin;
    return pid;
}

/* Reaps any that is dead, and where that is dear those that died with it. True when there was one; `*now` moves on. */
static int reap_some(struct engine *engine, int64_t *now, struct deaths *deaths)
{
    int64_t cost;
    pid_t pid = find_any(now, &cost);

    if (cost > sweep_cheap && engine->reaper.sweep_cost <= sweep_cheap)
        pid = find_any(now, &cost); /* on a busy machine several in a row are disturbed, and order hangs on this */
    note_cost(engine, cost, pid > 0);
    if (pid == 0)
        return 0;
    make_room(engine, deaths);
    reap_one(engine, pid, deaths);
    if (engine->reaper.sweep_cost > sweep_dear) {
        comb(engine, pid, 1, deaths);
        comb(engine, pid, -1, deaths);
    }
    *now = clock_now();
    return 1;
}

static void finish(struct engine *engine, struct deaths *deaths)
{
    tell_deaths(engine, deaths);
    if ((int64_t)deaths->total > engine->statistics.zombies_peak)
        engine->statistics.zombies_peak = (int64_t)deaths->total;
}

/* A sweep that still finds some is broken off after a while, and signals and orders get as much time. */
static void sweep(struct engine *engine, int64_t begin, struct deaths *deaths)
{
    int64_t now = begin;
    int64_t rest;
    int more = 1;

    engine->reaper.sweep_at = NEVER;
    while (more && now - begin < sweep_slice)
        more = reap_some(engine, &now, deaths);
    rest = more ? now - begin : SWEEP_SHARE * engine->reaper.sweep_cost;
    if (engine->reaper.sweep_cost <= sweep_cheap)
        rest = 0;
    engine->reaper.sweep_allowed = now + (rest < sweep_latest ? rest : sweep_latest);
    if (more)
        engine->reaper.sweep_at = engine->reaper.sweep_allowed;
}

/* A turn's deaths. Static: on the stack it would cost memory for good, as deep as it reaches. */
static struct deaths *no_deaths(void)
{
    static struct deaths deaths;

    deaths.count = deaths.total = 0;
    return &deaths;
}

void reap_sweep(struct engine *engine)
{
    struct deaths *const deaths = no_deaths();

    read_orders(engine, deaths); /* one asks for `info`, perhaps */
    sweep(engine, clock_now(), deaths);
    finish(engine, deaths);
}

/*
 * Between two deaths that are named others may have been passed over. A sweep finds the dead in their order, so where
 * it is cheap only the first is taken by its name, and none while a sweep is unfinished.
 */
static void reap_named(struct engine *engine, pid_t pid, int first, struct deaths *deaths)
{
    if (engine->reaper.sweep_cost <= sweep_cheap && (!first || engine->reaper.sweep_at != NEVER))
        return;
    make_room(engine, deaths);
    reap_one(engine, pid, deaths);
}

static void sweep_when_allowed(struct engine *engine, struct deaths *deaths)
{
    const int64_t now = clock_now();

    if (now >= engine->reaper.sweep_allowed)
        sweep(engine, now, deaths);
    else if (engine->reaper.sweep_allowed < engine->reaper.sweep_at)
        engine->reaper.sweep_at = engine->reaper.sweep_allowed;
}

void reap_and_forward(struct engine *engine, int signal_fd)
{
    struct signalfd_siginfo records[RECORDS];
    struct deaths *const deaths = no_deaths();
    size_t count = RECORDS;
    int about_children = 0;

    for (size_t turn = 0; count == RECORDS && turn < TURN_RECORDS; turn += count) {
        const ssize_t got = read(signal_fd, records, sizeof records);

        signal_fd = engine->signal_fd; /* which does not wait */
        count = got > 0 ? (size_t)got / sizeof *records : 0;
        read_orders(engine, deaths);
        for (size_t i = 0; i < count; i++) {
            const int is_about_a_child = reap_is_about_a_child(engine, &records[i]);

            if (records[i].ssi_signo == SIGCHLD || is_about_a_child) {
                if (is_about_a_child && records[i].ssi_pid > 0)
                    reap_named(engine, (pid_t)records[i].ssi_pid, !about_children, deaths);
                about_children = 1;
            }
            if (!is_about_a_child) {
                tell_deaths(engine, deaths); /* orders that were sent before the signal have been read, too */
                forward_signal(engine, &records[i]);
            }
        }
    }
    if (about_children) {
        sweep_when_allowed(engine, deaths);
        if (terminal_main_stopped(&engine->terminal, engine->main_child.pid))
            terminal_suspend(&engine->origin, &engine->log);
    }
    finish(engine, deaths);
}
