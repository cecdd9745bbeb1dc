#define _GNU_SOURCE
#include "engine/reap.h"

#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int batch_is_full(const struct batch *batch)
{
    return batch->count == BATCH;
}

static int batch_has(const struct batch *batch, pid_t pid)
{
    for (size_t i = 0; i < batch->count; i++)
        if (batch->list[i].pid == pid)
            return 1;
    return 0;
}

/* A zombie can be looked at until it is reaped. `pid` is one whose death was told, so it cannot be another's. */
static void look(struct death *death, pid_t pid)
{
    death->looked = proc_read(pid, &death->look) == 0 && proc_is_dead(&death->look) && death->look.ppid == getpid();
}

/*
 * PTRACE_TRACEME of a child's thread makes this process its tracer, who has to reap it before the process can end. The
 * thread is no process, whose pid would be that of its group, too.
 */
static int is_thread(pid_t id)
{
    return syscall(SYS_tgkill, id, id, 0) != 0 && errno == ESRCH;
}

int reap_one(struct batch *batch, pid_t pid)
{
    struct death *const death = &batch->list[batch->count];
    const int is_nobody = batch->is_heard && is_thread(pid); /* else the answer is not worth the call */

    death->looked = 0;
    if (batch->looks)
        look(death, pid);
    do
        death->pid = wait4(pid, &death->status, WNOHANG | __WALL, &death->usage);
    while (death->pid < 0 && errno == EINTR);
    /* With ptrace a positive pid can be a stop, which is not a death. */
    if (death->pid <= 0 || !(WIFEXITED(death->status) || WIFSIGNALED(death->status)))
        return 0;
    batch->count += !is_nobody;
    return 1;
}

pid_t reap_find(pid_t pid)
{
    siginfo_t child;

    child.si_pid = 0;
    if (waitid(pid > 0 ? P_PID : P_ALL, (id_t)pid, &child, WEXITED | WNOWAIT | WNOHANG | __WALL) != 0)
        return 0;
    return child.si_pid;
}

int reap_is_ours(const struct batch *batch, pid_t pid)
{
    siginfo_t child;

    if (pid <= 0)
        return 0;
    if (batch_has(batch, pid) || waitid(P_PID, (id_t)pid, &child, WEXITED | WNOHANG | WNOWAIT | __WALL) == 0)
        return 1;
    return kill(pid, 0) == 0; /* of a double fork: it is adopted in a moment */
}
