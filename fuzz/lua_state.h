/*
 * lua_state.h: a script process in the fuzzer's own: the whole of script.c, with what the engine would say waiting in
 * its socket. The file is included by the targets that run Lua.
 */
#include "script/script.c"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "harmless.h"

struct lua_run {
    struct script script;
    struct options options;
    struct inherited_signals signals;
    char *argv[2];
    int engine_end;
};

/* A script process that runs `script` when run_lua is called. */
static inline void lua_begin(struct lua_run *run, const char *script)
{
    struct script_start start = { .argc = 1, .options = &run->options, .signals = &run->signals };
    int pair[2];

    memset(run, 0, sizeof *run);
    start.argv = run->argv;
    run->argv[0] = "reaper-lua";
    run->options = options_default();
    run->options.eval = script;
    run->options.threshold = LOG_LEVEL_TRACE;
    EXPECT(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
    start.channel_fd = pair[0];
    start.store_fd = memfd_create("store", MFD_CLOEXEC);
    run->engine_end = pair[1];
    set_up(&run->script, &start);
}

/* Runs it to its end. The script and the modules may fail in no way that they do not expect. */
static inline int lua_end(struct lua_run *run)
{
    const int code = run_lua(&run->script);

    script_drop_packets(&run->script);
    return code;
}
