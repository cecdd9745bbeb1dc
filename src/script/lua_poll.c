/* Waiting: for events, watched descriptors and time. All of them are behind one epoll descriptor. */
#define _GNU_SOURCE
#include <errno.h>
#include <lauxlib.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "common/clock.h"
#include "script/lua_core.h"
#include "script/lua_values.h"
#include "script/script.h"

enum { READY_MAX = 64 };

enum { SEVERAL = 4 }; /* events between two waits: more may follow at once */

static const lua_Number nap = 0.001;

static int add(int epoll_fd, int fd, uint32_t events)
{
    struct epoll_event event = { .events = events, .data.fd = fd };

    return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

/* What comes from the engine: messages through the socket, and the wake-up for events. */
static int add_link(int epoll_fd, const struct link *link)
{
    return link->fd < 0
                   || (add(epoll_fd, link->fd, EPOLLIN) == 0
                       && add(epoll_fd, link->journal.wake_fd[link->view.index], EPOLLIN) == 0)
               ? 0
               : -1;
}

/* The epoll descriptor, with the link in it. -1 with errno. */
static int open_epoll(struct script *script)
{
    if (script->epoll_fd >= 0)
        return script->epoll_fd;
    script->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (script->epoll_fd >= 0 && add_link(script->epoll_fd, &script->link) != 0) {
        close(script->epoll_fd);
        script->epoll_fd = -1;
    }
    return script->epoll_fd;
}

/* lua(1) answers a Ctrl-C with this hook of the main thread, which raises at that thread's next instruction. */
static int is_interrupted(lua_State *L)
{
    static const int all = LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT;
    lua_State *main_thread;

    lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
    main_thread = lua_tothread(L, -1);
    lua_pop(L, 1);
    return lua_gethookmask(main_thread) == all && lua_gethookcount(main_thread) == 1;
}

/*
 * Waits until the epoll descriptor is readable; epoll_wait counts in milliseconds. Negative: for ever. With
 * `interruptible`, a Ctrl-C that came just before is not waited over: signals are let in by the wait itself only.
 */
static void wait_for_any(lua_State *L, int epoll_fd, lua_Number seconds, int interruptible)
{
    static const lua_Number most = 1e9; /* some thirty years */
    struct pollfd entry = { .fd = epoll_fd, .events = POLLIN };
    struct timespec time;
    sigset_t all;
    sigset_t before;

    if (seconds > most)
        seconds = most;
    time.tv_sec = (time_t)seconds;
    time.tv_nsec = (long)((seconds - (lua_Number)time.tv_sec) * 1e9);
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, interruptible ? &all : NULL, &before);
    if (!interruptible || !is_interrupted(L))
        ppoll(&entry, 1, seconds < 0 ? NULL : &time, &before);
    if (interruptible)
        sigprocmask(SIG_SETMASK, &before, NULL);
}

static int is_ready(int epoll_fd)
{
    struct pollfd entry = { .fd = epoll_fd, .events = POLLIN };

    return poll(&entry, 1, 0) > 0;
}

/*
 * Waits until something is to be dealt with. Who has just dealt with several events naps first: in a storm the next
 * one comes soon, and nobody needs to wake anybody. Where another event loop waits on the epoll descriptor there is no
 * nap, since nobody would come back after it.
 */
static void wait_for_something(lua_State *L, struct script *script, lua_Number seconds, int interruptible)
{
    struct link *const link = &script->link;
    const int naps = link->dealt >= SEVERAL && script->timer_fd < 0 && (seconds < 0 || seconds > nap);

    link->dealt = 0;
    if (link->fd < 0) {
        wait_for_any(L, script->epoll_fd, seconds, interruptible);
        return;
    }
    if (naps) {
        journal_sleep(&link->view, JOURNAL_NAPPING);
        if (!link_has_something(link))
            wait_for_any(L, script->epoll_fd, nap, interruptible);
        if (is_ready(script->epoll_fd))
            return;
        seconds -= nap; /* negative stays negative */
    }
    journal_sleep(&link->view, JOURNAL_ASLEEP);
    if (!link_has_something(link))
        wait_for_any(L, script->epoll_fd, seconds, interruptible);
    if (script->timer_fd < 0)
        journal_sleep(&link->view, JOURNAL_AWAKE);
}

static void read_away(int fd)
{
    uint64_t count;

    while (read(fd, &count, sizeof count) < 0 && errno == EINTR)
        continue;
}

/* The ready descriptors but those of the link and the timer. Receives a message when there is one. */
static int sort_out(struct script *script, const struct epoll_event *ready, int count, int *fds)
{
    struct link *const link = &script->link;
    int left = 0;

    for (int i = 0; i < count; i++) {
        const int fd = ready[i].data.fd;

        if (fd == link->fd) {
            if (!link_receive(link))
                epoll_ctl(script->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
        } else if (link->fd >= 0 && fd == link->journal.wake_fd[link->view.index]) {
            read_away(fd);
        } else if (fd != script->timer_fd) {
            fds[left++] = fd;
        }
    }
    return left;
}

/* Without a place, which would be one of our own lines. */
static int raise_plain(lua_State *L, const char *message)
{
    lua_pushstring(L, message);
    return lua_error(L);
}

/*
 * core.poll([timeout[, interruptible]]): waits until an event, a watched descriptor or the timeout (seconds; none: for
 * ever) comes, or a Ctrl-C for the main thread, when `interruptible` says that this runs on afterwards. Gives a list of
 * ready descriptors, true when there is none, or false, once, when the engine has gone.
 */
int core_poll(lua_State *L)
{
    struct script *script = script_of(L);
    const lua_Number timeout = luaL_optnumber(L, 1, -1);
    struct epoll_event ready[READY_MAX];
    int fds[READY_MAX];
    int count;

    if (link_is_forked(&script->link))
        return raise_plain(L, "this process was forked from the one that the engine tells of events");
    if (open_epoll(script) < 0)
        return raise_plain(L, lua_pushfstring(L, "cannot wait for anything: %s", strerror(errno)));
    watchdog_rest(&script->watchdog);
    wait_for_something(L, script, link_has_ended(&script->link) ? 0 : timeout, lua_toboolean(L, 2));
    count = epoll_wait(script->epoll_fd, ready, READY_MAX, 0);
    count = sort_out(script, ready, count, fds);
    if (count == 0 && link_has_ended(&script->link)) {
        script->link.end_is_told = 1;
        lua_pushboolean(L, 0);
        return 1;
    }
    if (count <= 0) {
        lua_pushboolean(L, 1);
        return 1;
    }
    lua_createtable(L, count, 0); // list
    for (int i = 0; i < count; i++) {
        lua_pushinteger(L, fds[i]);
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

/*
 * core.watch(fd, "r" | "w" | nil): from now on core.poll waits for it to be readable, writable, or no more. Gives what
 * is wrong, if anything is, with errno.
 */
int core_watch(lua_State *L)
{
    struct script *script = script_of(L);
    const int fd = (int)luaL_checkinteger(L, 1);
    const char *mode = luaL_optstring(L, 2, NULL);
    int saved;

    if (link_is_forked(&script->link) && mode) {
        lua_pushliteral(L, "this process was forked from the one that the engine tells of events");
        return 1;
    }
    if (!mode) {
        if (script->epoll_fd >= 0 && !link_is_forked(&script->link))
            epoll_ctl(script->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
        return 0;
    }
    if (open_epoll(script) >= 0 && add(script->epoll_fd, fd, *mode == 'r' ? EPOLLIN : EPOLLOUT) == 0)
        return 0;
    saved = errno;
    lua_pushfstring(L, "cannot wait for descriptor %d: %s", fd, strerror(saved));
    lua_pushinteger(L, saved);
    return 2;
}

/* ---- For other event loops. ---- */

void script_set_timer(const struct script *script, int64_t delay)
{
    struct itimerspec time = { .it_value = { 0, 0 } };

    if (script->timer_fd < 0 || link_is_forked(&script->link))
        return;
    if (delay <= 0)
        delay = 1; /* zero would disarm it */
    if (delay != NEVER) {
        time.it_value.tv_sec = (time_t)(delay / NANOSECONDS);
        time.it_value.tv_nsec = (long)(delay % NANOSECONDS);
    }
    timerfd_settime(script->timer_fd, 0, &time, NULL);
}

void script_watch_link(struct script *script)
{
    if (script->timer_fd < 0 || !link_is_connected(&script->link))
        return;
    read_away(script->link.journal.wake_fd[script->link.view.index]); /* for what has been read since */
    journal_sleep(&script->link.view, JOURNAL_ASLEEP);
    if (link_has_something(&script->link))
        script_set_timer(script, 0);
}

/* core.set_timer(seconds or nil): see script_set_timer. */
int core_set_timer(lua_State *L)
{
    const lua_Number seconds = luaL_optnumber(L, 1, -1);
    const lua_Number most = 1e9; /* some thirty years */
    struct script *script = script_of(L);

    if (link_has_something(&script->link))
        script_set_timer(script, 0);
    else if (seconds < 0)
        script_set_timer(script, NEVER);
    else
        script_set_timer(script, (int64_t)((seconds < most ? seconds : most) * (lua_Number)NANOSECONDS));
    return 0;
}

/* core.fd(): the descriptor that is readable when core.poll would not wait; or nil, message, errno. */
int core_fd(lua_State *L)
{
    struct script *script = script_of(L);
    int timer_fd;

    if (open_epoll(script) < 0)
        return push_failure(L, errno, "epoll_create1");
    if (script->timer_fd < 0) {
        timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
        if (timer_fd < 0)
            return push_failure(L, errno, "timerfd_create");
        if (add(script->epoll_fd, timer_fd, EPOLLIN) != 0) {
            close(timer_fd);
            return push_failure(L, errno, "epoll_ctl");
        }
        script->timer_fd = timer_fd;
    }
    lua_pushinteger(L, script->epoll_fd);
    return 1;
}
