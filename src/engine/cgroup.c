#define _GNU_SOURCE
#include "engine/cgroup.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"

enum { PATH_SIZE = 4200 };

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

static int try_open(struct oom_watch *watch, const char *root, const char *group, const char *file)
{
    char path[PATH_SIZE];

    snprintf(path, sizeof path, "%s%s/%s", root, group, file);
    watch->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (watch->fd < 0)
        return 0;
    watch->counter = read_counter(watch->fd);
    if (watch->counter >= 0)
        return 1;
    close(watch->fd);
    watch->fd = -1;
    return 0;
}

/*
 * A line of /proc/self/cgroup is "0::/group" in version 2 and "7:memory:/group" in version 1. Inside a container the
 * mount often shows the group itself as its root, whatever the line says.
 */
static int try_line(struct oom_watch *watch, const char *line)
{
    const char *controllers = strchr(line, ':');
    const char *group = controllers ? strchr(controllers + 1, ':') : NULL;

    if (!group)
        return 0;
    group++;
    if (strncmp(controllers, "::", 2) == 0)
        return try_open(watch, "/sys/fs/cgroup", group, "memory.events")
               || try_open(watch, "/sys/fs/cgroup", "", "memory.events");
    if (strstr(controllers, "memory"))
        return try_open(watch, "/sys/fs/cgroup/memory", group, "memory.oom_control")
               || try_open(watch, "/sys/fs/cgroup/memory", "", "memory.oom_control");
    return 0;
}

void oom_watch_open(struct oom_watch *watch)
{
    char line[PATH_SIZE];
    FILE *file;

    if (watch->searched)
        return;
    memset(watch, 0, sizeof *watch);
    watch->searched = 1;
    watch->fd = -1;
    file = fopen("/proc/self/cgroup", "re");
    if (!file)
        return;
    while (watch->fd < 0 && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = '\0';
        if (try_line(watch, line))
            break;
    }
    fclose(file);
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
