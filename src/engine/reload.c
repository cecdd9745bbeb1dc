#include "engine/reload.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "engine/dismissed.h"
#include "engine/handover.h"
#include "engine/main_child.h"
#include "engine/questions.h"
#include "engine/slot.h"

static const int64_t killed_ends = NANOSECONDS; /* what KILL does not end by then is in uninterruptible sleep */

/* ---- What is recorded. ---- */

void reload_want(struct engine *engine)
{
    engine->scripts.wanted = 1;
    if (engine->scripts.reload != RELOAD_IDLE)
        log_line(&engine->log, LOG_LEVEL_DEBUG, "a reload is under way already: another one follows");
}

void reload_loaded(struct engine *engine)
{
    engine->scripts.reload = RELOAD_LOADED;
}

void reload_answered(struct engine *engine, const struct settled *settled)
{
    (void)settled;
    if (engine->scripts.reload == RELOAD_ASKED)
        engine->scripts.reload = RELOAD_ALLOWED;
}

/* A candidate that has loaded takes its place at once; one that waited for its own predecessor is lost with it. */
void reload_current_lost(struct engine *engine)
{
    engine->scripts.take_up_at = NEVER;
    questions_forget(engine, QUESTION_RELOAD);
    if (engine->scripts.reload == RELOAD_PARTING)
        engine->scripts.reload = RELOAD_IDLE;
    else if (engine->scripts.reload > RELOAD_LOADING)
        engine->scripts.reload = RELOAD_ALLOWED;
}

void reload_candidate_lost(struct engine *engine, const char *how)
{
    slot_forget(engine, engine->scripts.candidate);
    questions_forget(engine, QUESTION_RELOAD);
    engine->scripts.failed_reloads += engine->scripts.reload != RELOAD_IDLE;
    if (engine->scripts.reload != RELOAD_IDLE && engine->life.state == ENGINE_RUNNING)
        log_line(&engine->log, LOG_LEVEL_ERROR, "the reload failed (%s): the old script stays", how);
    engine->scripts.reload = RELOAD_IDLE;
}

void reload_cancel(struct engine *engine)
{
    struct slot *const candidate = engine->scripts.candidate;

    if (candidate->pid == 0)
        return;
    questions_forget(engine, QUESTION_RELOAD);
    engine->scripts.reload = RELOAD_IDLE;
    kill(candidate->pid, SIGKILL);
    slot_refuse_orders(engine, candidate);
    channel_close(&candidate->channel);
}

void reload_overdue(struct engine *engine)
{
    engine->scripts.take_up_at = NEVER; /* reload_step does not wait any longer */
}

/* ---- The steps. ---- */

/* Who takes the place of one that is asked about a signal would be asked again, and reload again. */
static enum reload_state begin(struct engine *engine)
{
    if (!engine->scripts.wanted || engine->life.state != ENGINE_RUNNING || engine->scripts.candidate->pid > 0
        || questions_is_asked(engine, engine->scripts.current->pid))
        return RELOAD_IDLE;
    engine->scripts.wanted = 0;
    log_line(&engine->log, LOG_LEVEL_DEBUG, "loading the script anew");
    if (slot_start(engine, engine->scripts.candidate, START_RELOAD) == 0)
        return RELOAD_LOADING;
    engine->scripts.failed_reloads++;
    log_line(&engine->log, LOG_LEVEL_ERROR, "cannot reload: %s; the old script stays", strerror(errno));
    return RELOAD_IDLE;
}

static enum reload_state ask(struct engine *engine)
{
    struct question question;

    memset(&question, 0, sizeof question);
    question.kind = QUESTION_RELOAD;
    question.event.kind = EVENT_RELOAD;
    if (engine->scripts.current->state == SLOT_READY && (engine->scripts.current->hooks & HOOK_RELOAD)
        && questions_ask(engine, &question) == 0)
        return RELOAD_ASKED;
    return RELOAD_ALLOWED;
}

/*
 * The old script process still deals with the event that it has begun with, and keeps the outcome for the new one,
 * which is told its start when the old one has gone. What the old one has not read the new one reads.
 */
static enum reload_state part(struct engine *engine)
{
    struct slot *const old = engine->scripts.current;

    dismissed_kill(&engine->dismissed);
    if (old->pid > 0) {
        slot_refuse_orders(engine, old);
        journal_give(&engine->journal, old->index, 0);
        dismissed_add(&engine->dismissed, old->pid, &old->pidfd, dismissed_patience(&engine->options, 0));
        slot_forget(engine, old);
        questions_script_lost(engine, 0);
    }
    engine->scripts.current = engine->scripts.candidate;
    engine->scripts.candidate = old;
    engine->scripts.start_at = NEVER;
    engine->scripts.delay = 0;
    engine->scripts.take_up_at = clock_after(dismissed_patience(&engine->options, 0) + killed_ends);
    return RELOAD_PARTING;
}

int reload_waits_for_old(const struct engine *engine)
{
    return engine->scripts.reload == RELOAD_PARTING && dismissed_any(&engine->dismissed)
           && engine->scripts.take_up_at != NEVER;
}

static enum reload_state take_over(struct engine *engine)
{
    if (reload_waits_for_old(engine))
        return RELOAD_PARTING;
    if (engine->scripts.current->state == SLOT_LOADING && main_child_comes_first(engine))
        return RELOAD_PARTING;
    engine->scripts.take_up_at = NEVER;
    if (engine->scripts.current->state == SLOT_LOADING) {
        handover_children(engine, engine->scripts.current, 1);
        slot_begin(engine, engine->scripts.current);
        log_line(&engine->log, LOG_LEVEL_INFO, "the script was reloaded");
    }
    return RELOAD_IDLE;
}

void reload_take_over(struct engine *engine)
{
    if (engine->scripts.reload == RELOAD_PARTING)
        engine->scripts.reload = take_over(engine);
}

static enum reload_state next(struct engine *engine)
{
    switch (engine->scripts.reload) {
    case RELOAD_IDLE:
        return begin(engine);
    case RELOAD_LOADED:
        return ask(engine);
    case RELOAD_ALLOWED:
        return part(engine);
    case RELOAD_PARTING:
        return take_over(engine);
    default: /* it waits for the candidate, or for an answer */
        return engine->scripts.reload;
    }
}

void reload_step(struct engine *engine)
{
    enum reload_state before;

    do {
        before = engine->scripts.reload;
        engine->scripts.reload = next(engine);
    } while (engine->scripts.reload != before);
}
