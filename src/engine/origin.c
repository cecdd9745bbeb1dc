#include "engine/origin.h"

#include "engine/engine.h"

int engine_has_script(const struct engine *engine)
{
    return engine->origin.base.script || engine->origin.base.eval;
}

int engine_has_listener(const struct engine *engine)
{
    return engine_has_script(engine) || engine_has_program(engine);
}

int engine_has_program(const struct engine *engine)
{
    return engine->origin.start->program && engine->main_child.pid > 0;
}
