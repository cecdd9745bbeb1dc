/*
 * The workload that an init runs as COMMAND: load SCENARIO [NUMBER…]. It measures what process 1 does and writes its
 * figures where the launcher finds them (shared.h).
 *
 * What is to be reaped is made by a worker that process 1 has adopted, with clone(CLONE_PARENT): a new child of process
 * 1 for the price of one small clone. Costs are CPU time from /proc/PID/schedstat.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "shared.h"

enum { NAP_US = 300 }; /* after a reap: whoever reaps is asleep again */

static struct shared *shared;

static void tell(const char *name, double value)
{
    const size_t used = strlen(shared->text);

    snprintf(shared->text + used, sizeof shared->text - used, "%s %.3f\n", name, value);
}

static void nap(long microseconds)
{
    const struct timespec time = { microseconds / 1000000, microseconds % 1000000 * 1000 };

    nanosleep(&time, NULL);
}

static int compare(const void *left, const void *right)
{
    const double a = *(const double *)left;
    const double b = *(const double *)right;

    return (a > b) - (a < b);
}

static double percentile(double *values, int count, int percent)
{
    qsort(values, (size_t)count, sizeof *values, compare);
    return values[(size_t)count * (size_t)percent / 100];
}

/* ---- What /proc says. ---- */

static size_t read_file(const char *path, char *text, size_t room)
{
    const int fd = open(path, O_RDONLY);
    const ssize_t size = fd < 0 ? 0 : read(fd, text, room - 1);

    close(fd);
    text[size > 0 ? size : 0] = '\0';
    return size > 0 ? (size_t)size : 0;
}

/* The script process of reaper-lua, or 0. */
static pid_t script(void)
{
    char path[300];
    char comm[32];
    DIR *folder = opendir("/proc");
    struct dirent *entry;
    pid_t found = 0;

    while (folder && !found && (entry = readdir(folder))) {
        snprintf(path, sizeof path, "/proc/%s/comm", entry->d_name);
        if (read_file(path, comm, sizeof comm) && strcmp(comm, "reaper-script\n") == 0)
            found = atoi(entry->d_name);
    }
    if (folder)
        closedir(folder);
    return found;
}

/* Nanoseconds on a CPU. */
static double cpu_of(pid_t pid)
{
    char path[64];
    char text[128];

    snprintf(path, sizeof path, "/proc/%d/schedstat", (int)pid);
    return pid && read_file(path, text, sizeof text) ? atof(text) : 0;
}

/* The number behind a word in a file of /proc/PID. */
static double number_of(pid_t pid, const char *file, const char *word)
{
    char path[64];
    char text[8192];
    const char *at;

    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
    if (!pid || !read_file(path, text, sizeof text) || !(at = strstr(text, word)))
        return 0;
    return atof(at + strlen(word));
}

static double switches(pid_t pid)
{
    return number_of(pid, "status", "\nvoluntary_ctxt_switches:")
           + number_of(pid, "status", "nonvoluntary_ctxt_switches:");
}

/* ---- Children of process 1. ---- */

static int is_there(pid_t pid)
{
    return kill(pid, 0) == 0 || errno != ESRCH;
}

static void wait_until_gone(pid_t pid)
{
    while (is_there(pid))
        nap(10); /* nothing else needs the processor that this would burn, but a script process may */
}

static pid_t clone_sibling(void)
{
    const pid_t pid = (pid_t)syscall(SYS_clone, CLONE_PARENT | SIGCHLD, NULL, NULL, NULL, NULL);

    if (pid < 0) {
        perror("load: clone");
        _exit(99);
    }
    return pid;
}

/* One that ends at once. */
static pid_t make_dead(void)
{
    const pid_t pid = clone_sibling();

    if (pid == 0)
        _exit(0);
    return pid;
}

/* One that lives until the pipe's other end is closed. */
static pid_t make_blocked(const int *ends)
{
    const pid_t pid = clone_sibling();
    char byte;

    if (pid == 0) {
        close(ends[1]);
        read(ends[0], &byte, 1);
        _exit(0);
    }
    return pid;
}

static pid_t *make_many_blocked(int count, int *ends)
{
    pid_t *pids = calloc((size_t)count + 1, sizeof *pids);

    if (pipe(ends) != 0 || !pids)
        _exit(99);
    for (int i = 0; i < count; i++)
        pids[i] = make_blocked(ends);
    return pids;
}

/* ---- Scenarios. ---- */

static double cpu_before[2];

static void begin_cpu(void)
{
    cpu_before[0] = cpu_of(1);
    cpu_before[1] = cpu_of(script());
}

static void tell_cpu(int count)
{
    nap(50000); /* what the script process does comes later */
    tell("engine_cpu_us", (cpu_of(1) - cpu_before[0]) / 1e3 / count);
    tell("script_cpu_us", (cpu_of(script()) - cpu_before[1]) / 1e3 / count);
}

/* Deaths one after the other, as fast as one process can make them. */
static void storm(int count)
{
    pid_t last = 0;

    begin_cpu();
    for (int i = 0; i < count; i++)
        last = make_dead();
    wait_until_gone(last);
    tell_cpu(count);
}

/* From the moment at which a pidfd tells that it is a zombie, to that at which its pid has gone. */
static double one_latency(void)
{
    int ends[2];
    struct pollfd entry;
    pid_t pid;
    int64_t dead_at;
    int64_t gone_at;

    if (pipe(ends) != 0)
        _exit(99);
    pid = make_blocked(ends);
    entry.fd = (int)syscall(SYS_pidfd_open, pid, 0);
    entry.events = POLLIN;
    close(ends[0]);
    nap(NAP_US);
    close(ends[1]);
    while (poll(&entry, 1, 0) == 0)
        continue;
    dead_at = now();
    while (is_there(pid))
        continue;
    gone_at = now();
    close(entry.fd);
    return (double)(gone_at - dead_at) / 1e3;
}

static void latency(int count, int live)
{
    double *times = calloc((size_t)count, sizeof *times);
    int ends[2];
    pid_t *pids = make_many_blocked(live, ends);

    nap(200000);
    begin_cpu();
    for (int i = 0; i < count; i++)
        times[i] = one_latency();
    tell_cpu(count);
    tell("latency_p50_us", percentile(times, count, 50));
    tell("latency_p99_us", percentile(times, count, 99));
    free(pids);
    free(times);
}

/* All end at once. */
static void burst(int count)
{
    int ends[2];
    pid_t *pids = make_many_blocked(count, ends);
    int64_t at;

    nap(200000);
    at = now();
    close(ends[0]);
    close(ends[1]);
    for (int i = count - 1; i >= 0; i--)
        while (is_there(pids[i]))
            nap(200);
    tell("burst_ms", (double)(now() - at) / 1e6);
    free(pids);
}

/* Memory that is written, in kB: also what is shared, such as the journal, which counts in each process that has it. */
static double dirty(pid_t pid)
{
    return number_of(pid, "smaps_rollup", "Private_Dirty:") + number_of(pid, "smaps_rollup", "Shared_Dirty:");
}

/* At first, and after so many deaths. */
static void memory(int count)
{
    pid_t last = 0;

    nap(300000);
    sync();
    tell("engine_kb", dirty(1));
    tell("script_kb", dirty(script()));
    for (int i = 0; i < count; i++)
        last = make_dead();
    wait_until_gone(last);
    nap(300000);
    sync();
    tell("engine_later_kb", dirty(1));
    tell("script_later_kb", dirty(script()));
}

static void idle(int seconds)
{
    double engine;
    double of_script;

    nap(500000);
    engine = switches(1);
    of_script = switches(script());
    nap(seconds * 1000000L);
    tell("engine_wakeups", switches(1) - engine);
    tell("script_wakeups", switches(script()) - of_script);
}

/* Deaths while the script blocks; it goes on when $BENCH_GO is there, and ends everything when it has been told all. */
static void rate(int count)
{
    const char *const path = getenv("BENCH_GO");
    pid_t last = 0;

    nap(300000);
    for (int i = 0; i < count; i++)
        last = make_dead();
    wait_until_gone(last);
    nap(200000);
    close(open(path, O_CREAT | O_WRONLY, 0600));
    for (int i = 0; i < 3000 && access(path, F_OK) == 0; i++)
        nap(10000); /* the script removes it when it is through */
    if (unlink(path) == 0) {
        fputs("load: on_reap was not called for all\n", stderr);
        _exit(99);
    }
}

/* ---- Signals: these are for COMMAND itself. ---- */

/* A child that sends what it is told to process 1, so that the receiver can wait. */
static void send_timed(int count, volatile int64_t *sent_at, volatile int *wanted)
{
    for (int i = 1; i <= count; i++) {
        while (*wanted < i)
            sched_yield();
        nap(NAP_US);
        *sent_at = now();
        kill(1, SIGUSR1);
    }
    _exit(0);
}

static void time_signals(int count)
{
    double *times = calloc((size_t)count, sizeof *times);
    volatile int64_t *sent_at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    volatile int *wanted = (volatile int *)(sent_at + 1);
    const struct timespec patience = { 2, 0 };
    sigset_t set;
    pid_t sender;

    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sender = fork();
    if (sender == 0)
        send_timed(count, sent_at, wanted);
    for (int i = 0; i < count; i++) {
        *wanted = i + 1;
        if (sigtimedwait(&set, NULL, &patience) < 0) {
            fputs("load: a signal did not come\n", stderr);
            _exit(99);
        }
        times[i] = (double)(now() - *sent_at) / 1e3;
    }
    kill(sender, SIGKILL);
    waitpid(sender, NULL, 0);
    tell("signal_p50_us", percentile(times, count, 50));
    free(times);
}

/* How many of those that can be caught get lost; musl keeps 32 to 34 to itself. TERM and INT come last. */
static void all_signals(const sigset_t *all)
{
    static const struct timespec patience = { 0, 50000000 };
    int through = 0;
    int sent = 0;

    for (int number = 1; number <= SIGRTMAX; number++) {
        if (number == SIGKILL || number == SIGSTOP || number == SIGCHLD || (number > 31 && number < SIGRTMIN)
            || number == SIGTERM || number == SIGINT)
            continue;
        sent++;
        kill(1, number);
        through += sigtimedwait(all, NULL, &patience) == number;
    }
    for (int i = 0; i < 2; i++) {
        const int number = i ? SIGINT : SIGTERM;

        sent++;
        kill(1, number);
        through += sigtimedwait(all, NULL, &patience) == number;
    }
    tell("signals_lost", sent - through);
}

static void signal_burst(const sigset_t *all, int count)
{
    static const struct timespec patience = { 0, 300000000 };
    int through = 0;

    for (int i = 0; i < count; i++)
        while (syscall(SYS_rt_sigqueueinfo, 1, SIGRTMIN, &(siginfo_t){ .si_code = SI_QUEUE }) != 0)
            nap(100);
    while (through < count && sigtimedwait(all, NULL, &patience) == SIGRTMIN)
        through++;
    tell("burst_through", through);
}

static void signals(int count)
{
    sigset_t all;

    sigfillset(&all);
    sigdelset(&all, SIGCHLD);
    sigprocmask(SIG_BLOCK, &all, NULL);
    nap(100000);
    time_signals(count);
    signal_burst(&all, 1000);
    all_signals(&all);
}

/* ---- Who does it. ---- */

static void work(int argc, char **argv)
{
    const char *const scenario = argv[1];
    const int first = argc > 2 ? atoi(argv[2]) : 0;
    const int second = argc > 3 ? atoi(argv[3]) : 0;

    if (strcmp(scenario, "storm") == 0)
        storm(first);
    else if (strcmp(scenario, "latency") == 0)
        latency(first, second);
    else if (strcmp(scenario, "burst") == 0)
        burst(first);
    else if (strcmp(scenario, "memory") == 0)
        memory(first);
    else if (strcmp(scenario, "idle") == 0)
        idle(first);
    else if (strcmp(scenario, "rate") == 0)
        rate(first);
    shared->done = 1;
}

/* Its parent ends, so that process 1 adopts it. */
static void adopted_work(int argc, char **argv)
{
    const pid_t between = fork();

    if (between == 0) {
        if (fork() == 0) {
            while (getppid() != 1)
                nap(1000);
            work(argc, argv);
        }
        _exit(0);
    }
    waitpid(between, NULL, 0);
    while (!shared->done)
        nap(1000);
}

int main(int argc, char **argv)
{
    const int64_t main_at = now();

    if (argc < 2 || !getenv("BENCH_SHARED"))
        return 125;
    shared = shared_map(getenv("BENCH_SHARED"));
    shared->main_at = main_at;
    prctl(PR_SET_TIMERSLACK, 1UL); /* naps are exact */
    if (strcmp(argv[1], "start") == 0) {
        nap(20000);
        shared->done = 1;
        shared->end_at = now();
        _exit(0);
    }
    if (strcmp(argv[1], "signals") == 0) {
        signals(argc > 2 ? atoi(argv[2]) : 1000);
        shared->done = 1;
    } else {
        adopted_work(argc, argv);
    }
    _exit(0);
}
