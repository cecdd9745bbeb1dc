/* command.h: COMMAND, the main child. */
#ifndef REAPER_COMMAND_H
#define REAPER_COMMAND_H

#include <stddef.h>

#include "engine.h"

/*
 * Starts COMMAND for the first time. A missing or unusable file begins the stop with 127 or 126; when there is no
 * process to be had (EAGAIN, ENOMEM) it is tried again later.
 */
void command_start(struct engine *engine);

/* Starts it again on the script's demand. 0, or -1 with errno and the reason in `why`. */
int command_start_again(struct engine *engine, char *why, size_t size);

/* Closes the descriptors from 3 up that reaper-lua was started with: only the main child keeps them. */
void command_close_inherited(void);

#endif
