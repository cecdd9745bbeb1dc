#define _GNU_SOURCE
#include "engine/engine.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/deadlines.h"
#include "engine/dismissed.h"
#include "engine/forward.h"
#include "engine/handover.h"
#include "engine/life.h"
#include "engine/reap.h"
#include "engine/remains.h"
#include "engine/scripts.h"
#include "engine/setup.h"
#include "engine/terminal.h"

static const int64_t look_every = 10 * NANOSECONDS; /* at a script process that has events to read */
static const int64_t ends_every = NANOSECONDS;      /* at a script process that has ended and cannot be reaped */

/* ---- Setting up. ---- */

static void set_up(struct engine *engine, const struct engine_start *start, const struct options *options,
                   const struct inherited_signals *signals)
{
    deadlines_clear(engine);
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
    engine->origin.started_at = clock_now();
    scripts_empty_slot(&engine->scripts.current, options);
    scripts_empty_slot(&engine->scripts.candidate, options);
    engine->options = *options;
    options_reapply_arguments(&engine->options, start->argc, start->argv);
    setup_log(engine);
    engine_fill_standard_descriptors();
    log_open(&engine->log);
    setup_surroundings(engine);
    terminal_find(&engine->terminal);
}

/* ---- The loop. ---- */

/* While the script process has something to read, look from time to time whether it does. */
static void plan_look(struct engine *engine)
{
    struct slot *slot = &engine->scripts.current;
    int64_t after = look_every;

    if (slot->state != SLOT_READY || slot->look_at != NEVER || engine->origin.start->program
        || journal_unread(&engine->journal) == 0)
        return; /* a program reads when it likes */
    if (engine->options.script_timeout > 0 && engine->options.script_timeout < after)
        after = engine->options.script_timeout;
    slot->look_at = clock_after(after);
    slot->unread_since = clock_now();
    slot->unread_from = engine->journal.seen;
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
    const int64_t deadline = deadlines_next(engine);
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
           && deadlines_next(engine) == NEVER;
}

static void serve(struct engine *engine)
{
    struct pollfd fds[POLL_WATCHED + WATCHED_MAX];
    const int watched = engine->remains.watched_count;

    wait_for_something(engine, fds);
    if (fds[POLL_SIGNALS].revents)
        reap_and_forward(engine, engine->signal_fd);
    if (fds[POLL_START].revents)
        forward_look(engine);
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
    life_check_died(engine);
    deadlines_expire(engine);
    check_shut(engine);
    forward_early(engine);
    scripts_reload_again(engine);
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
    terminal_take_back(&engine->terminal);
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
        life_begin(&engine);
    while (engine.life.state != ENGINE_DONE)
        turn(&engine);
    tear_down(&engine);
    return engine.life.final_code;
}
