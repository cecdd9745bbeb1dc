#include "engine/deadlines.h"

#include <stddef.h>

#include "engine/answers.h"
#include "engine/deaths.h"
#include "engine/dismissed.h"
#include "engine/forward.h"
#include "engine/handover.h"
#include "engine/leave.h"
#include "engine/life.h"
#include "engine/porter.h"
#include "engine/questions.h"
#include "engine/reload.h"
#include "engine/scripts.h"
#include "engine/slot.h"

/* What is due at some time. */
struct deadline {
    size_t at;                                    /* where the time stands in struct engine; NEVER: there is none */
    int64_t (*time)(const struct engine *engine); /* or what tells it */
    void (*action)(struct engine *engine);        /* NULL: it is enough that there is a turn */
    int stays;                                    /* the time stays as it is: what is done at that time sets it anew */
};

static void look_again(struct engine *engine)
{
    engine->life.something_died = 1;
}

static void look_at_first(struct engine *engine)
{
    slot_look(engine, &engine->scripts.slot[0]);
}

static void look_at_second(struct engine *engine)
{
    slot_look(engine, &engine->scripts.slot[1]);
}

static void hand_over_to_first(struct engine *engine)
{
    handover_step(engine, &engine->scripts.slot[0]);
}

static void hand_over_to_second(struct engine *engine)
{
    handover_step(engine, &engine->scripts.slot[1]);
}

/* The signal of its end may have been lost, for want of memory. */
static void dismissed_overdue(struct engine *engine)
{
    deaths_sweep(engine);
    if (dismissed_any(&engine->dismissed))
        leave_dismissed_overdue(engine);
}

#define AT(field) .at = offsetof(struct engine, field)

static const struct deadline deadlines[] = {
    { AT(reaper.sweep.at), .action = deaths_sweep },
    { AT(remains.check_at), .action = look_again },
    { AT(reaper.ends_at) },
    { .time = questions_deadline, .action = answers_expire },
    { AT(main_child.retry_at), .action = life_start_main },
    { AT(main_child.start.due), .action = forward_look, .stays = 1 },
    { AT(scripts.start_at), .action = scripts_start_again },
    { AT(porter.start_at), .action = porter_start },
    { AT(dismissed.deadline), .action = dismissed_overdue },
    { AT(scripts.take_up_at), .action = reload_overdue },
    { AT(life.deadline), .action = life_deadline },
    { AT(scripts.slot[0].look_at), .action = look_at_first },
    { AT(scripts.slot[1].look_at), .action = look_at_second },
    { AT(scripts.slot[0].channel.again_at), .action = hand_over_to_first },
    { AT(scripts.slot[1].channel.again_at), .action = hand_over_to_second },
    { AT(journal.again_at) },
    { AT(scripts.slot[0].shut_at), .action = deaths_sweep, .stays = 1 },
    { AT(scripts.slot[1].shut_at), .action = deaths_sweep, .stays = 1 },
};

enum { DEADLINES = sizeof deadlines / sizeof *deadlines };

static int64_t *place_of(struct engine *engine, const struct deadline *deadline)
{
    return (int64_t *)(void *)((char *)engine + deadline->at);
}

static int64_t time_of(const struct engine *engine, const struct deadline *deadline)
{
    return deadline->time ? deadline->time(engine) : *place_of((struct engine *)engine, deadline);
}

void deadlines_clear(struct engine *engine)
{
    for (size_t i = 0; i < DEADLINES; i++)
        if (!deadlines[i].time)
            *place_of(engine, &deadlines[i]) = NEVER;
}

static int64_t sooner(int64_t left, int64_t right)
{
    return left < right ? left : right;
}

int64_t deadlines_next(const struct engine *engine)
{
    int64_t next = engine->life.something_died ? 0 : NEVER;

    for (size_t i = 0; i < DEADLINES; i++)
        next = sooner(next, time_of(engine, &deadlines[i]));
    return next;
}

void deadlines_expire(struct engine *engine)
{
    const int64_t now = clock_now();

    for (size_t i = 0; i < DEADLINES; i++) {
        const struct deadline *const deadline = &deadlines[i];

        if (time_of(engine, deadline) > now)
            continue;
        if (!deadline->time && !deadline->stays)
            *place_of(engine, deadline) = NEVER;
        if (deadline->action)
            deadline->action(engine);
    }
}
