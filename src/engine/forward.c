#define _GNU_SOURCE
#include "engine/forward.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/proc.h"
#include "engine/life.h"
#include "engine/main_child.h"
#include "engine/questions.h"
#include "engine/reload.h"
#include "engine/terminal.h"

static int begins_stop(int number)
{
    return number == SIGTERM || number == SIGINT || number == SIGQUIT;
}

static int suspends(int number)
{
    return number == SIGTSTP || number == SIGTTIN || number == SIGTTOU;
}

/* Without /proc the kernel tells of a stop once only, and terminal.c may have asked. */
static int is_stopped(pid_t pid)
{
    siginfo_t child = { .si_pid = 0 };
    struct proc_stat stat;

    if (proc_usable() && proc_read(pid, &stat) == 0)
        return stat.state == 'T';
    return waitid(P_PID, (id_t)pid, &child, WSTOPPED | WNOHANG | WNOWAIT) == 0 && child.si_pid == pid;
}

static void send_to_main(struct engine *engine, int number, const siginfo_t *record)
{
    char name[SIGNAL_NAME_SIZE];
    int result;

    log_line(&engine->log, LOG_LEVEL_TRACE, "forwarding %s to %s %d", signal_name(number, name),
             engine->options.kill_group ? "process group" : "the main child", (int)engine->main_child.pid);
    result = main_child_signal(engine, number, record);
    if (result == 0 && begins_stop(number) && is_stopped(engine->main_child.pid))
        main_child_signal(engine, SIGCONT, NULL); /* it acts on the signal when it goes on */
    if (result != 0)
        log_line(&engine->log, LOG_LEVEL_WARNING, "cannot forward %s to %d: %s", signal_name(number, name),
                 (int)engine->main_child.pid, strerror(errno));
}

/*
 * Nobody to forward to: a script without COMMAND, a pause container, a COMMAND that has ended or that its script has
 * not started yet. What is not acted on is not kept for COMMAND: that would be killed by it before it can have a
 * handler.
 */
static void act_alone(struct engine *engine, int number)
{
    char name[SIGNAL_NAME_SIZE];

    if (begins_stop(number) && engine->life.state == ENGINE_RUNNING && !main_child_has_run(engine)
        && engine->origin.base.command)
        life_end_before_start(engine, number);
    else if (begins_stop(number) && engine->life.state == ENGINE_RUNNING)
        life_stop(engine, signal_name(number, name));
    else if (number == SIGHUP && engine_has_script(engine) && engine->life.state == ENGINE_RUNNING)
        reload_want(engine);
    else
        log_line(&engine->log, LOG_LEVEL_TRACE, "%s dropped: there is no main child", signal_name(number, name));
}

/* A program that has services lives on to stop them. */
static int is_for_services(const struct engine *engine, int number)
{
    return engine_has_program(engine) && begins_stop(number) && (engine->scripts.current->hooks & HOOK_SERVICES)
           && engine->life.state < ENGINE_STOPPING;
}

static void deliver(struct engine *engine, int number, const siginfo_t *record)
{
    char name[SIGNAL_NAME_SIZE];

    if (number == 0)
        return;
    if (engine->main_child.pid <= 0 || is_for_services(engine, number)) {
        act_alone(engine, number);
        return;
    }
    send_to_main(engine, number, record);
    if (begins_stop(number))
        life_main_asked(engine, signal_name(number, name));
}

static int rewritten(const struct engine *engine, int number)
{
    const int to = engine->options.rewrite[number];

    return to == REWRITE_NONE ? number : to;
}

/*
 * A shell's job control: when the terminal's stop characters reach reaper-lua it has to stop as well, with SIGSTOP
 * because it blocks the others.
 */
static void suspend(struct engine *engine, int number)
{
    if (suspends(number))
        terminal_suspend(&engine->origin, &engine->log);
}

void forward_answered(struct engine *engine, const struct settled *settled)
{
    siginfo_t record;
    const struct question *const question = &settled->question;
    const int original = (int)question->event.number;

    memset(&record, 0, sizeof record);
    record.si_signo = original;
    record.si_code = question->code;
    record.si_value = question->value;
    if (settled->answer == ANSWER_DROP)
        return;
    deliver(engine, settled->answer == ANSWER_SIGNAL ? settled->number : rewritten(engine, original), &record);
    suspend(engine, original);
}

/* While the script loads there is no main child yet; while COMMAND is being started, a script is not told yet. */
static int is_early(const struct engine *engine)
{
    return engine->life.state == ENGINE_LOADING
           || (engine->life.state == ENGINE_STARTING
               && (engine->main_child.pid == 0 || (engine->scripts.current->hooks & HOOK_SIGNAL)));
}

static void keep_early(struct engine *engine, int number)
{
    if (begins_stop(number) && engine->main_child.pid == 0)
        life_end_before_start(engine, number);
    else
        engine->life.early |= SIGNAL_BIT(number);
}

/* What it finds is what the last look has found. */
static void forward_now(struct engine *engine, const siginfo_t *record)
{
    const int number = record->si_signo;
    struct settled settled = { .answer = ANSWER_DEFAULT };
    struct question *const question = &settled.question;

    /* Made by a write of our own to a pipe that nobody reads. With another code the pid is the sender's invention. */
    if (number == SIGPIPE && record->si_code == SI_USER && record->si_pid == getpid())
        return;
    if (is_early(engine)) {
        if (!terminal_has_told_main(engine->main_child.pid, record)) /* also before its exec */
            keep_early(engine, number);
        return;
    }
    if (number == SIGTERM || number == SIGINT)
        life_interrupted(engine);
    if (terminal_has_told_main(engine->main_child.pid, record))
        return;
    question->kind = QUESTION_SIGNAL;
    question->event.kind = EVENT_SIGNAL;
    question->event.number = number;
    question->code = record->si_code;
    question->value = record->si_value;
    if (!(engine->scripts.current->hooks & HOOK_SIGNAL) || questions_ask(engine, question) != 0)
        forward_answered(engine, &settled);
}

/* There is no process for COMMAND yet: a signal that begins a stop ends the wait for one. */
static void end_wait(struct engine *engine, signal_set early)
{
    for (int number = 1; number <= SIGNAL_MAX; number++)
        if ((early & SIGNAL_BIT(number)) && begins_stop(number))
            life_end_before_start(engine, number);
}

void forward_early(struct engine *engine)
{
    const signal_set early = engine->life.early;
    siginfo_t record;

    if (early && engine->life.state == ENGINE_STARTING && engine->main_child.pid == 0)
        end_wait(engine, early);
    if (!early || engine->life.state != ENGINE_RUNNING)
        return;
    engine->life.early = 0;
    memset(&record, 0, sizeof record);
    for (int number = 1; number <= SIGNAL_MAX; number++) {
        if (!(early & SIGNAL_BIT(number)))
            continue;
        record.si_signo = number;
        forward_now(engine, &record);
    }
}

void forward_look(struct engine *engine)
{
    life_look_at_start(engine);
    forward_early(engine);
}

void forward_signal(struct engine *engine, const siginfo_t *record)
{
    forward_look(engine); /* COMMAND may run by now */
    forward_now(engine, record);
}
