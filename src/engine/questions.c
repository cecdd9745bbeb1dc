#include "engine/questions.h"

/* The hook's name for a message. */
static const char *const hooks[] = {
    [QUESTION_SIGNAL] = "on_signal", [QUESTION_MAIN_END] = "on_reap", [QUESTION_SERVICES] = "the script",
    [QUESTION_STOP] = "on_stop",     [QUESTION_EXIT] = "on_exit",     [QUESTION_RELOAD] = "on_reload",
};

enum { SERVICES_LOSSES_MAX = 5 };

/* What a script has to stop its services, or to say how long it takes. */
static const int64_t services_patience = 10 * NANOSECONDS;

static int64_t time_for(const struct engine *engine, enum question_kind kind)
{
    const int64_t timeout = engine->options.hook_timeout;

    return kind == QUESTION_SERVICES && timeout < services_patience ? services_patience : timeout;
}

/* Writes it into the journal, for the script process that reads now or next. 0, or -1 when there is no room. */
static int put(struct engine *engine, struct question *question)
{
    question->asked = engine->scripts.current->state == SLOT_READY ? engine->scripts.current->pid : 0;
    question->position = journal_ask(&engine->journal, &question->event);
    return question->position < 0 ? -1 : 0;
}

/* Services are stopped in order whatever else is being asked: one place is theirs. */
static int may_ask(const struct engine *engine, enum question_kind kind)
{
    return engine_has_listener(engine) && (kind == QUESTION_SERVICES || engine->options.hook_timeout > 0);
}

int questions_ask(struct engine *engine, struct question *question)
{
    const int places = question->kind == QUESTION_SERVICES ? QUESTIONS_MAX : QUESTIONS_MAX - 1;
    struct question *place = NULL;

    if (!may_ask(engine, question->kind))
        return -1;
    for (int i = 0; i < places && !place; i++) {
        if (engine->questions.list[i].kind != QUESTION_NONE)
            continue;
        place = &engine->questions.list[i];
        if (i >= engine->questions.used)
            engine->questions.used = i + 1;
    }
    if (!place)
        return -1;
    if (++engine->questions.last == 0)
        engine->questions.last = 1;
    question->serial = question->event.question = engine->questions.last;
    question->deadline = clock_after(time_for(engine, question->kind));
    question->waiting = 0;
    question->asked = 0;
    question->losses = 0;
    if (put(engine, question) != 0)
        return -1;
    *place = *question;
    return 0;
}

static struct question *find(struct engine *engine, uint32_t serial)
{
    for (int i = 0; i < engine->questions.used; i++)
        if (engine->questions.list[i].kind != QUESTION_NONE && engine->questions.list[i].serial == serial)
            return &engine->questions.list[i];
    return NULL;
}

static void forget(struct engine *engine, struct question *question)
{
    question->kind = QUESTION_NONE;
    while (engine->questions.used > 0 && engine->questions.list[engine->questions.used - 1].kind == QUESTION_NONE)
        engine->questions.used--;
}

static void settle(struct engine *engine, struct question *question, struct settled *settled)
{
    settled->question = *question;
    forget(engine, question);
}

int questions_answer(struct engine *engine, const struct order *order, struct settled *settled)
{
    struct question *question = find(engine, order->question);
    const int signal = order->flags == ANSWER_SIGNAL;

    if (!question)
        return 0;
    if (order->flags > ANSWER_CODE || (signal && (order->number < 0 || order->number > SIGNAL_MAX))) {
        log_line(&engine->log, LOG_LEVEL_ERROR, "malformed answer from the script process: %d, %d", order->flags,
                 order->number);
        return 0;
    }
    settled->answer = (enum answer)order->flags;
    settled->number = order->number;
    settle(engine, question, settled);
    return 1;
}

void questions_wait(struct engine *engine, uint32_t serial, int32_t seconds)
{
    struct question *question = find(engine, serial);

    if (!question)
        return;
    question->waiting = 1;
    question->deadline = seconds > 0 ? clock_after(seconds * NANOSECONDS) : NEVER;
}

void questions_services_turn(struct engine *engine)
{
    for (int i = 0; i < engine->questions.used; i++) {
        struct question *question = &engine->questions.list[i];

        if (question->kind != QUESTION_SERVICES || question->event.number != 0)
            continue;
        question->event.number = 1;
        question->waiting = 0;
        question->asked = 0;
        question->deadline = put(engine, question) == 0 ? clock_after(services_patience) : clock_now();
    }
}

int questions_expire(struct engine *engine, struct settled *settled)
{
    const int64_t now = clock_now();

    for (int i = 0; i < engine->questions.used; i++) {
        struct question *question = &engine->questions.list[i];

        if (question->kind == QUESTION_NONE || question->deadline > now)
            continue;
        if (question->kind == QUESTION_SERVICES)
            log_line(&engine->log, LOG_LEVEL_WARNING,
                     "the script does not stop its services in time: stopping all that is left at once");
        else
            log_line(&engine->log, LOG_LEVEL_WARNING, "%s has not answered within %g s: taking the default",
                     hooks[question->kind], (double)engine->options.hook_timeout / (double)NANOSECONDS);
        settled->answer = ANSWER_DEFAULT;
        settled->number = 0;
        settle(engine, question, settled);
        return 1;
    }
    return 0;
}

int64_t questions_deadline(const struct engine *engine)
{
    int64_t nearest = NEVER;

    for (int i = 0; i < engine->questions.used; i++)
        if (engine->questions.list[i].kind != QUESTION_NONE && engine->questions.list[i].deadline < nearest)
            nearest = engine->questions.list[i].deadline;
    return nearest;
}

/* A hook that was waited for gets a new deadline. A stop that takes one script process after the other ends, too. */
void questions_script_lost(struct engine *engine, int has_died)
{
    for (int i = 0; i < engine->questions.used; i++) {
        struct question *question = &engine->questions.list[i];

        if (question->kind == QUESTION_SERVICES && ++question->losses > SERVICES_LOSSES_MAX) {
            question->deadline = clock_now();
            continue;
        }
        if (has_died && question->kind == QUESTION_MAIN_END && journal_died_in(&engine->journal, question->position))
            question->event.flags |= EVENT_TOLD; /* a death that has ended one is not told to the next */
        if (question->kind == QUESTION_NONE || !question->waiting)
            continue;
        question->waiting = 0;
        question->deadline = clock_after(time_for(engine, question->kind));
    }
}

/* What its predecessor has not read it reads by itself. */
void questions_repeat(struct engine *engine)
{
    for (int i = 0; i < engine->questions.used; i++) {
        struct question *question = &engine->questions.list[i];

        if (question->kind == QUESTION_NONE || question->kind == QUESTION_RELOAD)
            continue;
        question->asked = engine->scripts.current->pid;
        if (journal_is_read(&engine->journal, question->position) && put(engine, question) != 0)
            question->deadline = clock_now();
    }
}

void questions_forget(struct engine *engine, enum question_kind kind)
{
    for (int i = 0; i < engine->questions.used; i++)
        if (engine->questions.list[i].kind == kind)
            forget(engine, &engine->questions.list[i]);
}

int questions_is_open(const struct engine *engine, enum question_kind kind)
{
    for (int i = 0; i < engine->questions.used; i++)
        if (engine->questions.list[i].kind == kind)
            return 1;
    return 0;
}

int questions_is_asked(const struct engine *engine, pid_t pid)
{
    for (int i = 0; i < engine->questions.used; i++)
        if (engine->questions.list[i].kind == QUESTION_SIGNAL && pid > 0 && engine->questions.list[i].asked == pid)
            return 1;
    return 0;
}
