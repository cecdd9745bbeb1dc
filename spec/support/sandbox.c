/*
 * Runs a program under a seccomp filter that refuses what some sandboxes and old kernels do not have:
 *
 *     spec-sandbox clone-parent|clone-pidfd|clone-both|pidfd|close-range|signalfd|process|CALL=ERROR -- PROGRAM ARG...
 *
 * clone-parent, clone-pidfd: clone with CLONE_PARENT or CLONE_PIDFD fails with EPERM, clone-both: with either. pidfd:
 * pidfd_open and pidfd_send_signal are not there (ENOSYS), and clone with CLONE_PIDFD fails with EINVAL, as before
 * Linux 5.2. close-range, signalfd: neither is there. process: no process can be made with clone (EAGAIN), as when
 * there are too many. CALL=ERROR: one of the calls in the table below fails with EPERM, as with most seccomp profiles,
 * EACCES or ENOSYS.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x00001000
#endif

#ifndef SYS_close_range
#define SYS_close_range 436
#endif

#define FAIL(error) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (__u32)(error))
#define ALLOW BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))

static int install(struct sock_filter *filter, size_t count)
{
    struct sock_fprog program = { (unsigned short)count, filter };

    if (prctl(PR_SET_NO_NEW_PRIVS, 1UL, 0UL, 0UL, 0UL) != 0)
        return -1;
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

/* The flags of clone are its first argument on all machines but s390. */
static int refuse_clone(unsigned flags)
{
    struct sock_filter filter[] = {
        LOAD(nr),      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 3),
        LOAD(args[0]), BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, flags, 0, 1),
        FAIL(EPERM),   ALLOW,
    };

    return install(filter, sizeof filter / sizeof *filter);
}

static int refuse_pidfd(void)
{
    struct sock_filter filter[] = {
        LOAD(nr),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pidfd_open, 5, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pidfd_send_signal, 4, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 4),
        LOAD(args[0]),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_PIDFD, 0, 2),
        FAIL(EINVAL),
        FAIL(ENOSYS),
        ALLOW,
    };

    return install(filter, sizeof filter / sizeof *filter);
}

static int refuse(unsigned call, int error)
{
    struct sock_filter filter[] = {
        LOAD(nr),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1),
        FAIL(error),
        ALLOW,
    };

    return install(filter, sizeof filter / sizeof *filter);
}

struct named {
    const char *name;
    int number;
};

static const struct named calls[] = {
    { "pidfd_open", SYS_pidfd_open },
    { "pidfd_send_signal", SYS_pidfd_send_signal },
    { "close_range", SYS_close_range },
    { "pwritev2", SYS_pwritev2 },
    { "rt_sigqueueinfo", SYS_rt_sigqueueinfo },
    { "memfd_create", SYS_memfd_create },
    { "getrandom", SYS_getrandom },
    { "ioctl", SYS_ioctl },
    { NULL, 0 },
};

static const struct named errors[] = { { "EPERM", EPERM }, { "EACCES", EACCES }, { "ENOSYS", ENOSYS }, { NULL, 0 } };

/* The number, or -1. */
static int find(const struct named *list, const char *name, size_t length)
{
    for (; list->name; list++)
        if (strlen(list->name) == length && memcmp(list->name, name, length) == 0)
            return list->number;
    return -1;
}

static int refuse_named(const char *text)
{
    const size_t length = strcspn(text, "=");
    const int call = find(calls, text, length);
    const int error = text[length] ? find(errors, text + length + 1, strlen(text + length + 1)) : -1;

    errno = EINVAL;
    return call < 0 || error < 0 ? -1 : refuse((unsigned)call, error);
}

int main(int argc, char **argv)
{
    int result = -1;

    if (argc < 4 || strcmp(argv[2], "--") != 0) {
        fprintf(stderr,
                "usage: spec-sandbox clone-parent|clone-pidfd|clone-both|pidfd|close-range|signalfd|process|CALL=ERROR "
                "-- PROGRAM ARG...\n");
        return 125;
    }
    if (strcmp(argv[1], "clone-parent") == 0)
        result = refuse_clone(CLONE_PARENT);
    else if (strcmp(argv[1], "clone-pidfd") == 0)
        result = refuse_clone(CLONE_PIDFD);
    else if (strcmp(argv[1], "clone-both") == 0)
        result = refuse_clone(CLONE_PARENT | CLONE_PIDFD);
    else if (strcmp(argv[1], "pidfd") == 0)
        result = refuse_pidfd();
    else if (strcmp(argv[1], "close-range") == 0)
        result = refuse(SYS_close_range, ENOSYS);
    else if (strcmp(argv[1], "signalfd") == 0)
        result = refuse(SYS_signalfd4, ENOSYS);
    else if (strcmp(argv[1], "process") == 0)
        result = refuse(SYS_clone, EAGAIN);
    else
        result = refuse_named(argv[1]);
    if (result != 0) {
        perror("spec-sandbox");
        return 125;
    }
    execv(argv[3], argv + 3);
    perror(argv[3]);
    return 125;
}
