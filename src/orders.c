#include "orders.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "keeper.h"
#include "leaving.h"
#include "reap.h"
#include "stop.h"
#include "verdict.h"

enum { LATE_REPLIES_MAX = 64 }; /* past the backlog's end */

/* One order on its way. Descriptors that are taken over are set to -1 in `fds`. */
struct delivery {
    struct policy_slot *slot;
    const struct order *order;
    int *fds;
    int fd_count;
};

typedef void order_function(struct engine *engine, struct delivery *delivery);

static void ready(struct engine *engine, struct delivery *delivery)
{
    keeper_slot_ready(engine, delivery->slot, (unsigned)delivery->order->number);
}

/* It will say why and end by itself, unless nobody reads stderr. */
static void failed(struct engine *engine, struct delivery *delivery)
{
    if (delivery->slot->state != POLICY_LOADING)
        return;
    delivery->slot->failed = 1;
    delivery->slot->look_at = clock_after(leaving_patience(engine));
}

static void hooks(struct engine *engine, struct delivery *delivery)
{
    keeper_slot_listens(engine, delivery->slot, (unsigned)delivery->order->number);
}

static void answer(struct engine *engine, struct delivery *delivery)
{
    verdict_answer(engine, delivery->order);
}

static void wait_for(struct engine *engine, struct delivery *delivery)
{
    verdict_wait(engine, delivery->order->ask);
}

static void spawned(struct engine *engine, struct delivery *delivery)
{
    const struct order *const order = delivery->order;
    struct child *child = NULL;
    int next = 0;

    if (reap_is_ours(engine, order->pid))
        child = children_add(&engine->children, order->pid);
    else
        log_line(&engine->log, LOG_LEVEL_ERROR, "the policy says that it has spawned %d, which is no child",
                 order->pid);
    if (!child)
        return;
    snprintf(child->name, sizeof child->name, "%.*s", NAME_SIZE - 1, order->text);
    for (int i = 0; i < KEPT_MAX; i++) {
        if (!(order->flags & EVENT_HAS_KEPT(i)) || next == delivery->fd_count || child->kept[i] >= 0)
            continue;
        child->kept[i] = delivery->fds[next];
        delivery->fds[next++] = -1;
    }
}

static void exec_failed(struct engine *engine, struct delivery *delivery)
{
    struct child *child = children_find(&engine->children, delivery->order->pid);

    if (!child)
        return;
    child->exec_failed = 1;
    for (int i = 0; i < 2; i++) /* nobody will ever read them */
        children_output_closed(&engine->children, delivery->order->pid, i);
}

static void output_closed(struct engine *engine, struct delivery *delivery)
{
    const int number = delivery->order->number;

    if (number == 1 || number == 2)
        children_output_closed(&engine->children, delivery->order->pid, number - 1);
}

static void exit_with(struct engine *engine, struct delivery *delivery)
{
    const int code = delivery->order->number;

    if (code >= 0)
        engine->exit_code = engine->left_code = code & 0xff; /* left_code: on_exit may ask for it, too */
    if (engine->state == ENGINE_LOADING && delivery->slot == &engine->policy)
        stop_load_failed(engine, code < 0 ? 0 : code & 0xff);
    else
        stop_begin(engine, "exit");
}

static void reload(struct engine *engine, struct delivery *delivery)
{
    const struct policy_slot *const slot = delivery->slot;

    if (engine->state != ENGINE_RUNNING || !engine_has_script(engine))
        return;
    if (slot->state == POLICY_LOADING && !slot->ready_at) /* it would go on for ever */
        log_line(&engine->log, LOG_LEVEL_WARNING,
                 "a reload that the script asks for while it is being loaded is ignored");
    else if (verdict_is_asked(engine, slot->pid)) /* who takes its place would be asked again, and reload again */
        engine->reload_again = 1;
    else
        keeper_reload(engine);
}

/* The policy has checked the value with the same code, so a complaint here means a malformed packet. */
static void configure(struct engine *engine, struct delivery *delivery)
{
    const char *const key = delivery->order->text;
    const size_t length = strlen(key);
    char why[WHY_SIZE];

    if (length + 1 >= ORDER_TEXT_SIZE || options_set(&delivery->slot->options, key, key + length + 1, why) != 0) {
        log_line(&engine->log, LOG_LEVEL_ERROR, "malformed setting from the policy: %s", key);
        return;
    }
    if (delivery->slot == &engine->policy)
        engine_apply_options(engine);
}

static struct event reply_to(const struct order *order)
{
    struct event event;

    memset(&event, 0, sizeof event);
    event.kind = EVENT_REPLY;
    event.ask = order->ask;
    return event;
}

/*
 * Who asks waits for it, so it has to come where the backlog is full of deaths that have not been read. Replies that
 * nobody reads are another matter.
 */
static void put_reply(struct delivery *delivery, const struct event *event)
{
    struct policy_slot *slot = delivery->slot;

    slot->late_replies = slot->channel.backlog < BACKLOG_MAX ? 0 : slot->late_replies + 1;
    channel_put(&slot->channel, event, slot->late_replies < LATE_REPLIES_MAX ? MUST_KEEP : MAY_DROP);
}

static void main_start(struct engine *engine, struct delivery *delivery)
{
    struct event event = reply_to(delivery->order);

    event.pid = -1;
    if (command_start_again(engine, event.of.text, sizeof event.of.text) == 0) {
        event.pid = engine->main_pid;
        event.flags = EVENT_HAS_PIDFD;
        verdict_forget(engine, ASK_MAIN_END);
        channel_put_fds(&delivery->slot->channel, &event, &engine->main_pidfd, engine->main_pidfd >= 0);
        return;
    }
    event.status = errno;
    put_reply(delivery, &event);
}

static void stats(struct engine *engine, struct delivery *delivery)
{
    struct event event = reply_to(delivery->order);

    event.kind = EVENT_STATS;
    event.of.statistics = engine->statistics;
    event.of.statistics.uptime_ns = clock_now() - engine->started_at;
    event.of.statistics.dropped = (int64_t)(engine->policy.channel.dropped_ever + engine->collected.dropped_ever);
    put_reply(delivery, &event);
}

static order_function *const functions[ORDER_COUNT] = {
    [ORDER_READY] = ready,
    [ORDER_FAILED] = failed,
    [ORDER_HOOKS] = hooks,
    [ORDER_ANSWER] = answer,
    [ORDER_WAIT] = wait_for,
    [ORDER_SPAWNED] = spawned,
    [ORDER_EXEC_FAILED] = exec_failed,
    [ORDER_OUTPUT_CLOSED] = output_closed,
    [ORDER_EXIT] = exit_with,
    [ORDER_RELOAD] = reload,
    [ORDER_CONFIGURE] = configure,
    [ORDER_MAIN_START] = main_start,
    [ORDER_STATS] = stats,
};

void orders_carry_out(struct engine *engine, struct policy_slot *slot, const struct order *order, int *fds,
                      int fd_count)
{
    struct delivery delivery = { slot, order, fds, fd_count };

    functions[order->kind](engine, &delivery);
    for (int i = 0; i < fd_count; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}
