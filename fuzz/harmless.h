/*
 * harmless.h: the world that a fuzz target sees in place of the system. No input can signal, fork, mount or write
 * anything: the linker puts other functions in place of the system calls that could (--wrap).
 *
 *     harmless.c            files, /proc, time, and what an input is read with
 *     harmless_processes.c  processes that are only told of
 *     harmless_signals.c    the signals that the engine waits for, and the socket to its script process
 *
 * Memory, timers and sockets are the kernel's own.
 */
#ifndef REAPER_FUZZ_HARMLESS_H
#define REAPER_FUZZ_HARMLESS_H

#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

enum { PROCESSES_MAX = 64, FIRST_PID = 100, RECORDS_MAX = 512 };

/* A process that is only told of. Its pid is FIRST_PID and its place in the list. */
struct process {
    enum { ABSENT, ALIVE, DEAD } state;
    int status;    /* of a dead one */
    int is_script; /* waits without __WALL do not see it */
    int is_child;  /* of this process, which reaps it */
    int is_traced; /* somebody else waits for it first: waits see it as one that lives */
    int life[2];   /* a pipe whose read end is its pidfd: the write end is closed when it dies; -1: there is none */
    int engine_fd; /* the ends of the socket of a script process: the engine's number, and its own; -1 */
    int script_fd;
};

struct world {
    int64_t now;       /* nanoseconds; a wait moves it forward */
    pid_t self;        /* what getpid gives, or 0 for the truth */
    int clone_error;   /* what the next clone fails with, or 0 */
    int exec_error;    /* what the next process reports instead of its exec, or 0 */
    int first_fd;      /* from this one on, descriptors belong to the run */
    int refuses_async; /* descriptors cannot announce themselves */
    int has_signalfd;
    int send_error;     /* what the next message fails with, or 0 */
    int timer_error;    /* what the next setting of a timer fails with, or 0 */
    int memory_error;   /* what making sure of pages fails with, or 0 */
    int leaves_sockets; /* a script process that ends leaves its socket to somebody */
    int engine_fd;      /* of the socket that was opened last, for the next script process; -1 */
    int script_fd;
    siginfo_t records[RECORDS_MAX]; /* of the signals that wait, from `first_record` on, around */
    size_t first_record, record_count;
    void (*before_wait)(void); /* what the other side does while this process waits; NULL */
    void (*before_send)(void); /* what it does before it is sent something; NULL */
    const char *passwd;        /* the texts of /etc/passwd and /etc/group */
    const char *group;
    struct process processes[PROCESSES_MAX];
    size_t process_count;
};

extern struct world world;

/* A fresh world. */
void world_begin(void);

/* Closes all descriptors that have been opened since: the fuzzer opens its own before. */
void world_end(void);

/* A new process, or NULL when there are enough. */
struct process *world_add(int is_child, int is_script);
pid_t world_pid(const struct process *process);
struct process *world_find(pid_t pid);
void world_die(struct process *process, int status);

/* The socket that was opened last is this process's. */
void world_give_socket(struct process *process);

/* A signal comes. What is one too many is lost. */
void world_signal(const siginfo_t *record);

/* What the kernel does for a watched descriptor that has something to tell: the signal that F_SETSIG has asked for. */
void world_announce(int fd, int code);

/* ---- What an input is read with. At its end it gives zeros. ---- */

struct input {
    const uint8_t *at, *end;
};

unsigned input_byte(struct input *input);
int64_t input_number(struct input *input); /* small ones mostly, and the corners of the integers */
size_t input_text(struct input *input, char *text, size_t size); /* a length, and so many bytes */

/* ---- For harmless*.c. ---- */

/* What is called in place of `name`, which is __real_name. */
#define WRAP(type, name, ...)        \
    type __wrap_##name(__VA_ARGS__); \
    type __wrap_##name(__VA_ARGS__)

/* Sets errno and gives -1. */
int world_fail(int error);

/* A signal to processes of this world, as kill(2). */
int world_kill(pid_t pid, int number);

/* The next signal, as sigtimedwait(2). */
int world_wait(siginfo_t *record, const struct timespec *timeout);

/* ---- For all. ---- */

/* Ends the run as a failure unless `truth`. */
#define EXPECT(truth) ((truth) ? (void)0 : world_wrong(__FILE__, __LINE__, #truth))
void world_wrong(const char *file, int line, const char *what) __attribute__((noreturn));

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#endif
