/*
 * The specs' helper: one program with many small parts to play. Some prepare the place in which the program under
 * test starts (host, exec, limit, pty), the others are what it has to look after (orphans, signals, daemon, ...).
 * It needs nothing but libc and uses raw system calls where libc hides something, as it does for signals 32 and 33.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <grp.h>
#include <limits.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LAST_SIGNAL = 64, EXIT_FAILED = 125, NAP_US = 500, PATIENCE_S = 10 };

/* Numbers as the kernel has them: libc's SIGRTMIN is 34, since it keeps 32 and 33 for its threads. */
enum { REALTIME_MIN = 34, REALTIME_MAX = 64 };

/* What rt_sigaction takes, which is not what libc's sigaction takes. */
struct kernel_action {
    void (*handler)(int);
    unsigned long flags;
    void (*restorer)(void);
    uint64_t mask;
};

struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
};

static const char *program_path; /* as this program was called */

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "spec-helper: %s: %s\n", what, strerror(errno));
    exit(EXIT_FAILED);
}

static _Noreturn void misuse(const char *what)
{
    fprintf(stderr, "spec-helper: %s\n", what);
    exit(EXIT_FAILED);
}

static double parse_number(const char *text, double least, double most)
{
    char *end = NULL;
    const double number = strtod(text, &end);

    if (end == text || *end != '\0' || !(number >= least && number <= most))
        misuse(text);
    return number;
}

static int parse_int(const char *text, int least, int most)
{
    return (int)parse_number(text, least, most);
}

static struct timespec span(double seconds)
{
    const time_t whole = (time_t)seconds;

    return (struct timespec){ .tv_sec = whole, .tv_nsec = (long)((seconds - (double)whole) * 1e9) };
}

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static _Noreturn void pause_forever(void)
{
    for (;;)
        pause();
}

/* ---- signals ---- */

static uint64_t bit(int signal_number)
{
    return UINT64_C(1) << (signal_number - 1);
}

/* A name with or without SIG, RTMIN+n, RTMAX-n, or a number. */
static int parse_signal(const char *text)
{
    if (isdigit((unsigned char)*text))
        return parse_int(text, 1, LAST_SIGNAL);
    if (strncmp(text, "SIG", 3) == 0)
        text += 3;
    if (strncmp(text, "RTMIN", 5) == 0)
        return REALTIME_MIN + (text[5] ? parse_int(text + 5, 0, 30) : 0);
    if (strncmp(text, "RTMAX", 5) == 0)
        return REALTIME_MAX + (text[5] ? parse_int(text + 5, -30, 0) : 0);
    for (int number = 1; number < 32; number++)
        if (strcmp(text, sigabbrev_np(number)) == 0)
            return number;
    misuse(text);
}

static uint64_t parse_signals(char *list)
{
    uint64_t set = 0;
    char *rest = NULL;

    if (strcmp(list, "ALL") == 0)
        return UINT64_MAX;
    for (char *word = strtok_r(list, ",", &rest); word != NULL; word = strtok_r(NULL, ",", &rest))
        set |= bit(parse_signal(word));
    return set;
}

static void set_mask(uint64_t mask)
{
    if (syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, sizeof mask) < 0)
        fail("rt_sigprocmask");
}

static uint64_t get_mask(void)
{
    uint64_t mask = 0;

    if (syscall(SYS_rt_sigprocmask, SIG_SETMASK, NULL, &mask, sizeof mask) < 0)
        fail("rt_sigprocmask");
    return mask;
}

static void set_dispositions(uint64_t set, void (*handler)(int))
{
    const struct kernel_action action = { .handler = handler };

    for (int number = 1; number <= LAST_SIGNAL; number++)
        if ((set & bit(number)) != 0 && number != SIGKILL && number != SIGSTOP
            && syscall(SYS_rt_sigaction, number, &action, NULL, sizeof action.mask) < 0)
            fail("rt_sigaction");
}

static uint64_t get_ignored(void)
{
    uint64_t set = 0;

    for (int number = 1; number <= LAST_SIGNAL; number++) {
        struct kernel_action action;

        if (syscall(SYS_rt_sigaction, number, NULL, &action, sizeof action.mask) < 0)
            fail("rt_sigaction");
        if (action.handler == SIG_IGN)
            set |= bit(number);
    }
    return set;
}

/* The next signal of all 64, which must be blocked. */
static int next_signal(siginfo_t *info)
{
    const uint64_t all = UINT64_MAX;
    long number;

    do
        number = syscall(SYS_rt_sigtimedwait, &all, info, NULL, sizeof all);
    while (number < 0 && errno == EINTR);
    if (number < 0)
        fail("rt_sigtimedwait");
    return (int)number;
}

/* ---- the place in which the program under test starts ---- */

struct setup {
    uint64_t ignored;
    uint64_t blocked;
    uint64_t closed; /* descriptors 0 to 63 */
    bool no_proc;
    bool full_stderr;
    bool tty;
    bool report_left;
    const char *ready; /* a file that gets the program's pid, just before exec */
};

static const struct option setup_options[] = {
    { "ignore", required_argument, NULL, 'i' },
    { "block", required_argument, NULL, 'b' },
    { "close", required_argument, NULL, 'c' },
    { "no-proc", no_argument, NULL, 'p' },
    { "full-stderr", no_argument, NULL, 'f' },
    { "tty", no_argument, NULL, 't' },
    { "report-left", no_argument, NULL, 'l' },
    { "ready", required_argument, NULL, 'r' },
    { NULL, 0, NULL, 0 },
};

static uint64_t parse_descriptors(char *list)
{
    uint64_t set = 0;
    char *rest = NULL;

    for (char *word = strtok_r(list, ",", &rest); word != NULL; word = strtok_r(NULL, ",", &rest))
        set |= UINT64_C(1) << parse_int(word, 0, 63);
    return set;
}

/* Only where /proc shows this process as 1 was it mounted for a namespace of its own: never the machine's. */
static void check_proc_is_private(void)
{
    char self[16] = "";

    if (readlink("/proc/self", self, sizeof self - 1) < 0 || strcmp(self, "1") != 0)
        misuse("--no-proc is for process 1 of a namespace with its own /proc only");
}

static struct setup parse_setup(int argc, char **argv)
{
    struct setup setup = { .ignored = 0 };
    int option;

    while ((option = getopt_long(argc, argv, "+", setup_options, NULL)) != -1) {
        switch (option) {
        case 'i':
            setup.ignored = parse_signals(optarg);
            break;
        case 'b':
            setup.blocked = parse_signals(optarg);
            break;
        case 'c':
            setup.closed = parse_descriptors(optarg);
            break;
        case 'p':
            setup.no_proc = true;
            break;
        case 'f':
            setup.full_stderr = true;
            break;
        case 't':
            setup.tty = true;
            break;
        case 'l':
            setup.report_left = true;
            break;
        case 'r':
            setup.ready = optarg;
            break;
        default:
            exit(EXIT_FAILED);
        }
    }
    if (optind == argc)
        misuse("no program given");
    if (setup.no_proc)
        check_proc_is_private();
    return setup;
}

/*
 * A full pipe without a reader would break, and a reader would have to be a process of its own. A pipe opened for
 * reading and writing at once is its own reader.
 */
static void fill_stderr(void)
{
    int ends[2];
    char path[64];
    char page[4096] = { 0 };

    if (pipe(ends) < 0)
        fail("pipe");
    snprintf(path, sizeof path, "/proc/self/fd/%d", ends[0]);
    const int both = open(path, O_RDWR | O_NONBLOCK);
    if (both < 0)
        fail(path);
    while (write(both, page, sizeof page) > 0 || write(both, page, 1) > 0)
        continue;
    fcntl(both, F_SETFL, O_RDWR);
    dup2(both, STDERR_FILENO);
    close(both);
    close(ends[0]);
    close(ends[1]);
}

/*
 * Layer by layer, since the namespace's /proc lies over the machine's. In a mount namespace of this process's own: the
 * specs look at the namespace's /proc where it was left.
 */
static void unmount_proc(void)
{
    if (unshare(CLONE_NEWNS) < 0)
        fail("unshare");
    for (int layer = 0; layer < 8 && umount2("/proc", MNT_DETACH) == 0; layer++)
        continue;
}

/* The terminal may have been given to a process outside already, with its session: it is taken from there. */
static void take_terminal(void)
{
    if (setsid() < 0)
        fail("setsid");
    if (ioctl(STDIN_FILENO, TIOCSCTTY, 1) < 0)
        fail("TIOCSCTTY");
}

static void tell_ready(const char *path)
{
    const int file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    if (file < 0 || dprintf(file, "%d\n", (int)getpid()) < 0)
        fail(path);
    close(file);
}

static _Noreturn void exec_program(char **argv)
{
    execvp(argv[0], argv);
    const int code = errno == ENOENT ? 127 : 126;
    fprintf(stderr, "spec-helper: %s: %s\n", argv[0], strerror(errno));
    exit(code);
}

static int run_command(int argc, char **argv);

/* The helper goes on as itself without an exec, which would cost more than all that it does. */
static _Noreturn void become(char **argv)
{
    int count = 0;

    if (strcmp(argv[0], program_path) != 0)
        exec_program(argv);
    while (argv[count] != NULL)
        count++;
    optind = 0; /* getopt begins anew (getopt(3), notes) */
    exit(run_command(count, argv));
}

static _Noreturn void start_program(const struct setup *setup, char **argv)
{
    if (setup->full_stderr)
        fill_stderr(); /* needs /proc */
    if (setup->no_proc)
        unmount_proc();
    if (setup->tty)
        take_terminal();
    if (setup->ready != NULL)
        tell_ready(setup->ready);
    for (int descriptor = 0; descriptor < 64; descriptor++)
        if ((setup->closed >> descriptor & 1) != 0)
            close(descriptor);
    set_dispositions(setup->ignored, SIG_IGN);
    set_mask(setup->blocked);
    exec_program(argv);
}

static int run_exec(int argc, char **argv)
{
    const struct setup setup = parse_setup(argc, argv);

    start_program(&setup, argv + optind);
}

static int exit_code(int status)
{
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static void report_adopted(pid_t pid, bool report)
{
    if (pid > 0 && report)
        fprintf(stderr, "host: adopted %d\n", (int)pid);
}

/* Reaps all that comes until the program itself ends; what comes besides it are orphans that it did not adopt. */
static int reap_until(pid_t program, bool report)
{
    for (;;) {
        int status = 0;
        const pid_t pid = waitpid(-1, &status, __WALL);

        if (pid == program)
            return exit_code(status);
        if (pid < 0 && errno != EINTR)
            fail("waitpid");
        report_adopted(pid, report);
    }
}

/* Orphans that died before the program may come after it. */
static void reap_rest(bool report)
{
    pid_t pid;

    while ((pid = waitpid(-1, NULL, WNOHANG | __WALL)) > 0)
        report_adopted(pid, report);
}

static void report_process(int pid)
{
    char path[64];
    char comm[64] = "?";
    char state = '?';

    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return;
    if (fscanf(file, "%*d (%63[^)]) %c", comm, &state) == 2)
        fprintf(stderr, "host: left %d %c %s\n", pid, state, comm);
    fclose(file);
}

static void report_left(void)
{
    DIR *proc = opendir("/proc");
    const struct dirent *entry;

    if (proc == NULL)
        return;
    while ((entry = readdir(proc)) != NULL) {
        const int pid = atoi(entry->d_name);

        if (pid > 1)
            report_process(pid);
    }
    closedir(proc);
}

static int run_host(int argc, char **argv)
{
    const struct setup setup = parse_setup(argc, argv);
    const pid_t program = fork();

    if (program < 0)
        fail("fork");
    if (program == 0)
        start_program(&setup, argv + optind);
    const int code = reap_until(program, setup.report_left);
    reap_rest(setup.report_left);
    if (setup.report_left)
        report_left();
    return code;
}

/* exec keeps the alarm and the parent-death signal, so that whatever is run ends with the specs at the latest. */
static int run_limit(int argc, char **argv)
{
    if (argc < 4 || strcmp(argv[2], "--") != 0)
        misuse("limit SECONDS -- PROGRAM [ARG...]");
    const int seconds = parse_int(argv[1], 1, 36000);

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    syscall(SYS_close_range, 3U, ~0U, 0U);
    /* make, by the C library's posix_spawn, leaves signals 32 and 33 ignored. */
    set_dispositions(~UINT64_C(0), SIG_DFL);
    set_mask(0);
    alarm((unsigned int)seconds);
    become(argv + 3);
}

/* ---- namespaces ---- */

static void mount_proc(void)
{
    if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NOEXEC | MS_NODEV, NULL) < 0)
        fail("mounting /proc");
}

/* What unshare(1) does with --pid --fork --mount-proc --kill-child, but that it tells an end by KILL as any other. */
static int run_contain(int argc, char **argv)
{
    int status = 0;

    if (argc < 3 || strcmp(argv[1], "--") != 0)
        misuse("contain -- PROGRAM [ARG...]");
    if (unshare(CLONE_NEWPID | CLONE_NEWNS) < 0)
        fail("unshare");
    if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        fail("making the mounts private");
    const pid_t first = fork();
    if (first < 0)
        fail("fork");
    if (first == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        mount_proc();
        become(argv + 2);
    }
    while (waitpid(first, &status, 0) < 0 && errno == EINTR)
        continue;
    return exit_code(status);
}

/* ---- a terminal ---- */

struct terminal {
    int master;
    int slave; /* kept open, so that the master does not fail while nobody has the slave */
};

static struct terminal open_terminal(void)
{
    struct terminal terminal = { .master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC) };

    if (terminal.master < 0 || grantpt(terminal.master) < 0 || unlockpt(terminal.master) < 0)
        fail("posix_openpt");
    terminal.slave = open(ptsname(terminal.master), O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (terminal.slave < 0)
        fail("ptsname");
    return terminal;
}

static _Noreturn void start_on_terminal(const struct terminal *terminal, char **argv)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (int descriptor = 0; descriptor < 3; descriptor++)
        dup2(terminal->slave, descriptor);
    take_terminal();
    become(argv);
}

static bool copy_once(int from, int to)
{
    char buffer[4096];
    const ssize_t size = read(from, buffer, sizeof buffer);

    for (ssize_t done = 0; done < size;) {
        const ssize_t written = write(to, buffer + done, (size_t)(size - done));

        if (written < 0)
            return false;
        done += written;
    }
    return size > 0;
}

/* Copies both ways until the program has ended and its last output has been read. */
static void copy_terminal(int master, int program)
{
    struct pollfd polled[] = { { STDIN_FILENO, POLLIN, 0 }, { master, POLLIN, 0 }, { program, POLLIN, 0 } };

    while (polled[1].fd >= 0 || polled[2].fd >= 0) {
        if (poll(polled, 3, polled[2].fd >= 0 ? -1 : 0) < 0 && errno != EINTR)
            fail("poll");
        if (polled[0].revents != 0 && !copy_once(STDIN_FILENO, master))
            polled[0].fd = -1;
        if (polled[1].revents != 0 ? !copy_once(master, STDOUT_FILENO) : polled[2].fd < 0)
            polled[1].fd = -1;
        if (polled[2].revents != 0)
            polled[2].fd = -1;
    }
}

/* Its own parent has gone, and it holds the other side of its terminal itself, so nobody else hangs that up. */
static int run_session(int argc, char **argv)
{
    if (argc < 2)
        misuse("no program given");
    const pid_t leader = fork();

    if (leader < 0)
        fail("fork");
    if (leader > 0)
        return 0;
    const struct terminal terminal = open_terminal();
    fcntl(terminal.master, F_SETFD, 0);
    for (int descriptor = 0; descriptor < 3; descriptor++)
        dup2(terminal.slave, descriptor);
    take_terminal();
    become(argv + 1);
}

static int run_pty(int argc, char **argv)
{
    static const struct option options[] = { { "timeout", required_argument, NULL, 't' }, { NULL, 0, NULL, 0 } };
    int option;

    while ((option = getopt_long(argc, argv, "+", options, NULL)) != -1) {
        if (option != 't')
            return EXIT_FAILED;
        alarm((unsigned int)parse_int(optarg, 1, 36000));
    }
    if (optind == argc)
        misuse("no program given");
    const struct terminal terminal = open_terminal();
    const pid_t program = fork();
    int status = 0;

    if (program < 0)
        fail("fork");
    if (program == 0)
        start_on_terminal(&terminal, argv + optind);
    const int descriptor = (int)syscall(SYS_pidfd_open, program, 0);
    if (descriptor < 0)
        fail("pidfd_open");
    copy_terminal(terminal.master, descriptor);
    waitpid(program, &status, 0);
    return exit_code(status);
}

/* ---- orphans ---- */

enum { STACK_SIZE = 64 * 1024 };

struct batch {
    int count;
    int code;
    int parallel;
    bool sequence;
    bool forked; /* the orphans live on in a process of their own, for `alive` */
    struct timespec alive;
    struct timespec pause; /* before each parent */
    const char *comm;
    int each; /* so many are left by one parent */
    int left; /* so many of them are still to be made */
    int index;
    pid_t orphan; /* the last one, filled in by the parent that is about to leave it */
    int failure;
    _Alignas(16) char parent_stack[STACK_SIZE];
    _Alignas(16) char orphan_stack[STACK_SIZE];
};

static int orphan_main(void *argument)
{
    const struct batch *batch = argument;

    if (batch->forked)
        nanosleep(&batch->alive, NULL);
    return batch->sequence ? batch->index % 256 : batch->code;
}

/*
 * Runs in the memory of its own parent, which is held up meanwhile. Its child does the same, unless it has to live
 * on: so it dies first, and is adopted dead when this one ends. That is cheap, and keeps the orphans in order. The
 * name is inherited, so that nobody sees an orphan without it.
 */
static int parent_main(void *argument)
{
    struct batch *batch = argument;
    siginfo_t dead;
    const int flags = batch->forked ? SIGCHLD : SIGCHLD | CLONE_VM | CLONE_VFORK;

    prctl(PR_SET_NAME, batch->comm);
    do {
        batch->orphan = clone(orphan_main, batch->orphan_stack + STACK_SIZE, flags, batch);
        batch->failure = batch->orphan < 0 ? errno : 0;
    } while (batch->failure == 0 && --batch->left > 0);
    /* CLONE_VFORK lets this one go on before its child is a zombie, and the next orphan could be dead before it. */
    if (batch->sequence && batch->failure == 0)
        waitid(P_PID, (id_t)batch->orphan, &dead, WEXITED | WNOWAIT);
    return 0;
}

static bool try_orphan(struct batch *batch)
{
    const int flags = SIGCHLD | CLONE_VM | CLONE_VFORK;
    const pid_t parent = clone(parent_main, batch->parent_stack + STACK_SIZE, flags, batch);

    if (parent < 0) {
        batch->failure = errno;
        return false;
    }
    waitpid(parent, NULL, 0);
    return batch->failure == 0;
}

static void make_orphan(struct batch *batch)
{
    const double deadline = now() + PATIENCE_S;

    while (!try_orphan(batch)) {
        errno = batch->failure;
        if ((errno != EAGAIN && errno != ENOMEM) || now() > deadline)
            fail("clone");
        usleep(NAP_US);
    }
}

/* A zombie still has its pid, so this waits for the reaper. */
static void wait_until_gone(pid_t pid, double seconds)
{
    const double deadline = now() + seconds;

    while (kill(pid, 0) == 0) {
        if (now() > deadline) {
            errno = ETIMEDOUT;
            fail("an orphan was not reaped");
        }
        usleep(NAP_US);
    }
}

static void make_orphans(struct batch *batch)
{
    const double patience = PATIENCE_S + (double)batch->alive.tv_sec;
    pid_t *made = calloc((size_t)batch->parallel, sizeof *made);

    if (made == NULL)
        fail("calloc");
    for (batch->index = 1; batch->index <= batch->count; batch->index += batch->each) {
        pid_t *slot = &made[batch->index / batch->each % (batch->parallel / batch->each)];

        if (*slot != 0)
            wait_until_gone(*slot, patience);
        if (batch->pause.tv_nsec > 0 || batch->pause.tv_sec > 0) /* sleeping for 0 takes a while, too */
            nanosleep(&batch->pause, NULL);
        batch->left = batch->each;
        make_orphan(batch);
        *slot = batch->orphan;
    }
    free(made);
}

static int run_orphans(int argc, char **argv)
{
    static const struct option options[] = {
        { "code", required_argument, NULL, 'k' },  { "comm", required_argument, NULL, 'n' },
        { "alive", required_argument, NULL, 'a' }, { "parallel", required_argument, NULL, 'p' },
        { "sequence", no_argument, NULL, 's' },    { "each", required_argument, NULL, 'e' },
        { "pause", required_argument, NULL, 'w' }, { NULL, 0, NULL, 0 },
    };
    static struct batch batch = { .parallel = 500, .each = 1, .comm = "spec-orphan" };
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'k':
            batch.code = parse_int(optarg, 0, 255);
            break;
        case 'n':
            batch.comm = optarg;
            break;
        case 'a':
            batch.forked = true;
            batch.alive = span(parse_number(optarg, 0, 3600));
            break;
        case 'p':
            batch.parallel = parse_int(optarg, 1, 30000);
            break;
        case 's':
            batch.sequence = true;
            break;
        case 'e':
            batch.each = parse_int(optarg, 1, 1000);
            break;
        case 'w':
            batch.pause = span(parse_number(optarg, 0, 3600));
            break;
        default:
            return EXIT_FAILED;
        }
    }
    if (optind != argc - 1 || (batch.sequence && batch.forked))
        misuse("orphans N, and not both --sequence and --alive");
    batch.count = parse_int(argv[optind], 0, 1000000);
    if (batch.count % batch.each != 0 || batch.each > batch.parallel
        || (batch.each > 1 && (batch.sequence || batch.forked)))
        misuse("--each E: a divisor of N, at most P, and not with --sequence or --alive");
    make_orphans(&batch);
    printf("made %d\n", batch.count);
    return 0;
}

/* ---- other things to look after ---- */

static int run_signals(int argc, char **argv)
{
    static const struct option options[] = {
        { "exit-on", required_argument, NULL, 'e' },
        { "stop-self", no_argument, NULL, 's' },
        { NULL, 0, NULL, 0 },
    };
    int exit_on = SIGTERM;
    bool stop = false;
    int option;
    int number;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'e':
            exit_on = parse_signal(optarg);
            break;
        case 's':
            stop = true;
            break;
        default:
            return EXIT_FAILED;
        }
    }
    set_mask(UINT64_MAX);
    puts("ready");
    if (stop)
        raise(SIGSTOP);
    do {
        siginfo_t info;

        number = next_signal(&info);
        if (info.si_code == SI_QUEUE)
            printf("got %d value %d\n", number, info.si_value.sival_int);
        else
            printf("got %d\n", number);
    } while (number != exit_on);
    return 0;
}

static int run_send(int argc, char **argv)
{
    if (argc < 3 || argc > 4)
        misuse("send SIGNAL PID [VALUE]");
    const int number = parse_signal(argv[1]);
    const pid_t pid = parse_int(argv[2], 1, INT32_MAX);
    const union sigval value = { .sival_int = argc > 3 ? parse_int(argv[3], INT32_MIN, INT32_MAX) : 0 };

    if ((argc > 3 ? sigqueue(pid, number, value) : kill(pid, number)) < 0)
        fail(argv[2]);
    return 0;
}

static void print_descriptors(void)
{
    fputs("fds", stdout);
    for (int descriptor = 0; descriptor < 256; descriptor++)
        if (fcntl(descriptor, F_GETFD) >= 0)
            printf(" %d", descriptor);
    putchar('\n');
}

static void print_identity(void)
{
    gid_t groups[256];
    const int count = getgroups(256, groups);

    printf("pid %d\nppid %d\npgrp %d\nsid %d\n", getpid(), getppid(), getpgrp(), getsid(0));
    printf("tpgid %d\n", tcgetpgrp(STDIN_FILENO));
    printf("uid %u\ngid %u\ngroups", getuid(), getgid());
    for (int index = 0; index < count; index++)
        printf(" %u", groups[index]);
    putchar('\n');
}

static void print_limit(const char *name, rlim_t limit)
{
    if (limit == RLIM_INFINITY)
        printf("%s unlimited", name);
    else
        printf("%s %llu", name, (unsigned long long)limit);
}

static void print_oom_score(void)
{
    FILE *file = fopen("/proc/self/oom_score_adj", "re");
    int score = 0;

    if (file == NULL)
        return;
    if (fscanf(file, "%d", &score) == 1)
        printf("oom_score_adj %d\n", score);
    fclose(file);
}

static void print_surroundings(void)
{
    char path[4096];
    struct rlimit files;
    const mode_t mask = umask(0);

    umask(mask);
    getrlimit(RLIMIT_NOFILE, &files);
    printf("cwd %s\n", getcwd(path, sizeof path) != NULL ? path : "?");
    printf("umask %04o\nnice %d\n", mask, getpriority(PRIO_PROCESS, 0));
    print_limit("nofile", files.rlim_cur);
    print_limit("", files.rlim_max);
    putchar('\n');
    print_oom_score();
}

/* The inode number of this process's pidfd, by which LISTEN_PIDFDID names it. */
static unsigned long long pidfd_inode(void)
{
    const int descriptor = (int)syscall(SYS_pidfd_open, getpid(), 0);
    struct stat pidfd;

    if (descriptor < 0 || fstat(descriptor, &pidfd) != 0)
        fail("pidfd");
    close(descriptor);
    return pidfd.st_ino;
}

/* What socket activation and the watchdog of systemd set in the environment of the process that they start. */
static int run_named(int argc, char **argv)
{
    static const char *const names[] = { "LISTEN_PID", "WATCHDOG_PID", "SYSTEMD_EXEC_PID" };
    char text[32];

    if (argc < 3 || strcmp(argv[1], "--") != 0)
        misuse("named -- PROGRAM...");
    snprintf(text, sizeof text, "%d", (int)getpid());
    for (size_t index = 0; index < sizeof names / sizeof *names; index++)
        setenv(names[index], text, 1);
    snprintf(text, sizeof text, "%llu", pidfd_inode());
    setenv("LISTEN_PIDFDID", text, 1);
    execvp(argv[2], argv + 2);
    fail(argv[2]);
}

static int run_state(int argc, char **argv)
{
    if (argc > 1)
        misuse(argv[1]);
    printf("mask %016llx\n", (unsigned long long)get_mask());
    printf("ignored %016llx\n", (unsigned long long)get_ignored());
    print_descriptors();
    print_identity();
    print_surroundings();
    printf("pidfd_inode %llu\n", pidfd_inode());
    for (char **entry = environ; *entry != NULL; entry++)
        printf("env %s\n", *entry);
    return 0;
}

struct daemon_options {
    bool ignore_term;
    bool stopped;
    bool leaderless; /* its first thread has ended, so that /proc shows it as a zombie */
    bool undumpable; /* hidden by a /proc with hidepid from all who may not trace everybody */
    const char *log;
    int ready;
};

/* Without its leader it is ready when /proc says so. */
static void await_end_of_leader(void)
{
    char path[64];
    char state = '?';

    snprintf(path, sizeof path, "/proc/%d/stat", (int)getpid());
    for (const double deadline = now() + PATIENCE_S; state != 'Z' && now() < deadline; usleep(NAP_US)) {
        FILE *file = fopen(path, "re");

        if (file == NULL || fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
            fail(path);
        fclose(file);
    }
}

static void *daemon_work(void *context)
{
    const struct daemon_options *const options = context;
    const int log = options->log ? open(options->log, O_WRONLY | O_CREAT | O_APPEND, 0644) : -1;
    siginfo_t info;
    int number;

    if (options->log != NULL && log < 0)
        fail(options->log);
    if (options->leaderless)
        await_end_of_leader();
    dprintf(options->ready, "daemon %d\n", (int)getpid());
    close(options->ready);
    if (options->stopped)
        raise(SIGSTOP);
    do {
        number = next_signal(&info);
        if (log >= 0)
            dprintf(log, "got %d\n", number);
    } while (number != SIGTERM || options->ignore_term);
    _exit(0);
}

static _Noreturn void daemon_main(struct daemon_options *options)
{
    pthread_t thread;

    prctl(PR_SET_NAME, "spec-daemon");
    if (options->undumpable)
        prctl(PR_SET_DUMPABLE, 0);
    set_mask(UINT64_MAX);
    if (options->leaderless && pthread_create(&thread, NULL, daemon_work, options) == 0)
        pthread_exit(NULL);
    daemon_work(options);
    _exit(EXIT_FAILED);
}

/* The parent that leaves the daemon; its last act is to see it stopped, which only a parent can wait for. */
static _Noreturn void daemon_parent(struct daemon_options *options)
{
    setsid();
    const pid_t daemon_pid = fork();

    if (daemon_pid == 0)
        daemon_main(options);
    close(options->ready);
    if (daemon_pid > 0 && options->stopped)
        waitpid(daemon_pid, NULL, WUNTRACED);
    _exit(daemon_pid > 0 ? 0 : EXIT_FAILED);
}

static struct daemon_options parse_daemon(int argc, char **argv)
{
    static const struct option options[] = {
        { "ignore-term", no_argument, NULL, 'i' }, { "stopped", no_argument, NULL, 's' },
        { "leaderless", no_argument, NULL, 'z' },  { "undumpable", no_argument, NULL, 'u' },
        { "log", required_argument, NULL, 'l' },   { NULL, 0, NULL, 0 },
    };
    struct daemon_options result = { .log = NULL };
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'i':
            result.ignore_term = true;
            break;
        case 's':
            result.stopped = true;
            break;
        case 'z':
            result.leaderless = true;
            break;
        case 'u':
            result.undumpable = true;
            break;
        case 'l':
            result.log = optarg;
            break;
        default:
            exit(EXIT_FAILED);
        }
    }
    return result;
}

static int run_daemon(int argc, char **argv)
{
    struct daemon_options options = parse_daemon(argc, argv);
    char line[64] = "";
    int ready[2];

    if (pipe(ready) < 0)
        fail("pipe");
    options.ready = ready[1];
    const pid_t parent = fork();
    if (parent < 0)
        fail("fork");
    if (parent == 0)
        daemon_parent(&options);
    close(ready[1]);
    const ssize_t size = read(ready[0], line, sizeof line - 1);
    waitpid(parent, NULL, 0);
    fputs(line, stdout);
    return size > 0 ? 0 : EXIT_FAILED;
}

enum { SLEEPER_STACK = 4096 };

static int sleep_on(void *nothing)
{
    (void)nothing;
    pause_forever();
}

/* They share this process's memory, since 10,000 copies of its page tables would cost seconds. */
static void start_sleeper(char *stack)
{
    const double deadline = now() + PATIENCE_S;

    while (clone(sleep_on, stack + SLEEPER_STACK, CLONE_VM | SIGCHLD, NULL) < 0) {
        if (errno != EAGAIN || now() > deadline)
            fail("clone");
        usleep(NAP_US);
    }
}

static int run_sleepers(int argc, char **argv)
{
    if (argc != 2)
        misuse("sleepers N");
    const int count = parse_int(argv[1], 0, 30000);
    char *stacks =
        mmap(NULL, (size_t)(count + 1) * SLEEPER_STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (stacks == MAP_FAILED)
        fail("mmap");
    prctl(PR_SET_NAME, "spec-sleeper"); /* inherited */
    for (int i = 0; i < count; i++)
        start_sleeper(stacks + (size_t)i * SLEEPER_STACK);
    prctl(PR_SET_NAME, "spec-helper");
    puts("ready");
    pause_forever();
}

static int run_hold(int argc, char **argv)
{
    if (argc > 1)
        misuse(argv[1]);
    pause_forever();
}

static int run_crash(int argc, char **argv)
{
    const struct rlimit no_core = { 0, 0 };
    int *volatile nowhere = NULL;

    if (argc != 2)
        misuse("crash segv|abort|kill");
    setrlimit(RLIMIT_CORE, &no_core);
    if (strcmp(argv[1], "segv") == 0)
        *(volatile int *)nowhere = 1;
    else if (strcmp(argv[1], "abort") == 0)
        abort();
    else if (strcmp(argv[1], "kill") == 0)
        kill(getpid(), SIGKILL);
    misuse(argv[1]);
}

static int run_exit(int argc, char **argv)
{
    if (argc != 2)
        misuse("exit CODE");
    return parse_int(argv[1], 0, 255);
}

/* A signal that claims to be something else: the kernel takes any negative code from anybody, with any pid and value.
 */
static int run_forge(int argc, char **argv)
{
    siginfo_t info;

    if (argc != 6)
        misuse("forge takes SIG PID CODE FROM COUNT");
    memset(&info, 0, sizeof info);
    info.si_signo = parse_int(argv[1], 1, LAST_SIGNAL);
    info.si_code = -parse_int(argv[3], 1, 64);
    info.si_pid =
        parse_int(argv[4], 0, INT_MAX); /* in a union with other fields: of a timer it is the timer's number */
    info.si_value.sival_ptr = (void *)16;
    for (int count = parse_int(argv[5], 1, 1000); count > 0; count--)
        if (syscall(SYS_rt_sigqueueinfo, parse_int(argv[2], 1, INT_MAX), info.si_signo, &info) != 0)
            fail("rt_sigqueueinfo");
    return 0;
}

/* reaper-lua takes the signal for its own where the number is one that a descriptor of its own has had. */
enum { FOREIGN_FD = 200 };

/* Has the kernel send a signal because of a descriptor that can be read, or written. */
static int run_sigio(int argc, char **argv)
{
    int ends[2];

    if (argc != 4)
        misuse("sigio takes SIG PID in|out");
    const int which = strcmp(argv[3], "out") == 0;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0)
        fail("socketpair");
    if (dup2(ends[0], FOREIGN_FD) < 0)
        fail("dup2");
    close(ends[0]);
    ends[0] = FOREIGN_FD;
    if (fcntl(ends[0], F_SETOWN, parse_int(argv[2], 1, INT_MAX)) != 0
        || fcntl(ends[0], F_SETSIG, parse_int(argv[1], 1, LAST_SIGNAL)) != 0)
        fail("F_SETSIG");
    if (which) { /* it is told when a full socket has room again */
        char block[4096] = { 0 };

        /* Before the write that finds it full: only then does the kernel remember that somebody waits for room. */
        fcntl(ends[0], F_SETFL, O_ASYNC | O_NONBLOCK);
        while (write(ends[0], block, sizeof block) > 0)
            continue;
        fcntl(ends[1], F_SETFL, O_NONBLOCK);
        while (read(ends[1], block, sizeof block) > 0)
            continue;
    } else {
        fcntl(ends[0], F_SETFL, O_ASYNC | O_NONBLOCK);
        if (write(ends[1], "x", 1) != 1)
            fail("write");
    }
    return 0;
}

static void *ask_for_tracer(void *context)
{
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
        fail("PTRACE_TRACEME");
    *(pid_t *)context = (pid_t)syscall(SYS_gettid);
    syscall(SYS_exit, 42);
    return NULL;
}

/* A thread of its own asks its parent to trace it, and ends, N times; each has been reaped before the next line. */
static int run_traceme(int argc, char **argv)
{
    const double deadline = now() + PATIENCE_S;

    for (int count = argc > 1 ? parse_int(argv[1], 1, 1000) : 1; count > 0; count--) {
        pthread_t thread;
        pid_t id = 0;

        if (pthread_create(&thread, NULL, ask_for_tracer, &id) != 0)
            fail("pthread_create");
        pthread_join(thread, NULL);
        while (syscall(SYS_tgkill, getpid(), id, 0) == 0 && now() < deadline)
            usleep(NAP_US);
        printf("thread %d\n", (int)id);
        fflush(stdout);
    }
    return 5;
}

/* Traces a process and never waits for it, until stdin ends. */
static int run_seize(int argc, char **argv)
{
    char byte;

    if (argc != 2)
        misuse("seize takes PID");
    if (ptrace(PTRACE_SEIZE, parse_int(argv[1], 1, INT_MAX), NULL, NULL) != 0)
        fail("PTRACE_SEIZE");
    printf("seized\n");
    fflush(stdout);
    while (read(STDIN_FILENO, &byte, 1) > 0)
        continue;
    return 0;
}

struct notifier {
    int fd;
    struct sockaddr_un address;
    socklen_t size;
};

static struct notifier open_notifier(void)
{
    struct notifier notifier = { .fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), .address.sun_family = AF_UNIX };
    const char *name = getenv("NOTIFY_SOCKET");

    if (!name || name[0] != '@' || strlen(name) >= sizeof notifier.address.sun_path || notifier.fd < 0)
        misuse("notify TEXT..., with an abstract NOTIFY_SOCKET");
    memcpy(notifier.address.sun_path + 1, name + 1, strlen(name + 1));
    notifier.size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
    return notifier;
}

enum { NOTIFY_FDS_MAX = 253 }; /* SCM_MAX_FD of the kernel */

/* Sends a message with so many copies of a descriptor. */
static void notify(struct notifier *notifier, const char *text, size_t size, int fd, int copies)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(NOTIFY_FDS_MAX * sizeof(int))];
    } control = { .bytes = { 0 } };
    struct iovec part = { (void *)text, size };
    struct msghdr message = {
        .msg_name = &notifier->address, .msg_namelen = notifier->size, .msg_iov = &part, .msg_iovlen = 1
    };

    if (copies > 0) {
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE((size_t)copies * sizeof fd);
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN((size_t)copies * sizeof fd);
        for (int i = 0; i < copies; i++)
            memcpy(CMSG_DATA(&control.header) + (size_t)i * sizeof fd, &fd, sizeof fd);
    }
    if (sendmsg(notifier->fd, &message, 0) < 0)
        fail("sendmsg");
}

/* What sd_notify_barrier(3) does: waits until nobody but the kernel has had the other end of a pipe. */
static void notify_barrier(struct notifier *notifier)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) != 0)
        fail("pipe");
    notify(notifier, "BARRIER=1", strlen("BARRIER=1"), ends[1], 1);
    close(ends[1]);
    struct pollfd entry = { .fd = ends[0], .events = 0 };
    while (poll(&entry, 1, -1) < 0 && errno == EINTR)
        continue;
    puts("behind the barrier");
}

/* Sends a message of so many bytes. */
static void notify_big(struct notifier *notifier, int size)
{
    char *text = malloc((size_t)size);

    if (!text)
        fail("malloc");
    memset(text, 'x', (size_t)size);
    memcpy(text, "READY=1\n", 8);
    notify(notifier, text, (size_t)size, 0, 0);
    free(text);
}

/* Each word is a message for $NOTIFY_SOCKET, as sd_notify(3) sends it, unless it is an option. */
static int run_notify(int argc, char **argv)
{
    struct notifier notifier = open_notifier();
    int copies = 0;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--fds") == 0 && i + 1 < argc)
            copies = parse_int(argv[++i], 0, NOTIFY_FDS_MAX);
        else if (strcmp(argv[i], "--big") == 0 && i + 1 < argc)
            notify_big(&notifier, parse_int(argv[++i], 8, 1 << 17));
        else if (strcmp(argv[i], "--barrier") == 0)
            notify_barrier(&notifier);
        else if (strcmp(argv[i], "--hold") == 0)
            pause_forever();
        else if (strcmp(argv[i], "--flood") == 0 && i + 1 < argc)
            for (i++;;)
                notify(&notifier, argv[i], strlen(argv[i]), STDIN_FILENO, copies);
        else
            notify(&notifier, argv[i], strlen(argv[i]), STDIN_FILENO, copies);
    }
    return 0;
}

/* ---- the network ---- */

/* Runs a program where there is nothing but a loopback device: every port is free. */
static int run_net(int argc, char **argv)
{
    struct ifreq device = { .ifr_name = "lo" };

    if (argc < 3 || strcmp(argv[1], "--") != 0)
        misuse("net -- PROGRAM [ARG...]");
    if (unshare(CLONE_NEWNET) < 0)
        fail("unshare");
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &device) < 0)
        fail("lo");
    device.ifr_flags |= IFF_UP;
    if (ioctl(fd, SIOCSIFFLAGS, &device) < 0)
        fail("lo up");
    become(argv + 2);
}

static int listen_on(int port, bool v6)
{
    struct sockaddr_in four = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port) };
    const int on = 1;
    const int fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    four.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    six.sin6_addr = in6addr_loopback;
    if (fd < 0)
        fail("socket");
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if ((v6 ? bind(fd, (const struct sockaddr *)&six, sizeof six)
            : bind(fd, (const struct sockaddr *)&four, sizeof four))
            != 0
        || listen(fd, 16) != 0)
        fail("listen");
    return fd;
}

/* Prints a request up to its empty line. */
static void print_request(int fd)
{
    char text[8192];
    size_t size = 0;
    ssize_t got;

    while (size < sizeof text - 1 && (got = read(fd, text + size, sizeof text - 1 - size)) > 0) {
        size += (size_t)got;
        text[size] = '\0';
        if (strstr(text, "\r\n\r\n"))
            break;
    }
    for (char *line = strtok(text, "\r\n"); size > 0 && line; line = strtok(NULL, "\r\n"))
        printf("< %s\n", line);
    fflush(stdout);
}

/* Writes without end, until nobody reads, and prints how many bytes were taken. */
static void flood(int fd)
{
    static const char block[65536];
    long long sum = 0;
    ssize_t done;

    while ((done = write(fd, block, sizeof block)) > 0)
        sum += done;
    printf("flooded %lld\n", sum);
    fflush(stdout);
}

static void serve_one(int fd, const char *how, const char *text)
{
    if (strcmp(how, "close") == 0)
        return;
    print_request(fd);
    if (strcmp(how, "hold") == 0)
        pause_forever();
    for (const char *at = text; strcmp(how, "drip") == 0 && *at && write(fd, at, 1) == 1; at++)
        usleep(100000);
    if (strcmp(how, "drip") != 0 && write(fd, text, strlen(text)) < 0)
        return;
    if (strcmp(how, "flood") == 0)
        flood(fd);
}

/* Serves one connection after the other. TEXT comes from the shell's printf, which knows \r\n. */
static int run_serve(int argc, char **argv)
{
    if (argc != 5)
        misuse("serve 4|6 PORT say|drip|flood|hold|close TEXT");
    const int listener = listen_on(parse_int(argv[2], 1, 65535), argv[1][0] == '6');

    signal(SIGPIPE, SIG_IGN);
    printf("listening\n");
    fflush(stdout);
    for (;;) {
        const int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

        if (fd < 0)
            fail("accept");
        serve_one(fd, argv[3], argv[4]);
        close(fd);
    }
}

/* ---- the table of all parts ---- */

static const struct command commands[] = {
    { "host", run_host, "[SETUP] -- PROGRAM...   as process 1, run PROGRAM as a child and reap what it leaves" },
    { "exec", run_exec, "[SETUP] -- PROGRAM...   become PROGRAM" },
    { "limit", run_limit, "SECONDS -- PROGRAM...  become PROGRAM, with an end" },
    { "contain", run_contain, "-- PROGRAM...        run PROGRAM as process 1 of new PID and mount namespaces" },
    { "pty", run_pty, "[--timeout S] -- PROGRAM...  run PROGRAM on a terminal of its own" },
    { "session", run_session, "PROGRAM...          leave PROGRAM as the leader of a session on a terminal of its own" },
    { "orphans", run_orphans,
      "N [--code K] [--comm NAME] [--alive S] [--parallel P] [--sequence] [--each E] [--pause S]" },
    { "signals", run_signals, "[--exit-on SIG] [--stop-self]  print each signal that arrives" },
    { "send", run_send, "SIG PID [VALUE]        send a signal, with a value if there is one" },
    { "named", run_named, "-- PROGRAM...          become PROGRAM, with the variables of systemd that name a process" },
    { "state", run_state, "                      print what was inherited" },
    { "daemon", run_daemon, "[--ignore-term] [--stopped] [--leaderless] [--undumpable] [--log FILE]" },
    { "sleepers", run_sleepers, "N                   hold N children that do nothing" },
    { "hold", run_hold, "                       do nothing" },
    { "crash", run_crash, "segv|abort|kill        die by that signal" },
    { "exit", run_exit, "CODE                    exit with that code" },
    { "forge", run_forge, "SIG PID CODE FROM COUNT  send a signal that claims the negative code and a pid" },
    { "sigio", run_sigio, "SIG PID in|out          have a signal sent for a descriptor" },
    { "traceme", run_traceme, "[N]                  have a thread traced by the parent, and end it" },
    { "seize", run_seize, "PID                     trace it and do not wait for it, until stdin ends" },
    { "net", run_net, "-- PROGRAM...          become PROGRAM in a network namespace that has a loopback device only" },
    { "serve", run_serve, "4|6 PORT say|drip|flood|hold|close TEXT  answer each connection on the loopback device" },
    { "notify", run_notify,
      "[--fds N] [--big SIZE] [--barrier] [--hold] [--flood] TEXT...  send it to $NOTIFY_SOCKET" },
};

enum { COMMANDS = sizeof commands / sizeof commands[0] };

static int print_help(FILE *stream)
{
    fputs("usage: spec-helper COMMAND ...\n", stream);
    for (size_t index = 0; index < COMMANDS; index++)
        fprintf(stream, "  %-8s %s\n", commands[index].name, commands[index].help);
    fputs("SETUP: --ignore SIG,... --block SIG,... --close FD,... --no-proc --full-stderr --tty --report-left "
          "--ready FILE\n",
          stream);
    return stream == stdout ? 0 : EXIT_FAILED;
}

static int run_command(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--help") == 0)
        return print_help(stdout);
    for (size_t index = 0; argc > 1 && index < COMMANDS; index++)
        if (strcmp(argv[1], commands[index].name) == 0)
            return commands[index].run(argc - 1, argv + 1);
    return print_help(stderr);
}

int main(int argc, char **argv)
{
    program_path = argv[0];
    setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
    return run_command(argc, argv);
}
