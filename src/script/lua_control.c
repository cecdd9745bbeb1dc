#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/options.h"
#include "common/pages.h"
#include "common/proc.h"
#include "script/control.h"
#include "script/lua_values.h"

static const char view_type[] = "reaper.pages";

/* ---- Finding them. ---- */

struct search {
    pid_t pid;
    const char *target; /* what the link of the descriptor says */
    int found;          /* its number, or -1 */
};

static int is_it(int number, void *context)
{
    struct search *const search = context;
    char path[64];
    char target[64];
    ssize_t length;

    snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)search->pid, number);
    length = readlink(path, target, sizeof target - 1);
    if (length <= 0)
        return 0;
    target[length] = '\0';
    if (strcmp(target, search->target) == 0)
        search->found = number;
    return search->found >= 0;
}

/* Opens the descriptor of the process that leads to the memory file of that name. -1 with errno; ENXIO: it has none. */
static int open_file_of(pid_t pid, const char *name)
{
    char target[64];
    char path[64];
    struct search search = { pid, target, -1 };

    snprintf(target, sizeof target, "/memfd:%s (deleted)", name);
    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    if (proc_numbers(path, is_it, &search) != 0)
        return -1;
    errno = ENXIO;
    if (search.found < 0)
        return -1;
    snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)pid, search.found);
    return open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC); /* whatever has that name */
}

/* A file that somebody can make shorter would be a SIGBUS for its reader. */
static int is_safe_to_map(int fd, size_t *size)
{
    const int seals = fcntl(fd, F_GET_SEALS);
    struct stat stat;

    if (seals < 0 || !(seals & F_SEAL_SHRINK) || fstat(fd, &stat) != 0)
        return 0;
    *size = (size_t)stat.st_size;
    return *size >= sizeof(struct page_head);
}

enum page_fault { PAGE_FINE, PAGE_MISSING, PAGE_FOREIGN, PAGE_OF_ANOTHER_VERSION };

/* Maps the page of that size behind a descriptor, and closes it. Its head is in *head where there is one. */
static enum page_fault map_page(int fd, size_t wanted, const void **page, struct page_head *head)
{
    enum page_fault fault = PAGE_FOREIGN;
    size_t size;
    void *map;

    if (fd < 0)
        return PAGE_MISSING;
    if (is_safe_to_map(fd, &size) && (map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0)) != MAP_FAILED) {
        memcpy(head, map, sizeof *head);
        head->program[sizeof head->program - 1] = '\0';
        if (memcmp(head->magic, PAGE_MAGIC, sizeof head->magic) == 0)
            fault = head->version == PAGES_VERSION && size == wanted ? PAGE_FINE : PAGE_OF_ANOTHER_VERSION;
        if (fault == PAGE_FINE)
            *page = map;
        else
            munmap(map, size);
    }
    close(fd);
    return fault;
}

static int close_view(lua_State *L)
{
    struct view *const view = luaL_checkudata(L, 1, view_type);

    if (view->engine)
        munmap((void *)view->engine, sizeof *view->engine);
    if (view->script)
        munmap((void *)view->script, sizeof *view->script);
    view->engine = NULL;
    view->script = NULL;
    return 0;
}

static struct view *push_view(lua_State *L, pid_t pid)
{
    struct view *const view = push_memory(L, 1, sizeof *view);

    view->pid = pid;
    if (luaL_newmetatable(L, view_type)) {
        lua_pushcfunction(L, close_view);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    return view;
}

static int refuse(lua_State *L, const char *why)
{
    luaL_pushfail(L);
    lua_pushstring(L, why);
    return 2;
}

static int explain(lua_State *L, pid_t pid, enum page_fault fault, int error, const struct page_head *head)
{
    if (fault == PAGE_OF_ANOTHER_VERSION)
        return refuse(L, lua_pushfstring(L,
                                         "process %d is reaper-lua %s, which shows itself in version %d of the pages; "
                                         "this is %s, which reads version %d: use the reaperctl of that release",
                                         (int)pid, head->program, (int)head->version, REAPER_VERSION, PAGES_VERSION));
    if (fault == PAGE_MISSING && error == ENOENT)
        return refuse(L, lua_pushfstring(L, "there is no process %d", (int)pid));
    if (fault == PAGE_MISSING && error != ENXIO)
        return refuse(L, lua_pushfstring(L,
                                         "process %d may not be looked into: %s; the kernel allows it to the same user "
                                         "with the same capabilities, and to CAP_SYS_PTRACE",
                                         (int)pid, strerror(error)));
    return refuse(L, lua_pushfstring(L, "process %d is no reaper-lua that can be looked into (--pid names another one)",
                                     (int)pid));
}

/* The descriptor at that argument, which a porter was started with, or what /proc has of the process. */
static int page_descriptor(lua_State *L, int argument, pid_t pid, const char *name)
{
    return lua_isnoneornil(L, argument) ? open_file_of(pid, name) : (int)luaL_checkinteger(L, argument);
}

/*
 * core.pages(pid[, engine_fd, script_fd]): the pages of that reaper-lua; or nil, message. Descriptors of the pages are
 * closed.
 */
static int core_pages(lua_State *L)
{
    const pid_t pid = (pid_t)luaL_checkinteger(L, 1);
    const void *page = NULL;
    struct view *view;
    struct page_head head;
    enum page_fault fault;

    lua_settop(L, 3);
    view = push_view(L, pid);
    errno = ENXIO;
    fault = map_page(page_descriptor(L, 2, pid, ENGINE_PAGE_NAME), sizeof *view->engine, &page, &head);
    if (fault != PAGE_FINE)
        return explain(L, pid, fault, errno, &head);
    view->engine = page;
    memcpy(view->version, head.program, sizeof view->version);
    if (map_page(page_descriptor(L, 3, pid, SCRIPT_PAGE_NAME), sizeof *view->script, &page, &head) == PAGE_FINE)
        view->script = page;
    return 1;
}

const struct view *view_of(lua_State *L)
{
    const struct view *const view = luaL_checkudata(L, 1, view_type);

    luaL_argcheck(L, view->engine, 1, "it is closed");
    return view;
}

/* ---- Waiting. ---- */

/* core.page_changes(pages): a number that moves on with each change of the script's page; nil without one. */
static int core_page_changes(lua_State *L)
{
    const struct script_page *const page = view_of(L)->script;

    if (!page)
        return 0;
    lua_pushinteger(L, atomic_load_explicit(&page->changes, memory_order_acquire));
    return 1;
}

/* core.await_change(pages, seen, seconds): waits until that number is another one than `seen`, at most so long. */
static int core_await_change(lua_State *L)
{
    const struct view *const view = view_of(L);
    const lua_Integer seen = luaL_optinteger(L, 2, 0);
    const lua_Number seconds = luaL_checknumber(L, 3);
    const struct timespec time = { (time_t)seconds, (long)((seconds - (lua_Number)(time_t)seconds) * 1e9) };

    if (view->script)
        page_await(view->script, (uint32_t)seen, (int64_t)(seconds * (lua_Number)NANOSECONDS));
    else
        nanosleep(&time, NULL);
    return 0;
}

static const luaL_Reg functions[] = {
    { "pages", core_pages },
    { "page_changes", core_page_changes },
    { "await_change", core_await_change },
    { NULL, NULL },
};

void open_control_core(lua_State *L)
{
    luaL_setfuncs(L, functions, 0);
}
