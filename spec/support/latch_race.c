/*
 * Hammers a latched record (src/common/latch.h) from two threads:  latch-race LOOKS
 *
 * One writes the record so many times and more, until the other has read it LOOKS times. All words of what is written
 * are equal, so what is torn is seen; and the values must never turn back. Says how often each was done.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/latch.h"

struct record {
    uint64_t word[37]; /* no power of two, and more than a cache line */
};

static LATCHED(struct record) shared;
static _Atomic int has_ended;

static void *keep_writing(void *wanted)
{
    static uint64_t written; /* by this thread, read when it has ended */
    struct record record;

    while (!atomic_load(&has_ended) || written < *(uint64_t *)wanted) {
        written++;
        for (size_t i = 0; i < sizeof record.word / sizeof *record.word; i++)
            record.word[i] = written;
        LATCH_WRITE(&shared, &record);
    }
    return &written;
}

static int is_whole(const struct record *record)
{
    for (size_t i = 1; i < sizeof record->word / sizeof *record->word; i++)
        if (record->word[i] != record->word[0])
            return 0;
    return 1;
}

int main(int argc, char **argv)
{
    uint64_t looks = argc > 1 ? strtoull(argv[1], NULL, 10) : 0;
    uint64_t last = 0;
    uint64_t changes = 0;
    struct record record;
    pthread_t writer;
    void *written;

    if (looks == 0 || pthread_create(&writer, NULL, keep_writing, &looks) != 0)
        return 2;
    for (uint64_t i = 0; i < looks; i++) {
        if (!LATCH_READ(&shared, &record)) {
            fputs("a look found no end\n", stderr);
            return 1;
        }
        if (!is_whole(&record) || record.word[0] < last) {
            fprintf(stderr, "look %llu: torn, or older than the last\n", (unsigned long long)i);
            return 1;
        }
        changes += record.word[0] != last;
        last = record.word[0];
    }
    atomic_store(&has_ended, 1);
    pthread_join(writer, &written);
    printf("%llu looks, %llu writes, %llu different\n", (unsigned long long)looks,
           (unsigned long long)*(uint64_t *)written, (unsigned long long)changes);
    return 0;
}
