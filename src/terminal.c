#define _GNU_SOURCE
#include "terminal.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

/* True when the engine's own group is in the foreground. A group outside of the PID namespace shows as 0. */
static int is_ours(int terminal)
{
    const pid_t foreground = tcgetpgrp(terminal);

    return foreground > 0 && foreground == getpgrp();
}

void terminal_find(struct engine *engine)
{
    engine->terminal_fd = -1;
    for (int fd = 0; fd <= 2 && engine->terminal_fd < 0; fd++)
        if (tcgetpgrp(fd) > 0)
            engine->terminal_fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

/*
 * A shell without job control starts `reaper-lua … &` in its own group, with /dev/null as stdin: then the foreground
 * is not only ours. A COMMAND that reads from the terminal after all is given it when it asks (terminal_main_stopped).
 */
static int may_give(const struct engine *engine)
{
    return engine->terminal_given || (is_ours(engine->terminal_fd) && (engine->is_init || tcgetpgrp(STDIN_FILENO) > 0));
}

int terminal_to_give(struct engine *engine)
{
    if (engine->terminal_fd < 0 || !may_give(engine))
        return -1;
    engine->terminal_given = 1;
    return engine->terminal_fd;
}

/* The shell takes the terminal; it stays the shell's when the job goes on in the background. */
void terminal_suspend(struct engine *engine)
{
    log_line(&engine->log, LOG_LEVEL_TRACE, "suspending");
    engine->terminal_given = 0;
    kill(getpid(), SIGSTOP);
}

/*
 * Ctrl-Z in the foreground, or a read from the background: the job is stopped with its main child. When the shell has
 * made this job the foreground while it ran, only this process's group is: the main child gets the terminal now.
 */
void terminal_main_stopped(struct engine *engine)
{
    siginfo_t child;

    if (engine->is_init || engine->terminal_fd < 0 || engine->main_pid == 0)
        return;
    child.si_pid = 0;
    if (waitid(P_PID, (id_t)engine->main_pid, &child, WSTOPPED | WNOHANG) != 0 || child.si_pid == 0)
        return;
    if (!engine->terminal_given && child.si_status == SIGSTOP)
        return;
    if (is_ours(engine->terminal_fd))
        terminal_continued(engine);
    else
        terminal_suspend(engine);
}

void terminal_continued(struct engine *engine)
{
    if (engine->terminal_fd < 0 || engine->main_pid == 0 || engine->is_init)
        return;
    if (tcgetpgrp(engine->terminal_fd) == engine->main_pid)
        engine->terminal_given = 1;
    if (!is_ours(engine->terminal_fd))
        return;
    engine->terminal_given = 1;
    tcsetpgrp(engine->terminal_fd, engine->main_pid);
    kill(-engine->main_pid, SIGCONT);
}

void terminal_take_back(struct engine *engine)
{
    if (engine->terminal_fd >= 0 && engine->terminal_given && tcgetpgrp(engine->terminal_fd) != getpgrp())
        tcsetpgrp(engine->terminal_fd, getpgrp());
}
