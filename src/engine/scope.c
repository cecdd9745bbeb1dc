#include "engine/scope.h"

static void spare(struct scope *scope, pid_t pid)
{
    if (pid > 0)
        scope->spared[scope->spared_count++] = pid;
}

struct scope scope_of(const struct engine *engine)
{
    struct scope scope = { .is_init = engine->origin.is_init, .has_program = engine_has_program(engine) };

    spare(&scope, engine->scripts.current->pid);
    spare(&scope, engine->scripts.candidate->pid);
    spare(&scope, engine->porter.pid);
    for (int i = 0; i < DISMISSED_MAX; i++)
        spare(&scope, engine->dismissed.list[i].pid);
    return scope;
}

int scope_spares(const struct scope *scope, pid_t pid)
{
    for (size_t i = 0; i < scope->spared_count; i++)
        if (scope->spared[i] == pid)
            return 1;
    return 0;
}
