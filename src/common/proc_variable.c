#define _GNU_SOURCE
#include "common/proc_variable.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/proc.h"

enum { CHUNK = 8192 };

/* ---- Opening it. ---- */

/* A change of these ids makes a process undumpable and takes its parent-death signal away (commit_creds, prctl(2)). */
static int open_as(uid_t uid, gid_t gid, const char *path)
{
    const int dumpable = prctl(PR_GET_DUMPABLE, 0UL, 0UL, 0UL, 0UL);
    int signal = 0;
    gid_t own_gid;
    uid_t own_uid;
    int fd;
    int saved;

    prctl(PR_GET_PDEATHSIG, &signal, 0UL, 0UL, 0UL);
    own_gid = (gid_t)setfsgid(gid);
    own_uid = (uid_t)setfsuid(uid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    saved = errno;
    setfsuid(own_uid);
    setfsgid(own_gid);
    if (dumpable == 1)
        prctl(PR_SET_DUMPABLE, 1UL, 0UL, 0UL, 0UL);
    if (signal > 0)
        prctl(PR_SET_PDEATHSIG, (unsigned long)signal, 0UL, 0UL, 0UL);
    errno = saved;
    return fd;
}

/* The directory /proc/PID has the effective ids of the process, also where its files are root's (proc(5)). */
static int open_environment(pid_t pid)
{
    struct stat owner;
    char path[32];
    int fd;
    int saved;

    snprintf(path, sizeof path, "/proc/%d/environ", (int)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0 || (errno != EACCES && errno != EPERM))
        return fd;
    saved = errno;
    *strrchr(path, '/') = '\0';
    if (stat(path, &owner) != 0)
        return -1;
    path[strlen(path)] = '/';
    errno = saved;
    return owner.st_uid == geteuid() ? -1 : open_as(owner.st_uid, owner.st_gid, path);
}

/* ---- Reading it. ---- */

enum search_state { IN_NAME, IN_VALUE, IN_OTHER };

struct search {
    const char *name;
    size_t length; /* of the name */
    char *value;
    size_t room;
    enum search_state state;
    size_t at; /* in the name or the value */
};

static void enter(struct search *search, enum search_state state)
{
    search->state = state;
    search->at = 0;
}

/* Takes one character; an entry ends with a zero. True when the value is complete. */
static int take(struct search *search, char letter)
{
    if (search->state == IN_VALUE && search->at < search->room) {
        search->value[search->at++] = letter;
        return !letter;
    }
    if (search->state == IN_NAME && search->at < search->length && letter == search->name[search->at])
        search->at++;
    else if (search->state == IN_NAME && search->at == search->length && letter == '=')
        enter(search, IN_VALUE);
    else
        enter(search, letter ? IN_OTHER : IN_NAME);
    return 0;
}

/* True when the value is complete. */
static int feed(struct search *search, const char *text, size_t size)
{
    const char *const end = text + size;

    while (text < end) {
        if (search->state == IN_OTHER)
            text = memchr(text, '\0', (size_t)(end - text));
        if (!text)
            return 0;
        if (take(search, *text++))
            return 1;
    }
    return 0;
}

/* Searches the file of a process or a thread: what proc_variable gives, and whether there was anything. */
static int search_file(int id, struct search *search, int *is_empty)
{
    const int fd = open_environment(id);
    char text[CHUNK];
    ssize_t size = 0;
    int found = 0;
    int saved;

    *is_empty = fd >= 0 || errno == ESRCH;
    if (fd < 0)
        return -1;
    for (size_t total = 0; !found && total < PROC_ENVIRONMENT_MAX; total += (size_t)size) {
        do
            size = read(fd, text, sizeof text);
        while (size < 0 && errno == EINTR);
        if (size <= 0)
            break;
        *is_empty = 0;
        found = feed(search, text, (size_t)size);
    }
    saved = errno;
    close(fd);
    errno = saved;
    return size < 0 ? -1 : found;
}

struct thread_search {
    struct search *search;
    int found;
};

/* Searches /proc/ID, which exists for each thread. It goes on while there is nothing. */
static int search_thread(int id, void *context)
{
    struct thread_search *const threads = context;
    int is_empty;

    threads->found = search_file(id, threads->search, &is_empty) == 1;
    return !is_empty;
}

/* When the first thread has ended before the others, it has no memory: its environment is empty, or ESRCH is the
 * answer. */
int proc_variable(pid_t pid, const char *name, char *value, size_t room)
{
    struct search search = { .name = name, .length = strlen(name), .value = value, .room = room };
    struct thread_search threads = { &search, 0 };
    char path[32];
    int is_empty;
    const int found = search_file(pid, &search, &is_empty);

    if (!is_empty)
        return found;
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    proc_numbers(path, search_thread, &threads);
    return threads.found;
}
