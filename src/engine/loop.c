#define _GNU_SOURCE
#include "engine/engine.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/deadlines.h"
#include "engine/deaths.h"
#include "engine/dismissed.h"
#include "engine/forward.h"
#include "engine/handover.h"
#include "engine/life.h"
#include "engine/orders.h"
#include "engine/porter.h"
#include "engine/reload.h"
#include "engine/remains.h"
#include "engine/report.h"
#include "engine/scripts.h"
#include "engine/setup.h"
#include "engine/slot.h"
#include "engine/terminal.h"
#include "engine/termination.h"
#include "engine/wait.h"

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
    engine->pages.engine_fd = engine->pages.script_fd = -1;
    engine->porter.life_fd = engine->porter.pidfd = -1;
    for (int i = 0; i < DISMISSED_MAX; i++)
        engine->dismissed.list[i].pidfd = -1;
    engine->main_child.start = spawn_result_empty();
    engine->main_child.status = engine->main_child.code = engine->life.requested_code = -1;
    engine->remains.log = &engine->log;
    engine->reaper.oom.fd = engine->wait.signal_fd = -1;
    engine->origin.started_at = clock_now();
    for (unsigned i = 0; i < JOURNAL_READERS; i++) {
        slot_empty(&engine->scripts.slot[i], options);
        engine->scripts.slot[i].index = i;
    }
    engine->scripts.current = &engine->scripts.slot[0];
    engine->scripts.candidate = &engine->scripts.slot[1];
    engine->options = *options;
    options_reapply_arguments(&engine->options, start->argc, start->argv);
    setup_log(engine);
    engine->log.last = engine->last_error;
    engine_fill_standard_descriptors();
    log_open(&engine->log);
    setup_surroundings(engine);
    terminal_find(&engine->terminal);
    report_open(engine);
    warnings_begin(&engine->warnings, &engine->log, engine->origin.is_init, engine->origin.started_at);
}

/* ---- The loop. ---- */

enum { SIGNALS_A_TURN = 256 };

/* While the script process has something to read, look from time to time whether it does. */
static void plan_look(struct engine *engine)
{
    struct slot *slot = engine->scripts.current;
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

/*
 * The zombie of a script process that somebody traces is reaped by the tracer first, and by us when that has waited for
 * it or has gone, of which a signal tells. Its pidfd is readable meanwhile, so it is looked at from time to time only.
 */
static void look_at_ends(struct engine *engine)
{
    engine->wait.ends = 0;
    deaths_sweep(engine);
    if (wait_has_ended(engine))
        engine->reaper.ends_at = clock_after(ends_every);
}

/* What has died before it, and orders that were sent before it, come first. */
static void take_signal(struct engine *engine, const siginfo_t *record)
{
    deaths_deliver(engine);
    orders_read_new(engine);
    forward_signal(engine, record);
}

/* At most a few hundred signals a turn, so that a flood does not hold up what else is to be done. */
static void take_signals(struct engine *engine, siginfo_t *record)
{
    int are_deaths = 0;
    int left = SIGNALS_A_TURN;

    orders_read_new(engine); /* one asks to hear more of each death, perhaps */
    do {
        switch (wait_note(engine, record)) {
        case RECORD_CHILD:
            if (record->si_pid > 0)
                deaths_named(engine, record->si_pid, !are_deaths);
            are_deaths = 1;
            break;
        case RECORD_DEATHS:
            are_deaths = 1;
            take_signal(engine, record);
            break;
        case RECORD_SIGNAL:
            take_signal(engine, record);
            break;
        case RECORD_OVERFLOW:
            are_deaths = 1;
            break;
        case RECORD_DESCRIPTOR:
            break;
        }
    } while (--left > 0 && wait_next_signal(record));
    if (are_deaths) {
        deaths_follow(engine);
        if (terminal_main_stopped(&engine->terminal, engine->main_child.pid))
            terminal_suspend(&engine->origin, &engine->log);
    }
    deaths_deliver(engine);
}

/* What descriptors have to tell. */
static void serve(struct engine *engine)
{
    if (engine->wait.start) {
        engine->wait.start = 0;
        forward_look(engine);
    }
    if (engine->wait.ends)
        look_at_ends(engine);
    if (!engine->wait.orders)
        return;
    engine->wait.orders = orders_read(engine, SOME_ORDERS);
    handover_step(engine, engine->scripts.current);
    handover_step(engine, engine->scripts.candidate);
}

/* Polling does not tell of a socket that only fails to take what is sent. */
static void check_shut(struct engine *engine)
{
    if (engine->scripts.current->channel.shut || engine->scripts.candidate->channel.shut)
        orders_read(engine, SOME_ORDERS);
}

static void turn(struct engine *engine)
{
    siginfo_t record;

    report_write(engine);
    engine->reaper.together = 0;
    if (wait_for_signal(engine, deadlines_next(engine), &record))
        take_signals(engine, &record);
    serve(engine);
    life_check_died(engine);
    deadlines_expire(engine);
    check_shut(engine);
    forward_early(engine);
    life_start_main_first(engine);
    reload_step(engine);
    journal_look(&engine->journal);
    plan_look(engine);
    journal_rest(&engine->journal);
    warnings_step(&engine->warnings, clock_tick());
}

static void tear_down(struct engine *engine)
{
    terminal_take_back(&engine->terminal);
    remains_unwatch(&engine->remains);
    channel_close(&engine->scripts.current->channel);
    channel_close(&engine->scripts.candidate->channel);
    journal_end(&engine->journal);
    wait_end(engine);
    if (engine->main_child.start.report_fd >= 0)
        close(engine->main_child.start.report_fd);
    if (engine->reaper.oom.fd >= 0)
        close(engine->reaper.oom.fd);
    free(engine->main_child.directory);
    variables_free(&engine->main_child.variables);
    for (int i = 0; i < JOURNAL_READERS; i++)
        variables_free(&engine->scripts.slot[i].variables);
}

static void begin(struct engine *engine)
{
    if (engine->origin.start->program) {
        scripts_take_program(engine);
        life_begin(engine);
    } else if (!engine_has_script(engine)) {
        life_begin(engine);
    } else if (scripts_start_first(engine) != 0) {
        life_load_failed(engine, 125);
    }
}

int engine_run(const struct engine_start *start, const struct options *options, const struct inherited_signals *signals)
{
    static struct engine engine; /* zero, and what is never touched takes no memory */

    set_up(&engine, start, options, signals);
    begin(&engine);
    porter_start(&engine);
    while (engine.life.state != ENGINE_DONE)
        turn(&engine);
    report_write(&engine);
    termination_write(&engine);
    tear_down(&engine);
    return engine.life.final_code;
}
