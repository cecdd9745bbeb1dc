/*
 * engine.h: process 1, or the subreaper. Reaps, forwards, stops, exits; never runs Lua.
 *
 * One struct engine is passed along; each concern has a file of its own that works on its part of it. A file calls only
 * those that stand below it:
 *
 *     loop.c, deadlines.c   a turn; what is done at some time
 *     deaths.c, orders.c    who has died; what script processes ask for
 *     answers.c             what follows an answer, or the default
 *     forward.c             signals that come in
 *     life.c                the states, and what moves from one to the next; with stop.c and leave.c, what each does
 *     scripts.c, reload.c   the script process: started, lost, dismissed; loaded anew
 *     slot.c                one script process; with handover.c, what it is told; with dismissed.c, when it has to go
 *     porter.c              the process that answers HTTP requests (--control, --http)
 *     questions.c           questions to the script process, with their deadlines
 *     main_child.c          the main child
 *     remains.c             every process that is left; with census.c, scope.c, hidden.c, search.c, who they are
 *     sweep.c, reap.c       which dead children to look for; taking their status
 *     wait.c, channel.c     the one wait; the socket
 *     journal_writer.c      what the script process reads
 *     terminal.c            the controlling terminal, and who has its foreground
 *     termination.c         why the container ended, in a file
 *     warnings.c            what will make the container fail before long
 *     report.c              what it shows of itself: its page, which reaperctl reads
 *     setup.c, origin.c     what is arranged with the kernel; what the engine was started with
 */
#ifndef REAPER_ENGINE_ENGINE_H
#define REAPER_ENGINE_ENGINE_H

#include <stdint.h>
#include <sys/types.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/messages.h"
#include "common/options.h"
#include "common/pages.h"
#include "common/signals.h"
#include "common/spawn.h"
#include "common/variables.h"
#include "engine/cgroup.h"
#include "engine/channel.h"
#include "engine/children.h"
#include "engine/journal_writer.h"
#include "engine/origin.h"
#include "engine/sweep.h"
#include "engine/warnings.h"

/*
 * COMMAND is started by the engine, or beside services by the script, which says so with HOOK_STARTS_MAIN:
 *
 *     LOADING ──▶ STARTING ──▶ RUNNING ──▶ the stop            the script is told its start in RUNNING
 *        └─────── by the script ──▲                            and COMMAND is started then, by ORDER_MAIN_START
 *
 * Until it is, COMMAND is not there: a signal has nobody to go to, and one that begins the stop gives the exit code. A
 * script that does not start COMMAND itself may take the place of one that was to do so: then the engine starts COMMAND
 * at once, in RUNNING, before that script is told its start (main_child_comes_first).
 */
enum engine_state {
    ENGINE_LOADING,     /* the script is being loaded; COMMAND is not started */
    ENGINE_STARTING,    /* the engine starts COMMAND, or waits until a process is to be had */
    ENGINE_RUNNING,     /* the long time in between */
    ENGINE_ORDERLY,     /* COMMAND is stopped, then the script stops its services; nothing else is signalled */
    ENGINE_STOPPING,    /* everything got TERM; the grace period runs */
    ENGINE_KILLING,     /* everything but the script process got KILL */
    ENGINE_ASKING_CODE, /* nothing is left but the script process, whose on_exit is asked for the exit code */
    ENGINE_PARTING,     /* the script process writes its last lines and ends */
    ENGINE_LAST_SWEEP,  /* what it has left behind got KILL */
    ENGINE_DONE,
    ENGINE_STATES,
};

/*
 * The exit signal of a script process, and of the porter, in place of SIGCHLD. Waits without __WALL then see every
 * child but these, which answers "is anything else left?" in one call. Its records carry a CLD_… code, as those of
 * SIGCHLD do, by which they are told from one that somebody sent (reap_is_about_a_child). Spawned siblings inherit it,
 * until exec sets it to SIGCHLD.
 */
enum { SCRIPT_SIGNAL = SIGNAL_MAX - 1 }; /* valgrind keeps the last one for itself */

enum slot_state {
    SLOT_EMPTY,
    SLOT_LOADING,
    SLOT_READY,
};

/* One script process, or the place for one. */
struct slot {
    enum slot_state state;
    pid_t pid;
    int pidfd; /* its end is seen even when its exit signal is lost for want of memory; -1 where there is none */
    struct channel channel;
    unsigned hooks;             /* enum hook_bit; those of the last script process while it is down */
    struct options options;     /* defaults, environment, then what its script configured */
    struct variables variables; /* of COMMAND, that its script configured */
    enum start_reason reason;
    int failed;       /* the script did not load, which it has said itself */
    int64_t ready_at; /* when it was loaded */
    int64_t look_at;  /* when to look whether it reads its events */
    int64_t unread_since;
    uint64_t unread_from; /* the position of the reader then */
    int64_t shut_at;      /* when to take it for shut, if it has not ended until then; NEVER */
    int told_stuck, told_shut;
    unsigned index;             /* as a reader of the journal */
    int owes_children;          /* some have not been handed over yet, since the socket is full */
    int owes_start;             /* the start is to be told after them */
    struct late_events replies; /* for which the socket had no room */
};

enum question_kind {
    QUESTION_NONE,
    QUESTION_SIGNAL,
    QUESTION_MAIN_END,
    QUESTION_SERVICES,
    QUESTION_STOP,
    QUESTION_EXIT,
    QUESTION_RELOAD
};

enum { QUESTIONS_MAX = 64 }; /* questions at once; beyond that the default is taken at once */

struct question {
    enum question_kind kind;
    uint32_t serial;
    int waiting; /* the hook yielded: no deadline until it returns */
    pid_t asked; /* the script process that has been asked, or 0 */
    int losses;  /* script processes that were lost while they were asked */
    int64_t deadline;
    int64_t position;   /* in the journal */
    struct event event; /* as it is written, to be written again for a script process that replaces a lost one */
    int32_t code;       /* of a signal's record: SI_QUEUE has a value */
    union sigval value;
};

/* A question and its answer. */
struct settled {
    struct question question;
    enum answer answer;
    int number;
};

/* The script's order to start COMMAND, while that is under way. */
struct main_order {
    pid_t by; /* the script process; 0: there is none */
    uint32_t serial;
};

/* A script process, or the porter, that was dismissed and has not ended yet. */
struct dismissed {
    pid_t pid; /* 0: none */
    int pidfd;
};

enum { WATCHED_MAX = 64, DISMISSED_MAX = 5, DENIED_MAX = 16 };

/* How far it has come. */
struct life {
    enum engine_state state;
    int64_t deadline;                   /* of the state; NEVER */
    signal_set early;                   /* signals that came before COMMAND ran */
    int interrupts;                     /* TERM and INT received; since the stop began only those of this stop */
    int64_t interrupted_at;             /* when the last of them came */
    int something_died;                 /* see what is left */
    char stop_reason[SIGNAL_NAME_SIZE]; /* "main", "exit" or the name of a signal; empty before the stop */
    int stop_told;                      /* the script has been told that the stop has begun */
    int requested_code;                 /* asked for by the script, or -1 */
    int final_code;                     /* what reaper-lua ends with */
    int final_named;                    /* on_exit has named it */
    char script_reason[REASON_SIZE];    /* why the script ends the container, in its words; or empty */
};

struct main_child {
    pid_t pid; /* 0 when it is not alive */
    int pidfd;
    int status;                /* wait status of the last one; -1: there was none */
    int code;                  /* exit code when its first start failed: 125, 126, 127; otherwise -1 */
    struct spawn_result start; /* the one that is under way, or the last one */
    struct main_order order;
    int64_t retry_at, retry_delay;
    struct variables variables; /* changes to its environment, of the script in force */
    int directory_fd; /* where reaper-lua was started, for the first children; -1: it is still there, or `directory` */
    char *directory;  /* the same as a path, or NULL */
    int asked;        /* it was sent TERM, INT or QUIT */
    int killed;       /* it was sent KILL, since its grace was over */
};

struct terminal {
    int fd; /* the controlling terminal, or -1 */
};

/* A reload (reload.h). */
enum reload_state {
    RELOAD_IDLE,
    RELOAD_LOADING, /* a candidate loads the script */
    RELOAD_LOADED,  /* it has loaded it */
    RELOAD_ASKED,   /* the old script process is asked: on_reload */
    RELOAD_ALLOWED, /* it has answered, or has nothing to say */
    RELOAD_PARTING, /* the candidate has become the current one, and waits for the end of the old one */
};

/* An order of a script process that has been dismissed: it is carried out all the same. */
struct last_order;

struct scripts {
    struct slot slot[JOURNAL_READERS];
    struct slot *current;   /* the one whose script works, or is to work */
    struct slot *candidate; /* the other one, for a reload */
    int64_t start_at;       /* when to start it again; NEVER */
    int64_t delay;
    enum reload_state reload;
    int wanted; /* another reload is asked for */
    int64_t failed_reloads;
    struct last_order *first_order, *last_order;
    int64_t take_up_at; /* when a reloaded script begins at the latest; NEVER */
    int store_fd;       /* what the script processes keep for each other (lua_store.c), or -1 */
};

struct dismissals {
    struct dismissed list[DISMISSED_MAX];
    int64_t deadline;
};

/* The process that answers HTTP requests (porter.h). */
struct porter {
    pid_t pid; /* 0: there is none now */
    int pidfd;
    int life_fd; /* our end of the pipe whose end tells it to end */
    int64_t started_at;
    int64_t start_at; /* when to start it again; NEVER */
    int64_t delay;
    int is_dismissed;
};

struct questions {
    struct question list[QUESTIONS_MAX];
    int used; /* none beyond: each turn looks through them */
    uint32_t last;
};

struct reaper {
    struct sweep sweep;
    struct batch batch;
    int64_t together; /* so many have died since the last wait */
    int64_t ends_at;  /* when to look again at the pidfd of a script process that could not be reaped; NEVER */
    struct oom_watch oom;
};

enum { ANNOUNCING_MAX = 1024 }; /* a descriptor with a higher number is polled */

/* What has something to tell (wait.h). */
struct wait {
    int polls;                                /* descriptors do not announce themselves, or not reliably */
    uint64_t announcing[ANNOUNCING_MAX / 64]; /* the numbers of descriptors that announce themselves, or have done so */
    int signal_fd;                            /* for that; -1 until it is needed */
    int orders;                               /* the socket of a script process is to be looked at */
    int start;                                /* the start of COMMAND is */
    int ends;                                 /* a script process has ended, which may not have been reaped */
    unsigned pids_like_events;                /* wait_expect: bits of codes whose poll events have been such a pid */
};

/* Processes that /proc does not show, and the search for them. */
struct hidden {
    pid_t *pids;
    size_t count, room;
    pid_t next;      /* the pid at which the search goes on; 0: there is none */
    int64_t from;    /* when it has begun, or when the next one may begin */
    int searched;    /* one has been completed since KILL began */
    signal_set owed; /* what those get that the search finds */
};

/* The processes that are left. */
struct remains {
    struct log *log;          /* where it is said who may not be signalled */
    int64_t check_at;         /* when to look again at what cannot be watched; NEVER */
    int watched[WATCHED_MAX]; /* pidfds of processes that are left and not our children */
    int watched_count;
    pid_t denied[DENIED_MAX]; /* that may not be signalled, as has been said */
    int denied_count;
    struct hidden hidden;
};

enum { REPORT_FACTS_MAX = 17 };

/* What reaperctl reads (common/pages.h). */
struct pages {
    struct engine_page *engine; /* NULL: there is none */
    struct script_page *script; /* the engine keeps it for the script processes, and may not even read it */
    int engine_fd, script_fd;
    struct engine_report report;    /* as it was written last */
    struct statistics counters;     /* the same */
    int64_t seen[REPORT_FACTS_MAX]; /* what it follows from (report.c), as it was then */
};

struct engine {
    struct origin origin;
    struct options options; /* in force */
    struct log log;
    struct wait wait;
    struct life life;
    struct main_child main_child;
    struct terminal terminal;
    struct children children; /* spawned by script processes */
    struct journal_writer journal;
    struct scripts scripts;
    struct dismissals dismissed;
    struct porter porter;
    struct questions questions;
    struct reaper reaper;
    struct remains remains;
    struct statistics statistics;
    struct pages pages;
    struct warnings warnings;
    char last_error[LOG_LAST_SIZE]; /* that was said on stderr, with its time */
};

/*
 * Runs the engine to its end and gives the exit code. After it has started nothing can make it return early; memory
 * or descriptors that are missing cost a feature and a line on stderr.
 */
int engine_run(const struct engine_start *start, const struct options *options,
               const struct inherited_signals *signals);

/*
 * Opens /dev/null where 0, 1 or 2 is closed: it would be taken by the next file that is opened, and log lines would go
 * into that.
 */
void engine_fill_standard_descriptors(void);

#endif
