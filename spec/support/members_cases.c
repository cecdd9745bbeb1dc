/*
 * members-cases CASE: one of the cases below, over the rules of src/common/members.h alone, with made-up processes.
 * Each case is a list of services, known processes and processes with the owner that each must have.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/members.h"

enum { NONE = MEMBERS_NOBODY, UNREADABLE = MEMBERS_UNREADABLE, ROOM = 16, ENGINE = 1, SCRIPT = 2, LONG = 200000 };

/* A process, the service that its environment names, and its owner. */
struct row {
    struct member process;
    int names;
    int owner;
};

struct test_case {
    const char *name;
    pid_t engine;
    struct member_service services[4];
    struct member_known known[4];
    struct row rows[ROOM];
};

#define PROCESS(pid_, ppid_, pgrp_, session_, start_)                                             \
    {                                                                                             \
        .pid = (pid_), .ppid = (ppid_), .pgrp = (pgrp_), .session = (session_), .start = (start_) \
    }
#define ZOMBIE(pid_, ppid_, pgrp_, session_, start_)                                                            \
    {                                                                                                           \
        .pid = (pid_), .ppid = (ppid_), .pgrp = (pgrp_), .session = (session_), .start = (start_), .is_dead = 1 \
    }
#define SERVICE(name_, leader_, is_alive_, started_)                                         \
    {                                                                                        \
        .name = (name_), .leader = (leader_), .is_alive = (is_alive_), .started = (started_) \
    }
#define INIT                                         \
    { PROCESS(ENGINE, 0, 1, 1, 1), NONE, NONE },     \
    {                                                \
        PROCESS(SCRIPT, ENGINE, 2, 1, 2), NONE, NONE \
    }

static const struct test_case cases[] = {
    {
        .name = "each_rule",
        .engine = ENGINE,
        .services = { SERVICE("a", 10, 1, 0), SERVICE("b", 20, 0, 0) },
        .known = { { 40, 9, 1 }, { 41, 8, 1 } },
        .rows = { INIT,
                  { PROCESS(10, 1, 10, 1, 5), NONE, 0 },
                  { PROCESS(11, 1, 10, 1, 6), NONE, 0 },   /* the group */
                  { PROCESS(12, 1, 12, 20, 6), NONE, 1 },  /* the session of one that has ended */
                  { PROCESS(13, 1, 20, 1, 6), NONE, 1 },   /* its group */
                  { PROCESS(30, 11, 30, 30, 7), NONE, 0 }, /* descent */
                  { PROCESS(31, 30, 31, 31, 8), NONE, 0 },
                  { PROCESS(40, 1, 40, 40, 9), NONE, 1 },    /* known */
                  { PROCESS(41, 1, 41, 41, 9), NONE, NONE }, /* another one with the number of one that was known */
                  { PROCESS(42, 40, 42, 42, 9), NONE, 1 },
                  { PROCESS(50, 1, 50, 50, 9), 0, 0 }, /* the environment */
                  { PROCESS(51, 50, 51, 51, 9), NONE, 0 },
                  { PROCESS(60, 1, 60, 60, 9), NONE, NONE } },
    },
    {
        .name = "order_of_rules",
        .engine = ENGINE,
        .services = { SERVICE("a", 10, 1, 0), SERVICE("b", 20, 1, 0) },
        .known = { { 20, 5, 0 }, { 30, 6, 0 } },
        .rows = { INIT,
                  { PROCESS(10, 1, 10, 1, 5), 1, 0 },
                  { PROCESS(11, 10, 11, 1, 6), 1, 0 },   /* descent before environment */
                  { PROCESS(12, 10, 20, 1, 6), 0, 1 },   /* group before descent */
                  { PROCESS(20, 10, 20, 1, 5), 0, 1 },   /* leader before all */
                  { PROCESS(30, 20, 20, 1, 6), 1, 0 } }, /* known before group */
    },
    {
        .name = "nobody",
        .engine = ENGINE,
        .services = { SERVICE("a", 10, 0, 0) },
        .rows = { { PROCESS(ENGINE, 0, 10, 1, 1), 0, NONE },
                  { PROCESS(SCRIPT, ENGINE, 10, 1, 2), 0, NONE },
                  { PROCESS(3, SCRIPT, 3, 1, 2), 0, NONE }, /* the script's own */
                  { ZOMBIE(11, 1, 10, 1, 6), 0, NONE },
                  { PROCESS(12, 0, 12, 12, 6), 0, NONE },    /* it has come into the namespace from outside */
                  { PROCESS(13, 1, 13, 13, 6), NONE, NONE }, /* another reaper-lua */
                  { PROCESS(14, 13, 14, 13, 6), 0, NONE } },
    },
    {
        .name = "unreadable",
        .engine = ENGINE,
        .services = { SERVICE("a", 0, 0, 0) },
        .rows = { INIT,
                  { PROCESS(10, 1, 10, 10, 6), UNREADABLE, NONE },
                  { PROCESS(11, 10, 10, 10, 6), UNREADABLE, NONE },
                  { PROCESS(12, 11, 10, 10, 6), 0, 0 },
                  { PROCESS(13, 99, 13, 13, 6), 0, 0 } }, /* its parent has ended since */
    },
    {
        .name = "subreaper",
        .engine = 50,
        .services = { SERVICE("a", 60, 1, 0) },
        .known = { { 20, 5, 0 } },
        .rows = { { PROCESS(1, 0, 1, 1, 1), NONE, NONE },
                  { PROCESS(20, 1, 60, 60, 5), 0, NONE },
                  { PROCESS(21, 20, 60, 60, 5), 0, NONE },
                  { PROCESS(50, 1, 50, 50, 5), NONE, NONE },
                  { PROCESS(60, 50, 60, 50, 6), NONE, 0 },
                  { PROCESS(61, 60, 61, 61, 6), NONE, 0 },
                  { PROCESS(62, 50, 62, 62, 6), 0, 0 },
                  { PROCESS(63, 99, 60, 50, 6), 0, NONE } }, /* nobody knows whether it descends from it */
    },
    {
        .name = "number_is_used_again",
        .engine = ENGINE,
        .services = { SERVICE("dead", 10, 0, 0), SERVICE("other", 20, 0, 5), SERVICE("early", 30, 1, 5) },
        .rows = { INIT,
                  { PROCESS(10, 1, 10, 1, 8), NONE, NONE },
                  { PROCESS(11, 1, 10, 1, 9), NONE, NONE },
                  { PROCESS(20, 1, 20, 1, 8), NONE, NONE },
                  { PROCESS(21, 1, 21, 20, 9), NONE, NONE },
                  { PROCESS(30, 1, 30, 1, 8), NONE, NONE },
                  { PROCESS(31, 1, 30, 1, 9), NONE, NONE } },
    },
    {
        .name = "zombie_is_the_leader",
        .engine = ENGINE,
        .services = { SERVICE("told", 10, 0, 5), SERVICE("untold", 20, 1, 0), SERVICE("reused", 30, 0, 0) },
        .rows = { INIT,
                  { ZOMBIE(10, 1, 10, 1, 5), NONE, NONE },
                  { PROCESS(11, 1, 10, 1, 6), NONE, 0 },
                  { ZOMBIE(20, 1, 20, 1, 5), NONE, NONE },
                  { PROCESS(21, 1, 20, 1, 6), NONE, 1 },
                  { ZOMBIE(30, 1, 30, 1, 5), NONE, NONE },
                  { PROCESS(31, 1, 30, 1, 6), NONE, NONE } },
    },
    {
        .name = "group_in_another_session",
        .engine = ENGINE,
        .services = { SERVICE("a", 10, 0, 0) },
        .rows = { INIT,
                  { PROCESS(40, 1, 40, 40, 5), NONE, NONE },
                  { PROCESS(41, 40, 10, 40, 6), NONE, NONE },
                  { PROCESS(42, 1, 10, 10, 6), NONE, 0 },
                  { PROCESS(43, 1, 10, 1, 6), NONE, 0 } },
    },
    {
        .name = "parent_is_younger",
        .engine = ENGINE,
        .services = { SERVICE("a", 40, 1, 0) },
        .rows = { INIT, { PROCESS(10, 40, 10, 10, 5), NONE, NONE }, { PROCESS(40, 1, 40, 1, 6), NONE, 0 } },
    },
    {
        .name = "circle",
        .engine = ENGINE,
        .services = { SERVICE("a", 13, 1, 0) },
        .rows = { INIT,
                  { PROCESS(10, 11, 10, 10, 5), NONE, NONE },
                  { PROCESS(11, 10, 11, 11, 5), NONE, NONE },
                  { PROCESS(12, 12, 12, 12, 5), NONE, NONE },
                  { PROCESS(13, 1, 13, 1, 5), NONE, 0 } },
    },
};

/* The case that is tried: the rules get nothing but the members. */
static const struct test_case *current;

static int named(const struct members *members, pid_t pid)
{
    (void)members;
    for (int i = 0; i < ROOM; i++)
        if (current->rows[i].process.pid == pid)
            return current->rows[i].names;
    return NONE;
}

static int run(const struct test_case *test_case)
{
    struct test_case copy = *test_case;
    struct member list[ROOM] = { { 0 } };
    struct members members = { .list = list, .services = copy.services, .known = copy.known, .self = SCRIPT };
    int wrong = 0;

    current = test_case;
    members.engine = copy.engine;
    members.named = named;
    while (members.count < ROOM && copy.rows[members.count].process.pid) {
        list[members.count] = copy.rows[members.count].process;
        members.count++;
    }
    while (members.service_count < 4 && copy.services[members.service_count].name)
        members.service_count++;
    while (members.known_count < 4 && copy.known[members.known_count].pid)
        members.known_count++;
    members_find(&members);
    for (size_t i = 0; i < members.count; i++)
        if (list[i].owner != copy.rows[i].owner) {
            fprintf(stderr, "process %d: owner %d, not %d\n", (int)list[i].pid, list[i].owner, copy.rows[i].owner);
            wrong = 1;
        }
    return wrong;
}

static int nobody_named(const struct members *members, pid_t pid)
{
    (void)members;
    (void)pid;
    return NONE;
}

/* A chain of parents as long as there are processes: from the last to the first, so that it is climbed at once. */
static int run_long_chain(void)
{
    struct member *const list = calloc(LONG, sizeof *list);
    struct member_service service = { .name = "a", .leader = LONG + 1, .is_alive = 1 };
    struct members members = {
        .list = list, .count = LONG, .services = &service, .service_count = 1, .engine = ENGINE
    };
    int wrong = 0;

    if (!list)
        return 1;
    members.named = nobody_named;
    for (int i = 0; i < LONG; i++) {
        const pid_t pid = i + 2;

        list[i] = (struct member)PROCESS(pid, i < LONG - 1 ? pid + 1 : ENGINE, pid, pid, 5);
    }
    members_find(&members);
    for (int i = 0; i < LONG; i++)
        wrong |= list[i].owner != 0;
    free(list);
    return wrong;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "long_chain") == 0)
        return run_long_chain();
    for (size_t i = 0; argc == 2 && i < sizeof cases / sizeof *cases; i++)
        if (strcmp(cases[i].name, argv[1]) == 0)
            return run(&cases[i]);
    fputs("usage: members-cases CASE\n", stderr);
    return 2;
}
