/*
 * The least that any init can do, as the measure for all of them: start COMMAND, wait for a signal, reap, forward, end
 * with COMMAND's exit code. No option, no message, no care for what is left.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    sigset_t all;
    sigset_t before;
    siginfo_t info;
    struct rusage usage;
    pid_t command;
    pid_t pid;
    int status;

    if (argc < 2)
        return 125;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    command = vfork();
    if (command == 0) {
        sigprocmask(SIG_SETMASK, &before, NULL);
        execvp(argv[1], argv + 1);
        _exit(127);
    }
    for (;;) {
        if (sigwaitinfo(&all, &info) < 0)
            continue;
        if (info.si_signo != SIGCHLD) {
            kill(command, info.si_signo);
            continue;
        }
        while ((pid = wait4(-1, &status, WNOHANG, &usage)) > 0)
            if (pid == command)
                return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
}
