#define _GNU_SOURCE
#include "engine/scripts.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/status.h"
#include "engine/dismissed.h"
#include "engine/forward.h"
#include "engine/handover.h"
#include "engine/orders.h"
#include "engine/questions.h"
#include "engine/deaths.h"
#include "engine/wait.h"
#include "engine/setup.h"
#include "engine/life.h"
#include "engine/terminal.h"

static const int64_t delay_first = NANOSECONDS / 10;
static const int64_t delay_max = 10 * NANOSECONDS;
static const int64_t stable_after =
    10 * NANOSECONDS; /* a script process that ran so long starts a new series of delays */
static const int64_t stuck_after = 10 * NANOSECONDS;
static const int64_t ends_soon = NANOSECONDS;   /* from the end of its socket to its own */
static const int64_t killed_ends = NANOSECONDS; /* what KILL does not end by then is in uninterruptible sleep */

enum { ORDERS_A_TURN = 64, ORDERS_AT_MOST = 4096 };

/* ---- Starting. ---- */

/* Like fork(), but with an exit signal of our own (see SCRIPT_SIGNAL). */
static pid_t fork_script(void)
{
    return (pid_t)syscall(SYS_clone, (unsigned long)SCRIPT_SIGNAL, NULL, NULL, NULL, NULL);
}

static int start_script(struct engine *engine, struct slot *slot, enum start_reason reason)
{
    int script_end;

    scripts_empty_slot(slot, &engine->origin.base);
    slot->index = slot == &engine->scripts.candidate ? 1U - engine->scripts.current.index : slot->index;
    slot->reason = reason;
    journal_prepare(&engine->journal, slot->index);
    if (channel_open(&slot->channel, &script_end) != 0)
        return -1;
    wait_watch(engine, slot->channel.fd);
    slot->pid = fork_script();
    if (slot->pid == 0)
        engine->origin.start->exit(engine->origin.start->become_script(engine, slot->index, script_end));
    close(script_end);
    if (slot->pid < 0) {
        const int saved = errno;

        slot->pid = 0;
        channel_close(&slot->channel);
        errno = saved;
        return -1;
    }
    wait_expect(engine, slot->pid);
    slot->state = SLOT_LOADING;
    slot->pidfd = (int)syscall(SYS_pidfd_open, slot->pid, 0);
    log_line(&engine->log, LOG_LEVEL_DEBUG, "script %d started", (int)slot->pid);
    if (reason == START_RELOAD)
        journal_hold(&engine->journal, (int)slot->index);
    handover_children(engine, slot, reason != START_RELOAD);
    return 0;
}

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

void scripts_start_first(struct engine *engine)
{
    engine->scripts.store_fd = memfd_create("reaper-store", MFD_CLOEXEC);
    if (journal_begin(&engine->journal) == 0 && start_script(engine, &engine->scripts.current, START_FIRST) == 0)
        return;
    log_line(&engine->log, LOG_LEVEL_ERROR, "cannot start the script process: %s", strerror(errno));
    life_load_failed(engine, 125);
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
    struct slot *slot = &engine->scripts.current;

    slot->state = SLOT_READY;
    slot->pid = engine->main_child.pid = program->pid;
    slot->pidfd = (int)syscall(SYS_pidfd_open, slot->pid, 0);
    slot->channel = program->channel;
    wait_watch(engine, slot->channel.fd);
    engine->journal = program->journal;
    journal_give(&engine->journal, 0, slot->pid);
    slot->ready_at = clock_now();
    scripts_slot_listens(engine, slot, program->hooks);
    take_terminal(engine, slot->pid);
    life_begin(engine);
    engine->reaper.sweep.at = clock_now(); /* what has died before has sent its signal before */
    log_line(&engine->log, LOG_LEVEL_DEBUG, "the program goes on as process %d", (int)slot->pid);
    handover_start(engine, slot);
}

void scripts_start_again(struct engine *engine)
{
    const unsigned hooks = engine->scripts.current.hooks;

    engine->scripts.start_at = NEVER;
    if (start_script(engine, &engine->scripts.current, START_CRASH) == 0) {
        engine->scripts.current.hooks = hooks;
        engine->statistics.script_restarts++;
        return;
    }
    log_line(&engine->log, LOG_LEVEL_ERROR, "cannot start the script process: %s; trying again in %g s",
             strerror(errno), next_delay(engine));
    engine->scripts.current.hooks = hooks;
    schedule_start(engine);
}

/* A script process that waits for the old one to go counts, too: another reload would kill that in the midst of its
 * work. */
static int reload_is_under_way(const struct engine *engine)
{
    return engine->scripts.candidate.state != SLOT_EMPTY || engine->scripts.take_up_at != NEVER
           || questions_is_open(engine, QUESTION_RELOAD);
}

void scripts_reload(struct engine *engine)
{
    if (reload_is_under_way(engine)) {
        engine->scripts.wanted = 1;
        log_line(&engine->log, LOG_LEVEL_DEBUG, "a reload is under way already: another one follows");
        return;
    }
    engine->scripts.wanted = 0;
    log_line(&engine->log, LOG_LEVEL_DEBUG, "loading the script anew");
    if (start_script(engine, &engine->scripts.candidate, START_RELOAD) != 0)
        log_line(&engine->log, LOG_LEVEL_ERROR, "cannot reload: %s; the old script stays", strerror(errno));
}

void scripts_reload_again(struct engine *engine)
{
    if (engine->scripts.wanted && engine->life.state == ENGINE_RUNNING && !reload_is_under_way(engine)
        && !questions_is_asked(engine, engine->scripts.current.pid))
        scripts_reload(engine);
}

/* ---- Orders. ---- */

/* A script process that has shut its socket, by mistake of some C module, can neither be told anything nor order
 * anything. */
static void replace_shut(struct engine *engine, struct slot *slot)
{
    if (!slot->channel.shut || slot->told_shut || slot->pid == 0)
        return;
    if (!engine->origin.start->program && slot->shut_at == NEVER) { /* mostly it is ending just now */
        slot->shut_at = clock_after(ends_soon);
        return;
    }
    if (slot->shut_at != NEVER && clock_now() < slot->shut_at)
        return;
    slot->shut_at = NEVER;
    slot->told_shut = 1;
    if (engine->origin.start->program) { /* it lives on, and listens to nothing */
        slot->hooks = 0;
        questions_script_lost(engine, 0);
        return;
    }
    log_line(&engine->log, LOG_LEVEL_ERROR, "the script process has shut its channel: replacing it");
    kill(slot->pid, SIGKILL);
}

/* True when there may be more. */
static int read_orders_of(struct engine *engine, struct slot *slot, enum orders_amount amount)
{
    const int limit = amount == ALL_ORDERS ? ORDERS_AT_MOST : ORDERS_A_TURN;
    struct order order;
    int fds[MESSAGE_FDS_MAX];
    int fd_count;

    for (int i = 0; i < limit; i++) {
        const pid_t pid = slot->pid;
        const int got = channel_receive(&slot->channel, &order, fds, &fd_count);

        if (got == 0) {
            replace_shut(engine, slot);
            return 0;
        }
        if (got < 0)
            log_line(&engine->log, LOG_LEVEL_ERROR,
                     "a malformed packet of %d bytes from the script process was dropped", order.number);
        else
            orders_carry_out(engine, slot, &order, fds, fd_count);
        if (slot->pid != pid) /* the candidate was promoted: its slot is empty now */
            return 1;
    }
    return 1;
}

/*
 * The one way in which a slot ends. Nobody can send an order any more: a new process that tries ends instead of running
 * its command. What has been sent is carried out, which may end the slot at once, or put another one in its place.
 */
static void hear_out(struct engine *engine, struct slot *slot)
{
    channel_refuse(&slot->channel);
    slot->told_shut = 1; /* by us */
    slot->channel.shut = 0;
    read_orders_of(engine, slot, ALL_ORDERS);
}

/* It is of no use any more. */
static void drop_candidate(struct engine *engine)
{
    kill(engine->scripts.candidate.pid, SIGKILL);
    hear_out(engine, &engine->scripts.candidate);
    channel_close(&engine->scripts.candidate.channel);
}

void scripts_services_stop(struct engine *engine)
{
    engine->scripts.delay = 0;
    if (engine->scripts.start_at != NEVER)
        engine->scripts.start_at = clock_now();
    if (engine->scripts.candidate.pid == 0 || engine->scripts.current.told_shut)
        return;
    questions_forget(engine, QUESTION_RELOAD);
    drop_candidate(engine);
    engine->scripts.candidate.ready_at = 0; /* should the script process be lost now */
}

/* ---- Loaded. ---- */

/* From here on the script process is told everything, first what happened while there was none. */
static void take_up(struct engine *engine, struct slot *slot)
{
    slot->state = SLOT_READY;
    slot->ready_at = clock_now();
    setup_apply_options(engine);
    journal_give(&engine->journal, slot->index, slot->pid);
    questions_repeat(engine);
    handover_start(engine, slot);
}

void scripts_empty_slot(struct slot *slot, const struct options *options)
{
    const unsigned index = slot->index;

    memset(slot, 0, sizeof *slot);
    slot->index = index;
    slot->channel.fd = slot->pidfd = -1;
    slot->channel.again_at = slot->look_at = slot->shut_at = NEVER;
    slot->options = *options;
}

/* The old script process leaves; what it has not read is told to the new one. */
static void dismiss_old(struct engine *engine)
{
    struct slot *old = &engine->scripts.current;

    dismissed_kill(&engine->dismissed);
    hear_out(engine, old);
    if (old->state != SLOT_EMPTY) {
        journal_give(&engine->journal, old->index, 0);
        channel_close(&old->channel);
        dismissed_add(&engine->dismissed, old, dismissed_patience(&engine->options, 0));
        questions_script_lost(engine, 0);
    }
    engine->scripts.start_at = NEVER;
}

void scripts_promoted(struct engine *engine)
{
    engine->scripts.take_up_at = NEVER;
    if (engine->scripts.current.state != SLOT_LOADING)
        return;
    handover_children(engine, &engine->scripts.current, 1);
    take_up(engine, &engine->scripts.current);
    log_line(&engine->log, LOG_LEVEL_INFO, "the script was reloaded");
    scripts_reload_again(engine);
}

/*
 * The old script process still deals with what it has read, and keeps the outcome for the new one, which is told its
 * start when the old one has gone.
 */
static void promote(struct engine *engine)
{
    if (engine->scripts.candidate.state == SLOT_EMPTY)
        return;
    dismiss_old(engine);
    if (engine->scripts.candidate.state == SLOT_EMPTY || engine->scripts.candidate.channel.fd < 0)
        return; /* an order of the old one has ended everything */
    engine->scripts.current = engine->scripts.candidate;
    scripts_empty_slot(&engine->scripts.candidate, &engine->origin.base);
    engine->scripts.delay = 0;
    engine->scripts.take_up_at = clock_after(dismissed_patience(&engine->options, 0) + killed_ends);
    if (!dismissed_any(&engine->dismissed))
        scripts_promoted(engine);
}

void scripts_reload_answered(struct engine *engine, const struct question *question, enum answer answer, int number)
{
    (void)question;
    (void)answer;
    (void)number;
    promote(engine);
}

static void candidate_ready(struct engine *engine)
{
    struct question question;

    memset(&question, 0, sizeof question);
    question.kind = QUESTION_RELOAD;
    question.event.kind = EVENT_RELOAD;
    if (engine->scripts.current.state != SLOT_READY || !(engine->scripts.current.hooks & HOOK_RELOAD)
        || questions_ask(engine, &question) != 0)
        promote(engine);
}

void scripts_slot_listens(struct engine *engine, struct slot *slot, unsigned hooks)
{
    slot->hooks = hooks;
    if (hooks & HOOK_REAP_INFO)
        oom_watch_open(&engine->reaper.oom);
}

void scripts_slot_ready(struct engine *engine, struct slot *slot, unsigned hooks)
{
    if (slot->state != SLOT_LOADING || slot->ready_at)
        return;
    scripts_slot_listens(engine, slot, hooks);
    if (slot == &engine->scripts.candidate) {
        slot->ready_at = clock_now();
        candidate_ready(engine);
        return;
    }
    /* COMMAND starts now, under the settings of the script, which is told when it runs. */
    slot->ready_at = clock_now();
    setup_apply_options(engine);
    life_begin(engine);
    if (engine->life.state != ENGINE_STARTING)
        scripts_take_up(engine);
}

void scripts_take_up(struct engine *engine)
{
    struct slot *slot = &engine->scripts.current;

    /* With take_up_at it waits for its predecessor to go (promote). */
    if (slot->state == SLOT_LOADING && slot->ready_at && engine->scripts.take_up_at == NEVER)
        take_up(engine, slot);
}

/* ---- Ended. ---- */

static void forget_slot(struct slot *slot)
{
    channel_close(&slot->channel);
    if (slot->pidfd >= 0)
        close(slot->pidfd);
    slot->pidfd = -1;
    slot->state = SLOT_EMPTY;
    slot->pid = 0;
    slot->look_at = slot->shut_at = NEVER;
    slot->reply_count = slot->owes_children = slot->owes_start = 0;
}

static void script_lost(struct engine *engine, const char *how)
{
    struct slot *slot = &engine->scripts.current;

    if (slot->ready_at && clock_now() - slot->ready_at > stable_after)
        engine->scripts.delay = 0;
    engine->scripts.take_up_at = NEVER; /* it may have waited for its predecessor: its successor does not */
    if (engine->journal.holder == (int)slot->index)
        journal_hold(&engine->journal, -1);
    forget_slot(slot);
    questions_script_lost(engine, 1);
    if (engine->life.state == ENGINE_LOADING) {
        if (!slot->failed)
            log_line(&engine->log, LOG_LEVEL_ERROR, "the script process ended (%s) while it loaded the script", how);
        life_load_failed(engine, 125);
        return;
    }
    log_line(&engine->log, LOG_LEVEL_ERROR, "the script process %s (%s); starting it again in %g s",
             slot->failed ? "could not load the script" : "ended", how, next_delay(engine));
    schedule_start(engine);
    if (engine->scripts.candidate.state == SLOT_LOADING && engine->scripts.candidate.ready_at) {
        questions_forget(engine, QUESTION_RELOAD);
        promote(engine);
    }
}

static void candidate_lost(struct engine *engine, const char *how)
{
    journal_hold(&engine->journal, -1);
    forget_slot(&engine->scripts.candidate);
    questions_forget(engine, QUESTION_RELOAD);
    if (engine->life.state == ENGINE_RUNNING)
        log_line(&engine->log, LOG_LEVEL_ERROR, "the reload failed (%s): the old script stays", how);
    scripts_reload_again(engine);
}

/* There will be no other one: nobody listens any more, nobody answers. */
static void program_ended(struct engine *engine)
{
    forget_slot(&engine->scripts.current);
    engine->scripts.current.hooks = 0;
    questions_forget(engine, QUESTION_SIGNAL);
    questions_forget(engine, QUESTION_SERVICES);
    questions_forget(engine, QUESTION_STOP);
    questions_forget(engine, QUESTION_EXIT);
}

int scripts_ended(struct engine *engine, pid_t pid, int status)
{
    char how[STATUS_TEXT_SIZE];

    if (!scripts_has(engine, pid))
        return 0;
    if (pid == engine->scripts.current.pid)
        hear_out(engine, &engine->scripts.current);
    else if (pid == engine->scripts.candidate.pid)
        hear_out(engine, &engine->scripts.candidate);
    status_describe(status, how);
    if (dismissed_ended(&engine->dismissed, pid)) {
        if (engine->scripts.take_up_at != NEVER && !dismissed_any(&engine->dismissed))
            scripts_promoted(engine);
        return pid != engine->main_child.pid;
    }
    if (pid == engine->main_child.pid && pid == engine->scripts.current.pid) {
        program_ended(engine);
        return 0;
    }
    if (pid == engine->scripts.current.pid)
        script_lost(engine, how);
    else if (pid == engine->scripts.candidate.pid)
        candidate_lost(engine, how);
    return 1;
}

int scripts_has(const struct engine *engine, pid_t pid)
{
    return pid > 0
           && (pid == engine->scripts.current.pid || pid == engine->scripts.candidate.pid
               || dismissed_is(&engine->dismissed, pid));
}

void scripts_dismiss(struct engine *engine)
{
    engine->scripts.start_at = NEVER;
    if (engine->scripts.candidate.pid > 0)
        drop_candidate(engine);
    if (engine->scripts.current.pid == 0)
        return;
    dismissed_kill(&engine->dismissed);
    hear_out(engine, &engine->scripts.current);
    if (engine->scripts.current.pid == 0)
        return; /* an order has done it */
    dismissed_add(&engine->dismissed, &engine->scripts.current,
                  dismissed_patience(&engine->options, engine_has_program(engine)));
    forget_slot(&engine->scripts.current);
    questions_forget(engine, QUESTION_SIGNAL); /* nobody can answer any more */
    if (engine_has_program(engine))
        engine->scripts.current.hooks = 0; /* signals go to it unasked */
}

/* ---- Talking. ---- */

int scripts_read_orders(struct engine *engine, enum orders_amount amount)
{
    int more;

    journal_has_orders(&engine->journal); /* as many as have been sent until now */
    more = read_orders_of(engine, &engine->scripts.current, amount);
    return read_orders_of(engine, &engine->scripts.candidate, amount) || more;
}

void scripts_read_new_orders(struct engine *engine)
{
    if (journal_has_orders(&engine->journal))
        scripts_read_orders(engine, ALL_ORDERS);
}

void scripts_put_orphan(struct engine *engine, const struct event *event)
{
    const int is_heard = engine->scripts.current.hooks & HOOK_REAP || engine->life.state == ENGINE_LOADING;

    if (is_heard)
        journal_write(&engine->journal, event, MAY_DROP);
    else if (engine_has_program(engine) && !engine->scripts.current.channel.shut) /* it may ask for it later */
        journal_write(&engine->journal, event, UNHEARD);
}

void scripts_put_spawned(struct engine *engine, const struct event *event)
{
    if (engine_has_listener(engine) && !(engine_has_program(engine) && engine->scripts.current.channel.shut))
        journal_write(&engine->journal, event, MUST_KEEP);
}

void scripts_put(struct engine *engine, const struct event *event, enum hook_bit bit)
{
    if (engine->scripts.current.state == SLOT_READY && (engine->scripts.current.hooks & bit))
        journal_write(&engine->journal, event, MUST_KEEP);
}

/* ---- Stuck. ---- */

static void replace_stuck(struct engine *engine, struct slot *slot)
{
    log_line(&engine->log, LOG_LEVEL_ERROR,
             "the script process has read nothing for %g s (--script-timeout): replacing it",
             (double)engine->options.script_timeout / (double)NANOSECONDS);
    kill(slot->pid, SIGKILL);
    slot->look_at = NEVER;
}

void scripts_look(struct engine *engine, struct slot *slot)
{
    const int64_t timeout = engine->options.script_timeout;
    const int64_t now = clock_now();
    const int64_t due = slot->unread_since + stuck_after;

    slot->look_at = NEVER;
    if (slot->failed) {
        kill(slot->pid, SIGKILL);
        return;
    }
    journal_look(&engine->journal);
    if (slot->state != SLOT_READY || journal_unread(&engine->journal) == 0
        || engine->journal.seen != slot->unread_from) {
        slot->told_stuck = 0;
        return; /* the loop looks again while something is unread */
    }
    if (timeout > 0 && now - slot->unread_since >= timeout) {
        replace_stuck(engine, slot);
        return;
    }
    if (!slot->told_stuck && now >= due) {
        log_line(&engine->log, LOG_LEVEL_WARNING,
                 "the script process has read no event for 10 s: it blocks, or computes in C (--script-timeout "
                 "replaces it)");
        slot->told_stuck = 1;
    }
    if (timeout > 0)
        slot->look_at = slot->unread_since + timeout;
    if (!slot->told_stuck && due < slot->look_at)
        slot->look_at = due;
}
