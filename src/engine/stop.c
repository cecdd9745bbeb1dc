#include "engine/stop.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "common/status.h"
#include "engine/dismissed.h"
#include "engine/main_child.h"
#include "engine/questions.h"
#include "engine/reap.h"
#include "engine/remains.h"
#include "engine/scripts.h"
#include "engine/terminal.h"

/* What KILL does not end within this time (a process in uninterruptible sleep) is left to the kernel. */
static const int64_t kill_patience = 2 * NANOSECONDS;

/* `-e` speaks of the main child's code only. */
static int code_to_leave_with(const struct engine *engine)
{
    int code = engine->main_child.code;

    if (engine->life.requested_code >= 0)
        return engine->life.requested_code;
    if (code < 0)
        code = engine->main_child.status >= 0 ? status_exit_code(engine->main_child.status) : 0;
    return engine->options.exit_map[code] >= 0 ? engine->options.exit_map[code] : code;
}

static int is_anything_left(struct engine *engine)
{
    const struct scope scope = scope_of(engine);

    return remains_any(&engine->remains, &scope);
}

static void kill_remains(struct engine *engine)
{
    const struct scope scope = scope_of(engine);

    remains_kill(&engine->remains, &scope);
}

/* ---- How it begins. ---- */

void stop_main_ended(struct engine *engine, struct event *event)
{
    const int by_user = terminal_main_ended(engine, event->pid, event->status);
    struct question question;

    if (engine->main_child.asked)
        event->flags |= EVENT_ASKED;
    if (by_user || engine->life.state > ENGINE_RUNNING)
        event->flags |= EVENT_IN_STOP;
    engine->main_child.asked = 0;
    memset(&question, 0, sizeof question);
    question.kind = QUESTION_MAIN_END;
    question.event = *event;
    if (!by_user && engine->life.state == ENGINE_RUNNING && engine_has_script(engine)
        && questions_ask(engine, &question) == 0)
        return;
    if (engine_has_script(engine))
        scripts_put_spawned(engine, event);
    if (engine->life.state == ENGINE_RUNNING)
        stop_begin(engine, "main");
    else if (engine->life.state == ENGINE_ORDERLY)
        stop_main_gone(engine);
    else if (engine->life.state == ENGINE_LEAVING && !engine->life.final_named)
        engine->life.final_code = code_to_leave_with(engine);
}

void stop_main_answered(struct engine *engine, const struct question *question, enum answer answer, int number)
{
    struct event event = question->event;

    (void)answer;
    (void)number;
    /* Nobody was there to be asked in time: the next script process is told of the death, at least. */
    event.question = 0;
    if (engine->scripts.current.state != SLOT_READY)
        scripts_put_spawned(engine, &event);
    if (engine->main_child.pid == 0)
        stop_begin(engine, "main");
}

/* It is the main child's end that leaves them; without COMMAND the stop is as ever. */
static int leaves_orphans(const struct engine *engine)
{
    return engine->options.leave_orphans && (engine->origin.base.command || engine->origin.start->program)
           && engine->main_child.pid == 0;
}

/* What on_stop sets going, with os.execute say, belongs to the stop: the grace is its time. */
static void tell_stop(struct engine *engine)
{
    struct question question;

    memset(&question, 0, sizeof question);
    question.kind = QUESTION_STOP;
    question.event.kind = EVENT_STOP;
    snprintf(question.event.of.text, sizeof question.event.of.text, "%s", engine->life.stop_reason);
    if (engine->life.state != ENGINE_STOPPING || engine->scripts.current.state != SLOT_READY
        || !(engine->scripts.current.hooks & HOOK_STOP) || questions_ask(engine, &question) != 0)
        scripts_put(engine, &question.event, HOOK_STOP);
    else
        questions_wait(engine, question.event.question, 0);
}

void stop_answered(struct engine *engine, const struct question *question, enum answer answer, int number)
{
    (void)question;
    (void)answer;
    (void)number;
    engine->life.something_died = 1;
}

static int has_services(const struct engine *engine)
{
    return (engine->scripts.current.hooks & HOOK_SERVICES) != 0;
}

/* The script is told after the TERM, which is not meant for what its on_stop starts. */
static void stop_all(struct engine *engine, enum engine_state state)
{
    questions_forget(engine, QUESTION_SERVICES);
    if (state == ENGINE_STOPPING && leaves_orphans(engine)) { /* services are no orphans: a second TERM kills them */
        tell_stop(engine);
        engine_enter(engine, ENGINE_LEAVING);
    } else {
        engine_enter(engine, engine->options.grace > 0 ? state : ENGINE_KILLING);
        tell_stop(engine);
    }
}

void stop_begin(struct engine *engine, const char *reason)
{
    if (engine->life.state > ENGINE_RUNNING)
        return;
    log_line(&engine->log, LOG_LEVEL_DEBUG, "stopping (%s)", reason);
    snprintf(engine->life.stop_reason, sizeof engine->life.stop_reason, "%s", reason);
    /* A TERM that made the main child end is the first of this stop; one of long ago has nothing to do with it. */
    engine->life.interrupts =
        engine->life.interrupts > 0 && clock_now() - engine->life.interrupted_at <= engine->options.grace;
    engine->main_child.retry_at = NEVER;
    if (has_services(engine)) {
        engine_enter(engine, ENGINE_ORDERLY);
        scripts_take_up(engine); /* a script that has not been told its start yet is to start no services */
    } else {
        scripts_take_up(engine);
        stop_all(engine, ENGINE_STOPPING);
    }
}

void stop_main_asked(struct engine *engine, const char *reason)
{
    engine->main_child.asked = 1;
    if (has_services(engine))
        stop_begin(engine, reason);
}

void stop_interrupted(struct engine *engine)
{
    engine->life.interrupts++;
    engine->life.interrupted_at = clock_now();
    if (engine->life.interrupts < 2)
        return;
    if (engine->life.state == ENGINE_ORDERLY)
        stop_all(engine, ENGINE_KILLING);
    else if (engine->life.state == ENGINE_STOPPING)
        engine_enter(engine, ENGINE_KILLING);
    else if (engine->life.state == ENGINE_LEAVING && questions_is_open(engine, QUESTION_EXIT)) {
        questions_forget(engine, QUESTION_EXIT);
        scripts_dismiss(engine);
        stop_check_script(engine);
    } else if (engine->life.state == ENGINE_LEAVING) {
        stop_dismissed_overdue(engine);
    }
}

void stop_before_start(struct engine *engine, int number)
{
    char name[SIGNAL_NAME_SIZE];

    if (engine->life.state == ENGINE_LOADING) {
        log_line(&engine->log, LOG_LEVEL_INFO, "%s while the script was loading", signal_name(number, name));
        stop_load_failed(engine, 128 + number);
    } else if (engine->life.state == ENGINE_STARTING) {
        log_line(&engine->log, LOG_LEVEL_INFO, "%s before COMMAND could be started", signal_name(number, name));
        engine->life.requested_code = 128 + number;
        stop_begin(engine, signal_name(number, name));
    }
}

/* What the script's main chunk may have spawned is stopped; there is nobody who could be asked. */
void stop_load_failed(struct engine *engine, int code)
{
    if (engine->life.state >= ENGINE_STOPPING)
        return;
    engine->life.requested_code = code;
    if (engine->scripts.current.pid > 0)
        kill(engine->scripts.current.pid, SIGKILL);
    scripts_dismiss(engine);
    engine_enter(engine, engine->options.grace > 0 ? ENGINE_STOPPING : ENGINE_KILLING);
}

/* ---- In order: COMMAND, then the services. ---- */

/* A program is the main child and has the services, too: it lives on. */
static pid_t main_to_stop(const struct engine *engine)
{
    return engine_has_program(engine) ? 0 : engine->main_child.pid;
}

static void signal_main(struct engine *engine, int number)
{
    if (main_to_stop(engine) > 0)
        main_child_signal(engine, number, NULL);
}

/*
 * It may have been asked by whoever begins the stop. One that is stopped acts on TERM when it goes on; whether it is
 * cannot be told yet when it was sent a STOP just now.
 */
static void ask_main_to_end(struct engine *engine)
{
    if (engine->options.grace > 0 && !engine->main_child.asked)
        signal_main(engine, SIGTERM);
    engine->main_child.asked = 1;
    signal_main(engine, SIGCONT);
    engine->life.deadline = clock_after(engine->options.grace);
}

/*
 * The question to the script is open from the beginning, since nothing is to be started any more. A script process that
 * is down is started at once. The services' own graces count: no deadline of the engine's cuts them short.
 */
void stop_enter_orderly(struct engine *engine)
{
    struct question question;

    scripts_services_stop(engine);
    memset(&question, 0, sizeof question);
    question.kind = QUESTION_SERVICES;
    question.event.kind = EVENT_SERVICES;
    question.event.number = main_to_stop(engine) == 0;
    snprintf(question.event.of.text, sizeof question.event.of.text, "%s", engine->life.stop_reason);
    if (questions_ask(engine, &question) != 0)
        stop_all(engine, ENGINE_STOPPING);
    else if (main_to_stop(engine) > 0)
        ask_main_to_end(engine);
}

void stop_main_gone(struct engine *engine)
{
    if (engine->life.state != ENGINE_ORDERLY)
        return;
    engine->life.deadline = NEVER;
    if (engine->origin.start->program) /* nobody is left who could stop the services */
        stop_all(engine, ENGINE_STOPPING);
    else
        questions_services_turn(engine);
}

/* In uninterruptible sleep it does not end by KILL, either: the services do not wait for it. */
void stop_main_overdue(struct engine *engine)
{
    if (engine->main_child.killed) {
        stop_main_gone(engine);
        return;
    }
    log_line(&engine->log, LOG_LEVEL_INFO, "the grace period of %g s is over: killing COMMAND",
             (double)engine->options.grace / (double)NANOSECONDS);
    signal_main(engine, SIGKILL);
    engine->main_child.killed = 1;
    engine->life.deadline = clock_after(kill_patience);
}

void stop_services_answered(struct engine *engine, const struct question *question, enum answer answer, int number)
{
    (void)question;
    (void)answer;
    (void)number;
    if (engine->life.state == ENGINE_ORDERLY)
        stop_all(engine, ENGINE_STOPPING);
}

/* ---- The states. ---- */

void stop_enter_stopping(struct engine *engine)
{
    const struct scope scope = scope_of(engine);

    engine->life.deadline = clock_after(engine->options.grace);
    engine->life.something_died = 1;
    if (remains_any(&engine->remains, &scope))
        remains_terminate(&engine->remains, &scope);
}

void stop_grace_over(struct engine *engine)
{
    log_line(&engine->log, LOG_LEVEL_INFO, "the grace period of %g s is over: killing what is left",
             (double)engine->options.grace / (double)NANOSECONDS);
    engine_enter(engine, ENGINE_KILLING);
}

void stop_enter_killing(struct engine *engine)
{
    engine->life.deadline = clock_after(kill_patience);
    engine->life.something_died = 1;
    engine->remains.hidden.searched = 0;
    questions_forget(engine, QUESTION_STOP);
    kill_remains(engine);
}

void stop_give_up(struct engine *engine)
{
    if (engine->remains.hidden.next > 0
        && !engine->remains.hidden.searched) { /* on a slow machine not everybody has been found yet */
        engine->life.deadline = clock_after(kill_patience);
        return;
    }
    log_line(&engine->log, LOG_LEVEL_WARNING, "something is left that KILL does not end: leaving it to the kernel");
    engine_enter(engine, ENGINE_LEAVING);
}

void stop_check_remains(struct engine *engine)
{
    if (!is_anything_left(engine) && !questions_is_open(engine, QUESTION_STOP))
        engine_enter(engine, ENGINE_LEAVING);
    else if (engine->life.state == ENGINE_KILLING)
        kill_remains(engine); /* what was made since */
}

/* ---- The end. ---- */

void stop_enter_leaving(struct engine *engine)
{
    struct question question;

    remains_unwatch(&engine->remains);
    engine->life.deadline = NEVER;
    engine->life.final_code = code_to_leave_with(engine);
    memset(&question, 0, sizeof question);
    question.kind = QUESTION_EXIT;
    question.event.kind = EVENT_EXIT;
    question.event.number = engine->life.final_code;
    question.event.status = engine->main_child.status;
    if (!(engine->scripts.current.hooks & HOOK_EXIT)
        || (engine->scripts.current.pid == 0 && engine->scripts.start_at == NEVER)
        || questions_ask(engine, &question) != 0)
        scripts_dismiss(engine);
    stop_check_script(engine);
}

void stop_exit_answered(struct engine *engine, const struct question *question, enum answer answer, int number)
{
    (void)question;
    if (answer == ANSWER_CODE) {
        engine->life.final_code = number & 0xff;
        engine->life.final_named = 1;
    }
    scripts_dismiss(engine);
    stop_check_script(engine);
}

/*
 * The script process ends by itself once its channel is closed; its end is waited for, so that it can write its last
 * line. One that had to be killed in a blocked os.execute leaves a child behind, which is killed, too.
 */
void stop_check_script(struct engine *engine)
{
    if (questions_is_open(engine, QUESTION_EXIT) || dismissed_any(&engine->dismissed))
        return;
    if (leaves_orphans(engine) || !is_anything_left(engine)) {
        stop_leave(engine);
        return;
    }
    if (engine->life.deadline == NEVER)
        engine->life.deadline = clock_after(kill_patience);
    kill_remains(engine);
}

/* A script process that was killed is not waited for without end: it may be in uninterruptible sleep. */
void stop_dismissed_overdue(struct engine *engine)
{
    if (dismissed_is(&engine->dismissed, engine->main_child.pid))
        log_line(&engine->log, LOG_LEVEL_WARNING, "the program has not ended by itself: killing it");
    if (dismissed_kill(&engine->dismissed) && engine->life.state == ENGINE_LEAVING && engine->life.deadline == NEVER)
        engine->life.deadline = clock_after(kill_patience);
}

void stop_leave(struct engine *engine)
{
    engine_enter(engine, ENGINE_DONE);
}
