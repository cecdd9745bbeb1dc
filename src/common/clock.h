/* clock.h: the one clock of the program, which counts monotonic nanoseconds. */
#ifndef REAPER_COMMON_CLOCK_H
#define REAPER_COMMON_CLOCK_H

#include <stdint.h>
#include <time.h>

#define NANOSECONDS INT64_C(1000000000)
#define MILLISECOND INT64_C(1000000)

/* A deadline that never comes. */
#define NEVER INT64_MAX

/* Nanoseconds of CLOCK_MONOTONIC. */
static inline int64_t clock_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * NANOSECONDS + now.tv_nsec;
}

/* The same in steps of a clock tick (1 to 10 ms), for a third of the time. */
static inline int64_t clock_tick(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (int64_t)now.tv_sec * NANOSECONDS + now.tv_nsec;
}

/* The time of the wall clock: nanoseconds since 1970. */
static inline int64_t clock_wall(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * NANOSECONDS + now.tv_nsec;
}

/* The moment `delay` nanoseconds from now; NEVER when that lies beyond the clock's range. */
static inline int64_t clock_after(int64_t delay)
{
    const int64_t now = clock_now();

    return delay >= NEVER - now ? NEVER : now + delay;
}

#endif
