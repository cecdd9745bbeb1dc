/* Orders to a script process: its inbox, a pipe that is found through /proc, and the replies in its page. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/pages.h"
#include "common/proc.h"
#include "script/control.h"

/* ---- Finding the inbox. ---- */

/*
 * The process that has the inbox. It is looked for among the children of the engine, since the pid in the page is that
 * of the engine's PID namespace. The pipe itself tells which one it is.
 */
struct search {
    pid_t engine;
    int number; /* of the descriptor */
    ino_t inode;
    int fd;    /* the pipe, opened to write; -1 */
    int error; /* why not */
};

static int is_inbox(const struct search *search, const struct stat *file)
{
    return S_ISFIFO(file->st_mode) && file->st_ino == search->inode;
}

/* It is looked at before it is opened, since opening some other file could have an effect. */
static int try_process(int pid, void *context)
{
    struct search *const search = context;
    char path[64];
    struct stat file;

    snprintf(path, sizeof path, "/proc/%d/fd/%d", pid, search->number);
    if (stat(path, &file) != 0) {
        search->error = errno == EACCES || errno == EPERM ? errno : search->error;
        return 0;
    }
    if (!is_inbox(search, &file))
        return 0;
    search->fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    if (search->fd < 0)
        search->error = errno;
    if (search->fd >= 0 && (fstat(search->fd, &file) != 0 || !is_inbox(search, &file))) {
        close(search->fd);
        search->fd = -1;
    }
    return 1;
}

static int try_child(const struct proc_stat *stat, void *context)
{
    const struct search *const search = context;

    return stat->ppid == search->engine && try_process(stat->pid, context);
}

static void find_inbox(struct search *search, pid_t pid)
{
    if (try_process(pid, search))
        return;
    search->error = ENOENT; /* in this namespace that pid may be somebody else's */
    if (proc_children(search->engine, try_process, search) != 0)
        proc_each(try_child, search);
}

static int failed(lua_State *L, const char *kind, const char *message)
{
    luaL_pushfail(L);
    lua_pushstring(L, message);
    lua_pushstring(L, kind);
    return 3;
}

/*
 * core.open_inbox(pages): a descriptor that writes to the script process which writes its page now, with its pid and
 * inbox_inode, as core.script_report gives them. Or nil, message, kind: "gone" when that process has ended or takes no
 * orders, "denied" when this one may not write there.
 */
static int core_open_inbox(lua_State *L)
{
    const struct view *const view = view_of(L);
    struct script_session session;
    struct search search;

    if (!view->script || !LATCH_READ(&view->script->session, &session) || session.pid <= 0 || session.inbox_fd < 0)
        return failed(L, "gone", "no script process takes orders");
    search = (struct search){ view->pid, session.inbox_fd, session.inbox_inode, -1, ENOENT };
    find_inbox(&search, session.pid);
    if (search.fd < 0)
        return failed(L, search.error == EACCES || search.error == EPERM ? "denied" : "gone",
                      lua_pushfstring(L, "the inbox of script process %d cannot be opened: %s", (int)session.pid,
                                      strerror(search.error)));
    lua_pushinteger(L, search.fd);
    lua_pushinteger(L, session.pid);
    lua_pushinteger(L, (lua_Integer)session.inbox_inode);
    return 3;
}

/* core.is_engine_alive(pages) */
static int core_is_engine_alive(lua_State *L)
{
    struct proc_stat stat;

    lua_pushboolean(L, proc_read(view_of(L)->pid, &stat) == 0 && !proc_is_dead(&stat));
    return 1;
}

/* core.has_reader(fd): false when the process has ended that read from the pipe. */
static int core_has_reader(lua_State *L)
{
    struct pollfd pipe = { .fd = (int)luaL_checkinteger(L, 1) };

    lua_pushboolean(L, poll(&pipe, 1, 0) == 0 || !(pipe.revents & (POLLERR | POLLNVAL)));
    return 1;
}

/* ---- Replies. ---- */

/*
 * core.reply(pages, id): how far the order with that id is: "accepted", "done" or "refused", and a text; nil without a
 * reply. Then the moments (integers) at which the oldest row and the newest row of all replies were written: a reply
 * from before the oldest one may have been overwritten. Nothing at all when it cannot be read at this moment.
 */
static int core_reply(lua_State *L)
{
    static const char *const states[] = { NULL, "accepted", "done", "refused" };
    const struct script_page *const page = view_of(L)->script;
    const char *const id = luaL_checkstring(L, 2);
    int64_t oldest = INT64_MAX;
    int64_t newest = 0;
    struct reply_row row;

    luaL_pushfail(L);
    luaL_pushfail(L); // state text
    for (int i = 0; page && i < PAGE_REPLIES; i++) {
        if (!LATCH_READ(&page->reply[i], &row))
            return 0;
        oldest = row.at < oldest ? row.at : oldest;
        newest = row.at > newest ? row.at : newest;
        if (strncmp(row.id, id, sizeof row.id) != 0 || row.state <= PAGE_REPLY_NONE || row.state > PAGE_REPLY_REFUSED)
            continue;
        lua_settop(L, 2);
        lua_pushstring(L, states[row.state]);
        lua_pushlstring(L, row.text, strnlen(row.text, sizeof row.text));
    }
    lua_pushinteger(L, oldest);
    lua_pushinteger(L, newest);
    return 4;
}

/* core.unique(): a text that no other call has given, in this process or in another one. */
static int core_unique(lua_State *L)
{
    uint64_t number;
    char text[32];

    if (getrandom(&number, sizeof number, GRND_NONBLOCK) != sizeof number)
        number = (uint64_t)clock_now(); /* nanoseconds */
    snprintf(text, sizeof text, "%d.%012llx", (int)getpid(), (unsigned long long)(number & 0xffffffffffff));
    lua_pushstring(L, text);
    return 1;
}

/*
 * core.outlive_stop(): TERM and HUP, which everything gets in the stop, are ignored from now on, so that who has
 * ordered the stop can still tell that it was done.
 */
static int core_outlive_stop(lua_State *L)
{
    (void)L;
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    return 0;
}

static const luaL_Reg functions[] = {
    { "open_inbox", core_open_inbox },
    { "is_engine_alive", core_is_engine_alive },
    { "has_reader", core_has_reader },
    { "reply", core_reply },
    { "unique", core_unique },
    { "outlive_stop", core_outlive_stop },
    { NULL, NULL },
};

void open_orders_core(lua_State *L)
{
    luaL_setfuncs(L, functions, 0);
}
