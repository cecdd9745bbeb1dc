/*
 * The terminal of reaperctl top. Two processes have it: the first, the guard, waits, and the second draws. Whichever of
 * them is killed, the other one puts the terminal back: the settings, the cursor and the screen.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <lauxlib.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "script/control.h"
#include "script/lua_values.h"

static const char terminal_type[] = "reaper.terminal";

/* The alternate screen, without a cursor and without wrapping of long lines; and back. */
#define ENTER "\033[?1049h\033[?25l\033[?7l\033[H\033[2J"
#define LEAVE "\033[0m\033[?7h\033[?25h\033[?1049l"

/* What the process that draws has last told the guard of the terminal. */
enum message { IS_TAKEN = 't', IS_GIVEN_BACK = 'g' };

struct terminal {
    struct termios before; /* as it was found */
    struct termios raw;
    int other; /* a socket to the other process, which ends with it */
};

/* core.terminal_size(fd): columns and rows, or nil where the descriptor is no terminal. */
static int core_terminal_size(lua_State *L)
{
    struct winsize size;

    if (ioctl((int)luaL_checkinteger(L, 1), TIOCGWINSZ, &size) != 0)
        return 0;
    lua_pushinteger(L, size.ws_col ? size.ws_col : 80);
    lua_pushinteger(L, size.ws_row ? size.ws_row : 24);
    return 2;
}

static void write_text(const char *text, size_t size)
{
    while (size > 0) {
        const ssize_t done = write(STDOUT_FILENO, text, size);

        if (done < 0 && errno != EINTR)
            return;
        text += done > 0 ? done : 0;
        size -= done > 0 ? (size_t)done : 0;
    }
}

/* ---- Taking the terminal, and giving it back. ---- */

static void tell(const struct terminal *terminal, enum message message)
{
    const char byte = (char)message;

    (void)!send(terminal->other, &byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* In the background, SIGTTOU stops this process until it has the foreground again. */
static void take(const struct terminal *terminal)
{
    tell(terminal, IS_TAKEN);
    tcsetattr(STDIN_FILENO, TCSADRAIN, &terminal->raw);
    write_text(ENTER, sizeof ENTER - 1);
}

static int is_raw(const struct terminal *terminal)
{
    struct termios now;

    return tcgetattr(STDIN_FILENO, &now) == 0 && now.c_lflag == terminal->raw.c_lflag
           && now.c_iflag == terminal->raw.c_iflag;
}

/*
 * Settings that a shell has made meanwhile are left alone: it has the terminal at once when the process that it waits
 * for is killed, which is the guard.
 */
static void give_back(const struct terminal *terminal)
{
    sigset_t refusal;
    sigset_t before;

    sigemptyset(&refusal);
    sigaddset(&refusal, SIGTTOU);
    sigprocmask(SIG_BLOCK, &refusal, &before);
    write_text(LEAVE, sizeof LEAVE - 1);
    if (is_raw(terminal))
        tcsetattr(STDIN_FILENO, TCSADRAIN, &terminal->before);
    sigprocmask(SIG_SETMASK, &before, NULL);
}

/* ---- The guard. ---- */

static void block(sigset_t *set)
{
    static const int signals[] = { SIGCHLD, SIGTERM, SIGINT, SIGQUIT, SIGHUP };

    sigemptyset(set);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        sigaddset(set, signals[i]);
    sigprocmask(SIG_BLOCK, set, NULL);
}

/* Waits for the end of the process that draws, and passes on signals. Its wait status. */
static int await_end(pid_t child, const sigset_t *set)
{
    int status = 0;

    while (waitpid(child, &status, WNOHANG) == 0) {
        const int number = sigwaitinfo(set, NULL);

        if (number > 0 && number != SIGCHLD) {
            kill(child, number);
            kill(child, SIGCONT);
        }
    }
    return status;
}

static int is_taken(const struct terminal *terminal)
{
    char byte = IS_GIVEN_BACK;

    while (recv(terminal->other, &byte, 1, MSG_DONTWAIT) == 1)
        ;
    return byte == IS_TAKEN;
}

static int guard(lua_State *L, const struct terminal *terminal, pid_t child, const sigset_t *set)
{
    const int status = await_end(child, set);

    if (is_taken(terminal))
        give_back(terminal);
    close(terminal->other);
    lua_pushinteger(L, WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    return 1;
}

/* ---- The process that draws. ---- */

static void ignore(int number)
{
    (void)number;
}

/* A change of the size interrupts only the waiting of terminal_keys. */
static void watch_size(void)
{
    struct sigaction action = { .sa_handler = ignore };
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGWINCH);
    sigprocmask(SIG_BLOCK, &set, NULL);
    sigaction(SIGWINCH, &action, NULL);
}

/* Reads the settings. Keys come as bytes at once, Ctrl-C, Ctrl-Z and Ctrl-S, too. 0, or -1 with errno. */
static int read_settings(struct terminal *terminal)
{
    if (tcgetattr(STDIN_FILENO, &terminal->before) != 0)
        return -1;
    terminal->raw = terminal->before;
    terminal->raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO | ISIG | IEXTEN);
    terminal->raw.c_iflag &= ~(tcflag_t)(IXON | ICRNL);
    terminal->raw.c_cc[VMIN] = 0;
    terminal->raw.c_cc[VTIME] = 0;
    return 0;
}

/*
 * core.terminal_open(): takes the terminal on stdin and stdout and gives it, in a new process. In the one that has
 * called it, gives that one's exit code when it has ended. nil, message, errno where that fails.
 */
static int core_terminal_open(lua_State *L)
{
    struct terminal *const terminal = push_memory(L, 1, sizeof *terminal);
    sigset_t before;
    sigset_t set;
    int pair[2];
    pid_t child;

    luaL_newmetatable(L, terminal_type);
    lua_setmetatable(L, -2);
    if (read_settings(terminal) != 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return push_failure(L, errno, "the terminal");
    sigprocmask(SIG_BLOCK, NULL, &before);
    block(&set);
    child = fork();
    if (child != 0) {
        terminal->other = pair[0];
        close(pair[1]);
        return child < 0 ? push_failure(L, errno, "fork") : guard(L, terminal, child, &set);
    }
    terminal->other = pair[1];
    close(pair[0]);
    sigprocmask(SIG_SETMASK, &before, NULL);
    watch_size();
    take(terminal);
    return 1;
}

static struct terminal *terminal_of(lua_State *L)
{
    return luaL_checkudata(L, 1, terminal_type);
}

/*
 * core.terminal_keys(terminal, seconds): the bytes that were typed, after at most so long; "" for none, also when the
 * size has changed. nil when the terminal or the guard is gone.
 */
static int core_terminal_keys(lua_State *L)
{
    const struct terminal *const terminal = terminal_of(L);
    const lua_Number seconds = luaL_checknumber(L, 2);
    const struct timespec time = { (time_t)seconds, (long)((seconds - (lua_Number)(time_t)seconds) * 1e9) };
    struct pollfd entries[] = { { .fd = STDIN_FILENO, .events = POLLIN }, { .fd = terminal->other, .events = POLLIN } };
    char bytes[256];
    ssize_t size = 0;
    sigset_t mask;

    sigprocmask(SIG_BLOCK, NULL, &mask);
    sigdelset(&mask, SIGWINCH);
    ppoll(entries, 2, &time, &mask);
    if (entries[1].revents)
        return 0;
    if (entries[0].revents)
        size = read(STDIN_FILENO, bytes, sizeof bytes);
    if (size < 0 || (entries[0].revents && size == 0))
        return 0;
    lua_pushlstring(L, bytes, (size_t)size);
    return 1;
}

/* core.terminal_suspend(terminal): what Ctrl-Z does elsewhere. Returns when it has the foreground again. */
static int core_terminal_suspend(lua_State *L)
{
    const struct terminal *const terminal = terminal_of(L);

    give_back(terminal);
    tell(terminal, IS_GIVEN_BACK);
    kill(0, SIGTSTP);
    take(terminal);
    return 0;
}

/* core.terminal_close(terminal): gives it back. */
static int core_terminal_close(lua_State *L)
{
    const struct terminal *const terminal = terminal_of(L);

    give_back(terminal);
    tell(terminal, IS_GIVEN_BACK);
    return 0;
}

static const luaL_Reg functions[] = {
    { "terminal_size", core_terminal_size },   { "terminal_open", core_terminal_open },
    { "terminal_keys", core_terminal_keys },   { "terminal_suspend", core_terminal_suspend },
    { "terminal_close", core_terminal_close }, { NULL, NULL },
};

void open_terminal_core(lua_State *L)
{
    luaL_setfuncs(L, functions, 0);
}
