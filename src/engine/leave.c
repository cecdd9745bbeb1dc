#include "engine/leave.h"

#include <string.h>

#include "common/status.h"
#include "engine/dismissed.h"
#include "engine/porter.h"
#include "engine/questions.h"
#include "engine/remains.h"
#include "engine/scope.h"
#include "engine/scripts.h"

/* `-e` speaks of the main child's code only. */
int leave_code(const struct engine *engine)
{
    int code = engine->main_child.code;

    if (engine->life.requested_code >= 0)
        return engine->life.requested_code;
    if (code < 0)
        code = engine->main_child.status >= 0 ? status_exit_code(engine->main_child.status) : 0;
    return engine->options.exit_map[code] >= 0 ? engine->options.exit_map[code] : code;
}

/* It is the main child's end that leaves them; without COMMAND the stop is as ever. */
int leave_spares_orphans(const struct engine *engine)
{
    return engine->options.leave_orphans && (engine->origin.base.command || engine->origin.start->program)
           && engine->main_child.pid == 0;
}

/* True when there is a script process that has on_exit, or there will be one. */
static int can_be_asked(const struct engine *engine)
{
    return (engine->scripts.current->hooks & HOOK_EXIT)
           && (engine->scripts.current->pid > 0 || engine->scripts.start_at != NEVER);
}

enum engine_state leave_ask_code(struct engine *engine)
{
    struct question question;

    remains_unwatch(&engine->remains);
    engine->life.final_code = leave_code(engine);
    memset(&question, 0, sizeof question);
    question.kind = QUESTION_EXIT;
    question.event.kind = EVENT_EXIT;
    question.event.number = engine->life.final_code;
    question.event.status = engine->main_child.status;
    return can_be_asked(engine) && questions_ask(engine, &question) == 0 ? ENGINE_ASKING_CODE : ENGINE_PARTING;
}

/* The end of a program takes its questions with it. */
enum engine_state leave_check_asked(struct engine *engine)
{
    return questions_is_open(engine, QUESTION_EXIT) ? ENGINE_ASKING_CODE : ENGINE_PARTING;
}

/*
 * The script process ends by itself once its channel is closed; its end is waited for, so that it can write its last
 * line; and so is the porter's, which takes its socket away. Those that have been killed before are not waited for
 * without end: one may be in uninterruptible sleep.
 */
enum engine_state leave_part(struct engine *engine)
{
    scripts_dismiss(engine);
    porter_dismiss(engine);
    if (engine->dismissed.deadline == NEVER)
        engine->life.deadline = clock_after(KILL_PATIENCE);
    return leave_check_script(engine);
}

enum engine_state leave_check_script(struct engine *engine)
{
    return dismissed_any(&engine->dismissed) ? ENGINE_PARTING : ENGINE_LAST_SWEEP;
}

/*
 * A script process that had to be killed in a blocked os.execute leaves a child behind. Without one there is nobody who
 * could have made anything since the last look, which walks all processes of the machine (kill(2) with -1).
 */
enum engine_state leave_sweep(struct engine *engine)
{
    const struct scope scope = scope_of(engine);

    if (!engine->origin.start->program && !engine_has_script(engine))
        return ENGINE_DONE;
    if (leave_spares_orphans(engine) || !remains_any(&engine->remains, &scope))
        return ENGINE_DONE;
    if (engine->life.deadline == NEVER)
        engine->life.deadline = clock_after(KILL_PATIENCE);
    remains_kill(&engine->remains, &scope);
    return ENGINE_LAST_SWEEP;
}

enum engine_state leave_give_up(struct engine *engine)
{
    (void)engine;
    return ENGINE_DONE;
}

void leave_dismissed_overdue(struct engine *engine)
{
    if (dismissed_is(&engine->dismissed, engine->main_child.pid))
        log_line(&engine->log, LOG_LEVEL_WARNING, "the program has not ended by itself: killing it");
    if (dismissed_kill(&engine->dismissed) && engine->life.state == ENGINE_PARTING && engine->life.deadline == NEVER)
        engine->life.deadline = clock_after(KILL_PATIENCE);
}
