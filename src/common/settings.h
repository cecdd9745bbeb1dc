/*
 * settings.h: what the text of one option means. The table of options (option_table.c) names these functions.
 *
 * Each applies `value` (NULL for an option without an argument) to `options` and returns 0, or -1 with the reason in
 * `why`, which has WHY_SIZE bytes.
 */
#ifndef REAPER_COMMON_SETTINGS_H
#define REAPER_COMMON_SETTINGS_H

#include "common/options.h"

typedef int apply_function(struct options *options, const char *value, char *why);

apply_function apply_kill_group;
apply_function apply_nothing;
apply_function apply_parent_death;
apply_function apply_map_exit;
apply_function apply_rewrite;
apply_function apply_grace;
apply_function apply_leave_orphans;
apply_function apply_user;
apply_function apply_warn;
apply_function apply_verbose;
apply_function apply_quiet;
apply_function apply_log_format;
apply_function apply_log_time;
apply_function apply_termination_log;
apply_function apply_hook_timeout;
apply_function apply_script_timeout;
apply_function apply_hook_memory;
apply_function apply_eval;
apply_function apply_check;
apply_function apply_restart;
apply_function apply_pause;
apply_function apply_control;
apply_function apply_http;

#endif
