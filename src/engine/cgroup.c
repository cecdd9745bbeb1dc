#define _GNU_SOURCE
#include "engine/cgroup.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"

enum { PATH_SIZE = 1024 }; /* two of them on the stack, which process 1 never gives back */

/* The oom_kill value in a file of "key value" lines, or -1. */
static int64_t read_counter(int fd)
{
    static const char key[] = "\noom_kill ";
    char text[1024] = "\n";
    const ssize_t size = pread(fd, text + 1, sizeof text - 2, 0);
    const char *at;

    if (size <= 0)
        return -1;
    text[1 + size] = '\0';
    at = strstr(text, key);
    return at ? strtoll(at + sizeof key - 1, NULL, 10) : -1;
}

/* ---- Finding a file. ---- */

static int open_in(const char *root, const char *mount, const char *group, const char *name)
{
    char path[PATH_SIZE];

    snprintf(path, sizeof path, "%s/sys/fs/cgroup%s%s/%s", root, mount, group, name);
    return open(path, O_RDONLY | O_CLOEXEC);
}

/* Inside a container the mount often shows the group itself as its root, whatever /proc says. */
static int open_of_group(const char *root, const char *mount, const char *group, const char *name)
{
    const int fd = open_in(root, mount, group, name);

    return fd >= 0 ? fd : open_in(root, mount, "", name);
}

/* True when `list`, which ends at `end`, has the controller in it: "cpu,cpuacct". */
static int has_controller(const char *list, const char *end, const char *controller)
{
    const size_t length = strlen(controller);

    while (list < end) {
        const char *const comma = memchr(list, ',', (size_t)(end - list));
        const char *const stop = comma ? comma : end;

        if ((size_t)(stop - list) == length && memcmp(list, controller, length) == 0)
            return 1;
        list = stop + 1;
    }
    return 0;
}

/* A line of /proc/self/cgroup is "0::/group" in version 2 and "7:memory:/group" in version 1. */
static int open_of_line(const char *root, const struct cgroup_file *file, const char *line)
{
    const char *const list = strchr(line, ':');
    const char *const end = list ? strchr(list + 1, ':') : NULL;
    char mount[64];

    if (!end)
        return -1;
    if (end == list + 1)
        return open_of_group(root, "", end + 1, file->name_2);
    if (!has_controller(list + 1, end, file->controller))
        return -1;
    snprintf(mount, sizeof mount, "/%s", file->controller);
    return open_of_group(root, mount, end + 1, file->name_1);
}

int cgroup_open(const char *root, const struct cgroup_file *file)
{
    char line[PATH_SIZE];
    FILE *lines;
    int fd = -1;

    snprintf(line, sizeof line, "%s/proc/self/cgroup", root);
    lines = fopen(line, "re");
    if (!lines)
        return -1;
    while (fd < 0 && fgets(line, sizeof line, lines)) {
        line[strcspn(line, "\n")] = '\0';
        fd = open_of_line(root, file, line);
    }
    fclose(lines);
    return fd;
}

/* ---- The out-of-memory killer. ---- */

void oom_watch_open(struct oom_watch *watch)
{
    static const struct cgroup_file counter = { "memory", "memory.oom_control", "memory.events" };

    if (watch->searched)
        return;
    memset(watch, 0, sizeof *watch);
    watch->searched = 1;
    watch->fd = cgroup_open("", &counter);
    if (watch->fd < 0)
        return;
    watch->counter = read_counter(watch->fd);
    if (watch->counter >= 0)
        return;
    close(watch->fd);
    watch->fd = -1;
}

int oom_watch_charge(struct oom_watch *watch)
{
    const int64_t now = clock_now();
    int64_t counter;

    if (watch->fd < 0)
        return 0;
    counter = read_counter(watch->fd);
    if (now - watch->credits_at > NANOSECONDS)
        watch->credits = 0;
    if (counter > watch->counter) {
        watch->credits += counter - watch->counter;
        watch->credits_at = now;
        watch->counter = counter;
    }
    if (watch->credits <= 0)
        return 0;
    watch->credits--;
    return 1;
}
