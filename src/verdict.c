#include "verdict.h"

#include <stddef.h>

#include "forward.h"
#include "keeper.h"
#include "stop.h"

typedef void answered_function(struct engine *engine, const struct ask *ask, enum answer answer, int number);

/* What follows an answer, and the hook's name for a message. */
static const struct {
    answered_function *answered;
    const char *hook;
} kinds[] = {
    [ASK_SIGNAL] = { forward_answered, "on_signal" },
    [ASK_MAIN_END] = { stop_main_answered, "on_reap" },
    [ASK_SERVICES] = { stop_services_answered, "the script" },
    [ASK_STOP] = { stop_answered, "on_stop" },
    [ASK_EXIT] = { stop_exit_answered, "on_exit" },
    [ASK_RELOAD] = { keeper_reload_answered, "on_reload" },
};

enum { SERVICES_LOSSES_MAX = 5 };

/* What a script has to stop its services, or to say how long it takes. */
static const int64_t services_patience = 10 * NANOSECONDS;

static int64_t time_for(const struct engine *engine, enum ask_kind kind)
{
    const int64_t timeout = engine->options.hook_timeout;

    return kind == ASK_SERVICES && timeout < services_patience ? services_patience : timeout;
}

static void put(struct engine *engine, struct ask *ask)
{
    if (ask->asked == engine->policy.pid)
        return;
    ask->asked = engine->policy.pid;
    channel_put(&engine->policy.channel, &ask->event, MUST_KEEP);
}

/* Services are stopped in order whatever else is being asked: one place is theirs. */
static int may_ask(const struct engine *engine, enum ask_kind kind)
{
    return engine_has_policy(engine)
           && (kind == ASK_SERVICES
               || (engine->options.hook_timeout > 0 && engine->policy.channel.backlog < BACKLOG_MAX));
}

int verdict_ask(struct engine *engine, struct ask *ask)
{
    const int places = ask->kind == ASK_SERVICES ? ASKS_MAX : ASKS_MAX - 1;
    struct ask *place = NULL;

    if (!may_ask(engine, ask->kind))
        return -1;
    for (int i = 0; i < places && !place; i++) {
        if (engine->asks[i].kind != ASK_NONE)
            continue;
        place = &engine->asks[i];
        if (i >= engine->asks_used)
            engine->asks_used = i + 1;
    }
    if (!place)
        return -1;
    if (++engine->last_ask == 0)
        engine->last_ask = 1;
    ask->serial = ask->event.ask = engine->last_ask;
    ask->deadline = clock_after(time_for(engine, ask->kind));
    ask->waiting = 0;
    ask->asked = 0;
    ask->losses = 0;
    *place = *ask;
    if (engine->policy.state == POLICY_READY)
        put(engine, place);
    return 0;
}

static struct ask *find(struct engine *engine, uint32_t serial)
{
    for (int i = 0; i < engine->asks_used; i++)
        if (engine->asks[i].kind != ASK_NONE && engine->asks[i].serial == serial)
            return &engine->asks[i];
    return NULL;
}

static void forget(struct engine *engine, struct ask *ask)
{
    ask->kind = ASK_NONE;
    while (engine->asks_used > 0 && engine->asks[engine->asks_used - 1].kind == ASK_NONE)
        engine->asks_used--;
}

static void resolve(struct engine *engine, struct ask *ask, enum answer answer, int number)
{
    const struct ask copy = *ask;

    forget(engine, ask);
    kinds[copy.kind].answered(engine, &copy, answer, number);
    keeper_reload_again(engine);
}

void verdict_answer(struct engine *engine, const struct order *order)
{
    struct ask *ask = find(engine, order->ask);
    const int signal = order->flags == ANSWER_SIGNAL;

    if (!ask)
        return;
    if (order->flags > ANSWER_CODE || (signal && (order->number < 0 || order->number > SIGNAL_MAX))) {
        log_line(&engine->log, LOG_LEVEL_ERROR, "malformed answer from the policy: %d, %d", order->flags,
                 order->number);
        return;
    }
    resolve(engine, ask, (enum answer)order->flags, order->number);
}

void verdict_wait(struct engine *engine, uint32_t serial, int32_t seconds)
{
    struct ask *ask = find(engine, serial);

    if (!ask)
        return;
    ask->waiting = 1;
    ask->deadline = seconds > 0 ? clock_after(seconds * NANOSECONDS) : NEVER;
}

void verdict_services_turn(struct engine *engine)
{
    for (int i = 0; i < engine->asks_used; i++) {
        struct ask *ask = &engine->asks[i];

        if (ask->kind != ASK_SERVICES || ask->event.number != 0)
            continue;
        ask->event.number = 1;
        ask->waiting = 0;
        ask->asked = 0;
        ask->deadline = clock_after(services_patience);
        if (engine->policy.state == POLICY_READY)
            put(engine, ask);
    }
}

void verdict_expire(struct engine *engine)
{
    const int64_t now = clock_now();

    for (int i = 0; i < engine->asks_used; i++) {
        struct ask *ask = &engine->asks[i];

        if (ask->kind == ASK_NONE || ask->deadline > now)
            continue;
        if (ask->kind == ASK_SERVICES)
            log_line(&engine->log, LOG_LEVEL_WARNING,
                     "the script does not stop its services in time: stopping all that is left at once");
        else
            log_line(&engine->log, LOG_LEVEL_WARNING, "%s has not answered within %g s: taking the default",
                     kinds[ask->kind].hook, (double)engine->options.hook_timeout / (double)NANOSECONDS);
        resolve(engine, ask, ANSWER_DEFAULT, 0);
    }
}

int64_t verdict_deadline(const struct engine *engine)
{
    int64_t nearest = NEVER;

    for (int i = 0; i < engine->asks_used; i++)
        if (engine->asks[i].kind != ASK_NONE && engine->asks[i].deadline < nearest)
            nearest = engine->asks[i].deadline;
    return nearest;
}

/* A hook that was waited for gets a new deadline. A stop that takes one policy after the other does not go on so. */
void verdict_policy_lost(struct engine *engine)
{
    for (int i = 0; i < engine->asks_used; i++) {
        struct ask *ask = &engine->asks[i];

        if (ask->kind == ASK_SERVICES && ++ask->losses > SERVICES_LOSSES_MAX) {
            ask->deadline = clock_now();
            continue;
        }
        if (ask->kind == ASK_NONE || !ask->waiting)
            continue;
        ask->waiting = 0;
        ask->deadline = clock_after(time_for(engine, ask->kind));
    }
}

void verdict_ask_again(struct engine *engine)
{
    for (int i = 0; i < engine->asks_used; i++)
        if (engine->asks[i].kind != ASK_NONE && engine->asks[i].kind != ASK_RELOAD)
            put(engine, &engine->asks[i]);
}

void verdict_forget(struct engine *engine, enum ask_kind kind)
{
    for (int i = 0; i < engine->asks_used; i++)
        if (engine->asks[i].kind == kind)
            forget(engine, &engine->asks[i]);
}

int verdict_is_open(const struct engine *engine, enum ask_kind kind)
{
    for (int i = 0; i < engine->asks_used; i++)
        if (engine->asks[i].kind == kind)
            return 1;
    return 0;
}

int verdict_is_asked(const struct engine *engine, pid_t pid)
{
    for (int i = 0; i < engine->asks_used; i++)
        if (engine->asks[i].kind == ASK_SIGNAL && pid > 0 && engine->asks[i].asked == pid)
            return 1;
    return 0;
}

int verdict_serial_is_open(const void *engine, uint32_t serial)
{
    return find((struct engine *)engine, serial) != NULL;
}
