#include "engine/stop.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "engine/leave.h"
#include "engine/main_child.h"
#include "engine/questions.h"
#include "engine/remains.h"
#include "engine/scope.h"
#include "engine/scripts.h"
#include "engine/slot.h"

int stop_has_services(const struct engine *engine)
{
    return (engine->scripts.current->hooks & HOOK_SERVICES) != 0;
}

/* What on_stop sets going, with os.execute say, belongs to the stop: the grace is its time. */
static void tell_stop(struct engine *engine)
{
    struct question question;

    if (engine->life.stop_told)
        return;
    engine->life.stop_told = 1;
    memset(&question, 0, sizeof question);
    question.kind = QUESTION_STOP;
    question.event.kind = EVENT_STOP;
    snprintf(question.event.of.text, sizeof question.event.of.text, "%s", engine->life.stop_reason);
    if (engine->life.state != ENGINE_STOPPING || engine->scripts.current->state != SLOT_READY
        || !(engine->scripts.current->hooks & HOOK_STOP) || questions_ask(engine, &question) != 0)
        slot_put_stop(engine, &question.event);
    else
        questions_wait(engine, question.event.question, 0);
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
enum engine_state stop_in_order(struct engine *engine)
{
    struct question question;

    scripts_stop_services(engine);
    memset(&question, 0, sizeof question);
    question.kind = QUESTION_SERVICES;
    question.event.kind = EVENT_SERVICES;
    question.event.number = main_to_stop(engine) == 0;
    snprintf(question.event.of.text, sizeof question.event.of.text, "%s", engine->life.stop_reason);
    if (questions_ask(engine, &question) != 0)
        return stop_everybody(engine);
    if (main_to_stop(engine) > 0)
        ask_main_to_end(engine);
    return ENGINE_ORDERLY;
}

enum engine_state stop_main_gone(struct engine *engine)
{
    engine->life.deadline = NEVER;
    if (engine->origin.start->program) /* nobody is left who could stop the services */
        return stop_everybody(engine);
    questions_services_turn(engine);
    return ENGINE_ORDERLY;
}

/* In uninterruptible sleep it does not end by KILL, either: the services do not wait for it. */
enum engine_state stop_main_overdue(struct engine *engine)
{
    if (engine->main_child.killed)
        return stop_main_gone(engine);
    log_line(&engine->log, LOG_LEVEL_INFO, "the grace period of %g s is over: killing COMMAND",
             (double)engine->options.grace / (double)NANOSECONDS);
    signal_main(engine, SIGKILL);
    engine->main_child.killed = 1;
    engine->life.deadline = clock_after(KILL_PATIENCE);
    return ENGINE_ORDERLY;
}

/* ---- Everybody. ---- */

/* With --leave-orphans nobody is stopped but the services, which are no orphans: a second TERM kills them. */
enum engine_state stop_everybody(struct engine *engine)
{
    questions_forget(engine, QUESTION_SERVICES);
    if (leave_spares_orphans(engine)) {
        tell_stop(engine);
        return ENGINE_ASKING_CODE;
    }
    return engine->options.grace > 0 ? ENGINE_STOPPING : ENGINE_KILLING;
}

/* The script is told after the TERM, which is not meant for what its on_stop starts. */
enum engine_state stop_terminate(struct engine *engine)
{
    const struct scope scope = scope_of(engine);
    int is_left;

    engine->life.deadline = clock_after(engine->options.grace);
    engine->life.something_died = 1;
    is_left = remains_any(&engine->remains, &scope);
    if (is_left)
        remains_terminate(&engine->remains, &scope);
    tell_stop(engine);
    return is_left || questions_is_open(engine, QUESTION_STOP) ? ENGINE_STOPPING : ENGINE_ASKING_CODE;
}

enum engine_state stop_grace_over(struct engine *engine)
{
    log_line(&engine->log, LOG_LEVEL_INFO, "the grace period of %g s is over: killing what is left",
             (double)engine->options.grace / (double)NANOSECONDS);
    return ENGINE_KILLING;
}

enum engine_state stop_kill(struct engine *engine)
{
    const struct scope scope = scope_of(engine);

    engine->life.deadline = clock_after(KILL_PATIENCE);
    engine->life.something_died = 1;
    engine->remains.hidden.searched = 0;
    questions_forget(engine, QUESTION_SERVICES);
    questions_forget(engine, QUESTION_STOP);
    remains_kill(&engine->remains, &scope);
    tell_stop(engine);
    return ENGINE_KILLING;
}

enum engine_state stop_give_up(struct engine *engine)
{
    if (engine->remains.hidden.next > 0 && !engine->remains.hidden.searched) { /* on a slow machine not all are found */
        engine->life.deadline = clock_after(KILL_PATIENCE);
        return ENGINE_KILLING;
    }
    log_line(&engine->log, LOG_LEVEL_WARNING, "something is left that KILL does not end: leaving it to the kernel");
    return ENGINE_ASKING_CODE;
}

enum engine_state stop_check_remains(struct engine *engine)
{
    const struct scope scope = scope_of(engine);

    if (!remains_any(&engine->remains, &scope) && !questions_is_open(engine, QUESTION_STOP))
        return ENGINE_ASKING_CODE;
    if (engine->life.state == ENGINE_KILLING)
        remains_kill(&engine->remains, &scope); /* what was made since */
    return engine->life.state;
}
