/* shared.h: what the launcher and the workload tell each other, in a file that both map ($BENCH_SHARED). */
#ifndef BENCH_SHARED_H
#define BENCH_SHARED_H

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

struct shared {
    int64_t exec_at;   /* just before the init is executed; all times: CLOCK_MONOTONIC, nanoseconds */
    int64_t main_at;   /* the workload's main has begun */
    int64_t end_at;    /* the workload ends */
    volatile int done; /* the workload has written all its figures */
    char text[4000];   /* its figures: lines of name, blank, number */
};

static inline int64_t now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static inline struct shared *shared_map(const char *path)
{
    const int fd = open(path, O_RDWR);
    void *const at = mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    if (fd < 0 || at == MAP_FAILED)
        _exit(99);
    close(fd);
    return at;
}

#endif
