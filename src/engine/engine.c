#define _GNU_SOURCE
#include "engine/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/dismissed.h"
#include "engine/forward.h"
#include "engine/handover.h"
#include "engine/main_child.h"
#include "engine/questions.h"
#include "engine/reap.h"
#include "engine/remains.h"
#include "engine/scripts.h"
#include "engine/stop.h"
#include "engine/terminal.h"

static const int64_t look_every = 10 * NANOSECONDS; /* at a script process that has events to read */
static const int64_t ends_every = NANOSECONDS;      /* at a script process that has ended and cannot be reaped */

/* What a state does. An action that is not there does nothing. */
struct state_row {
    const char *name;
    void (*enter)(struct engine *engine);
    void (*deadline)(struct engine *engine); /* state_deadline has passed */
    void (*died)(struct engine *engine);     /* a process has ended */
};

static const struct state_row states[ENGINE_STATES] = {
    [ENGINE_LOADING] = { .name = "loading" },
    [ENGINE_STARTING] = { .name = "starting", .enter = main_child_start },
    [ENGINE_RUNNING] = { .name = "running" },
    [ENGINE_ORDERLY] = { "stopping services", stop_enter_orderly, stop_main_overdue, NULL },
    [ENGINE_STOPPING] = { "stopping", stop_enter_stopping, stop_grace_over, stop_check_remains },
    [ENGINE_KILLING] = { "killing", stop_enter_killing, stop_give_up, stop_check_remains },
    [ENGINE_LEAVING] = { "leaving", stop_enter_leaving, stop_leave, stop_check_script },
    [ENGINE_DONE] = { .name = "done" },
};

void engine_enter(struct engine *engine, enum engine_state state)
{
    if (engine->life.state >= state)
        return;
    engine->life.state = state;
    engine->life.deadline = NEVER;
    log_line(&engine->log, LOG_LEVEL_TRACE, "%s", states[state].name);
    if (states[state].enter)
        states[state].enter(engine);
}

/* SIG when the parent dies; when it has died already, the kernel will not tell. */
static void set_parent_death(struct engine *engine)
{
    if (prctl(PR_SET_PDEATHSIG, engine->options.parent_death) != 0)
        log_line(&engine->log, LOG_LEVEL_WARNING, "cannot set the parent-death signal: %s", strerror(errno));
    else if (engine->options.parent_death && getppid() != engine->origin.start->parent)
        kill(getpid(), engine->options.parent_death);
}

static void apply_log_options(struct engine *engine)
{
    engine->log.threshold = engine->options.threshold;
    engine->log.json = engine->options.json;
}

void engine_apply_options(struct engine *engine)
{
    const int before = engine->options.parent_death;

    engine->options = engine->scripts.current.options;
    options_reapply_arguments(&engine->options, engine->origin.start->argc, engine->origin.start->argv);
    apply_log_options(engine);
    if (engine->options.parent_death != before)
        set_parent_death(engine);
    if (engine->options.warn)
        oom_watch_open(&engine->reaper.oom);
}

void engine_begin(struct engine *engine)
{
    if (engine->life.state != ENGINE_LOADING)
        return;
    if (engine->origin.base.command) {
        engine_enter(engine, ENGINE_STARTING);
    } else {
        main_child_close_inherited();
        engine_runs(engine);
    }
}

void engine_runs(struct engine *engine)
{
    engine_enter(engine, ENGINE_RUNNING);
    scripts_take_up(engine);
    forward_early(engine);
    scripts_reload_again(engine);
}

/* ---- Setting up. ---- */

void engine_fill_standard_descriptors(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            open("/dev/null", O_RDWR); /* takes the lowest number that is free */
}

/* A directory that may not be opened, because its user may not enter it, is stayed in: it could not be gone back to. */
static void leave_folder(struct engine *engine)
{
    engine->main_child.directory_fd = -1;
    if (!engine->origin.start->program) { /* which is there already, and would find its directory kept busy */
        engine->main_child.directory_fd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (engine->main_child.directory_fd < 0)
            return;
        if (engine_has_script(engine)) /* only that starts COMMAND again */
            engine->main_child.directory = getcwd(NULL, 0);
    }
    if (chdir("/") != 0)
        log_line(&engine->log, LOG_LEVEL_WARNING, "cannot move to /: %s", strerror(errno));
}

static void become_reaper(struct engine *engine)
{
    const struct engine_program *const program = engine->origin.start->program;

    engine->origin.is_init = getpid() == 1;
    if (!engine->origin.is_init && (!program || program->subreaper) && prctl(PR_SET_CHILD_SUBREAPER, 1UL) != 0)
        log_line(&engine->log, LOG_LEVEL_WARNING, "cannot become a subreaper: %s; orphans go to process 1",
                 strerror(errno));
}

static void set_up(struct engine *engine, const struct engine_start *start, const struct options *options,
                   const struct inherited_signals *signals)
{
    engine->origin.start = start;
    engine->origin.base = *options;
    engine->origin.signals = *signals;
    engine->main_child.pidfd = engine->terminal.fd = engine->scripts.store_fd = -1;
    for (int i = 0; i < DISMISSED_MAX; i++)
        engine->dismissed.list[i].pidfd = -1;
    engine->main_child.start = spawn_result_empty();
    engine->main_child.status = engine->main_child.code = engine->life.requested_code = -1;
    engine->remains.log = &engine->log;
    engine->reaper.oom.fd = -1;
    engine->life.deadline = engine->main_child.retry_at = engine->scripts.start_at = NEVER;
    engine->dismissed.deadline = engine->reaper.sweep_at = engine->remains.check_at = engine->scripts.take_up_at =
        engine->reaper.ends_at = NEVER;
    engine->origin.started_at = clock_now();
    scripts_empty_slot(&engine->scripts.current, options);
    scripts_empty_slot(&engine->scripts.candidate, options);
    engine->options = *options;
    options_reapply_arguments(&engine->options, start->argc, start->argv);
    apply_log_options(engine);
    engine_fill_standard_descriptors();
    log_open(&engine->log);
    become_reaper(engine);
    if (engine->options.parent_death)
        set_parent_death(engine);
    leave_folder(engine);
    terminal_find(engine);
}

/* ---- The loop. ---- */

static int64_t sooner(int64_t left, int64_t right)
{
    return left < right ? left : right;
}

static int64_t next_deadline(const struct engine *engine)
{
    int64_t next = engine->life.something_died ? 0 : engine->life.deadline;

    next = sooner(next, engine->reaper.sweep_at);
    next = sooner(next, engine->remains.check_at);
    next = sooner(next, engine->reaper.ends_at);
    next = sooner(next, engine->main_child.retry_at);
    next = sooner(next, engine->main_child.start.due);
    next = sooner(next, engine->scripts.start_at);
    next = sooner(next, engine->dismissed.deadline);
    next = sooner(next, engine->scripts.take_up_at);
    next = sooner(next, engine->scripts.current.channel.again_at);
    next = sooner(next, engine->scripts.candidate.channel.again_at);
    next = sooner(next, engine->scripts.current.shut_at);
    next = sooner(next, engine->scripts.candidate.shut_at);
    next = sooner(next, engine->scripts.current.look_at);
    next = sooner(next, engine->scripts.candidate.look_at);
    return sooner(next, questions_deadline(engine));
}

static void run_if_due(struct engine *engine, int64_t now, int64_t *deadline, void (*action)(struct engine *engine))
{
    if (*deadline > now)
        return;
    *deadline = NEVER;
    if (action)
        action(engine);
}

static void look_again(struct engine *engine)
{
    engine->life.something_died = 1;
}

static void expire(struct engine *engine)
{
    const int64_t now = clock_now();

    run_if_due(engine, now, &engine->reaper.sweep_at, reap_sweep);
    run_if_due(engine, now, &engine->remains.check_at, look_again);
    run_if_due(engine, now, &engine->reaper.ends_at, NULL);
    questions_expire(engine);
    run_if_due(engine, now, &engine->main_child.retry_at, main_child_start);
    if (engine->main_child.start.due <= now)
        main_child_look(engine);
    run_if_due(engine, now, &engine->scripts.start_at, scripts_start_again);
    run_if_due(engine, now, &engine->dismissed.deadline, stop_dismissed_overdue);
    run_if_due(engine, now, &engine->scripts.take_up_at, scripts_promoted);
    run_if_due(engine, now, &engine->life.deadline, states[engine->life.state].deadline);
    if (engine->scripts.current.look_at <= now)
        scripts_look(engine, &engine->scripts.current);
    if (engine->scripts.candidate.look_at <= now)
        scripts_look(engine, &engine->scripts.candidate);
    if (engine->scripts.current.channel.again_at <= now)
        handover_step(engine, &engine->scripts.current);
    if (engine->scripts.candidate.channel.again_at <= now)
        handover_step(engine, &engine->scripts.candidate);
}

/* While the script process has something to read, look from time to time whether it does. */
static void plan_look(struct engine *engine)
{
    struct slot *slot = &engine->scripts.current;
    int64_t after = look_every;

    if (slot->state != SLOT_READY || slot->look_at != NEVER || engine->origin.start->program
        || journal_unread(&engine->journal) == 0)
        return; /* a program reads when it likes */
    if (engine->options.script_timeout > 0)
        after = sooner(after, engine->options.script_timeout);
    slot->look_at = clock_after(after);
    slot->unread_since = clock_now();
    slot->unread_from = engine->journal.seen;
}

static void check_died(struct engine *engine)
{
    if (!engine->life.something_died)
        return;
    engine->life.something_died = 0;
    if (states[engine->life.state].died)
        states[engine->life.state].died(engine);
}

enum { ENDS_MAX = 2 + DISMISSED_MAX }; /* script processes that may end */

enum {
    POLL_SIGNALS,
    POLL_START,
    POLL_SCRIPT,
    POLL_CANDIDATE,
    POLL_ENDS,
    POLL_WATCHED = POLL_ENDS + ENDS_MAX,
};

static struct pollfd poll_channel(const struct channel *channel)
{
    const struct pollfd entry = {
        .fd = channel->shut ? -1 : channel->fd,
        .events = (short)(channel->full ? POLLIN | POLLOUT : POLLIN),
    };

    return entry;
}

static void poll_ends(const struct engine *engine, struct pollfd *fds)
{
    fds[0] = (struct pollfd){ .fd = engine->scripts.current.pidfd, .events = POLLIN };
    fds[1] = (struct pollfd){ .fd = engine->scripts.candidate.pidfd, .events = POLLIN };
    for (int i = 0; i < DISMISSED_MAX; i++)
        fds[2 + i] = (struct pollfd){ .fd = engine->dismissed.list[i].pidfd, .events = POLLIN };
}

static void wait_for_something(struct engine *engine, struct pollfd *fds)
{
    const int64_t deadline = next_deadline(engine);
    int64_t delay = deadline - clock_now();
    struct timespec timeout;
    int count = POLL_WATCHED;

    fds[POLL_SIGNALS] = (struct pollfd){ .fd = engine->signal_fd, .events = POLLIN };
    fds[POLL_START] = (struct pollfd){ .fd = engine->main_child.start.report_fd, .events = POLLIN };
    fds[POLL_SCRIPT] = poll_channel(&engine->scripts.current.channel);
    fds[POLL_CANDIDATE] = poll_channel(&engine->scripts.candidate.channel);
    poll_ends(engine, &fds[POLL_ENDS]);
    for (int i = 0; engine->reaper.ends_at != NEVER && i < ENDS_MAX; i++)
        fds[POLL_ENDS + i].fd = -1;
    for (int i = 0; i < engine->remains.watched_count; i++)
        fds[count++] = (struct pollfd){ .fd = engine->remains.watched[i], .events = POLLIN };
    if (delay < 0)
        delay = 0;
    timeout.tv_sec = (time_t)(delay / NANOSECONDS);
    timeout.tv_nsec = (long)(delay % NANOSECONDS);
    if (ppoll(fds, (nfds_t)count, deadline == NEVER ? NULL : &timeout, NULL) < 0)
        for (int i = 0; i < count; i++)
            fds[i].revents = POLLIN; /* out of memory or interrupted: look at everything */
}

static int has_ended(const struct pollfd *ends)
{
    for (int i = 0; i < ENDS_MAX; i++)
        if (ends[i].revents)
            return 1;
    return 0;
}

/*
 * The zombie of a script process that somebody traces is reaped by the tracer first, and by us when that has waited for
 * it or has gone, of which a signal tells. Its pidfd is readable meanwhile, so it is looked at from time to time only.
 */
static void reap_ended(struct engine *engine)
{
    struct pollfd ends[ENDS_MAX];

    reap_sweep(engine);
    poll_ends(engine, ends);
    if (poll(ends, ENDS_MAX, 0) > 0)
        engine->reaper.ends_at = clock_after(ends_every);
}

/* Without a script process, timers and processes to watch, one read does for both: to wait, and to be told of signals.
 */
static int waits_for_signals_only(const struct engine *engine)
{
    return engine->waiting_fd >= 0 && engine->scripts.current.pid == 0 && engine->scripts.candidate.pid == 0
           && !dismissed_any(&engine->dismissed) && engine->remains.watched_count == 0
           && next_deadline(engine) == NEVER;
}

static void serve(struct engine *engine)
{
    struct pollfd fds[POLL_WATCHED + WATCHED_MAX];
    const int watched = engine->remains.watched_count;

    wait_for_something(engine, fds);
    if (fds[POLL_SIGNALS].revents)
        reap_and_forward(engine, engine->signal_fd);
    if (fds[POLL_START].revents)
        main_child_look(engine);
    if (has_ended(&fds[POLL_ENDS]))
        reap_ended(engine);
    if (fds[POLL_SCRIPT].revents || fds[POLL_CANDIDATE].revents)
        scripts_read_orders(engine, SOME_ORDERS);
    if (fds[POLL_SCRIPT].revents & POLLOUT)
        handover_step(engine, &engine->scripts.current);
    if (fds[POLL_CANDIDATE].revents & POLLOUT)
        handover_step(engine, &engine->scripts.candidate);
    for (int i = 0; i < watched; i++)
        if (fds[POLL_WATCHED + i].revents)
            engine->life.something_died = 1;
}

/* Polling does not tell of a socket that only fails to take what is sent. */
static void check_shut(struct engine *engine)
{
    if (engine->scripts.current.channel.shut || engine->scripts.candidate.channel.shut)
        scripts_read_orders(engine, SOME_ORDERS);
}

static void turn(struct engine *engine)
{
    if (waits_for_signals_only(engine))
        reap_and_forward(engine, engine->waiting_fd);
    else
        serve(engine);
    check_died(engine);
    expire(engine);
    check_shut(engine);
    journal_look(&engine->journal);
    plan_look(engine);
    journal_rest(&engine->journal);
}

/* A signalfd is all that the engine cannot do without; before COMMAND is started it is waited for. */
static int open_signals(struct engine *engine)
{
    engine->signal_fd = signals_fd(SFD_NONBLOCK);
    engine->waiting_fd = signals_fd(0);
    if (engine->signal_fd < 0)
        log_line(&engine->log, LOG_LEVEL_ERROR, "cannot make a signalfd: %s", strerror(errno));
    return engine->signal_fd < 0 ? -1 : 0;
}

static void tear_down(struct engine *engine)
{
    terminal_take_back(engine);
    remains_unwatch(&engine->remains);
    channel_close(&engine->scripts.current.channel);
    channel_close(&engine->scripts.candidate.channel);
    journal_end(&engine->journal);
    close(engine->signal_fd);
    close(engine->waiting_fd);
    if (engine->main_child.start.report_fd >= 0)
        close(engine->main_child.start.report_fd);
    if (engine->reaper.oom.fd >= 0)
        close(engine->reaper.oom.fd);
    free(engine->main_child.directory);
}

int engine_run(const struct engine_start *start, const struct options *options, const struct inherited_signals *signals)
{
    static struct engine engine; /* zero, and what is never touched takes no memory */

    set_up(&engine, start, options, signals);
    if (open_signals(&engine) != 0)
        return 125;
    if (start->program)
        scripts_take_program(&engine);
    else if (engine_has_script(&engine))
        scripts_start_first(&engine);
    else
        engine_begin(&engine);
    while (engine.life.state != ENGINE_DONE)
        turn(&engine);
    tear_down(&engine);
    return engine.life.final_code;
}
