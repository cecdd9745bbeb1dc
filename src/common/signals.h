/*
 * signals.h: signal numbers, names and sets.
 *
 * Sets are the kernel's own 64-bit masks and go to the kernel by raw system calls: the C library hides signals 32
 * and 33 from its own functions, but they can be sent, so an init has to forward them too.
 */
#ifndef REAPER_COMMON_SIGNALS_H
#define REAPER_COMMON_SIGNALS_H

#include <stddef.h>
#include <signal.h>
#include <stdint.h>

enum {
    SIGNAL_MAX = 64,   /* the highest signal of every Linux but MIPS */
    SIGNAL_RTMIN = 34, /* what users know as SIGRTMIN: 32 and 33 belong to the C library */
    SIGNAL_NAME_SIZE = 16,
};

/* Bit n - 1 stands for signal n, as in the kernel. */
typedef uint64_t signal_set;

#define SIGNAL_BIT(number) (UINT64_C(1) << ((number)-1))

/* The mask and the dispositions that the program was started with, and that COMMAND gets back. */
struct inherited_signals {
    signal_set mask;    /* the signals that were blocked */
    signal_set ignored; /* the signals with the disposition SIG_IGN; SIGCHLD is never among them */
    int is_known;       /* `ignored` is filled in; before that, the process has changed no disposition but SIGCHLD's */
};

/* 1–64 for "TERM", "SIGTERM", "sigterm", "15", "RTMIN+3", "RTMAX-1"; 0 for "0"; -1 when it names no signal. */
int signal_from_text(const char *text);

/* "SIGTERM", "SIGRTMIN+3"; "SIG32" and "SIG33" for the two that have no name. `buffer` is room for a composed name. */
const char *signal_name(int number, char buffer[SIGNAL_NAME_SIZE]);

/* The known signal name nearest to `text`, or NULL. */
const char *signal_nearest(const char *text);

/* Saves the inherited mask, sets an ignored SIGCHLD to its default and blocks every signal. */
void signals_take(struct inherited_signals *inherited);

/*
 * Asks the kernel which signals are ignored, for a process that may change that. It takes a call for each signal, so
 * the engine, which changes none, leaves it out.
 */
void signals_learn_ignored(struct inherited_signals *inherited);

/* Blocks exactly the signals of `mask`, and puts the earlier mask into *old unless `old` is NULL. Async-signal-safe. */
void signals_set_mask(signal_set mask, signal_set *old);

/* Sets what was inherited, in a new process before its exec. Async-signal-safe. */
void signals_restore(const struct inherited_signals *inherited);

/* A close-on-exec signalfd for all 64 signals, of which a read does not wait; or -1 with errno. */
int signals_fd(void);

/* Sends the signal `number`, with the value that `record` carries when somebody has queued one. 0, or -1 with errno. */
int signal_pass_on(int pid, int number, const siginfo_t *record);

#endif
