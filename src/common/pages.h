/*
 * pages.h: what process 1 shows of itself, in two memory files (memfd_create(2)) that reaperctl maps read-only.
 *
 *     reaper-engine   written by the engine alone: struct engine_page
 *     reaper-script   written by the script process alone: struct script_page
 *
 * The engine makes both, maps them, and seals them against every other mapping that could write (F_SEAL_FUTURE_WRITE),
 * so that the only writers are the engine and the script processes, which inherit the mapping of theirs. Their
 * descriptors stay with the engine: whoever may look into /proc/PID/fd of it, which the kernel decides, may read them,
 * also while the script process is blocked, lost, or was never there. The engine never reads the script's page.
 *
 * The records are plain values, and texts end with a zero or with their room. A reader trusts nothing in them: a C
 * module of the script can write anything into its page.
 *
 * Moments are nanoseconds of CLOCK_MONOTONIC; 0 is none.
 */
#ifndef REAPER_COMMON_PAGES_H
#define REAPER_COMMON_PAGES_H

#include <stdint.h>

#include "common/latch.h"
#include "common/messages.h"
#include "common/signals.h"

enum {
    PAGES_VERSION = 1, /* of all that is in this file: a client of another version reads nothing */

    PAGE_SERVICES = 512,    /* services beyond that are not shown; `services` says how many there are */
    PAGE_EVENTS = 256,      /* the last ones */
    PAGE_REPLIES = 64,      /* to the last orders */
    PAGE_RINGS = 64,        /* services with log = true */
    PAGE_RING_SIZE = 65536, /* bytes */
    PAGE_MINUTES = 10,      /* for which restarts are counted */
    PAGE_STATE_SIZE = 16,
    PAGE_DETAIL_SIZE = 192,
    PAGE_LABEL_SIZE = 40,
    PAGE_PATH_SIZE = 128,
    PAGE_ORDER_ID_SIZE = 32,
    PAGE_INBOX_LINE_MAX = 512, /* an order with its newline: a pipe takes that in one piece (PIPE_BUF) */
};

#define ENGINE_PAGE_NAME "reaper-engine"
#define SCRIPT_PAGE_NAME "reaper-script"

struct page_head {
    char magic[8];    /* PAGE_MAGIC, without a zero */
    uint32_t version; /* PAGES_VERSION */
    uint32_t size;    /* of the page, in bytes */
    char program[16]; /* the version of reaper-lua */
};

#define PAGE_MAGIC "reaperP\n"

/* ---- The engine's page. ---- */

struct engine_report {
    int64_t started_at;
    int64_t started_time; /* of the wall clock: nanoseconds since 1970 */
    int64_t script_since; /* it was started, or has ended */
    int64_t script_next;  /* its next start, where it is down */
    int64_t main_since;   /* COMMAND was started, or has ended */
    int64_t main_starts;  /* how often it was started */
    int64_t failed_reloads;
    int64_t unread;       /* events that the script process has not read yet */
    int64_t unread_since; /* since when it has read none of them */
    int32_t pid;
    int32_t main_pid;    /* 0: it does not live */
    int32_t main_status; /* wait status of its last end; -1: there was none */
    int32_t main_code;   /* exit code when it could not be started; otherwise -1 */
    int32_t exit_code;   /* with which the container ends, as far as that is known; otherwise -1 */
    int32_t script_pid;  /* 0: there is none now */
    int32_t open_questions;
    int32_t porter_pid;
    int32_t is_init; /* it is process 1 */
    int32_t has_command;
    int32_t is_program;                 /* it reaps for a program that has loaded the library */
    int32_t is_reloading;               /* or is to, as soon as it can */
    char state[PAGE_STATE_SIZE];        /* loading, starting, running, then those of the stop (engine.h) */
    char script_state[PAGE_STATE_SIZE]; /* none; loading, working, down; gone: the stop needs it no more */
    char stop_reason[SIGNAL_NAME_SIZE];
    char script[PAGE_PATH_SIZE]; /* its file, or "-x" */
    char command[COMM_SIZE * 4]; /* the last part of COMMAND's first word: words can be secrets */
};

_Static_assert(sizeof(struct engine_report) % 8 == 0, "it is copied in words");

struct engine_page {
    struct page_head head;
    LATCHED(struct statistics)
    counters; /* apart, since they change most often; uptime_ns is for the reader to fill in */
    LATCHED(struct engine_report) report;
};

/* ---- The script's page. ---- */

/* Which script process writes. */
struct script_session {
    int64_t began_at;
    uint64_t inbox_inode; /* of the pipe, so that another descriptor of that number is not taken for it */
    int32_t pid;
    int32_t inbox_fd; /* where it takes orders: a descriptor of its own; -1: nowhere */
    int32_t services; /* how many are shown: until a new script process has taken them over, those of the old one */
    int32_t padding;
};

/* What the script process runs. */
struct script_busy {
    int64_t since;               /* 0: it waits */
    char label[PAGE_LABEL_SIZE]; /* the hook */
};

enum page_service_flag {
    PAGE_SERVICE_MAIN = 1 << 0,      /* COMMAND beside services */
    PAGE_SERVICE_AUTOSTART = 1 << 1, /* it starts by itself, and not by its schedule */
    PAGE_SERVICE_READY = 1 << 2,     /* those that come after it may start */
    PAGE_SERVICE_ALIVE = 1 << 3,     /* it has a process, or something is left of it */
    PAGE_SERVICE_FATAL = 1 << 4,     /* it has failed for good, and the container ends for it */
    PAGE_SERVICE_DONE = 1 << 5,      /* its last end was what it was started for */
};

enum { PAGE_STATUS_NONE = -1, PAGE_STATUS_UNKNOWN = -2 };

struct service_row {
    int64_t since;      /* it is in this state */
    int64_t started_at; /* its process; 0: it has none */
    int64_t due_at;     /* the next start, in backoff */
    int64_t next_run;   /* of the wall clock, by its schedule: nanoseconds since 1970 */
    uint64_t restarts;
    uint64_t minute;                    /* of CLOCK_MONOTONIC, to which the last of the counts belongs */
    uint32_t restarts_in[PAGE_MINUTES]; /* that minute, and those before it */
    int32_t pid;
    int32_t leader; /* the pid of its first process, also when that has ended, until nothing is left of it */
    int32_t status; /* wait status of its last end, or PAGE_STATUS_… */
    uint32_t flags; /* enum page_service_flag */
    int32_t ring;   /* the index of its ring, or -1 */
    int32_t padding;
    char name[NAME_SIZE];
    char state[PAGE_STATE_SIZE];
    char detail[PAGE_DETAIL_SIZE];
    char output[PAGE_LABEL_SIZE]; /* where its output goes */
};

struct event_row {
    uint64_t number; /* from 1 on; 0: there is none */
    int64_t time;    /* of the wall clock: nanoseconds since 1970 */
    char type[PAGE_STATE_SIZE];
    char name[NAME_SIZE];
    char state[PAGE_STATE_SIZE];
    char detail[PAGE_DETAIL_SIZE];
};

enum page_reply_state {
    PAGE_REPLY_NONE,
    PAGE_REPLY_ACCEPTED, /* the order is being carried out: when the script process is lost now, nobody knows */
    PAGE_REPLY_DONE,
    PAGE_REPLY_REFUSED,
};

struct reply_row {
    int64_t at;
    int32_t state; /* enum page_reply_state */
    int32_t pid;   /* of the script process that has written it */
    char id[PAGE_ORDER_ID_SIZE];
    char text[PAGE_DETAIL_SIZE];
};

struct ring_owner {
    uint64_t first; /* the position of its first byte */
    int64_t taken_at;
    char name[NAME_SIZE];
};

/*
 * The last lines of one service. A byte stands at its position, which counts all bytes ever written, modulo the size. A
 * writer first says how far it will write, then writes, then says that it has. A reader copies what is written, and
 * then looks how far a writer has begun: what that can have overwritten is not whole.
 */
struct log_ring {
    LATCHED(struct ring_owner) owner;
    _Atomic uint64_t begun;   /* bytes up to here may have been overwritten, but for the last PAGE_RING_SIZE */
    _Atomic uint64_t written; /* bytes, from the beginning */
    char text[PAGE_RING_SIZE];
};

struct script_page {
    struct page_head head;
    _Atomic uint32_t changes; /* moved on after each change that somebody waits for: futex(2) */
    uint32_t padding;
    _Atomic uint64_t events; /* so many were written, ever */
    LATCHED(struct script_session) session;
    LATCHED(struct script_busy) busy;
    LATCHED(struct reply_row) reply[PAGE_REPLIES];
    LATCHED(struct event_row) event[PAGE_EVENTS];
    LATCHED(struct service_row) service[PAGE_SERVICES];
    struct log_ring ring[PAGE_RINGS];
};

_Static_assert(sizeof(struct script_session) % 8 == 0 && sizeof(struct script_busy) % 8 == 0
                   && sizeof(struct reply_row) % 8 == 0 && sizeof(struct event_row) % 8 == 0
                   && sizeof(struct service_row) % 8 == 0,
               "they are copied in words");

/*
 * Makes a page: its memory file in *fd, mapped for its writer and sealed against all others. NULL with errno. The first
 * `ready` bytes are made sure of, so that writing them never fails for want of memory.
 */
void *page_make(const char *name, size_t size, size_t ready, int *fd);

/* Copies a text into an array of a page. One that has no room is cut between two characters, and ends with "…". */
void page_text(char *into, size_t size, const char *text);

/*
 * The address of the page, in memory that is wiped in a process which is forked from this one: that must not write,
 * though it has the mapping. NULL with errno.
 */
struct script_page **page_take(struct script_page *page);

/* The page, or NULL when it is not this process that writes it. */
static inline struct script_page *page_to_write(struct script_page *const *taken)
{
    return taken ? *taken : NULL;
}

/* Tells those who wait for a change of the script's page. */
void page_announce(struct script_page *page);

/* Waits until `changes` is another number than `seen`, at most `nanoseconds`. */
void page_await(const struct script_page *page, uint32_t seen, int64_t nanoseconds);

#endif
