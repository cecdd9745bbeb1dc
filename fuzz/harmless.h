/*
 * harmless.h: the world that a fuzz target sees in place of the system. No input can signal, fork, mount or write
 * anything: the linker puts the functions of harmless.c in place of the system calls that could (--wrap).
 */
#ifndef REAPER_FUZZ_HARMLESS_H
#define REAPER_FUZZ_HARMLESS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { PROCESSES_MAX = 64, FIRST_PID = 100 };

/* A process that is only told of. Its pid is FIRST_PID and its place in the list. */
struct process {
    enum { ABSENT, ALIVE, DEAD } state;
    int status;    /* of a dead one */
    int is_script; /* waits without __WALL do not see it */
    int is_child;  /* of this process, which reaps it */
};

struct world {
    int64_t now;        /* nanoseconds; a wait moves it forward */
    pid_t self;         /* what getpid gives, or 0 for the truth */
    int clone_error;    /* what the next clone fails with, or 0 */
    int exec_error;     /* what the next process reports instead of its exec, or 0 */
    int signal_fd;      /* what the engine gets for a signalfd, or -1 */
    const char *passwd; /* the texts of /etc/passwd and /etc/group */
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

/* ---- What an input is read with. At its end it gives zeros. ---- */

struct input {
    const uint8_t *at, *end;
};

unsigned input_byte(struct input *input);
int64_t input_number(struct input *input); /* small ones mostly, and the corners of the integers */
size_t input_text(struct input *input, char *text, size_t size); /* a length, and so many bytes */

/* Ends the run as a failure unless `truth`. */
#define EXPECT(truth) ((truth) ? (void)0 : world_wrong(__FILE__, __LINE__, #truth))
void world_wrong(const char *file, int line, const char *what) __attribute__((noreturn));

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#endif
