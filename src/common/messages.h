/*
 * messages.h: what crosses the socket between engine and script. Events go up, orders come down.
 *
 * Both ends are one program, so the structs have no version. They are plain values: no pointers, no lengths that the
 * other side must trust. Descriptors travel beside them (SCM_RIGHTS).
 */
#ifndef REAPER_COMMON_MESSAGES_H
#define REAPER_COMMON_MESSAGES_H

#include <stdint.h>

enum {
    NAME_SIZE = 64,          /* the name of a spawned child, with its zero */
    COMM_SIZE = 16,          /* a program's name as the kernel keeps it */
    EVENT_TEXT_SIZE = 72,    /* what takes the place of a usage */
    ORDER_TEXT_SIZE = 112,   /* a setting: its key, a zero, its value, a zero */
    HELD_MAX = 3,            /* descriptors that the engine keeps of one child: its stdout, its stderr, its readiness */
    MESSAGE_FDS_MAX = 4,     /* descriptors that one message carries at most: a pidfd, and these */
    REASON_SIZE = 1024,      /* why the script ends the container, with its zero */
    PACKET_SIZE = 32 * 1024, /* one packet of events is never longer */
};

enum event_kind {
    EVENT_NONE,
    EVENT_CHILD,    /* a child of an earlier script process: pid, name; pidfd and what is held beside it */
    EVENT_START,    /* all children are told; pid = main child or 0; number = enum start_reason; flags */
    EVENT_REAP,     /* pid, status, usage, flags; ask when the main child's restart is to be decided */
    EVENT_OVERFLOW, /* number = deaths that were dropped here */
    EVENT_SIGNAL,   /* number = signal; ask */
    EVENT_STOP,     /* the stop begins: text = "main", "exit" or the signal's name; ask */
    EVENT_SERVICES, /* the stop begins; it is the services' turn: number = 1, or COMMAND's: 0; text; ask */
    EVENT_EXIT,     /* nothing is left: number = exit code, status (-1: there was no main child); ask */
    EVENT_RELOAD,   /* this script process is about to be replaced: ask */
    EVENT_REPLY,    /* to the order with the same ask: pid or -1, status = errno, text = message */
    EVENT_STATS,    /* to ORDER_STATS: struct statistics in place of usage */
};

enum event_flag {
    EVENT_MAIN = 1 << 0,    /* the main child; with EVENT_START: it has been started, though it may have ended */
    EVENT_ORPHAN = 1 << 1,  /* adopted: neither the main child nor spawned */
    EVENT_SPAWNED = 1 << 2, /* by a script process */
    EVENT_OOM = 1 << 3,     /* the out-of-memory killer was at work */
    EVENT_LOOKED = 1 << 4,  /* comm and lifetime are set */
    EVENT_TOLD = 1 << 5,    /* on_reap of another script process is told of it: only waiters need it here */
    EVENT_HAS_PIDFD = 1 << 6,
    EVENT_HAS_STDOUT = 1 << 7,
    EVENT_HAS_STDERR = 1 << 8,
    EVENT_HAS_READY = 1 << 9, /* where it tells that it is ready */
    EVENT_ASKED = 1 << 10,    /* the main child: it was sent TERM, INT or QUIT before it ended */
    EVENT_IN_STOP = 1 << 11,  /* it ended, or a script starts, in the stop; or its end is the stop: Ctrl-C */
    EVENT_AHEAD = 1 << 12,    /* looked at before its turn (journal.h): only for those who wait for it */
    EVENT_KNOWN = 1 << 13,    /* its turn: those who waited for it know it already */
};

/* The flag of one that is kept, from 0 to HELD_MAX - 1. */
#define EVENT_HAS_HELD(which) ((uint16_t)(EVENT_HAS_STDOUT << (which)))

enum start_reason { START_FIRST, START_CRASH, START_RELOAD };

/* struct rusage without what Linux leaves at zero (getrusage(2)). */
struct usage {
    int64_t utime_us, stime_us; /* microseconds */
    int64_t maxrss_kb;          /* kilobytes, as the kernel counts it */
    int64_t minflt, majflt, inblock, oublock, nvcsw, nivcsw;
};

/* What reaper.stats() gives. */
struct statistics {
    int64_t reaped, orphans, dropped, script_restarts, zombies_peak, uptime_ns;
};

struct event {
    uint16_t kind;
    uint16_t flags;
    uint32_t question; /* number of the question, 0 when nothing is asked */
    int32_t pid;
    int32_t status;
    int64_t number;
    int64_t lifetime_ns;
    union {
        struct usage usage;
        struct statistics statistics;
        char text[EVENT_TEXT_SIZE];
    } of;
    char comm[COMM_SIZE];
    char name[NAME_SIZE]; /* of a spawned child */
};

enum order_kind {
    ORDER_NONE,
    ORDER_READY,         /* the script is loaded; number = set of enum hook_bit */
    ORDER_FAILED,        /* the script did not load; the script process has said why */
    ORDER_HOOKS,         /* number = the new set */
    ORDER_ANSWER,        /* ask; flags = enum answer; number */
    ORDER_WAIT,          /* ask: the answer comes later, within `number` seconds (0: whenever) */
    ORDER_SPAWNED,       /* pid, text = name, flags = EVENT_HAS_…; sent by the child itself, with what is held */
    ORDER_EXEC_FAILED,   /* pid: its death is not to be told; sent by the child itself */
    ORDER_OUTPUT_CLOSED, /* pid; number = 1 or 2: this output has been read to its end; 3: so has what says "ready" */
    ORDER_EXIT,          /* begin the stop; number = exit code or -1 */
    ORDER_RELOAD,        /* load the script anew */
    ORDER_CONFIGURE,     /* text = key, zero, value */
    ORDER_MAIN_START,    /* run COMMAND, for the first time or again; replied to */
    ORDER_STATS,         /* replied to */
    ORDER_LOOK,          /* much of the journal has been read: its memory can be given back */
    ORDER_ENVIRONMENT,   /* text = a piece of a change (variables.h) for COMMAND; number = 1 with the last one */
    ORDER_READY_KEPT,    /* pid: where it says that it is ready is read also when it has ended, as others say more */
    ORDER_REASON,        /* text = a piece of why the script ends the container; number = its position there */
    ORDER_COUNT,
};

enum answer { ANSWER_DEFAULT, ANSWER_DROP, ANSWER_SIGNAL, ANSWER_CODE };

/* What the script wants to be told: the engine sends nothing that nobody listens to. */
enum hook_bit {
    HOOK_REAP = 1 << 0,
    HOOK_REAP_INFO = 1 << 1,
    HOOK_SIGNAL = 1 << 2,
    HOOK_STOP = 1 << 3,
    HOOK_EXIT = 1 << 4,
    HOOK_RELOAD = 1 << 5,
    HOOK_SERVICES = 1 << 6,    /* there are services, which are stopped before anything else is */
    HOOK_STARTS_MAIN = 1 << 7, /* COMMAND is started by the script's order, the first time too */
};

struct order {
    uint16_t kind;
    uint16_t flags;
    uint32_t question;
    int32_t pid;
    int32_t number;
    char text[ORDER_TEXT_SIZE];
};

_Static_assert(sizeof(struct event) == 184, "struct event has no padding");
_Static_assert(sizeof(struct order) == 128, "struct order has no padding");
_Static_assert(sizeof(struct usage) == EVENT_TEXT_SIZE, "a text takes the place of a usage");

#endif
