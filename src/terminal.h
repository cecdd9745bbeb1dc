/* terminal.h: who has the terminal's foreground. */
#ifndef REAPER_TERMINAL_H
#define REAPER_TERMINAL_H

#include "engine.h"

/* Finds the controlling terminal among descriptors 0 to 2. */
void terminal_find(struct engine *engine);

/* The terminal whose foreground a new main child is to get, or -1 when it is not the engine's to give. */
int terminal_to_give(struct engine *engine);

/*
 * When the main child was stopped from the keyboard and reaper-lua was started from a shell, it stops too, so that the
 * shell sees its job stopped. Nothing happens in process 1.
 */
void terminal_main_stopped(struct engine *engine);

/* Stops the engine itself, until SIGCONT. */
void terminal_suspend(struct engine *engine);

/* After SIGCONT: if the shell put reaper-lua into the foreground (fg), the main child gets it again. */
void terminal_continued(struct engine *engine);

/* At the end the foreground goes back to the engine's own group. */
void terminal_take_back(struct engine *engine);

#endif
