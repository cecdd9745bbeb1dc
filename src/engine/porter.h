/*
 * porter.h: the porter, which answers HTTP requests (--control, --http): a process of its own with Lua of ours only.
 *
 * It is made as a script process is, so waits without __WALL do not see it. The read end of a pipe tells it that it is
 * to end: it is dismissed with the script process, when nothing else is left, or its engine has gone.
 */
#ifndef REAPER_ENGINE_PORTER_H
#define REAPER_ENGINE_PORTER_H

#include "engine/engine.h"

/* Starts it, or starts it again. Does nothing where nobody has asked for one, or it has been dismissed. */
void porter_start(struct engine *engine);

/* True when it was the porter that has ended: another one is started after a delay. */
int porter_ended(struct engine *engine, pid_t pid, int status);

/* Tells it to end: from here on it counts as a script process that was dismissed. */
void porter_dismiss(struct engine *engine);

#endif
