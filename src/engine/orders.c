#include "engine/orders.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/descriptors.h"
#include "engine/answers.h"
#include "engine/dismissed.h"
#include "engine/handover.h"
#include "engine/life.h"
#include "engine/main_child.h"
#include "engine/questions.h"
#include "engine/reload.h"
#include "engine/report.h"
#include "engine/scripts.h"
#include "engine/setup.h"
#include "engine/slot.h"
#include "engine/wait.h"

/* One order on its way. Descriptors that are taken over are set to -1 in `fds`. */
struct delivery {
    pid_t pid;         /* of the script process */
    struct slot *slot; /* NULL: it is there no more */
    const struct order *order;
    int *fds;
    int fd_count;
};

typedef void order_function(struct engine *engine, struct delivery *delivery);

/*
 * COMMAND starts now, under the settings of the script, which is told when it runs. A candidate waits for its turn. One
 * that has ended, or is dismissed, cannot begin its work.
 */
static void ready(struct engine *engine, struct delivery *delivery)
{
    struct slot *const slot = delivery->slot;

    if (!slot || slot->told_shut || slot->state != SLOT_LOADING || slot->ready_at)
        return;
    slot_listens(engine, slot, (unsigned)delivery->order->number);
    slot->ready_at = clock_now();
    if (slot == engine->scripts.candidate) {
        reload_loaded(engine);
        return;
    }
    setup_apply_options(engine);
    engine->life.script_reason[0] = '\0'; /* one that has not loaded has been replaced */
    life_begin(engine);
    if (engine->life.state != ENGINE_STARTING)
        scripts_take_up(engine);
}

/* It will say why and end by itself, unless nobody reads stderr. */
static void failed(struct engine *engine, struct delivery *delivery)
{
    if (!delivery->slot || delivery->slot->state != SLOT_LOADING)
        return;
    delivery->slot->failed = 1;
    delivery->slot->look_at = clock_after(dismissed_patience(&engine->options, 0));
}

static void hooks(struct engine *engine, struct delivery *delivery)
{
    if (delivery->slot)
        slot_listens(engine, delivery->slot, (unsigned)delivery->order->number);
}

static void answer(struct engine *engine, struct delivery *delivery)
{
    struct settled settled;

    if (questions_answer(engine, delivery->order, &settled))
        answers_follow(engine, &settled);
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

    if (reap_is_ours(&engine->reaper.batch, order->pid))
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

    if (number >= 1 && number <= HELD_MAX)
        children_output_closed(&engine->children, delivery->order->pid, number - 1);
}

static void ready_kept(struct engine *engine, struct delivery *delivery)
{
    children_keep_ready(&engine->children, delivery->order->pid);
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
    if (engine->life.state == ENGINE_LOADING && delivery->pid == engine->scripts.current->pid)
        life_load_failed(engine, code < 0 ? 0 : code & 0xff);
    else
        life_stop(engine, "exit");
}

static void reload(struct engine *engine, struct delivery *delivery)
{
    const struct slot *const slot = delivery->slot;

    if (engine->life.state > ENGINE_RUNNING || !engine_has_script(engine))
        return;
    if (slot && slot->state == SLOT_LOADING && !slot->ready_at) /* it would go on for ever */
        log_line(&engine->log, LOG_LEVEL_WARNING,
                 "a reload that the script asks for while it is being loaded is ignored");
    else
        reload_want(engine);
}

/* The script process has checked the value with the same code, so a complaint here means a malformed packet. */
static void configure(struct engine *engine, struct delivery *delivery)
{
    const char *const key = delivery->order->text;
    const size_t length = strlen(key);
    char why[WHY_SIZE];

    if (!delivery->slot)
        return;
    if (length + 1 >= ORDER_TEXT_SIZE || options_set(&delivery->slot->options, key, key + length + 1, why) != 0) {
        log_line(&engine->log, LOG_LEVEL_ERROR, "malformed setting from the script process: %s", key);
        return;
    }
    if (delivery->slot == engine->scripts.current)
        setup_apply_options(engine);
}

/* A successor that does not load is no reason for an end. */
static void reason(struct engine *engine, struct delivery *delivery)
{
    const struct order *const order = delivery->order;
    const size_t length = strnlen(order->text, sizeof order->text);
    const size_t room = sizeof engine->life.script_reason;

    if (delivery->slot != engine->scripts.current || order->number < 0 || (size_t)order->number >= room - length)
        return;
    memcpy(engine->life.script_reason + order->number, order->text, length);
    engine->life.script_reason[(size_t)order->number + length] = '\0';
}

/* The script process has checked it, too: what is wrong with it can be a want of memory only. */
static void environment(struct engine *engine, struct delivery *delivery)
{
    const struct order *const order = delivery->order;

    if (!delivery->slot)
        return;
    if (variables_arrive(&delivery->slot->variables, order->text, order->number) != 0)
        log_line(&engine->log, LOG_LEVEL_ERROR, "a variable of COMMAND's environment is lost: %s", strerror(errno));
    else if (order->number && delivery->slot == engine->scripts.current)
        setup_apply_options(engine);
}

static void main_start(struct engine *engine, struct delivery *delivery)
{
    const struct main_order order = { delivery->pid, delivery->order->question };
    char why[WHY_SIZE];

    if (!delivery->slot && !main_child_has_run(engine))
        return; /* the next script process starts it */
    if (main_child_start_ordered(engine, &order, why, sizeof why) != 0)
        handover_main_failed(engine, &order, errno, why);
}

static void stats(struct engine *engine, struct delivery *delivery)
{
    struct event event = handover_reply_to(delivery->order->question);

    event.kind = EVENT_STATS;
    event.of.statistics = report_statistics(engine);
    event.of.statistics.uptime_ns = clock_now() - engine->origin.started_at;
    if (delivery->slot)
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
    [ORDER_READY_KEPT] = ready_kept,
    [ORDER_EXIT] = exit_with,
    [ORDER_RELOAD] = reload,
    [ORDER_CONFIGURE] = configure,
    [ORDER_ENVIRONMENT] = environment,
    [ORDER_REASON] = reason,
    [ORDER_MAIN_START] = main_start,
    [ORDER_STATS] = stats,
    [ORDER_LOOK] = look,
};

static void carry_out(struct engine *engine, pid_t pid, const struct order *order, int *fds, int fd_count)
{
    struct delivery delivery = { pid, handover_slot_of(engine, pid), order, fds, fd_count };

    functions[order->kind](engine, &delivery);
    close_descriptors(fds, fd_count);
}

/* ---- Reading. ---- */

enum { ORDERS_A_TURN = 64, ORDERS_AT_MOST = 4096 };

static const int64_t ends_soon = NANOSECONDS; /* from the end of its socket to its own */

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
    const pid_t pid = slot->pid;
    struct order order;
    int fds[MESSAGE_FDS_MAX];
    int fd_count;

    for (int i = 0; i < limit && slot->pid == pid; i++) {
        const int got = channel_receive(&slot->channel, &order, fds, &fd_count);

        if (got == 0) {
            replace_shut(engine, slot);
            return 0;
        }
        if (got < 0)
            log_line(&engine->log, LOG_LEVEL_ERROR,
                     "a malformed packet of %d bytes from the script process was dropped", order.number);
        else
            carry_out(engine, pid, &order, fds, fd_count);
    }
    return 1;
}

/* Those of script processes that have been dismissed come first. */
static void carry_out_last_orders(struct engine *engine)
{
    struct order order;
    int fds[MESSAGE_FDS_MAX];
    int fd_count;
    pid_t pid;

    while (slot_next_last_order(engine, &pid, &order, fds, &fd_count))
        carry_out(engine, pid, &order, fds, fd_count);
}

int orders_read(struct engine *engine, enum orders_amount amount)
{
    int more = 0;

    carry_out_last_orders(engine);
    journal_has_orders(&engine->journal); /* as many as have been sent until now */
    for (int i = 0; i < JOURNAL_READERS; i++)
        more |= read_orders_of(engine, &engine->scripts.slot[i], amount);
    carry_out_last_orders(engine);
    return more;
}

void orders_read_new(struct engine *engine)
{
    if (journal_has_orders(&engine->journal) || engine->scripts.first_order)
        orders_read(engine, ALL_ORDERS);
}
