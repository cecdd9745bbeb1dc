/*
 * Linked into the coverage build only (make coverage). gcov writes its counts from exit, and many processes of the
 * specs end otherwise: the library's engine by _exit, others by KILL. So counts are also written before _exit, and
 * whenever there has been nothing to do for a moment. New processes between clone and exec count in their caller's
 * memory and leave the writing to it; they are told by their pid.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

void __gcov_dump(void);
void __gcov_reset(void);
void __real__exit(int code) __attribute__((noreturn));
void __wrap__exit(int code) __attribute__((noreturn));
int __real_ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask);
int __wrap_ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask);

static const struct timespec moment = { .tv_nsec = 20000000 };
static pid_t writer;

__attribute__((constructor)) static void remember_writer(void)
{
    writer = getpid();
}

void __wrap__exit(int code)
{
    if (getpid() == writer)
        __gcov_dump();
    __real__exit(code);
}

int __wrap_ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask)
{
    struct timespec rest;
    int ready;

    if (timeout && timeout->tv_sec == 0 && timeout->tv_nsec <= moment.tv_nsec)
        return __real_ppoll(fds, count, timeout, mask);
    ready = __real_ppoll(fds, count, &moment, mask);
    if (ready != 0)
        return ready;
    __gcov_dump();
    __gcov_reset();
    if (!timeout)
        return __real_ppoll(fds, count, NULL, mask);
    rest.tv_sec = timeout->tv_sec - (timeout->tv_nsec < moment.tv_nsec);
    rest.tv_nsec = timeout->tv_nsec - moment.tv_nsec + (timeout->tv_nsec < moment.tv_nsec ? 1000000000 : 0);
    return __real_ppoll(fds, count, &rest, mask);
}
