/*
 * library.c: reaper.core for a Lua program, and the split into engine and program.
 *
 * The other door beside main.c: reaper.start() forks. The parent, which keeps its pid, becomes the engine and never
 * comes back to Lua; the program goes on in the child.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/descriptors.h"
#include "common/environment.h"
#include "engine/engine.h"
#include "script/lua_core.h"
#include "script/lua_values.h"
#include "script/script.h"

__attribute__((visibility("default"))) int luaopen_reaper_core(lua_State *L);

/* A program has no command line of reaper-lua's. */
static char *no_arguments[] = { (char *)"reaper-lua", NULL };

/* What reaper.start asks for. */
struct split {
    struct options options;
    struct inherited_signals signals;
    struct engine_program program;
    int program_end;            /* of the channel */
    struct process_names names; /* before the split */
};

/* ---- The parent. ---- */

/* Does not return. Handlers of the program are not run any more: every signal stays blocked. */
static void become_engine(struct split *split)
{
    const struct engine_start start = {
        .argc = 1,
        .argv = no_arguments,
        .environment = environ,
        .parent = getppid(),
        .program = &split->program,
        .exit = _exit,
    };

    const int kept[] = { split->program.channel.fd, split->program.journal.journal.wake_fd[0] };

    prctl(PR_SET_NAME, "reaper-lua");
    signal(SIGCHLD, SIG_DFL); /* a handler with SA_NOCLDWAIT would let the kernel reap */
    close_all_but(kept, sizeof kept / sizeof *kept);
    _exit(engine_run(&start, &split->options, &split->signals));
}

/* ---- The program. ---- */

/* EVENT_START says that orphans are adopted from now on and that the terminal is ours. */
static void wait_for_engine(int fd)
{
    struct pollfd entry = { .fd = fd, .events = POLLIN };

    while (poll(&entry, 1, -1) < 0 && errno == EINTR)
        continue;
}

static void go_on(struct script *script, const struct split *split)
{
    link_open(&script->link, split->program_end, &split->program.journal.journal, 0, 0);
    script->link.view.reading = split->program.hooks & HOOK_REAP ? JOURNAL_READS : JOURNAL_KEEPS;
    script->signals = split->signals;
    script->signals.ignored &= ~SIGNAL_BIT(SIGPIPE); /* libraries ignore it for themselves, not for what is spawned */
    script->configured = split->options;
    script_apply_options(script);
    if (script->epoll_fd >= 0) /* the parent's, too: what it had is watched anew */
        close(script->epoll_fd);
    script->epoll_fd = -1;
    environment_rename(&split->names);
    wait_for_engine(script->link.fd);
    signals_set_mask(split->signals.mask, NULL);
}

/* ---- The split. ---- */

/* 0 in the program; -1 with errno, and nothing has changed. Does not return in the engine. */
static int split_in_two(struct script *script, struct split *split)
{
    int saved;

    engine_fill_standard_descriptors();
    fflush(NULL); /* what waits in a buffer would be written twice */
    if (journal_begin(&split->program.journal) != 0)
        return -1;
    if (channel_open(&split->program.channel, &split->program_end) != 0) {
        saved = errno;
        journal_end(&split->program.journal);
        errno = saved;
        return -1;
    }
    signals_take(&split->signals);
    signals_learn_ignored(&split->signals);
    split->names = environment_names();
    split->program.pid = fork();
    saved = errno;
    if (split->program.pid > 0)
        become_engine(split);
    channel_close(&split->program.channel);
    if (split->program.pid == 0) {
        go_on(script, split);
        return 0;
    }
    journal_end(&split->program.journal);
    signals_set_mask(split->signals.mask, NULL);
    close(split->program_end);
    errno = saved;
    return -1;
}

/* The others would end with the fork. Without /proc nobody knows. */
static int has_threads(void)
{
    struct stat directory;

    return stat("/proc/self/task", &directory) == 0 && directory.st_nlink > 3;
}

/* What is there is what a program can use: settings, no script and no COMMAND. */
static int options_of_environment(struct options *options, char *why)
{
    const struct options defaults = options_default();

    *options = defaults;
    if (options_from_environment(options, why) != 0)
        return -1;
    options->eval = options->control = options->http = NULL;
    options->check = options->pause = 0;
    options->user[0] = '\0';
    options->hook_memory = defaults.hook_memory;
    options->script_timeout = defaults.script_timeout;
    return 0;
}

/* The list { key, text, … } on top. */
static int apply_settings(lua_State *L, struct options *options, char *why)
{
    const int list = lua_gettop(L);
    int failed = 0;

    for (lua_Integer i = 1; !failed && i < luaL_len(L, list); i += 2) {
        lua_rawgeti(L, list, i);
        lua_rawgeti(L, list, i + 1); // list key text
        failed = options_set(options, luaL_checkstring(L, -2), luaL_checkstring(L, -1), why);
        lua_pop(L, 2);
    }
    return failed;
}

static int refuse(lua_State *L, const char *why)
{
    luaL_pushfail(L);
    lua_pushstring(L, why);
    return 2;
}

/*
 * core.start(settings, hooks, told, subreaper): true, in the program; or nil, message[, errno]. `settings` is a list of
 * keys and texts, `hooks` a set of enum hook_bit, the others are those of struct engine_program.
 */
static int core_start(lua_State *L)
{
    struct script *script = script_of(L);
    struct split split;
    char why[WHY_SIZE];

    memset(&split, 0, sizeof split);
    split.program.hooks = (unsigned)luaL_checkinteger(L, 2);
    split.program.told = (pid_t)luaL_checkinteger(L, 3);
    split.program.subreaper = lua_toboolean(L, 4);
    lua_settop(L, 1);
    if (options_of_environment(&split.options, why) != 0 || apply_settings(L, &split.options, why) != 0)
        return refuse(L, why);
    if (has_threads())
        return refuse(L, "this process has threads, which would end in the fork: call it before they are made");
    if (split_in_two(script, &split) != 0)
        return push_failure(L, errno, "cannot start the engine");
    lua_pushboolean(L, 1);
    return 1;
}

/* core.getpid() */
static int core_getpid(lua_State *L)
{
    lua_pushinteger(L, getpid());
    return 1;
}

/* The program ends, or at least its Lua state. */
static int collect(lua_State *L)
{
    struct script *script = lua_touserdata(L, 1);

    link_close(&script->link);
    if (script->epoll_fd >= 0)
        close(script->epoll_fd);
    if (script->timer_fd >= 0)
        close(script->timer_fd);
    script->epoll_fd = script->timer_fd = -1;
    return 0;
}

static void push_script(lua_State *L)
{
    struct script *script = lua_newuserdatauv(L, sizeof *script, 0);

    memset(script, 0, sizeof *script);
    script->argc = 1;
    script->argv = no_arguments;
    script->link.fd = script->epoll_fd = script->timer_fd = -1;
    script->is_program = 1;
    script->configured = options_default();
    script->log.patient = 1;
    script_apply_options(script);
    lua_createtable(L, 0, 1); // script metatable
    lua_pushcfunction(L, collect);
    lua_setfield(L, -2, "__gc");
    lua_setmetatable(L, -2);
}

int luaopen_reaper_core(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "start", core_start },
        { "getpid", core_getpid },
        { NULL, NULL },
    };

    luaL_checkversion(L);
    push_script(L);
    lua_pushvalue(L, -1);
    open_core(L); // script core
    lua_insert(L, -2);
    luaL_setfuncs(L, functions, 1); // core
    return 1;
}
