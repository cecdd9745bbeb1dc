#include "common/settings.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "common/text.h"
#include "common/users.h"

enum { LEFT_SIZE = 32 }; /* room for FROM in FROM:TO */

static int complain(char *why, const char *format, const char *value)
{
    snprintf(why, WHY_SIZE, format, value);
    return -1;
}

static int set_flag(int *flag, const char *value, char *why)
{
    if (!value) {
        *flag = 1;
        return 0;
    }
    if (text_flag(value, flag) != 0)
        return complain(why, "\"%s\" is neither yes (1, true, on) nor no (0, false, off)", value);
    return 0;
}

static int set_seconds(int64_t *time, const char *value, char *why)
{
    if (text_seconds(value, time) != 0)
        return complain(why, "\"%s\" is not a number of seconds (a decimal that is not negative, such as 2.5)", value);
    return 0;
}

/* The number of the signal, or -1 with a reason that names the nearest known signal. */
static int parse_signal(const char *value, char *why)
{
    const int number = signal_from_text(value);
    const char *nearest;

    if (number >= 0)
        return number;
    nearest = signal_nearest(value);
    if (nearest)
        snprintf(why, WHY_SIZE, "\"%s\" is not a signal; did you mean %s?", value, nearest);
    else
        snprintf(why, WHY_SIZE, "\"%s\" is not a signal (a name such as TERM or RTMIN+3, or a number from 1 to %d)",
                 value, SIGNAL_MAX);
    return -1;
}

int apply_kill_group(struct options *options, const char *value, char *why)
{
    return set_flag(&options->kill_group, value, why);
}

/* For options that exist for users of tini and dumb-init, where they change what is the default here. */
int apply_nothing(struct options *options, const char *value, char *why)
{
    int ignored = options->check;

    return set_flag(&ignored, value, why);
}

int apply_parent_death(struct options *options, const char *value, char *why)
{
    const int number = parse_signal(value, why);

    if (number >= 0)
        options->parent_death = number;
    return number < 0 ? -1 : 0;
}

/* Splits "LEFT:RIGHT"; *right is NULL without a colon. -1 when LEFT is too long. */
static int split(const char *value, char left[LEFT_SIZE], const char **right)
{
    const char *colon = strchr(value, ':');
    const size_t length = colon ? (size_t)(colon - value) : strlen(value);

    if (length >= LEFT_SIZE)
        return -1;
    memcpy(left, value, length);
    left[length] = '\0';
    *right = colon ? colon + 1 : NULL;
    return 0;
}

int apply_map_exit(struct options *options, const char *value, char *why)
{
    char left[LEFT_SIZE];
    const char *right;
    int64_t code;
    int64_t to = 0;

    if (split(value, left, &right) != 0 || text_number(left, 255, &code) != 0
        || (right && text_number(right, 255, &to) != 0))
        return complain(why, "\"%s\" is not CODE or CODE:TO (exit codes from 0 to 255)", value);
    options->exit_map[code] = (int16_t)to;
    return 0;
}

int apply_rewrite(struct options *options, const char *value, char *why)
{
    char left[LEFT_SIZE];
    const char *right;
    int from;
    int to;

    if (split(value, left, &right) != 0 || !right)
        return complain(why, "\"%s\" is not FROM:TO (two signals; TO 0 drops it)", value);
    from = parse_signal(left, why);
    to = from < 0 ? -1 : parse_signal(right, why);
    if (to < 0)
        return -1;
    if (from == 0)
        return complain(why, "\"%s\": FROM must be a signal, not 0", value);
    if (from == 9 || from == 19)
        return complain(why, "\"%s\": KILL and STOP never arrive, so they cannot be rewritten", value);
    options->rewrite[from] = (uint8_t)to;
    return 0;
}

int apply_grace(struct options *options, const char *value, char *why)
{
    return set_seconds(&options->grace, value, why);
}

int apply_leave_orphans(struct options *options, const char *value, char *why)
{
    return set_flag(&options->leave_orphans, value, why);
}

int apply_user(struct options *options, const char *value, char *why)
{
    struct user user;

    if (strlen(value) >= sizeof options->user)
        return complain(why, "\"%s\" is too long", value);
    if (user_find(value, &user, why, WHY_SIZE) != 0)
        return -1;
    memcpy(options->user, value, strlen(value) + 1);
    return 0;
}

int apply_warn(struct options *options, const char *value, char *why)
{
    return set_flag(&options->warn, value, why);
}

int apply_verbose(struct options *options, const char *value, char *why)
{
    int64_t steps = 1;

    if (value && text_number(value, 3, &steps) != 0)
        return complain(why, "\"%s\" is not a number from 0 to 3", value);
    if (value)
        options->threshold = LOG_LEVEL_INFO;
    for (; steps > 0 && options->threshold < LOG_LEVEL_TRACE; steps--)
        options->threshold++;
    return 0;
}

int apply_quiet(struct options *options, const char *value, char *why)
{
    int quiet;

    if (set_flag(&quiet, value, why) != 0)
        return -1;
    if (quiet)
        options->threshold = LOG_LEVEL_ERROR;
    return 0;
}

int apply_log_format(struct options *options, const char *value, char *why)
{
    if (strcmp(value, "json") != 0 && strcmp(value, "text") != 0)
        return complain(why, "\"%s\" is neither text nor json", value);
    options->json = *value == 'j';
    return 0;
}

int apply_log_time(struct options *options, const char *value, char *why)
{
    return set_flag(&options->log_time, value, why);
}

/* The engine moves to /, so a relative path would not be where the user means it. */
int apply_termination_log(struct options *options, const char *value, char *why)
{
    if (*value != '/' || strlen(value) >= sizeof options->termination_log)
        return complain(why, "\"%.128s\" is not an absolute path of at most 95 bytes", value);
    memcpy(options->termination_log, value, strlen(value) + 1);
    return 0;
}

int apply_hook_timeout(struct options *options, const char *value, char *why)
{
    return set_seconds(&options->hook_timeout, value, why);
}

int apply_script_timeout(struct options *options, const char *value, char *why)
{
    return set_seconds(&options->script_timeout, value, why);
}

int apply_hook_memory(struct options *options, const char *value, char *why)
{
    if (text_size(value, &options->hook_memory) != 0)
        return complain(why, "\"%s\" is not a size (a whole number of bytes, or one with K, M or G, such as 64M)",
                        value);
    return 0;
}

int apply_eval(struct options *options, const char *value, char *why)
{
    (void)why;
    options->eval = value;
    return 0;
}

/* The text is checked by lua/reaper/restart/, which does so before COMMAND is started. */
int apply_restart(struct options *options, const char *value, char *why)
{
    (void)why;
    options->restart = value;
    return 0;
}

int apply_check(struct options *options, const char *value, char *why)
{
    return set_flag(&options->check, value, why);
}

int apply_pause(struct options *options, const char *value, char *why)
{
    return set_flag(&options->pause, value, why);
}

/* Process 1 works in /, so a path that is not absolute would lead elsewhere than its user thinks. */
int apply_control(struct options *options, const char *value, char *why)
{
    const size_t room = sizeof((struct sockaddr_un *)0)->sun_path;
    const size_t length = strlen(value);

    if (*value != '/' || value[length - 1] == '/')
        return complain(why, "\"%.400s\" is not the absolute path of a socket, such as /run/reaper/control", value);
    if (length >= room) {
        snprintf(why, WHY_SIZE, "\"%.300s\" has %zu bytes; the path of a socket has at most %zu", value, length,
                 room - 1);
        return -1;
    }
    options->control = value;
    return 0;
}

static int is_address(const char *host, size_t length)
{
    const int has_brackets = *host == '[' && host[length - 1] == ']';
    char text[INET6_ADDRSTRLEN];
    struct in6_addr address;

    host += has_brackets;
    length -= has_brackets ? 2 : 0;
    if (length >= sizeof text)
        return 0;
    memcpy(text, host, length);
    text[length] = '\0';
    return inet_pton(has_brackets ? AF_INET6 : AF_INET, text, &address) == 1;
}

/* No name is taken: it could be another address at each look, and the resolver is none of process 1's affairs. */
int apply_http(struct options *options, const char *value, char *why)
{
    const char *const colon = strrchr(value, ':');
    int64_t port;

    if (!colon || colon == value || !is_address(value, (size_t)(colon - value)))
        return complain(why, "\"%.400s\" is not ADDR:PORT with an IP address, such as 127.0.0.1:9100 or [::]:9100",
                        value);
    if (text_number(colon + 1, 65535, &port) != 0 || port == 0)
        return complain(why, "\"%.400s\": the port is a number from 1 to 65535", value);
    options->http = value;
    return 0;
}
