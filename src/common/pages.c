#define _GNU_SOURCE
#include "common/pages.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/options.h"

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010 /* <linux/fcntl.h>, from Linux 5.1 on */
#endif

static void set_head(struct page_head *head, size_t size)
{
    memcpy(head->magic, PAGE_MAGIC, sizeof head->magic);
    head->version = PAGES_VERSION;
    head->size = (uint32_t)size;
    strncpy(head->program, REAPER_VERSION, sizeof head->program - 1);
}

/* A kernel that does not know FUTURE_WRITE leaves it to the file's user not to write. */
static int seal(int fd)
{
    const int against_size = F_SEAL_SHRINK | F_SEAL_GROW;

    if (fcntl(fd, F_ADD_SEALS, against_size | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL) == 0)
        return 0;
    return errno == EINVAL ? fcntl(fd, F_ADD_SEALS, against_size | F_SEAL_SEAL) : -1;
}

/* Where files may not grow so large, to try it would be a SIGXFSZ. */
static int may_be_so_large(size_t size)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur >= size)
        return 1;
    errno = EFBIG;
    return 0;
}

static void *map(int fd, size_t size, size_t ready)
{
    void *page;

    if (!may_be_so_large(size))
        return NULL;
    if (ftruncate(fd, (off_t)size) != 0 || fallocate(fd, 0, 0, (off_t)ready) != 0)
        return NULL;
    page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (page == MAP_FAILED)
        return NULL;
    set_head(page, size);
    if (seal(fd) == 0)
        return page;
    munmap(page, size);
    return NULL;
}

void *page_make(const char *name, size_t size, size_t ready, int *fd)
{
    void *page;
    int saved;

    *fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (*fd < 0)
        return NULL;
    page = map(*fd, size, ready);
    if (!page) {
        saved = errno;
        close(*fd);
        *fd = -1;
        errno = saved;
    }
    return page;
}

/* ---- Texts. ---- */

/* The bytes behind the first of a character in UTF-8. */
static int continues(char byte)
{
    return ((unsigned char)byte & 0xc0) == 0x80;
}

void page_text(char *into, size_t size, const char *text)
{
    static const char mark[] = "…";
    size_t length = strlen(text);

    if (length < size) {
        memcpy(into, text, length + 1);
        return;
    }
    length = size - sizeof mark;
    while (length > 0 && continues(text[length]))
        length--;
    memcpy(into, text, length);
    memcpy(into + length, mark, sizeof mark);
}

/* ---- Who writes. ---- */

struct script_page **page_take(struct script_page *page)
{
    static const size_t size = sizeof(void *);
    struct script_page **const taken = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (taken == MAP_FAILED)
        return NULL;
    madvise(taken, size, MADV_WIPEONFORK); /* a kernel that does not know it leaves it to the forked process */
    *taken = page;
    return taken;
}

/* ---- Changes. ---- */

/* Of <linux/futex.h>, which musl does not bring. Without FUTEX_PRIVATE_FLAG, since others map the page, too. */
enum { WAIT = 0, WAKE = 1 };

void page_announce(struct script_page *page)
{
    atomic_fetch_add_explicit(&page->changes, 1, memory_order_release);
    syscall(SYS_futex, &page->changes, WAKE, INT32_MAX, NULL, NULL, 0);
}

void page_await(const struct script_page *page, uint32_t seen, int64_t nanoseconds)
{
    const struct timespec time = { (time_t)(nanoseconds / NANOSECONDS), (long)(nanoseconds % NANOSECONDS) };

    syscall(SYS_futex, &page->changes, WAIT, seen, &time, NULL, 0);
}
