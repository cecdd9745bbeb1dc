/*
 * spawn.h: one new process, from clone to exec.
 *
 * Used by the engine for COMMAND and by the script process for what scripts spawn. A script process makes a *sibling*:
 * a child of its own parent, the engine (CLONE_PARENT), which therefore outlives the script process and is reaped by
 * the engine.
 */
#ifndef REAPER_COMMON_SPAWN_H
#define REAPER_COMMON_SPAWN_H

#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "common/messages.h"
#include "common/signals.h"
#include "common/users.h"

enum spawn_stage {
    SPAWN_FORK, /* the clone itself: EAGAIN under a pids limit, ENOMEM */
    SPAWN_SESSION,
    SPAWN_DESCRIPTORS,
    SPAWN_LIMITS,
    SPAWN_NICE,
    SPAWN_OOM_SCORE,
    SPAWN_USER,
    SPAWN_DIRECTORY,
    SPAWN_EXEC,
    SPAWN_STAGE_COUNT,
};

/* Descriptor `source` of the caller becomes `target` in the new process. */
struct spawn_fd {
    int target;
    int source;
};

/* As prlimit64 takes it, whose numbers have 64 bits on every machine. UINT64_MAX: no limit. */
struct spawn_limit {
    int resource;
    struct {
        uint64_t soft, hard;
    } limit;
};

/* A text that is to name the new process. The request must copy memory then. */
struct spawn_self {
    char *digits;       /* room for 21 characters */
    int is_pidfd_inode; /* the inode number of its pidfd, not its pid */
};

enum { SELVES_MAX = 4 };

/* All zero but argv, envp and signals is a valid request; a descriptor that is not used is -1. */
struct spawn_request {
    char *const *argv;
    char **envp; /* the texts in it that `selves` names are set anew */
    const struct inherited_signals *signals;
    struct spawn_self selves[SELVES_MAX];
    size_t self_count;

    int copies_memory;              /* the caller goes on at once; without this, it is suspended until the exec */
    int sibling;                    /* the new process is a child of the caller's parent */
    int session;                    /* it gets a session of its own; without this, a process group of its own */
    int keep_group;                 /* it stays in the caller's process group */
    int terminal_fd;                /* the terminal whose foreground is handed to the new group, or -1 */
    int notify_fd;                  /* the socket that gets ORDER_SPAWNED and ORDER_EXEC_FAILED, or -1 */
    _Atomic uint32_t *notify_count; /* the orders that were sent to it, in memory shared with its reader; or NULL */
    const char *name;               /* for ORDER_SPAWNED */
    int held_fds[HELD_MAX];         /* the descriptors that go with ORDER_SPAWNED, for the engine to hold; or -1 */

    const struct spawn_fd *fds;
    size_t fd_count;
    int close_others; /* close all descriptors above 2 that `fds` does not name */

    const struct user *user; /* or NULL */
    int directory_fd;        /* the directory to enter before it becomes the user, or -1 */
    const char *directory;   /* the same as a path, or NULL */
    const char *cwd;         /* the directory to enter after it has become the user, or NULL */
    int has_umask, has_nice, has_oom_score;
    mode_t umask;
    int nice;
    int oom_score;
    const struct spawn_limit *limits;
    size_t limit_count;
};

enum spawn_progress {
    SPAWN_PENDING, /* its exec is not known yet */
    SPAWN_RUNNING,
    SPAWN_FAILED,
};

struct spawn_result {
    pid_t pid;
    int pidfd;     /* -1 where the kernel has none */
    int report_fd; /* becomes readable when the process runs or has failed; -1 once that is known */
    int64_t due;   /* when to call spawn_look at the latest; NEVER once that is known */
    int hurried;   /* how often the process was late */
    enum spawn_stage stage;
    int error;       /* errno of the stage that failed; ETIMEDOUT when the process had to be given up */
    int interpreter; /* ENOENT although the file exists: its interpreter is missing */
};

/* A request with every descriptor set to -1 and everything else zero. */
struct spawn_request spawn_request_empty(void);

/* A result before any start. */
struct spawn_result spawn_result_empty(void);

/*
 * Makes the new process. 0, or -1 with stage and error set in *result. A request that copies memory does not wait for
 * the exec: then spawn_look() has to be called until it says how the start has come out.
 */
int spawn_begin(const struct spawn_request *request, struct spawn_result *result);

/*
 * Says how the start has come out so far, without waiting. Anybody with the user id of the new process may stop it
 * before its exec. So a process that is late gets CONT after a second and KILL ten seconds later, and is given up after
 * one second more.
 */
enum spawn_progress spawn_look(struct spawn_result *result);

/* spawn_begin and spawn_look, with the wait between them. 0, or -1 with stage and error set in *result. */
int spawn(const struct spawn_request *request, struct spawn_result *result);

/* The inode number of this process's own pidfd; 0 where the kernel has no pidfds. Async-signal-safe. */
uint64_t spawn_pidfd_inode(void);

/* True when the start has failed for lack of processes or of memory: a later one may succeed. */
int spawn_was_shortage(const struct spawn_result *result);

/* Writes one sentence about a failure: `cannot run "x": No such file or directory`. */
void spawn_describe(const struct spawn_result *result, const char *command, char *text, size_t size);

/* The exit code that a shell would have: 127 not found, 126 cannot be executed; 125 when an earlier stage failed. */
int spawn_exit_code(const struct spawn_result *result);

#endif
