#define _GNU_SOURCE
#include "engine/slot.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/descriptors.h"
#include "engine/handover.h"
#include "engine/questions.h"
#include "engine/setup.h"
#include "engine/wait.h"

static const int64_t stuck_after = 10 * NANOSECONDS;

/* ---- Starting, ending. ---- */

void slot_empty(struct slot *slot, const struct options *options)
{
    const unsigned index = slot->index;

    variables_free(&slot->variables);
    memset(slot, 0, sizeof *slot);
    slot->index = index;
    slot->channel.fd = slot->pidfd = -1;
    slot->channel.again_at = slot->look_at = slot->shut_at = NEVER;
    slot->options = *options;
}

int slot_start(struct engine *engine, struct slot *slot, enum start_reason reason)
{
    int script_end;

    slot_empty(slot, &engine->origin.base);
    slot->reason = reason;
    journal_prepare(&engine->journal, slot->index);
    if (channel_open(&slot->channel, &script_end) != 0)
        return -1;
    wait_watch(engine, slot->channel.fd);
    slot->pid = setup_fork();
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
    log_line(&engine->log, LOG_LEVEL_DEBUG, "script process %d started", (int)slot->pid);
    if (reason == START_RELOAD)
        journal_hold(&engine->journal, (int)slot->index);
    handover_children(engine, slot, reason != START_RELOAD);
    return 0;
}

void slot_begin(struct engine *engine, struct slot *slot)
{
    slot->state = SLOT_READY;
    slot->ready_at = clock_now();
    setup_apply_options(engine);
    journal_give(&engine->journal, slot->index, slot->pid);
    questions_repeat(engine);
    handover_start(engine, slot);
}

void slot_listens(struct engine *engine, struct slot *slot, unsigned hooks)
{
    slot->hooks = hooks;
    if (hooks & HOOK_REAP_INFO)
        oom_watch_open(&engine->reaper.oom);
}

void slot_forget(struct engine *engine, struct slot *slot)
{
    if (engine->journal.holder == (int)slot->index)
        journal_hold(&engine->journal, -1);
    channel_close(&slot->channel);
    if (slot->pidfd >= 0)
        close(slot->pidfd);
    slot->pidfd = -1;
    slot->state = SLOT_EMPTY;
    slot->pid = 0;
    slot->look_at = slot->shut_at = NEVER;
    slot->owes_children = slot->owes_start = 0;
    late_events_clear(&slot->replies);
}

/* ---- Last orders. ---- */

enum { ORDERS_AT_MOST = 4096 };

struct last_order {
    struct last_order *next;
    pid_t pid;
    struct order order;
    int fds[MESSAGE_FDS_MAX];
    int count;
};

static void keep_order(struct engine *engine, const struct last_order *order)
{
    struct last_order *const kept = malloc(sizeof *kept);

    if (!kept) {
        log_line(&engine->log, LOG_LEVEL_ERROR, "an order of the old script process is lost: %s", strerror(errno));
        close_descriptors(order->fds, order->count);
        return;
    }
    *kept = *order;
    kept->next = NULL;
    if (engine->scripts.first_order)
        engine->scripts.last_order->next = kept;
    else
        engine->scripts.first_order = kept;
    engine->scripts.last_order = kept;
}

void slot_refuse_orders(struct engine *engine, struct slot *slot)
{
    struct last_order order = { .pid = slot->pid };
    int got = 1;

    channel_refuse(&slot->channel);
    slot->told_shut = 1; /* by us */
    slot->channel.shut = 0;
    for (int i = 0; got != 0 && i < ORDERS_AT_MOST; i++) {
        got = channel_receive(&slot->channel, &order.order, order.fds, &order.count);
        if (got > 0)
            keep_order(engine, &order);
    }
    engine->wait.orders = 1;
}

int slot_next_last_order(struct engine *engine, pid_t *pid, struct order *order, int fds[MESSAGE_FDS_MAX], int *count)
{
    struct last_order *const first = engine->scripts.first_order;

    if (!first)
        return 0;
    *pid = first->pid;
    *order = first->order;
    memcpy(fds, first->fds, sizeof first->fds);
    *count = first->count;
    engine->scripts.first_order = first->next;
    free(first);
    return 1;
}

/* ---- Writing. ---- */

void slot_put_orphan(struct engine *engine, const struct event *event)
{
    const int is_heard = engine->scripts.current->hooks & HOOK_REAP || engine->life.state == ENGINE_LOADING;

    if (is_heard)
        journal_write(&engine->journal, event, MAY_DROP);
    else if (engine_has_program(engine) && !engine->scripts.current->channel.shut) /* it may ask for it later */
        journal_write(&engine->journal, event, UNHEARD);
}

void slot_put_spawned(struct engine *engine, const struct event *event)
{
    if (engine_has_listener(engine) && !(engine_has_program(engine) && engine->scripts.current->channel.shut))
        journal_write(&engine->journal, event, MUST_KEEP);
}

void slot_put_stop(struct engine *engine, const struct event *event)
{
    const struct slot *const slot = engine->scripts.current;

    if (slot->state == SLOT_READY && ((slot->hooks & HOOK_STOP) || !engine_has_program(engine)))
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

void slot_look(struct engine *engine, struct slot *slot)
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
