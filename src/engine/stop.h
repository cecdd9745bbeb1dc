/* stop.h: from the first TERM to the exit code. */
#ifndef REAPER_ENGINE_STOP_H
#define REAPER_ENGINE_STOP_H

#include "engine/engine.h"

/* The main child ended; `event` is its death. The script is asked, or the stop begins: also for the user's Ctrl-C. */
void stop_main_ended(struct engine *engine, struct event *event);
void stop_main_answered(struct engine *engine, const struct question *question, enum answer answer, int number);

/* Begins the stop. `reason` is "main", "exit" or the name of a signal. */
void stop_begin(struct engine *engine, const char *reason);

/*
 * TERM, INT or QUIT has been sent to the main child. Where there are services, that is the stop: what does not end by
 * it within the grace is killed, and the services are stopped in their order.
 */
void stop_main_asked(struct engine *engine, const char *reason);

/* In the stop: the main child has ended, or was never one, since its exec has failed. It is the services' turn. */
void stop_main_gone(struct engine *engine);

/* The script has stopped its services, or will not. */
void stop_services_answered(struct engine *engine, const struct question *question, enum answer answer, int number);

/* TERM or INT came: the second one during the stop cuts the grace short. */
void stop_interrupted(struct engine *engine);

/* TERM, INT or QUIT while the script is being loaded, or COMMAND waits until a process is to be had. */
void stop_before_start(struct engine *engine, int number);

/* The script did not load (or left by os.exit): nothing was started; ends with `code`. */
void stop_load_failed(struct engine *engine, int code);

/* on_stop has returned: until then, the end waits within the grace. */
void stop_answered(struct engine *engine, const struct question *question, enum answer answer, int number);

/* on_exit's answer. */
void stop_exit_answered(struct engine *engine, const struct question *question, enum answer answer, int number);

/* What the states do: on entry, when their deadline passes, and when something has died. */
void stop_enter_orderly(struct engine *engine);
void stop_main_overdue(struct engine *engine);
void stop_enter_stopping(struct engine *engine);
void stop_enter_killing(struct engine *engine);
void stop_enter_leaving(struct engine *engine);
void stop_grace_over(struct engine *engine);
void stop_give_up(struct engine *engine);
void stop_check_remains(struct engine *engine);
void stop_check_script(struct engine *engine);
void stop_leave(struct engine *engine);

/* Script processes that were dismissed have not ended in time: they are killed. */
void stop_dismissed_overdue(struct engine *engine);

#endif
