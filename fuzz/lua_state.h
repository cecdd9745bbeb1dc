/*
 * lua_state.h: a script process in the fuzzer's own: the whole of script.c, with a journal and a socket whose other
 * ends the target has. The file is included by the targets that run Lua.
 */
#include "script/script.c"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "../spec/support/journal_check.h"
#include "harmless.h"

struct lua_run {
    struct script script;
    struct options options;
    struct inherited_signals signals;
    char *argv[2];
    int engine_end;
    struct journal_writer writer;
    struct journal journal; /* as the script process sees it: the same memory at another address */
};

/* A second mapping, which the script process makes read-only, and its own descriptors, which it closes. */
static inline void share_journal(struct lua_run *run)
{
    const size_t page = journal_page_size();
    char *memory;

    run->journal = run->writer.journal;
    memory = mremap(run->journal.facts, 0, 2 * page + journal_ring_size(&run->journal), MREMAP_MAYMOVE);
    EXPECT(memory != MAP_FAILED);
    run->journal.facts = (struct journal_facts *)(void *)memory;
    run->journal.page = (struct journal_page *)(void *)(memory + page);
    run->journal.ring = (struct event *)(void *)(memory + 2 * page);
    for (int i = 0; i < JOURNAL_READERS; i++)
        run->journal.wake_fd[i] = dup(run->journal.wake_fd[i]);
}

/* The journal comes before the script process, so that something may stand in it already. */
static inline void lua_prepare(struct lua_run *run)
{
    memset(run, 0, sizeof *run);
    begin_small(&run->writer);
}

/* A script process that runs `script` when run_lua is called. It is the reader `reader` of the journal. */
static inline void lua_begin(struct lua_run *run, const char *script, unsigned reader)
{
    struct script_start start = { .argc = 1, .options = &run->options, .signals = &run->signals, .reader = reader };
    int pair[2];

    start.argv = run->argv;
    run->argv[0] = "reaper-lua";
    run->options = options_default();
    run->options.eval = script;
    run->options.threshold = LOG_LEVEL_TRACE;
    EXPECT(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
    start.socket_fd = pair[0];
    start.store_fd = memfd_create("store", MFD_CLOEXEC);
    run->engine_end = pair[1];
    journal_prepare(&run->writer, reader);
    share_journal(run);
    start.journal = &run->journal;
    start.from = run->writer.written;
    set_up(&run->script, &start);
}

/* Gives back what does not end with the descriptors. */
static inline void lua_end(struct lua_run *run)
{
    link_close(&run->script.link);
    end_small(&run->writer);
}
