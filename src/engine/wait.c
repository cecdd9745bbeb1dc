#define _GNU_SOURCE
#include "engine/wait.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const int64_t without_signalfd = NANOSECONDS / 20; /* how long to wait where signals cannot be polled */

/* ---- Descriptors that announce themselves. ---- */

void wait_watch(struct engine *engine, int fd)
{
    const int flags = fcntl(fd, F_GETFL);

    if (fd < ANNOUNCING_MAX)
        engine->wait.announcing[fd / 64] |= UINT64_C(1) << (fd % 64);
    if (fd >= ANNOUNCING_MAX || flags < 0 || fcntl(fd, F_SETOWN, getpid()) != 0
        || fcntl(fd, F_SETSIG, DESCRIPTOR_SIGNAL) != 0 || fcntl(fd, F_SETFL, flags | O_ASYNC) != 0)
        engine->wait.polls = 1;
    engine->wait.orders = engine->wait.start = 1;
}

/*
 * True when it is, or was, one of ours: a record may be older than the closing of its descriptor. A record does not say
 * whose descriptor it is about: one of a stranger's with such a number is taken for ours, and is not forwarded.
 */
static int note_descriptor(struct engine *engine, int fd)
{
    if (fd < 0 || fd >= ANNOUNCING_MAX || !(engine->wait.announcing[fd / 64] >> (fd % 64) & 1))
        return 0;
    if (fd == engine->main_child.start.report_fd)
        engine->wait.start = 1;
    else
        engine->wait.orders = 1;
    return 1;
}

/* ---- What a record is about. ---- */

/*
 * The kernel gives codes from 1 to 6 (CLD_EXITED to CLD_CONTINUED) to signals of children, and the same numbers, as
 * POLL_IN to POLL_HUP, to what F_SETSIG has it send for a descriptor. SIGCHLD is spared that (send_sigio_to_task of
 * fs/fcntl.c). For SCRIPT_SIGNAL the poll events stand where the pid of a child would be.
 */
enum { POLL_EVENTS_IN = 0x41, POLL_EVENTS_OUT = 0x304, POLL_EVENTS_MSG = 0x441 }; /* band_table of fs/fcntl.c */

static const pid_t poll_events[] = {
    [CLD_EXITED] = POLL_EVENTS_IN,
    [CLD_KILLED] = POLL_EVENTS_OUT,
    [CLD_DUMPED] = POLL_EVENTS_MSG,
};

/* Few pids are such a number, and they count as pids from the moment when a process with that exit signal had one. */
void wait_expect(struct engine *engine, pid_t pid)
{
    for (unsigned code = CLD_EXITED; code <= CLD_DUMPED; code++)
        if (pid == poll_events[code])
            engine->wait.pids_like_events |= 1U << code;
}

static int is_about_a_script(const struct engine *engine, const siginfo_t *record)
{
    const int code = record->si_code;

    if (record->si_signo != SCRIPT_SIGNAL || code < CLD_EXITED || code > CLD_DUMPED)
        return 0;
    return record->si_pid != poll_events[code] || (engine->wait.pids_like_events & (1U << code));
}

/*
 * Where the kernel has no memory for the record of a real-time signal it sends SIGIO in its place for a descriptor, and
 * nothing for a child (send_sigio_to_task of fs/fcntl.c, send_signal_locked of kernel/signal.c).
 */
static int is_overflow(const siginfo_t *record)
{
    return record->si_signo == SIGIO && record->si_code == SI_KERNEL;
}

static void look_at_everything(struct engine *engine)
{
    engine->wait.polls = engine->wait.orders = engine->wait.start = engine->wait.ends = 1;
}

enum record_kind wait_note(struct engine *engine, const siginfo_t *record)
{
    const int code = record->si_code;

    if (record->si_signo == SIGCHLD)
        return code >= CLD_EXITED && code <= CLD_CONTINUED ? RECORD_CHILD : RECORD_DEATHS;
    if (is_about_a_script(engine, record))
        return RECORD_CHILD;
    if (record->si_signo == DESCRIPTOR_SIGNAL && code >= POLL_IN && code <= POLL_HUP
        && note_descriptor(engine, record->si_fd))
        return RECORD_DESCRIPTOR;
    if (!is_overflow(record))
        return RECORD_SIGNAL;
    look_at_everything(engine);
    return RECORD_OVERFLOW;
}

/* ---- Polling. ---- */

enum { ENDS_MAX = 3 + DISMISSED_MAX }; /* script processes, and the porter, that may end */

enum {
    POLL_SIGNALS,
    POLL_START,
    POLL_SCRIPT,
    POLL_CANDIDATE,
    POLL_ENDS,
    POLL_WATCHED = POLL_ENDS + ENDS_MAX,
    POLL_MAX = POLL_WATCHED + WATCHED_MAX,
};

static struct pollfd poll_channel(const struct channel *channel)
{
    const struct pollfd entry = {
        .fd = channel->shut ? -1 : channel->fd,
        .events = (short)(channel->full ? POLLIN | POLLOUT : POLLIN),
    };

    return entry;
}

static struct pollfd poll_for_input(int fd)
{
    const struct pollfd entry = { .fd = fd, .events = POLLIN };

    return entry;
}

static void fill_ends(const struct engine *engine, struct pollfd *ends)
{
    ends[0] = poll_for_input(engine->scripts.current->pidfd);
    ends[1] = poll_for_input(engine->scripts.candidate->pidfd);
    ends[2] = poll_for_input(engine->porter.pidfd);
    for (int i = 0; i < DISMISSED_MAX; i++)
        ends[3 + i] = poll_for_input(engine->dismissed.list[i].pidfd);
}

int wait_has_ended(const struct engine *engine)
{
    struct pollfd ends[ENDS_MAX];

    fill_ends(engine, ends);
    return poll(ends, ENDS_MAX, 0) > 0;
}

static int fill(const struct engine *engine, struct pollfd *fds)
{
    int count = POLL_WATCHED;

    fds[POLL_SIGNALS] = poll_for_input(engine->wait.signal_fd);
    fds[POLL_START] = poll_for_input(engine->main_child.start.report_fd);
    fds[POLL_SCRIPT] = poll_channel(&engine->scripts.current->channel);
    fds[POLL_CANDIDATE] = poll_channel(&engine->scripts.candidate->channel);
    fill_ends(engine, &fds[POLL_ENDS]);
    for (int i = POLL_ENDS; engine->reaper.ends_at != NEVER && i < POLL_WATCHED; i++)
        fds[i].fd = -1;
    for (int i = 0; i < engine->remains.watched_count; i++)
        fds[count++] = poll_for_input(engine->remains.watched[i]);
    return count;
}

/* After a failure, out of memory or interrupted, everything is looked at. */
static void note_polled(struct engine *engine, const struct pollfd *fds, int count, int failed)
{
    engine->wait.start |= failed || fds[POLL_START].revents;
    engine->wait.orders |= failed || fds[POLL_SCRIPT].revents || fds[POLL_CANDIDATE].revents;
    for (int i = POLL_ENDS; i < POLL_WATCHED; i++)
        engine->wait.ends |= failed || fds[i].revents;
    for (int i = POLL_WATCHED; i < count; i++)
        engine->life.something_died |= failed || fds[i].revents;
}

/* ---- Waiting. ---- */

static int64_t left_until(int64_t deadline)
{
    const int64_t left = deadline - clock_now();

    return left < 0 ? 0 : left;
}

/* As the kernel takes it where the C library's has other types. */
struct kernel_time {
    long seconds, nanoseconds;
};

/* Not through the C library, which keeps two signals for itself. */
static int take_signal(int64_t deadline, siginfo_t *record)
{
    const signal_set all = ~UINT64_C(0);
    const int64_t left = deadline == NEVER ? 0 : left_until(deadline);
    const struct kernel_time time = { (long)(left / NANOSECONDS), (long)(left % NANOSECONDS) };

    return syscall(SYS_rt_sigtimedwait, &all, record, deadline == NEVER ? NULL : &time, sizeof all) > 0;
}

static struct timespec as_timespec(int64_t time)
{
    const struct timespec spec = { .tv_sec = (time_t)(time / NANOSECONDS), .tv_nsec = (long)(time % NANOSECONDS) };

    return spec;
}

int wait_next_signal(siginfo_t *record)
{
    return take_signal(0, record);
}

/* A signalfd only says that a signal is there. It is made when it is needed. */
static int poll_all(struct engine *engine, int64_t deadline, siginfo_t *record)
{
    struct pollfd fds[POLL_MAX];
    struct timespec time;
    int count;
    int found;

    if (engine->wait.signal_fd < 0)
        engine->wait.signal_fd = signals_fd();
    if (engine->wait.signal_fd < 0 && left_until(deadline) > without_signalfd)
        deadline = clock_after(without_signalfd);
    count = fill(engine, fds);
    time = as_timespec(deadline == NEVER ? 0 : left_until(deadline));
    found = ppoll(fds, (nfds_t)count, deadline == NEVER ? NULL : &time, NULL);
    note_polled(engine, fds, count, found < 0);
    return wait_next_signal(record);
}

int wait_for_signal(struct engine *engine, int64_t deadline, siginfo_t *record)
{
    if (engine->wait.orders || engine->wait.start || engine->wait.ends)
        deadline = 0;
    if (engine->wait.polls || engine->remains.watched_count > 0)
        return poll_all(engine, deadline, record);
    return take_signal(deadline, record);
}

void wait_end(struct engine *engine)
{
    if (engine->wait.signal_fd >= 0)
        close(engine->wait.signal_fd);
    engine->wait.signal_fd = -1;
}
