#include "engine/orders.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "engine/dismissed.h"
#include "engine/handover.h"
#include "engine/main_child.h"
#include "engine/questions.h"
#include "engine/deaths.h"
#include "engine/wait.h"
#include "engine/scripts.h"
#include "engine/setup.h"
#include "engine/life.h"

/* One order on its way. Descriptors that are taken over are set to -1 in `fds`. */
struct delivery {
    struct slot *slot;
    const struct order *order;
    int *fds;
    int fd_count;
};

typedef void order_function(struct engine *engine, struct delivery *delivery);

/* One that has ended, or is dismissed, cannot begin its work. */
static void ready(struct engine *engine, struct delivery *delivery)
{
    if (!delivery->slot->told_shut)
        scripts_slot_ready(engine, delivery->slot, (unsigned)delivery->order->number);
}

/* It will say why and end by itself, unless nobody reads stderr. */
static void failed(struct engine *engine, struct delivery *delivery)
{
    if (delivery->slot->state != SLOT_LOADING)
        return;
    delivery->slot->failed = 1;
    delivery->slot->look_at = clock_after(dismissed_patience(&engine->options, 0));
}

static void hooks(struct engine *engine, struct delivery *delivery)
{
    scripts_slot_listens(engine, delivery->slot, (unsigned)delivery->order->number);
}

static void answer(struct engine *engine, struct delivery *delivery)
{
    questions_answer(engine, delivery->order);
}

static void wait_for(struct engine *engine, struct delivery *delivery)
{
    questions_wait(engine, delivery->order->question, delivery->order->number);
}

static void spawned(struct engine *engine, struct delivery *delivery)
{
    const struct order *const order = delivery->order;
    struct child *child = NULL;
    int next = 0;

    if (deaths_is_ours(engine, order->pid))
        child = children_add(&engine->children, order->pid);
    else
        log_line(&engine->log, LOG_LEVEL_ERROR, "the script process says that it has spawned %d, which is no child",
                 order->pid);
    if (!child)
        return;
    wait_expect(engine, order->pid); /* until its exec, which may fail */
    snprintf(child->name, sizeof child->name, "%.*s", NAME_SIZE - 1, order->text);
    for (int i = 0; i < HELD_MAX; i++) {
        if (!(order->flags & EVENT_HAS_HELD(i)) || next == delivery->fd_count || child->held[i] >= 0)
            continue;
        child->held[i] = delivery->fds[next];
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

    if (engine->life.state == ENGINE_LOADING && engine->life.requested_code >= 0)
        return; /* it is being ended already */
    if (code >= 0)
        engine->life.requested_code = code & 0xff;
    if (code >= 0 && !engine->life.final_named) /* on_exit may ask for it, too */
        engine->life.final_code = code & 0xff;
    if (engine->life.state == ENGINE_LOADING && delivery->slot == &engine->scripts.current)
        life_load_failed(engine, code < 0 ? 0 : code & 0xff);
    else
        life_stop(engine, "exit");
}

static void reload(struct engine *engine, struct delivery *delivery)
{
    const struct slot *const slot = delivery->slot;

    if (engine->life.state > ENGINE_RUNNING || !engine_has_script(engine))
        return;
    if (slot->state == SLOT_LOADING && !slot->ready_at) /* it would go on for ever */
        log_line(&engine->log, LOG_LEVEL_WARNING,
                 "a reload that the script asks for while it is being loaded is ignored");
    else if (engine->life.state != ENGINE_RUNNING || questions_is_asked(engine, slot->pid))
        engine->scripts.wanted = 1; /* who takes its place would be asked again, and reload again */
    else
        scripts_reload(engine);
}

/* The script process has checked the value with the same code, so a complaint here means a malformed packet. */
static void configure(struct engine *engine, struct delivery *delivery)
{
    const char *const key = delivery->order->text;
    const size_t length = strlen(key);
    char why[WHY_SIZE];

    if (length + 1 >= ORDER_TEXT_SIZE || options_set(&delivery->slot->options, key, key + length + 1, why) != 0) {
        log_line(&engine->log, LOG_LEVEL_ERROR, "malformed setting from the script process: %s", key);
        return;
    }
    if (delivery->slot == &engine->scripts.current)
        setup_apply_options(engine);
}

static struct event reply_to(uint32_t serial)
{
    struct event event;

    memset(&event, 0, sizeof event);
    event.kind = EVENT_REPLY;
    event.question = serial;
    return event;
}

/* The slot of the script process that has given the order, or NULL when that has gone. */
static struct slot *slot_of(struct engine *engine, const struct main_order *order)
{
    if (order->by == engine->scripts.current.pid)
        return &engine->scripts.current;
    return order->by == engine->scripts.candidate.pid ? &engine->scripts.candidate : NULL;
}

void orders_main_started(struct engine *engine, const struct main_order *order)
{
    struct slot *const slot = slot_of(engine, order);
    struct event event = reply_to(order->serial);

    event.pid = engine->main_child.pid;
    if (engine->main_child.pidfd >= 0)
        event.flags = EVENT_HAS_PIDFD;
    if (slot)
        handover_reply(engine, slot, &event, engine->main_child.pidfd);
}

int orders_main_failed(struct engine *engine, const struct main_order *order, int error, const char *why)
{
    struct slot *const slot = slot_of(engine, order);
    struct event event = reply_to(order->serial);

    if (!slot)
        return -1;
    event.pid = -1;
    event.status = error;
    snprintf(event.of.text, sizeof event.of.text, "%s", why);
    handover_reply(engine, slot, &event, -1);
    return 0;
}

static void main_start(struct engine *engine, struct delivery *delivery)
{
    const struct main_order order = { delivery->slot->pid, delivery->order->question };
    char why[WHY_SIZE];

    if (main_child_start_again(engine, &order, why, sizeof why) != 0)
        orders_main_failed(engine, &order, errno, why);
}

static void stats(struct engine *engine, struct delivery *delivery)
{
    struct event event = reply_to(delivery->order->question);

    event.kind = EVENT_STATS;
    event.of.statistics = engine->statistics;
    event.of.statistics.uptime_ns = clock_now() - engine->origin.started_at;
    event.of.statistics.dropped = (int64_t)engine->journal.dropped_ever;
    handover_reply(engine, delivery->slot, &event, -1);
}

static void look(struct engine *engine, struct delivery *delivery)
{
    (void)delivery;
    journal_look(&engine->journal);
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
    [ORDER_LOOK] = look,
};

void orders_carry_out(struct engine *engine, struct slot *slot, const struct order *order, int *fds, int fd_count)
{
    struct delivery delivery = { slot, order, fds, fd_count };

    functions[order->kind](engine, &delivery);
    for (int i = 0; i < fd_count; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}
