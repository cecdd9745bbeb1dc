#define _GNU_SOURCE
#include "common/option_table.h"

#include <stdio.h>

const struct option_row option_table[] = {
    { 'g', "kill-group", NULL, apply_kill_group, SETTING | ENVIRONMENT | OF_COMMAND, OPTIONS_RUN,
      "forward signals to the main child's process group" },
    { 's', "subreaper", NULL, apply_nothing, ENVIRONMENT, OPTIONS_RUN, "accepted; it is automatic when not process 1" },
    { 'p', "parent-death", "SIG", apply_parent_death, SETTING | ENVIRONMENT, OPTIONS_RUN,
      "get SIG when the parent of reaper-lua dies" },
    { 'e', "map-exit", "CODE[:TO]", apply_map_exit, SETTING | ENVIRONMENT | LIST | OF_COMMAND, OPTIONS_RUN,
      "exit with TO (default 0) when the main child ends with CODE; repeatable" },
    { 'r', "rewrite", "FROM:TO", apply_rewrite, SETTING | ENVIRONMENT | LIST, OPTIONS_RUN,
      "rewrite a signal before forwarding (TO 0 drops it); repeatable" },
    { 't', "grace", "SECONDS", apply_grace, SETTING | ENVIRONMENT, OPTIONS_RUN,
      "time between TERM and KILL when stopping (default 5; 0: KILL at once)" },
    { LONG_ONLY + 0, "leave-orphans", NULL, apply_leave_orphans, SETTING | ENVIRONMENT | OF_COMMAND, OPTIONS_RUN,
      "when the main child ends, end at once; do not signal what is left" },
    { 'u', "user", "USER[:GROUP]", apply_user, SETTING | ENVIRONMENT, OPTIONS_RUN,
      "run COMMAND as that user, with its supplementary groups" },
    { 'w', "warn", NULL, apply_warn, SETTING | ENVIRONMENT, OPTIONS_RUN, "say on stderr each orphan that is reaped" },
    { 'v', "verbose", NULL, apply_verbose, SETTING | ENVIRONMENT, OPTIONS_RUN, "more on stderr; up to -vvv" },
    { 'q', "quiet", NULL, apply_quiet, SETTING | ENVIRONMENT, OPTIONS_RUN, "only errors on stderr" },
    { LONG_ONLY + 1, "log-format", "FORMAT", apply_log_format, SETTING | ENVIRONMENT, OPTIONS_RUN,
      "form of those lines: text (default) or json" },
    { LONG_ONLY + 6, "log-time", NULL, apply_log_time, SETTING | ENVIRONMENT, OPTIONS_RUN,
      "begin those lines with the time (RFC 3339, UTC); JSON has it anyway" },
    { LONG_ONLY + 7, "termination-log", "PATH", apply_termination_log, SETTING | ENVIRONMENT, OPTIONS_RUN,
      "write into that file, at the end, why the container ended" },
    { LONG_ONLY + 2, "hook-timeout", "SECONDS", apply_hook_timeout, SETTING | ENVIRONMENT | OF_SCRIPT, OPTIONS_RUN,
      "how long to wait for a hook's answer, and how long a hook may compute (default 1)" },
    { LONG_ONLY + 3, "hook-memory", "SIZE", apply_hook_memory, SETTING | ENVIRONMENT | OF_SCRIPT, OPTIONS_RUN,
      "limit of the Lua state, such as 64M (default: none)" },
    { LONG_ONLY + 4, "script-timeout", "SECONDS", apply_script_timeout, SETTING | ENVIRONMENT | OF_SCRIPT, OPTIONS_RUN,
      "kill and replace a script process that reads nothing for so long (default: never)" },
    { 'x', "eval", "CHUNK", apply_eval, ENVIRONMENT, OPTIONS_RUN, "Lua text instead of a script file" },
    { 'C', "check", NULL, apply_check, ENVIRONMENT, OPTIONS_RUN,
      "load the script, report errors and unknown hooks, start nothing" },
    { LONG_ONLY + 5, "restart", "POLICY", apply_restart, ENVIRONMENT, OPTIONS_RUN,
      "start COMMAND again when it ends: no, always, on-failure[:MAX] or another policy" },
    { 'P', "pause", NULL, apply_pause, ENVIRONMENT, OPTIONS_RUN, "no command: reap until TERM, INT or QUIT" },
    { LONG_ONLY + 8, "control", "PATH", apply_control, ENVIRONMENT, OPTIONS_RUN,
      "answer HTTP requests on a unix socket: status, orders, logs (absolute path)" },
    { LONG_ONLY + 9, "http", "ADDR:PORT", apply_http, ENVIRONMENT, OPTIONS_RUN,
      "answer GET /livez, /readyz, /metrics there, such as 127.0.0.1:9100 or [::]:9100" },
    { 'c', "single-child", NULL, apply_nothing, ENVIRONMENT, OPTIONS_RUN, "accepted; it is the default" },
    { 'V', "version", NULL, NULL, 0, OPTIONS_VERSION, "show the version" },
    { 'h', "help", NULL, NULL, 0, OPTIONS_HELP, "show this help" },
    { 'l', "license", NULL, NULL, 0, OPTIONS_LICENSE, "show the licence" },
    { 0, NULL, NULL, NULL, 0, OPTIONS_RUN, NULL },
};

_Static_assert(sizeof option_table / sizeof *option_table - 1 <= OPTIONS_MAX, "struct options has a bit for each row");

const struct option_row *option_of_letter(int letter)
{
    for (const struct option_row *row = option_table; row->name; row++)
        if (row->letter == letter)
            return row;
    return NULL;
}

unsigned option_bit(const struct option_row *row)
{
    return 1U << (row - option_table);
}

void option_name_in(char *why, const char *name)
{
    char reason[WHY_SIZE];

    snprintf(reason, sizeof reason, "%s", why);
    snprintf(why, WHY_SIZE, "%.64s: %.440s", name, reason);
}

void options_print_help(FILE *file)
{
    char left[64];

    fputs("Usage: reaper-lua [OPTIONS] [HOOKS.lua] [--] [COMMAND [ARG...]]\n\n"
          "Runs COMMAND as the init of a container: reaps, forwards signals, stops in good order.\n"
          "HOOKS.lua decides the rest. \"--\" before COMMAND: no script.\n\n",
          file);
    for (const struct option_row *row = option_table; row->name; row++) {
        const char *const argument = row->argument ? row->argument : "";

        if (row->letter < LONG_ONLY)
            snprintf(left, sizeof left, "-%c, --%s%s%s", row->letter, row->name, *argument ? " " : "", argument);
        else
            snprintf(left, sizeof left, "    --%s%s%s", row->name, *argument ? " " : "", argument);
        fprintf(file, "  %-30s %s\n", left, row->help);
    }
    fputs("\nEach of them but the last three can be set in the environment: REAPER_GRACE=20, REAPER_KILL_GROUP=1.\n"
          "Exit code: that of COMMAND, 128 + signal, 127 not found, 126 cannot be executed, 125 reaper-lua failed.\n",
          file);
}
