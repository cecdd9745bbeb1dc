#include "engine/answers.h"

#include "engine/forward.h"
#include "engine/life.h"
#include "engine/questions.h"
#include "engine/reload.h"

typedef void answered_function(struct engine *engine, const struct settled *settled);

static answered_function *const functions[] = {
    [QUESTION_SIGNAL] = forward_answered,         [QUESTION_MAIN_END] = life_main_answered,
    [QUESTION_SERVICES] = life_services_answered, [QUESTION_STOP] = life_stop_answered,
    [QUESTION_EXIT] = life_exit_answered,         [QUESTION_RELOAD] = reload_answered,
};

void answers_follow(struct engine *engine, const struct settled *settled)
{
    functions[settled->question.kind](engine, settled);
}

void answers_expire(struct engine *engine)
{
    struct settled settled;

    while (questions_expire(engine, &settled))
        answers_follow(engine, &settled);
}
