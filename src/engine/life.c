#include "engine/life.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "engine/handover.h"
#include "engine/leave.h"
#include "engine/main_child.h"
#include "engine/questions.h"
#include "engine/reload.h"
#include "engine/scripts.h"
#include "engine/slot.h"
#include "engine/stop.h"
#include "engine/terminal.h"

/* ---- The states. ---- */

/* Does something in the present state, and gives the state that follows, or the present one. */
typedef enum engine_state state_action(struct engine *engine);

static state_action start, run;

/* What a state does. An action that is not there does nothing. */
struct state_row {
    const char *name;
    state_action *enter;
    state_action *deadline; /* life.deadline has passed */
    state_action *died;     /* a process has ended */
};

static const struct state_row states[ENGINE_STATES] = {
    [ENGINE_LOADING] = { .name = "loading" },
    [ENGINE_STARTING] = { .name = "starting", .enter = start },
    [ENGINE_RUNNING] = { .name = "running", .enter = run },
    [ENGINE_ORDERLY] = { "stopping services", stop_in_order, stop_main_overdue, NULL },
    [ENGINE_STOPPING] = { "stopping", stop_terminate, stop_grace_over, stop_check_remains },
    [ENGINE_KILLING] = { "killing", stop_kill, stop_give_up, stop_check_remains },
    [ENGINE_ASKING_CODE] = { "leaving", leave_ask_code, NULL, leave_check_asked },
    [ENGINE_PARTING] = { "parting", leave_part, leave_give_up, leave_check_script },
    [ENGINE_LAST_SWEEP] = { "last sweep", leave_sweep, leave_give_up, leave_sweep },
    [ENGINE_DONE] = { .name = "done" },
};

/* An action on entry may move on by itself, by way of the script: then what it gives is out of date, and passed by. */
static void move_on(struct engine *engine, enum engine_state next)
{
    while (next > engine->life.state) {
        engine->life.state = next;
        engine->life.deadline = NEVER;
        log_line(&engine->log, LOG_LEVEL_TRACE, "%s", states[next].name);
        if (states[next].enter)
            next = states[next].enter(engine);
    }
}

void life_deadline(struct engine *engine)
{
    state_action *const action = states[engine->life.state].deadline;

    if (action)
        move_on(engine, action(engine));
}

void life_check_died(struct engine *engine)
{
    state_action *const action = states[engine->life.state].died;

    if (!engine->life.something_died)
        return;
    engine->life.something_died = 0;
    if (action)
        move_on(engine, action(engine));
}

/* ---- To the start of COMMAND. ---- */

void life_begin(struct engine *engine)
{
    if (engine->life.state != ENGINE_LOADING)
        return;
    if (!engine->origin.base.command)
        main_child_close_inherited();
    if (engine->origin.base.command && !(engine->scripts.current->hooks & HOOK_STARTS_MAIN))
        move_on(engine, ENGINE_STARTING);
    else
        move_on(engine, ENGINE_RUNNING);
}

/* What the script's main chunk may have spawned is stopped; there is nobody who could be asked. */
void life_load_failed(struct engine *engine, int code)
{
    if (engine->life.state >= ENGINE_STOPPING)
        return;
    engine->life.requested_code = code;
    if (engine->scripts.current->pid > 0)
        kill(engine->scripts.current->pid, SIGKILL);
    scripts_dismiss(engine);
    move_on(engine, engine->options.grace > 0 ? ENGINE_STOPPING : ENGINE_KILLING);
}

void life_end_before_start(struct engine *engine, int number)
{
    char name[SIGNAL_NAME_SIZE];

    if (engine->life.state == ENGINE_LOADING) {
        log_line(&engine->log, LOG_LEVEL_INFO, "%s while the script was loading", signal_name(number, name));
        life_load_failed(engine, 128 + number);
    } else if (engine->life.state == ENGINE_STARTING || engine->life.state == ENGINE_RUNNING) {
        log_line(&engine->log, LOG_LEVEL_INFO, "%s before COMMAND could be started", signal_name(number, name));
        engine->life.requested_code = 128 + number;
        life_stop(engine, signal_name(number, name));
    }
}

/* ---- How a start comes out. ---- */

/* The process was never COMMAND, for which the stop may wait. */
static void forget_main(struct engine *engine)
{
    main_child_forget(engine);
    if (engine->life.state == ENGINE_ORDERLY)
        move_on(engine, stop_main_gone(engine));
}

static void first_failed(struct engine *engine, const struct main_outcome *outcome)
{
    forget_main(engine);
    if (outcome->start == MAIN_SHORTAGE && engine->life.state <= ENGINE_RUNNING) {
        main_child_retry_later(engine, outcome->why);
        return;
    }
    main_child_give_up(engine, outcome->why);
    life_stop(engine, "main");
}

/* A successor has been told of the process, or of the end of a COMMAND before it, so that it waits for another end. */
static int successor_knows_main(const struct engine *engine)
{
    return engine->main_child.status >= 0 || engine->scripts.current->state == SLOT_READY;
}

/*
 * The script is told why, and decides what follows; but a COMMAND that has run and does not come back is the stop, and
 * so is what begins a stop while it is being started. When the script has been lost meanwhile its successor may take
 * the process for COMMAND: then that process's end is told as COMMAND's.
 */
static void ordered_failed(struct engine *engine, const struct main_outcome *outcome)
{
    if (handover_main_failed(engine, &outcome->order, engine->main_child.start.error, outcome->why) != 0
        && successor_knows_main(engine))
        return;
    forget_main(engine);
    if (engine->life.state == ENGINE_RUNNING && !questions_is_open(engine, QUESTION_MAIN_END)
        && (engine->main_child.status >= 0 || engine->main_child.asked))
        life_stop(engine, "main");
}

static void ordered_started(struct engine *engine, const struct main_outcome *outcome)
{
    questions_forget(engine, QUESTION_MAIN_END);
    handover_main_started(engine, &outcome->order);
}

/* The script is told its start, with COMMAND's pid. */
static void first_started(struct engine *engine)
{
    if (engine->life.state == ENGINE_STARTING)
        move_on(engine, ENGINE_RUNNING);
    else
        scripts_take_up(engine);
}

static void follow(struct engine *engine, const struct main_outcome *outcome)
{
    const int is_ordered = outcome->order.by > 0;

    switch (outcome->start) {
    case MAIN_UNCHANGED:
        break;
    case MAIN_STARTED:
        if (is_ordered)
            ordered_started(engine, outcome);
        else
            first_started(engine);
        break;
    case MAIN_SHORTAGE:
    case MAIN_FAILED:
        if (is_ordered)
            ordered_failed(engine, outcome);
        else
            first_failed(engine, outcome);
        break;
    }
}

void life_start_main(struct engine *engine)
{
    struct main_outcome outcome;

    engine->main_child.retry_at = NEVER;
    if (engine->life.state != ENGINE_STARTING && !main_child_comes_first(engine))
        return;
    main_child_start(engine, &outcome);
    follow(engine, &outcome);
}

void life_start_main_first(struct engine *engine)
{
    const struct slot *const slot = engine->scripts.current;

    if (slot->state == SLOT_LOADING && slot->ready_at && engine->main_child.pid == 0
        && engine->main_child.retry_at == NEVER && main_child_comes_first(engine) && !reload_waits_for_old(engine))
        life_start_main(engine);
}

static enum engine_state start(struct engine *engine)
{
    life_start_main(engine);
    return engine->life.state;
}

void life_look_at_start(struct engine *engine)
{
    struct main_outcome outcome;

    main_child_look(engine, &outcome);
    follow(engine, &outcome);
}

/* COMMAND runs, or there is none. */
static enum engine_state run(struct engine *engine)
{
    scripts_take_up(engine);
    return engine->life.state;
}

/* ---- The end of COMMAND. ---- */

/* True when the script has been asked what to do about it. */
static int ask_about_end(struct engine *engine, const struct event *event)
{
    struct question question;

    memset(&question, 0, sizeof question);
    question.kind = QUESTION_MAIN_END;
    question.event = *event;
    return engine_has_script(engine) && questions_ask(engine, &question) == 0;
}

/* It is the first interrupt of the stop, also where COMMAND alone has got it. */
static void note_interrupt_by_user(struct engine *engine)
{
    if (engine->life.state != ENGINE_RUNNING || terminal_shares_group(&engine->terminal))
        return;
    engine->life.interrupts = 1;
    engine->life.interrupted_at = clock_now();
}

void life_main_ended(struct engine *engine, struct event *event)
{
    const int by_user = terminal_main_ended(&engine->terminal, event->pid, event->status);

    if (engine->main_child.asked)
        event->flags |= EVENT_ASKED;
    if (by_user || engine->life.state > ENGINE_RUNNING)
        event->flags |= EVENT_IN_STOP;
    engine->main_child.asked = 0;
    if (by_user)
        note_interrupt_by_user(engine);
    if (!by_user && engine->life.state == ENGINE_RUNNING && ask_about_end(engine, event))
        return;
    if (engine_has_script(engine))
        slot_put_spawned(engine, event);
    if (engine->life.state == ENGINE_RUNNING)
        life_stop(engine, "main");
    else if (engine->life.state == ENGINE_ORDERLY)
        move_on(engine, stop_main_gone(engine));
    else if (engine->life.state >= ENGINE_ASKING_CODE && !engine->life.final_named)
        engine->life.final_code = leave_code(engine);
}

void life_main_answered(struct engine *engine, const struct settled *settled)
{
    (void)settled;
    if (engine->main_child.pid == 0)
        life_stop(engine, "main");
}

/* ---- The stop. ---- */

/* A script that has not been told its start yet is told it now: it is to start no services. */
void life_stop(struct engine *engine, const char *reason)
{
    const int has_services = stop_has_services(engine);

    if (engine->life.state > ENGINE_RUNNING)
        return;
    log_line(&engine->log, LOG_LEVEL_DEBUG, "stopping (%s)", reason);
    snprintf(engine->life.stop_reason, sizeof engine->life.stop_reason, "%s", reason);
    /* A TERM that made the main child end is the first of this stop; one of long ago has nothing to do with it. */
    engine->life.interrupts =
        engine->life.interrupts > 0 && clock_now() - engine->life.interrupted_at <= engine->options.grace;
    engine->main_child.retry_at = NEVER;
    if (has_services)
        move_on(engine, ENGINE_ORDERLY);
    scripts_take_up(engine);
    if (!has_services)
        move_on(engine, stop_everybody(engine));
}

void life_main_asked(struct engine *engine, const char *reason)
{
    engine->main_child.asked = 1;
    if (stop_has_services(engine))
        life_stop(engine, reason);
}

void life_interrupted(struct engine *engine)
{
    engine->life.interrupts++;
    engine->life.interrupted_at = clock_now();
    if (engine->life.interrupts < 2)
        return;
    if (engine->life.state == ENGINE_ORDERLY || engine->life.state == ENGINE_STOPPING) {
        move_on(engine, ENGINE_KILLING);
    } else if (engine->life.state == ENGINE_ASKING_CODE) {
        questions_forget(engine, QUESTION_EXIT);
        move_on(engine, ENGINE_PARTING);
    } else if (engine->life.state == ENGINE_PARTING) {
        leave_dismissed_overdue(engine);
    }
}

void life_services_answered(struct engine *engine, const struct settled *settled)
{
    (void)settled;
    if (engine->life.state == ENGINE_ORDERLY)
        move_on(engine, stop_everybody(engine));
}

void life_stop_answered(struct engine *engine, const struct settled *settled)
{
    (void)settled;
    engine->life.something_died = 1;
}

void life_exit_answered(struct engine *engine, const struct settled *settled)
{
    if (settled->answer == ANSWER_CODE) {
        engine->life.final_code = settled->number & 0xff;
        engine->life.final_named = 1;
    }
    move_on(engine, ENGINE_PARTING);
}
