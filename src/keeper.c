#define _GNU_SOURCE
#include "keeper.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "forward.h"
#include "handover.h"
#include "leaving.h"
#include "orders.h"
#include "reap.h"
#include "stop.h"
#include "terminal.h"
#include "verdict.h"

static const int64_t delay_first = NANOSECONDS / 10;
static const int64_t delay_max = 10 * NANOSECONDS;
static const int64_t stable_after = 10 * NANOSECONDS; /* a policy that ran so long starts a new series of delays */
static const int64_t stuck_after = 10 * NANOSECONDS;
static const int64_t killed_ends = NANOSECONDS; /* what KILL does not end by then is in uninterruptible sleep */

enum { ORDERS_A_TURN = 64, ORDERS_AT_MOST = 4096 };

/* ---- Starting. ---- */

/* Like fork(), but with an exit signal of our own (see POLICY_SIGNAL). */
static pid_t fork_policy(void)
{
    return (pid_t)syscall(SYS_clone, (unsigned long)POLICY_SIGNAL, NULL, NULL, NULL, NULL);
}

static int start_policy(struct engine *engine, struct policy_slot *slot, enum start_reason reason)
{
    int policy_end;

    memset(slot, 0, sizeof *slot);
    slot->pidfd = -1;
    slot->options = engine->base;
    slot->reason = reason;
    slot->look_at = NEVER;
    if (channel_open(&slot->channel, &policy_end) != 0)
        return -1;
    slot->pid = fork_policy();
    if (slot->pid == 0)
        engine->start->exit(engine->start->become_policy(engine, policy_end));
    close(policy_end);
    if (slot->pid < 0) {
        const int saved = errno;

        slot->pid = 0;
        channel_close(&slot->channel);
        errno = saved;
        return -1;
    }
    reap_expect(engine, slot->pid);
    slot->state = POLICY_LOADING;
    slot->pidfd = (int)syscall(SYS_pidfd_open, slot->pid, 0);
    log_line(&engine->log, LOG_LEVEL_DEBUG, "policy %d started", (int)slot->pid);
    hand_over_children(engine, slot, reason != START_RELOAD);
    return 0;
}

/* The next start is due after a delay that doubles up to ten seconds. */
static void schedule_start(struct engine *engine)
{
    if (engine->policy_delay == 0)
        engine->policy_delay = delay_first;
    engine->policy_start_at = clock_after(engine->policy_delay);
    engine->policy_delay = engine->policy_delay * 2 < delay_max ? engine->policy_delay * 2 : delay_max;
}

static double next_delay(const struct engine *engine)
{
    return (double)(engine->policy_delay ? engine->policy_delay : delay_first) / (double)NANOSECONDS;
}

void keeper_start_first(struct engine *engine)
{
    engine->store_fd = memfd_create("reaper-store", MFD_CLOEXEC);
    if (start_policy(engine, &engine->policy, START_FIRST) == 0)
        return;
    log_line(&engine->log, LOG_LEVEL_ERROR, "cannot start the policy process: %s", strerror(errno));
    stop_load_failed(engine, 125);
}

/* As COMMAND does, it gets a process group of its own and the terminal's foreground, or stays in the shell's job. */
static void take_terminal(struct engine *engine, pid_t pid)
{
    const int terminal = terminal_to_give(engine);

    if (!terminal_shares_group(engine))
        setpgid(pid, pid);
    if (terminal >= 0)
        tcsetpgrp(terminal, pid);
}

void keeper_take_program(struct engine *engine)
{
    const struct engine_program *const program = engine->start->program;
    struct policy_slot *slot = &engine->policy;

    slot->state = POLICY_READY;
    slot->pid = engine->main_pid = program->pid;
    slot->pidfd = (int)syscall(SYS_pidfd_open, slot->pid, 0);
    slot->channel = program->channel;
    slot->ready_at = clock_now();
    keeper_slot_listens(engine, slot, program->hooks);
    take_terminal(engine, slot->pid);
    engine_begin(engine);
    engine->sweep_at = clock_now(); /* what has died before has sent its signal before */
    log_line(&engine->log, LOG_LEVEL_DEBUG, "the program goes on as process %d", (int)slot->pid);
    hand_over_start(engine, slot);
    channel_flush(&slot->channel);
}

void keeper_start_again(struct engine *engine)
{
    const unsigned hooks = engine->policy.hooks;

    engine->policy_start_at = NEVER;
    if (start_policy(engine, &engine->policy, START_CRASH) == 0) {
        engine->policy.hooks = hooks;
        engine->statistics.policy_restarts++;
        return;
    }
    log_line(&engine->log, LOG_LEVEL_ERROR, "cannot start the policy process: %s; trying again in %g s",
             strerror(errno), next_delay(engine));
    engine->policy.hooks = hooks;
    schedule_start(engine);
}

/* A policy that waits for the old one to go counts, too: another reload would kill that in the midst of its work. */
static int reload_is_under_way(const struct engine *engine)
{
    return engine->candidate.state != POLICY_NONE || engine->take_up_at != NEVER || verdict_is_open(engine, ASK_RELOAD);
}

void keeper_reload(struct engine *engine)
{
    if (reload_is_under_way(engine)) {
        engine->reload_again = 1;
        log_line(&engine->log, LOG_LEVEL_DEBUG, "a reload is under way already: another one follows");
        return;
    }
    engine->reload_again = 0;
    log_line(&engine->log, LOG_LEVEL_DEBUG, "loading the script anew");
    if (start_policy(engine, &engine->candidate, START_RELOAD) != 0)
        log_line(&engine->log, LOG_LEVEL_ERROR, "cannot reload: %s; the old script stays", strerror(errno));
}

void keeper_reload_again(struct engine *engine)
{
    if (engine->reload_again && engine->state == ENGINE_RUNNING && !reload_is_under_way(engine)
        && !verdict_is_asked(engine, engine->policy.pid))
        keeper_reload(engine);
}

/* ---- Orders. ---- */

/* A policy that has shut its socket, by mistake of some C module, can neither be told anything nor order anything. */
static void replace_shut(struct engine *engine, struct policy_slot *slot)
{
    if (!slot->channel.shut || slot->told_shut || slot->pid == 0)
        return;
    slot->told_shut = 1;
    if (engine->start->program) { /* it lives on, and listens to nothing */
        slot->hooks = 0;
        verdict_policy_lost(engine);
        return;
    }
    log_line(&engine->log, LOG_LEVEL_ERROR, "the policy has shut its channel: replacing it");
    kill(slot->pid, SIGKILL);
}

static void read_orders_of(struct engine *engine, struct policy_slot *slot, enum keeper_amount amount)
{
    const int limit = amount == KEEPER_ALL_ORDERS ? ORDERS_AT_MOST : ORDERS_A_TURN;
    struct order order;
    int fds[MESSAGE_FDS_MAX];
    int fd_count;

    for (int i = 0; i < limit; i++) {
        const pid_t pid = slot->pid;
        const int got = channel_receive(&slot->channel, &order, fds, &fd_count);

        if (got == 0) {
            replace_shut(engine, slot);
            return;
        }
        if (got < 0)
            log_line(&engine->log, LOG_LEVEL_ERROR, "a malformed packet of %d bytes from the policy was dropped",
                     order.number);
        else
            orders_carry_out(engine, slot, &order, fds, fd_count);
        if (slot->pid != pid) /* the candidate was promoted: its slot is empty now */
            return;
    }
}

/*
 * The one way in which a slot ends. Nobody can send an order any more: a new process that tries ends instead of running
 * its command. What has been sent is carried out, which may end the slot at once, or put another one in its place.
 */
static void hear_out(struct engine *engine, struct policy_slot *slot)
{
    channel_refuse(&slot->channel);
    slot->told_shut = 1; /* by us */
    slot->channel.shut = 0;
    read_orders_of(engine, slot, KEEPER_ALL_ORDERS);
}

/* It is of no use any more. */
static void drop_candidate(struct engine *engine)
{
    kill(engine->candidate.pid, SIGKILL);
    hear_out(engine, &engine->candidate);
    channel_close(&engine->candidate.channel);
}

void keeper_services_stop(struct engine *engine)
{
    engine->policy_delay = 0;
    if (engine->policy_start_at != NEVER)
        engine->policy_start_at = clock_now();
    if (engine->candidate.pid == 0 || engine->policy.told_shut)
        return;
    verdict_forget(engine, ASK_RELOAD);
    drop_candidate(engine);
    engine->candidate.ready_at = 0; /* should the policy be lost now */
}

/* ---- Loaded. ---- */

/* From here on the policy is told everything, first what happened while there was none. */
static void take_up(struct engine *engine, struct policy_slot *slot)
{
    slot->state = POLICY_READY;
    slot->ready_at = clock_now();
    engine_apply_options(engine);
    hand_over_start(engine, slot);
    verdict_ask_again(engine);
    channel_splice(&slot->channel, &engine->collected);
}

void keeper_empty_slot(struct policy_slot *slot, const struct options *options)
{
    memset(slot, 0, sizeof *slot);
    slot->channel.fd = slot->channel.peer = slot->pidfd = -1;
    slot->channel.flush_at = NEVER;
    slot->look_at = NEVER;
    slot->options = *options;
}

/* The old policy leaves; what it has not read is told to the new one. */
static void dismiss_old(struct engine *engine)
{
    struct policy_slot *old = &engine->policy;

    leaving_kill(engine);
    hear_out(engine, old);
    if (old->state != POLICY_NONE) {
        channel_salvage(&old->channel, &engine->collected, verdict_serial_is_open, engine);
        channel_close(&old->channel);
        leaving_add(engine, old);
        verdict_policy_lost(engine);
    }
    engine->policy_start_at = NEVER;
}

void keeper_promoted(struct engine *engine)
{
    engine->take_up_at = NEVER;
    if (engine->policy.state != POLICY_LOADING)
        return;
    hand_over_children(engine, &engine->policy, 1);
    take_up(engine, &engine->policy);
    log_line(&engine->log, LOG_LEVEL_INFO, "the script was reloaded");
    keeper_reload_again(engine);
}

/*
 * The old policy still deals with what it has read, and keeps the outcome for the new one, which is told its start when
 * the old one has gone.
 */
static void promote(struct engine *engine)
{
    if (engine->candidate.state == POLICY_NONE)
        return;
    dismiss_old(engine);
    if (engine->candidate.state == POLICY_NONE || engine->candidate.channel.fd < 0)
        return; /* an order of the old one has ended everything */
    engine->policy = engine->candidate;
    keeper_empty_slot(&engine->candidate, &engine->base);
    engine->policy_delay = 0;
    engine->take_up_at = clock_after(leaving_patience(engine) + killed_ends);
    if (!leaving_any(engine))
        keeper_promoted(engine);
}

void keeper_reload_answered(struct engine *engine, const struct ask *ask, enum answer answer, int number)
{
    (void)ask;
    (void)answer;
    (void)number;
    promote(engine);
}

static void candidate_ready(struct engine *engine)
{
    struct ask ask;

    memset(&ask, 0, sizeof ask);
    ask.kind = ASK_RELOAD;
    ask.event.kind = EVENT_RELOAD;
    if (engine->policy.state != POLICY_READY || !(engine->policy.hooks & HOOK_RELOAD) || verdict_ask(engine, &ask) != 0)
        promote(engine);
}

void keeper_slot_listens(struct engine *engine, struct policy_slot *slot, unsigned hooks)
{
    slot->hooks = hooks;
    if (hooks & HOOK_REAP_INFO)
        oom_watch_open(&engine->oom);
    if (hooks & HOOK_REAP && engine_has_program(engine))
        channel_splice(&slot->channel, &engine->collected);
}

void keeper_slot_ready(struct engine *engine, struct policy_slot *slot, unsigned hooks)
{
    if (slot->state != POLICY_LOADING || slot->ready_at)
        return;
    keeper_slot_listens(engine, slot, hooks);
    if (slot == &engine->candidate) {
        slot->ready_at = clock_now();
        candidate_ready(engine);
        return;
    }
    /* COMMAND starts now, under the settings of the script, which is told when it runs. */
    slot->ready_at = clock_now();
    engine_apply_options(engine);
    engine_begin(engine);
    if (engine->state != ENGINE_STARTING)
        keeper_take_up(engine);
}

void keeper_take_up(struct engine *engine)
{
    struct policy_slot *slot = &engine->policy;

    /* With take_up_at it waits for its predecessor to go (promote). */
    if (slot->state == POLICY_LOADING && slot->ready_at && engine->take_up_at == NEVER)
        take_up(engine, slot);
}

/* ---- Ended. ---- */

static void forget_slot(struct policy_slot *slot)
{
    channel_close(&slot->channel);
    if (slot->pidfd >= 0)
        close(slot->pidfd);
    slot->pidfd = -1;
    slot->state = POLICY_NONE;
    slot->pid = 0;
    slot->look_at = NEVER;
}

static void policy_lost(struct engine *engine, const char *how)
{
    struct policy_slot *slot = &engine->policy;

    if (slot->ready_at && clock_now() - slot->ready_at > stable_after)
        engine->policy_delay = 0;
    engine->take_up_at = NEVER; /* it may have waited for its predecessor: its successor does not */
    channel_salvage(&slot->channel, &engine->collected, verdict_serial_is_open, engine);
    forget_slot(slot);
    verdict_policy_lost(engine);
    if (engine->state == ENGINE_LOADING) {
        if (!slot->failed)
            log_line(&engine->log, LOG_LEVEL_ERROR, "the policy ended (%s) while it loaded the script", how);
        stop_load_failed(engine, 125);
        return;
    }
    log_line(&engine->log, LOG_LEVEL_ERROR, "the policy %s (%s); starting it again in %g s",
             slot->failed ? "could not load the script" : "ended", how, next_delay(engine));
    schedule_start(engine);
    if (engine->candidate.state == POLICY_LOADING && engine->candidate.ready_at) {
        verdict_forget(engine, ASK_RELOAD);
        promote(engine);
    }
}

static void candidate_lost(struct engine *engine, const char *how)
{
    forget_slot(&engine->candidate);
    verdict_forget(engine, ASK_RELOAD);
    if (engine->state == ENGINE_RUNNING)
        log_line(&engine->log, LOG_LEVEL_ERROR, "the reload failed (%s): the old script stays", how);
    keeper_reload_again(engine);
}

/* There will be no other one: nobody listens any more, nobody answers. */
static void program_ended(struct engine *engine)
{
    forget_slot(&engine->policy);
    engine->policy.hooks = 0;
    verdict_forget(engine, ASK_SIGNAL);
    verdict_forget(engine, ASK_SERVICES);
    verdict_forget(engine, ASK_STOP);
    verdict_forget(engine, ASK_EXIT);
}

int keeper_policy_ended(struct engine *engine, pid_t pid, int status)
{
    char how[64];

    if (!keeper_is_policy(engine, pid))
        return 0;
    if (pid == engine->policy.pid)
        hear_out(engine, &engine->policy);
    else if (pid == engine->candidate.pid)
        hear_out(engine, &engine->candidate);
    reap_describe(status, how, sizeof how);
    if (leaving_ended(engine, pid)) {
        if (engine->take_up_at != NEVER && !leaving_any(engine))
            keeper_promoted(engine);
        return pid != engine->main_pid;
    }
    if (pid == engine->main_pid && pid == engine->policy.pid) {
        program_ended(engine);
        return 0;
    }
    if (pid == engine->policy.pid)
        policy_lost(engine, how);
    else if (pid == engine->candidate.pid)
        candidate_lost(engine, how);
    return 1;
}

int keeper_is_policy(const struct engine *engine, pid_t pid)
{
    return pid > 0 && (pid == engine->policy.pid || pid == engine->candidate.pid || leaving_is(engine, pid));
}

void keeper_dismiss(struct engine *engine)
{
    engine->policy_start_at = NEVER;
    if (engine->candidate.pid > 0)
        drop_candidate(engine);
    if (engine->policy.pid == 0)
        return;
    leaving_kill(engine);
    channel_flush(&engine->policy.channel);
    hear_out(engine, &engine->policy);
    if (engine->policy.pid == 0)
        return; /* an order has done it */
    leaving_add(engine, &engine->policy);
    forget_slot(&engine->policy);
    verdict_forget(engine, ASK_SIGNAL); /* nobody can answer any more */
    if (engine_has_program(engine))
        engine->policy.hooks = 0; /* signals go to it unasked */
}

/* ---- Talking. ---- */

void keeper_read_orders(struct engine *engine, enum keeper_amount amount)
{
    read_orders_of(engine, &engine->policy, amount);
    read_orders_of(engine, &engine->candidate, amount);
}

/* Where the next policy is told when there is none that is loaded. */
static struct channel *listener(struct engine *engine)
{
    return engine->policy.state == POLICY_READY ? &engine->policy.channel : &engine->collected;
}

void keeper_put_orphan(struct engine *engine, const struct event *event)
{
    if (engine->policy.hooks & HOOK_REAP || engine->state == ENGINE_LOADING)
        channel_put(listener(engine), event, MAY_DROP);
    else if (engine_has_program(engine) && !engine->policy.channel.shut)
        channel_put(&engine->collected, event, MAY_DROP); /* until it asks for them */
}

void keeper_put_spawned(struct engine *engine, const struct event *event)
{
    struct event told = *event;

    if (!engine_has_policy(engine) || (engine_has_program(engine) && engine->policy.channel.shut))
        return;
    if (engine_has_program(engine) && !(engine->policy.hooks & HOOK_REAP)) {
        told.flags &= (uint16_t)~EVENT_SPAWNED; /* for on_reap alone: by then the pid may be another child's */
        if (!(event->flags & EVENT_TOLD))
            channel_put(&engine->collected, &told, MUST_KEEP);
        told.flags = event->flags | EVENT_TOLD;
        channel_put(&engine->policy.channel, &told, MUST_KEEP);
        return;
    }
    /* A script that is still being loaded may wait for a child that it has spawned. */
    channel_put(engine->policy.state == POLICY_LOADING && engine->take_up_at == NEVER ? &engine->policy.channel
                                                                                      : listener(engine),
                event, MUST_KEEP);
    if (engine->candidate.state == POLICY_NONE)
        return;
    told.flags |= EVENT_TOLD;
    channel_put(&engine->candidate.channel, &told, MUST_KEEP);
}

void keeper_put(struct engine *engine, const struct event *event, enum hook_bit bit)
{
    if (engine->policy.state == POLICY_READY && (engine->policy.hooks & bit))
        channel_put(&engine->policy.channel, event, MUST_KEEP);
}

/* ---- Stuck. ---- */

static void replace_stuck(struct engine *engine, struct policy_slot *slot)
{
    log_line(&engine->log, LOG_LEVEL_ERROR, "the policy has read nothing for %g s (--policy-timeout): replacing it",
             (double)engine->options.policy_timeout / (double)NANOSECONDS);
    kill(slot->pid, SIGKILL);
    slot->look_at = NEVER;
}

void keeper_look(struct engine *engine, struct policy_slot *slot)
{
    const int64_t timeout = engine->options.policy_timeout;
    const int64_t now = clock_now();
    const int64_t due = slot->unread_since + stuck_after;

    slot->look_at = NEVER;
    if (slot->failed) {
        kill(slot->pid, SIGKILL);
        return;
    }
    if (!channel_unread(&slot->channel) || !channel_stalled(&slot->channel)) {
        slot->unread_since = now;
        slot->told_stuck = 0;
        return; /* the loop looks again while something is unread */
    }
    if (timeout > 0 && now - slot->unread_since >= timeout) {
        replace_stuck(engine, slot);
        return;
    }
    if (!slot->told_stuck && now >= due) {
        log_line(&engine->log, LOG_LEVEL_WARNING,
                 "the policy has read no event for 10 s: it blocks, or computes in C (--policy-timeout replaces it)");
        slot->told_stuck = 1;
    }
    if (timeout > 0)
        slot->look_at = slot->unread_since + timeout;
    if (!slot->told_stuck && due < slot->look_at)
        slot->look_at = due;
}
