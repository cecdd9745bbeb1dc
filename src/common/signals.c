#include "common/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/refused.h"
#include "common/text.h"

/* struct sigaction as the kernel takes it, unlike that of the C library. It is used for SIG_DFL and SIG_IGN only. */
struct kernel_action {
    void (*handler)(int);
    unsigned long flags;
    void (*restorer)(void);
    signal_set mask;
};

static const char *const names[SIGNAL_RTMIN] = {
    [SIGHUP] = "SIGHUP",   [SIGINT] = "SIGINT",       [SIGQUIT] = "SIGQUIT", [SIGILL] = "SIGILL",
    [SIGTRAP] = "SIGTRAP", [SIGABRT] = "SIGABRT",     [SIGBUS] = "SIGBUS",   [SIGFPE] = "SIGFPE",
    [SIGKILL] = "SIGKILL", [SIGUSR1] = "SIGUSR1",     [SIGSEGV] = "SIGSEGV", [SIGUSR2] = "SIGUSR2",
    [SIGPIPE] = "SIGPIPE", [SIGALRM] = "SIGALRM",     [SIGTERM] = "SIGTERM", [SIGSTKFLT] = "SIGSTKFLT",
    [SIGCHLD] = "SIGCHLD", [SIGCONT] = "SIGCONT",     [SIGSTOP] = "SIGSTOP", [SIGTSTP] = "SIGTSTP",
    [SIGTTIN] = "SIGTTIN", [SIGTTOU] = "SIGTTOU",     [SIGURG] = "SIGURG",   [SIGXCPU] = "SIGXCPU",
    [SIGXFSZ] = "SIGXFSZ", [SIGVTALRM] = "SIGVTALRM", [SIGPROF] = "SIGPROF", [SIGWINCH] = "SIGWINCH",
    [SIGIO] = "SIGIO",     [SIGPWR] = "SIGPWR",       [SIGSYS] = "SIGSYS",   [32] = "SIG32",
    [33] = "SIG33",
};

/* Other names of the same signals. */
static const struct {
    const char *name;
    int number;
} aliases[] = {
    { "SIGIOT", SIGABRT },      { "SIGPOLL", SIGIO },         { "SIGCLD", SIGCHLD },
    { "SIGRTMAX", SIGNAL_MAX }, { "SIGRTMIN", SIGNAL_RTMIN },
};

/* n for "+n" or "-n" as `sign` says; -1 for anything else. */
static int offset(const char *text, char sign)
{
    int64_t number;

    if (*text != sign || text_number(text + 1, SIGNAL_MAX - SIGNAL_RTMIN, &number) != 0)
        return -1;
    return (int)number;
}

static int real_time_from_text(const char *word)
{
    int steps;

    if (strncasecmp(word, "RTMIN", 5) == 0) {
        steps = offset(word + 5, '+');
        return steps < 0 ? -1 : SIGNAL_RTMIN + steps;
    }
    if (strncasecmp(word, "RTMAX", 5) == 0) {
        steps = offset(word + 5, '-');
        return steps < 0 ? -1 : SIGNAL_MAX - steps;
    }
    return -1;
}

int signal_from_text(const char *text)
{
    const char *word = strncasecmp(text, "SIG", 3) == 0 ? text + 3 : text;
    int64_t number;

    if (text_number(text, SIGNAL_MAX, &number) == 0)
        return (int)number;
    for (int i = 1; i < SIGNAL_RTMIN; i++)
        if ((i < 32 || word != text) && strcasecmp(word, names[i] + 3) == 0)
            return i;
    for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++)
        if (strcasecmp(word, aliases[i].name + 3) == 0)
            return aliases[i].number;
    return real_time_from_text(word);
}

const char *signal_name(int number, char buffer[SIGNAL_NAME_SIZE])
{
    if (number > 0 && number < SIGNAL_RTMIN)
        return names[number];
    if (number == SIGNAL_RTMIN)
        return "SIGRTMIN";
    if (number > SIGNAL_RTMIN && number <= SIGNAL_MAX)
        snprintf(buffer, SIGNAL_NAME_SIZE, "SIGRTMIN+%d", number - SIGNAL_RTMIN);
    else
        snprintf(buffer, SIGNAL_NAME_SIZE, "%d", number);
    return buffer;
}

const char *signal_nearest(const char *text)
{
    const char *words[SIGNAL_RTMIN + 1] = { NULL };
    const int bare = strncasecmp(text, "SIG", 3) != 0;

    for (int i = 1; i < 32; i++)
        words[i - 1] = names[i] + (bare ? 3 : 0);
    return text_nearest(text, words);
}

void signals_set_mask(signal_set mask, signal_set *old)
{
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, old, sizeof mask);
}

static void set_action(int number, void (*handler)(int))
{
    struct kernel_action action;

    memset(&action, 0, sizeof action);
    action.handler = handler;
    syscall(SYS_rt_sigaction, number, &action, NULL, sizeof(signal_set));
}

static int is_ignored(int number)
{
    struct kernel_action action;

    memset(&action, 0, sizeof action);
    syscall(SYS_rt_sigaction, number, NULL, &action, sizeof(signal_set));
    return action.handler == SIG_IGN;
}

void signals_take(struct inherited_signals *inherited)
{
    inherited->ignored = 0;
    inherited->is_known = 0;
    signals_set_mask(~UINT64_C(0), &inherited->mask);
    if (is_ignored(SIGCHLD))
        set_action(SIGCHLD, SIG_DFL);
}

void signals_learn_ignored(struct inherited_signals *inherited)
{
    inherited->is_known = 1;
    for (int i = 1; i <= SIGNAL_MAX; i++)
        if (is_ignored(i))
            inherited->ignored |= SIGNAL_BIT(i);
}

void signals_restore(const struct inherited_signals *inherited)
{
    for (int i = 1; inherited->is_known && i <= SIGNAL_MAX; i++)
        set_action(i, inherited->ignored & SIGNAL_BIT(i) ? SIG_IGN : SIG_DFL);
    signals_set_mask(inherited->mask, NULL);
}

int signals_fd(void)
{
    const signal_set all = ~UINT64_C(0);

    return (int)syscall(SYS_signalfd4, -1, &all, sizeof all, SFD_NONBLOCK | SFD_CLOEXEC);
}

int signal_pass_on(int pid, int number, const siginfo_t *record)
{
    siginfo_t info;

    if (!record || record->si_code != SI_QUEUE || pid < 0)
        return kill(pid, number);
    memset(&info, 0, sizeof info);
    info.si_signo = number;
    info.si_code = SI_QUEUE;
    info.si_pid = getpid();
    info.si_uid = getuid();
    info.si_value = record->si_value;
    if (syscall(SYS_rt_sigqueueinfo, pid, number, &info) == 0)
        return 0;
    return is_refused(errno) ? kill(pid, number) : -1; /* without the value rather than not at all */
}
