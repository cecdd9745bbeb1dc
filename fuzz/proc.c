/*
 * /proc/PID/stat. Input: a text; and, with the same bytes as the name of a process and as numbers, a line as the kernel
 * writes it, which has to be read as it was meant.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/proc.h"
#include "harmless.h"

static void read_text(const uint8_t *bytes, size_t size)
{
    char *const text = malloc(size + 1);
    struct proc_stat stat;

    memcpy(text, bytes, size);
    text[size] = '\0';
    if (proc_parse_stat(text, &stat) == 0) {
        EXPECT(memchr(stat.comm, '\0', sizeof stat.comm) && stat.state);
        EXPECT(proc_lifetime(&stat) >= 0);
    }
    free(text);
}

/* Longer names than the kernel's, and every byte in them. */
static void read_line(struct input input)
{
    char name[64];
    char text[512];
    const int pid = (int)(uint32_t)input_number(&input);
    const int ppid = (int)(uint32_t)input_number(&input);
    const int session = (int)(uint32_t)input_number(&input);
    const uint64_t start = (uint64_t)input_number(&input);
    const int threads = (int)(input_byte(&input) % 3);
    const char state = "RSDTtZX"[input_byte(&input) % 7];
    struct proc_stat stat;

    input_text(&input, name, sizeof name);
    snprintf(text, sizeof text, "%d (%s) %c %d %d %d 0 -1 2097152 9 9 9 9 9 9 9 9 20 0 %d 0 %llu 9 9\n", pid, name,
             state, ppid, ~ppid, session, threads, (unsigned long long)start);
    EXPECT(proc_parse_stat(text, &stat) == 0);
    EXPECT(stat.pid == pid && stat.ppid == ppid && stat.pgrp == ~ppid && stat.session == session);
    EXPECT(stat.state == state && stat.start_time == start && proc_is_kernel_thread(&stat));
    EXPECT(proc_is_dead(&stat) == ((state == 'Z' || state == 'X') && threads < 2));
    EXPECT(strncmp(stat.comm, name, COMM_SIZE - 1) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const struct input input = { bytes, bytes + size };

    world_begin();
    read_text(bytes, size);
    read_line(input);
    world_end();
    return 0;
}
