#define _GNU_SOURCE
#include "engine/scripts.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/status.h"
#include "engine/dismissed.h"
#include "engine/handover.h"
#include "engine/main_child.h"
#include "engine/questions.h"
#include "engine/reload.h"
#include "engine/report.h"
#include "engine/slot.h"
#include "engine/terminal.h"
#include "engine/wait.h"

static const int64_t delay_first = NANOSECONDS / 10;
static const int64_t delay_max = 10 * NANOSECONDS;
static const int64_t stable_after = 10 * NANOSECONDS; /* one that ran so long starts a new series of delays */

/* ---- Starting. ---- */

/* The next start is due after a delay that doubles up to ten seconds. */
static void schedule_start(struct engine *engine)
{
    if (engine->scripts.delay == 0)
        engine->scripts.delay = delay_first;
    engine->scripts.start_at = clock_after(engine->scripts.delay);
    engine->scripts.delay = engine->scripts.delay * 2 < delay_max ? engine->scripts.delay * 2 : delay_max;
}

static double next_delay(const struct engine *engine)
{
    return (double)(engine->scripts.delay ? engine->scripts.delay : delay_first) / (double)NANOSECONDS;
}

int scripts_start_first(struct engine *engine)
{
    engine->scripts.store_fd = memfd_create("reaper-store", MFD_CLOEXEC);
    report_open_script_page(engine);
    if (journal_begin(&engine->journal) == 0 && slot_start(engine, engine->scripts.current, START_FIRST) == 0)
        return 0;
    log_line(&engine->log, LOG_LEVEL_ERROR, "cannot start the script process: %s", strerror(errno));
    return -1;
}

/* As COMMAND does, it gets a process group of its own and the terminal's foreground, or stays in the shell's job. */
static void take_terminal(struct engine *engine, pid_t pid)
{
    const int terminal = terminal_to_give(&engine->terminal);

    if (!terminal_shares_group(&engine->terminal))
        setpgid(pid, pid);
    if (terminal >= 0)
        tcsetpgrp(terminal, pid);
}

void scripts_take_program(struct engine *engine)
{
    const struct engine_program *const program = engine->origin.start->program;
    struct slot *slot = engine->scripts.current;

    slot->state = SLOT_READY;
    slot->pid = engine->main_child.pid = program->pid;
    slot->pidfd = (int)syscall(SYS_pidfd_open, slot->pid, 0);
    slot->channel = program->channel;
    wait_watch(engine, slot->channel.fd);
    engine->journal = program->journal;
    journal_give(&engine->journal, 0, slot->pid);
    slot->ready_at = clock_now();
    slot_listens(engine, slot, program->hooks);
    take_terminal(engine, slot->pid);
    engine->reaper.sweep.at = clock_now(); /* what has died before has sent its signal before */
    log_line(&engine->log, LOG_LEVEL_DEBUG, "the program goes on as process %d", (int)slot->pid);
    handover_start(engine, slot);
}

void scripts_start_again(struct engine *engine)
{
    const unsigned hooks = engine->scripts.current->hooks;

    engine->scripts.start_at = NEVER;
    if (slot_start(engine, engine->scripts.current, START_CRASH) == 0) {
        engine->scripts.current->hooks = hooks;
        engine->statistics.script_restarts++;
        return;
    }
    log_line(&engine->log, LOG_LEVEL_ERROR, "cannot start the script process: %s; trying again in %g s",
             strerror(errno), next_delay(engine));
    warnings_shortage(&engine->warnings);
    engine->scripts.current->hooks = hooks;
    schedule_start(engine);
}

void scripts_take_up(struct engine *engine)
{
    const struct slot *const slot = engine->scripts.current;

    reload_take_over(engine);
    if (slot->state == SLOT_LOADING && slot->ready_at && engine->scripts.reload != RELOAD_PARTING
        && !main_child_comes_first(engine))
        slot_begin(engine, engine->scripts.current);
}

void scripts_stop_services(struct engine *engine)
{
    engine->scripts.delay = 0;
    if (engine->scripts.start_at != NEVER)
        engine->scripts.start_at = clock_now();
    if (!engine->scripts.current->told_shut)
        reload_cancel(engine);
}

/* ---- Ended. ---- */

static enum script_end script_lost(struct engine *engine, const char *how)
{
    struct slot *const slot = engine->scripts.current;

    if (slot->ready_at && clock_now() - slot->ready_at > stable_after)
        engine->scripts.delay = 0;
    slot_forget(engine, slot);
    questions_script_lost(engine, 1);
    if (engine->life.state == ENGINE_LOADING) {
        if (!slot->failed)
            log_line(&engine->log, LOG_LEVEL_ERROR, "the script process ended (%s) while it loaded the script", how);
        return END_OF_LOADING;
    }
    log_line(&engine->log, LOG_LEVEL_ERROR, "the script process %s (%s); starting it again in %g s",
             slot->failed ? "could not load the script" : "ended", how, next_delay(engine));
    schedule_start(engine);
    reload_current_lost(engine);
    return END_OF_SCRIPT;
}

/* There will be no other one: nobody listens any more, nobody answers. */
static void program_ended(struct engine *engine)
{
    slot_forget(engine, engine->scripts.current);
    engine->scripts.current->hooks = 0;
    questions_forget(engine, QUESTION_SIGNAL);
    questions_forget(engine, QUESTION_SERVICES);
    questions_forget(engine, QUESTION_STOP);
    questions_forget(engine, QUESTION_EXIT);
}

enum script_end scripts_ended(struct engine *engine, pid_t pid, int status)
{
    char how[STATUS_TEXT_SIZE];

    if (!scripts_has(engine, pid))
        return END_OF_ANOTHER;
    status_describe(status, how);
    if (dismissed_ended(&engine->dismissed, pid))
        return pid == engine->main_child.pid ? END_OF_PROGRAM : END_OF_SCRIPT;
    if (pid == engine->scripts.candidate->pid) {
        reload_candidate_lost(engine, how);
        return END_OF_SCRIPT;
    }
    if (pid != engine->main_child.pid)
        return script_lost(engine, how);
    program_ended(engine);
    return END_OF_PROGRAM;
}

int scripts_has(const struct engine *engine, pid_t pid)
{
    return pid > 0
           && (pid == engine->scripts.current->pid || pid == engine->scripts.candidate->pid
               || dismissed_is(&engine->dismissed, pid));
}

void scripts_dismiss(struct engine *engine)
{
    struct slot *const slot = engine->scripts.current;

    engine->scripts.start_at = NEVER;
    reload_cancel(engine);
    if (slot->pid == 0)
        return;
    dismissed_kill(&engine->dismissed);
    slot_refuse_orders(engine, slot);
    dismissed_add(&engine->dismissed, slot->pid, &slot->pidfd,
                  dismissed_patience(&engine->options, engine_has_program(engine)));
    slot_forget(engine, slot);
    questions_forget(engine, QUESTION_SIGNAL); /* nobody can answer any more */
    if (engine_has_program(engine))
        slot->hooks = 0; /* signals go to it unasked */
}
