#define _GNU_SOURCE
#include "engine/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

/* What a terminal sends to a whole group: its characters, a change of its size, its end. */
static const signal_set sent_by_terminals = SIGNAL_BIT(SIGINT) | SIGNAL_BIT(SIGQUIT) | SIGNAL_BIT(SIGTSTP)
                                            | SIGNAL_BIT(SIGTTIN) | SIGNAL_BIT(SIGTTOU) | SIGNAL_BIT(SIGWINCH)
                                            | SIGNAL_BIT(SIGHUP) | SIGNAL_BIT(SIGCONT);

/* A description of our own, which does not wait, if possible; 0 to 2 may lead to it where there is no /dev/tty. */
void terminal_find(struct terminal *terminal)
{
    int found = open("/dev/tty", O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);

    for (int fd = 0; fd <= 2 && found < 0; fd++)
        if (tcgetpgrp(fd) >= 0)
            found = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (found >= 0 && tcgetpgrp(found) < 0) {
        close(found);
        found = -1;
    }
    terminal->fd = found;
}

static int leads_session(void)
{
    return getsid(0) == getpid();
}

int terminal_shares_group(const struct terminal *terminal)
{
    return terminal->fd >= 0 && !leads_session();
}

int terminal_to_give(const struct terminal *terminal)
{
    return leads_session() ? terminal->fd : -1;
}

/*
 * True when our own group is in the foreground. Groups outside of the PID namespace all read as 0: then a read of
 * nothing tells whether it is ours, because the kernel refuses it with EIO to the background (SIGTTIN is blocked).
 */
static int is_ours(int terminal)
{
    const pid_t foreground = tcgetpgrp(terminal);
    char nothing;

    if (foreground < 0 || foreground != getpgrp())
        return 0;
    return foreground > 0 || !(fcntl(terminal, F_GETFL) & O_NONBLOCK) || read(terminal, &nothing, 0) == 0
           || errno != EIO;
}

/* The main child's group is our own, or one that it leads, as an interactive shell does. */
static int main_has_foreground(const struct terminal *terminal, pid_t pid)
{
    return tcgetpgrp(terminal->fd) == pid || is_ours(terminal->fd);
}

int terminal_is_with_main(pid_t main_child)
{
    return main_child > 0 && getpgid(main_child) == getpgrp();
}

static int was_continued(pid_t pid)
{
    siginfo_t child = { .si_pid = 0 };

    return waitid(P_PID, (id_t)pid, &child, WCONTINUED | WNOHANG) == 0 && child.si_pid != 0;
}

/* CONT comes from the shell, as from anybody. Where it is forwarded late, after the next Ctrl-Z, it undoes that. */
int terminal_has_told_main(pid_t main_child, const siginfo_t *record)
{
    if (leads_session() || !terminal_is_with_main(main_child))
        return 0;
    if (record->si_signo == SIGCONT && was_continued(main_child))
        return 1;
    return record->si_code == SI_KERNEL && (sent_by_terminals & SIGNAL_BIT(record->si_signo));
}

void terminal_suspend(const struct origin *origin, struct log *log)
{
    if (origin->is_init)
        return;
    log_line(log, LOG_LEVEL_TRACE, "suspending");
    kill(getpid(), SIGSTOP);
}

static int is_empty(pid_t group)
{
    return group > 0 && kill(-group, 0) != 0 && errno == ESRCH;
}

/* There is no shell that could let COMMAND go on. It gets the foreground if that is nobody's, so that it can read. */
static void let_go_on(const struct terminal *terminal, pid_t main_child)
{
    const pid_t foreground = tcgetpgrp(terminal->fd);

    if (foreground != main_child && foreground != getpgrp() && !is_empty(foreground))
        return;
    if (tcsetpgrp(terminal->fd, main_child) == 0)
        kill(-main_child, SIGCONT);
}

/* A STOP may come from somebody who watches COMMAND; it concerns the shell when it keeps that from its terminal. */
int terminal_main_stopped(const struct terminal *terminal, pid_t main_child)
{
    siginfo_t child = { .si_pid = 0 };

    if (terminal->fd < 0 || main_child == 0)
        return 0;
    if (waitid(P_PID, (id_t)main_child, &child, WSTOPPED | WNOHANG) != 0 || child.si_pid == 0)
        return 0;
    if (!leads_session())
        return child.si_status != SIGSTOP || main_has_foreground(terminal, main_child);
    if (child.si_status != SIGSTOP)
        let_go_on(terminal, main_child);
    return 0;
}

/* Dead by the signal, or with the code that a shell and others end with because of it. */
static int is_interrupted(int status)
{
    const int number = WIFEXITED(status) ? WEXITSTATUS(status) - 128 : WTERMSIG(status);

    return number == SIGINT || number == SIGQUIT;
}

int terminal_main_ended(const struct terminal *terminal, pid_t main_child, int status)
{
    int had_foreground;

    if (terminal->fd < 0)
        return 0;
    had_foreground = main_has_foreground(terminal, main_child);
    terminal_take_back(terminal);
    return had_foreground && is_interrupted(status);
}

/* A session without a shell is ours alone; a shell's is left to those who live. A group outside cannot be named. */
void terminal_take_back(const struct terminal *terminal)
{
    pid_t foreground;

    if (terminal->fd < 0)
        return;
    foreground = tcgetpgrp(terminal->fd);
    if (foreground != getpgrp() && (leads_session() || is_empty(foreground)))
        tcsetpgrp(terminal->fd, getpgrp());
}
