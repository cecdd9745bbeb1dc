/*
 * start SECONDS [-k] INIT ARG…: runs an init once as process 1 of a fresh PID namespace, and prints what the workload
 * below it has found, one "name number" a line. SECONDS is the longest that it may take. -k: the init is killed when
 * the workload is done, since it does not end by itself.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "shared.h"

static struct shared *shared;
static int64_t deadline;
static int kill_when_done;
static pid_t init;

static void look(int number)
{
    (void)number;
    if (now() > deadline || (kill_when_done && shared->done))
        kill(init, SIGKILL);
}

static void run(char **command)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 || mount("proc", "/proc", "proc", 0, NULL) != 0) {
        perror("start: a new /proc");
        _exit(99);
    }
    shared->exec_at = now();
    execvp(command[0], command);
    perror(command[0]);
    _exit(99);
}

int main(int argc, char **argv)
{
    static const struct itimerval often = { { 0, 50000 }, { 0, 50000 } };
    char path[] = "/tmp/reaper-bench.XXXXXX";
    const int fd = mkstemp(path);
    int64_t gone_at;
    int status;

    kill_when_done = argc > 2 && strcmp(argv[2], "-k") == 0;
    if (argc < 3 + kill_when_done || fd < 0 || ftruncate(fd, sizeof *shared) != 0)
        return 125;
    deadline = now() + (int64_t)(atof(argv[1]) * 1e9);
    setenv("BENCH_SHARED", path, 1);
    shared = shared_map(path);
    init = (pid_t)syscall(SYS_clone, CLONE_NEWPID | CLONE_NEWNS | SIGCHLD, NULL, NULL, NULL, NULL);
    if (init == 0)
        run(argv + 2 + kill_when_done);
    signal(SIGALRM, look);
    setitimer(ITIMER_REAL, &often, NULL);
    while (init > 0 && waitpid(init, &status, 0) < 0)
        continue;
    gone_at = now();
    unlink(path);
    if (init < 0 || !shared->done) {
        fprintf(stderr, "start: %s: %s\n", argv[2 + kill_when_done], init < 0 ? "no namespace" : "no result");
        return 1;
    }
    printf("%sstart_us %.1f\n", shared->text, (double)(shared->main_at - shared->exec_at) / 1e3);
    if (shared->end_at)
        printf("end_us %.1f\n", (double)(gone_at - shared->end_at) / 1e3);
    return 0;
}
