/*
 * termination.h: why the container ended, in a file that others read when it has: Kubernetes shows 4,096 bytes of
 * /dev/termination-log as the message of a container's last state.
 */
#ifndef REAPER_ENGINE_TERMINATION_H
#define REAPER_ENGINE_TERMINATION_H

#include "engine/engine.h"

/* Writes it, where the settings name a file. One that cannot be written is a warning. */
void termination_write(struct engine *engine);

#endif
