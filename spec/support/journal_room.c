/*
 * The journal where memory, address space or descriptors are refused:
 *
 *     journal-room NAME
 *     journal-room memory_cgroup DIRECTORY
 *
 * The directory is made, below /sys/fs/cgroup/memory; where that may not be, the program ends with 77. Refusals of
 * strict overcommit, and of pages, are simulated (-Wl,--wrap=mmap,--wrap=madvise).
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "journal_check.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

enum { CANNOT_TRY = 77, KIB = 1024, MIB = 1024 * 1024, TRIAL_SECONDS = 20 };

void *__real_mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset);
int __real_madvise(void *address, size_t size, int advice);
void *__wrap_mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset);
int __wrap_madvise(void *address, size_t size, int advice);

static size_t mapped_at_most = SIZE_MAX; /* in one piece */
static size_t pages_left = SIZE_MAX;     /* until they are refused */
static int refusal = ENOMEM;             /* what that fails with */

void *__wrap_mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset)
{
    if (size <= mapped_at_most)
        return __real_mmap(address, size, protection, flags, fd, offset);
    errno = ENOMEM;
    return MAP_FAILED;
}

int __wrap_madvise(void *address, size_t size, int advice)
{
    const size_t pages = size / journal_page_size();

    if (advice != MADV_POPULATE_WRITE || pages_left == SIZE_MAX)
        return __real_madvise(address, size, advice);
    if (pages > pages_left) {
        errno = refusal;
        return -1;
    }
    pages_left -= pages;
    return __real_madvise(address, size, advice);
}

/* ---- Writing and reading. ---- */

struct trial {
    struct journal_writer writer;
    struct journal_view reader;
    uint64_t written, read, overflow, refused;
};

static void begin(struct trial *trial)
{
    NEED(journal_begin(&trial->writer) == 0, "no journal: %llu %llu", (uint64_t)errno, 0);
    view_here(&trial->reader, &trial->writer.journal, 0, getpid());
    journal_prepare(&trial->writer, 0);
    journal_give(&trial->writer, 0, getpid());
}

static int try_event(struct trial *trial, enum journal_priority priority)
{
    struct event event;
    int64_t position;

    fill_event(&event, ++trial->written, EVENT_REAP, EVENT_ORPHAN);
    position = journal_write(&trial->writer, &event, priority);
    trial->refused += position < 0;
    return position >= 0;
}

static void read_all(struct trial *trial)
{
    struct event event;

    while (journal_read(&trial->reader, &event)) {
        if (event.kind == EVENT_OVERFLOW) {
            trial->overflow += (uint64_t)event.number;
            trial->read += (uint64_t)event.number;
            continue;
        }
        check_event(&event);
        trial->read++;
        NEED((uint64_t)event.number == trial->read, "%llu instead of %llu", (uint64_t)event.number, trial->read);
    }
    journal_look(&trial->writer);
}

/* The ring is written and read, several times over. */
static void works(struct trial *trial)
{
    for (uint64_t i = 0; i < 5 * trial->writer.journal.slots; i++) {
        NEED(try_event(trial, MAY_DROP), "event %llu is refused, with %llu slots", i, trial->writer.journal.slots);
        if (i % 100 == 0)
            read_all(trial);
    }
    read_all(trial);
    journal_end(&trial->writer);
}

static uint64_t descriptors(void)
{
    DIR *const directory = opendir("/proc/self/fd");
    uint64_t count = 0;

    while (directory && readdir(directory))
        count++;
    closedir(directory);
    return count;
}

/* ---- The mapping is refused. ---- */

static uint64_t address_space(void)
{
    FILE *const file = fopen("/proc/self/statm", "r");
    unsigned long pages = 0;

    NEED(file && fscanf(file, "%lu", &pages) == 1, "no statm: %llu %llu", 0, 0);
    fclose(file);
    return pages * journal_page_size();
}

static void limit_address_space(uint64_t more)
{
    const struct rlimit limit = { address_space() + more, RLIM_INFINITY };

    NEED(setrlimit(RLIMIT_AS, &limit) == 0, "no limit: %llu %llu", (uint64_t)errno, 0);
}

static void need_slots(struct trial *trial, uint32_t slots)
{
    begin(trial);
    NEED(trial->writer.journal.slots == slots, "%llu slots, not %llu", trial->writer.journal.slots, slots);
    works(trial);
}

static void need_none(struct trial *trial, int error)
{
    const uint64_t size = address_space(), fds = descriptors();

    errno = 0;
    NEED(journal_begin(&trial->writer) == -1, "a journal of %llu slots, %llu", trial->writer.journal.slots, 0);
    NEED(errno == error, "errno: %llu, not %llu", (uint64_t)errno, (uint64_t)error);
    journal_end(&trial->writer);
    NEED(address_space() == size, "address space: %llu, before: %llu", address_space(), size);
    NEED(descriptors() == fds, "descriptors: %llu, before: %llu", descriptors(), fds);
}

static void a_half(struct trial *trial)
{
    limit_address_space(7 * MIB);
    need_slots(trial, JOURNAL_SLOTS / 2);
}

static void the_least(struct trial *trial)
{
    limit_address_space(2 * MIB);
    need_slots(trial, JOURNAL_LEAST);
}

static void none(struct trial *trial)
{
    limit_address_space(300 * KIB);
    need_none(trial, ENOMEM);
}

static void strict_overcommit(struct trial *trial)
{
    mapped_at_most = 2 * MIB;
    need_slots(trial, JOURNAL_SLOTS / 8);
}

static void no_first_pages(struct trial *trial)
{
    pages_left = 1;
    need_none(trial, ENOMEM);
}

static void no_descriptors(struct trial *trial)
{
    const int lowest = dup(STDIN_FILENO); /* others may have been inherited */
    struct rlimit limit;

    NEED(lowest >= 0 && close(lowest) == 0, "no descriptor: %llu %llu", 0, 0);
    NEED(getrlimit(RLIMIT_NOFILE, &limit) == 0, "no limit: %llu %llu", 0, 0);
    limit.rlim_cur = (rlim_t)lowest + 1; /* one is left, which the journal and need_none want in turn */
    NEED(setrlimit(RLIMIT_NOFILE, &limit) == 0, "no limit: %llu %llu", 0, 0);
    need_none(trial, EMFILE);
}

/* ---- A page is refused. ---- */

/* All that is refused is counted in one overflow event, where it would have stood. */
static void no_page(struct trial *trial)
{
    begin(trial);
    for (pages_left = 10; try_event(trial, MAY_DROP);)
        continue;
    for (int i = 0; i < 99; i++)
        NEED(!try_event(trial, MAY_DROP), "event %llu is not refused, %llu", trial->written, 0);
    pages_left = SIZE_MAX;
    NEED(try_event(trial, MAY_DROP), "event %llu is refused, %llu", trial->written, 0);
    read_all(trial);
    NEED(trial->overflow == 100, "%llu are counted of %llu", trial->overflow, 100);
    NEED(trial->writer.written == trial->written - 100 + 1, "%llu are there after %llu: not one overflow event",
         trial->writer.written, trial->written);
    works(trial);
}

/* What must be kept is remembered, and told without another event when there is memory. */
static void no_page_for_children(struct trial *trial)
{
    begin(trial);
    for (pages_left = 10; try_event(trial, MUST_KEEP);)
        continue;
    for (int i = 0; i < 99; i++)
        NEED(!try_event(trial, MUST_KEEP), "event %llu is not refused, %llu", trial->written, 0);
    NEED(trial->writer.late.count == 100, "%llu are remembered of %llu", trial->writer.late.count, 100);
    pages_left = SIZE_MAX;
    journal_look(&trial->writer);
    read_all(trial);
    NEED(trial->read == trial->written, "%llu were read of %llu", trial->read, trial->written);
    NEED(trial->overflow == 0, "%llu are counted of %llu", trial->overflow, 0);
    works(trial);
}

static void old_kernel(struct trial *trial)
{
    pages_left = 0;
    refusal = EINVAL;
    begin(trial);
    works(trial);
}

/* ---- A memory cgroup. ---- */

static int put(const char *directory, const char *name, const char *text)
{
    char path[256];
    int fd, is_put;

    snprintf(path, sizeof path, "%s/%s", directory, name);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    is_put = fd >= 0 && write(fd, text, strlen(text)) > 0;
    if (fd >= 0)
        close(fd);
    return is_put ? 0 : -1;
}

/* The memory of all that is read is given back, and can be had again. */
static void write_in_cgroup(struct trial *trial)
{
    for (int turn = 0; turn < 5; turn++) {
        while (try_event(trial, MAY_DROP))
            NEED(trial->written < 5 * JOURNAL_SLOTS, "%llu are not refused, %llu", trial->written, 0);
        for (int i = 0; i < 9; i++)
            try_event(trial, MAY_DROP);
        NEED(journal_unread(&trial->writer) * sizeof(struct event) < 4 * MIB, "the limit is not felt: %llu, %llu",
             journal_unread(&trial->writer), 0);
        read_all(trial);
        NEED(try_event(trial, MAY_DROP), "event %llu is refused in turn %llu", trial->written, (uint64_t)turn);
        read_all(trial);
        NEED(trial->read == trial->written, "%llu were read of %llu", trial->read, trial->written);
        NEED(trial->overflow == trial->refused, "%llu are counted of %llu", trial->overflow, trial->refused);
    }
}

/* In oom_control, 1: nobody is killed; page faults of the trial itself would wait, a populating fails. */
static int enter(const char *directory)
{
    return put(directory, "memory.limit_in_bytes", "4194304") == 0 && put(directory, "memory.oom_control", "1") == 0
                   && put(directory, "cgroup.procs", "0") == 0
               ? 0
               : -1;
}

static int try_in_cgroup(struct trial *trial, const char *directory)
{
    const pid_t pid = fork();
    int status = 0;

    if (pid == 0) {
        alarm(TRIAL_SECONDS);
        if (enter(directory) != 0)
            _exit(CANNOT_TRY);
        begin(trial);
        write_in_cgroup(trial);
        _exit(0);
    }
    waitpid(pid, &status, 0);
    return status;
}

static int memory_cgroup(struct trial *trial, const char *directory)
{
    int status;

    if (mkdir(directory, 0755) != 0)
        return CANNOT_TRY;
    status = try_in_cgroup(trial, directory);
    for (int i = 0; i < 1000 && rmdir(directory) != 0; i++)
        usleep(1000);
    NEED(WIFEXITED(status), "the trial ends with status %llx, %llu", (uint64_t)status, 0);
    return WEXITSTATUS(status);
}

int main(int count, char **values)
{
    static const struct {
        const char *name;
        void (*run)(struct trial *trial);
    } cases[] = {
        { "a_half", a_half },
        { "the_least", the_least },
        { "none", none },
        { "strict_overcommit", strict_overcommit },
        { "no_first_pages", no_first_pages },
        { "no_descriptors", no_descriptors },
        { "no_page", no_page },
        { "no_page_for_children", no_page_for_children },
        { "old_kernel", old_kernel },
    };
    static struct trial trial;

    for (size_t i = 0; count == 2 && i < sizeof cases / sizeof *cases; i++)
        if (strcmp(cases[i].name, values[1]) == 0) {
            cases[i].run(&trial);
            return 0;
        }
    if (count == 3 && strcmp(values[1], "memory_cgroup") == 0)
        return memory_cgroup(&trial, values[2]);
    return 2;
}
