/* setup.h: what the engine arranges for itself with the kernel, and the settings in force. */
#ifndef REAPER_ENGINE_SETUP_H
#define REAPER_ENGINE_SETUP_H

#include "engine/engine.h"

/* Becomes the reaper of what is orphaned, asks for a signal when the parent dies, and leaves the working directory. */
void setup_surroundings(struct engine *engine);

/* Like fork(2), but the new process has an exit signal of our own: see SCRIPT_SIGNAL. */
pid_t setup_fork(void);

/* The log's level and form, as the settings in force have them. */
void setup_log(struct engine *engine);

/* Puts the settings in force: those of the script process's script under those of the command line. */
void setup_apply_options(struct engine *engine);

#endif
