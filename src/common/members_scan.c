#define _GNU_SOURCE
#include "common/members_scan.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/proc.h"
#include "common/proc_variable.h"

/* ---- The list. ---- */

static struct member *add(struct members_scan *scan)
{
    const size_t room = scan->room ? 2 * scan->room : 256;
    struct member *grown;

    if (scan->members.count == scan->room) {
        grown = realloc(scan->members.list, room * sizeof *grown);
        if (!grown) {
            scan->is_cut = 1;
            return NULL;
        }
        scan->members.list = grown;
        scan->room = room;
    }
    return memset(&scan->members.list[scan->members.count++], 0, sizeof *grown);
}

static int add_process(const struct proc_stat *stat, void *context)
{
    struct member *const process = add(context);

    if (!process)
        return -1;
    process->pid = stat->pid;
    process->ppid = stat->ppid;
    process->pgrp = stat->pgrp;
    process->session = stat->session;
    process->start = stat->start_time;
    process->terminal = stat->terminal;
    process->cpu = stat->cpu;
    process->cpu_ended = stat->cpu_ended;
    process->memory = stat->memory;
    process->state = stat->state;
    process->is_kernel_thread = proc_is_kernel_thread(stat);
    process->is_dead = proc_is_dead(stat) || process->is_kernel_thread;
    memcpy(process->comm, stat->comm, sizeof process->comm);
    return 0;
}

void members_scan_free(struct members_scan *scan)
{
    free(scan->members.list);
    scan->members.list = NULL;
    scan->members.count = scan->room = 0;
}

/* ---- Names in environments. ---- */

/*
 * A name that reaper-lua itself has inherited, as the service of another one, is inherited by COMMAND, too, and says
 * nothing about a service of ours with that name.
 */
static int named(const struct members *members, pid_t pid)
{
    char name[NAME_SIZE];
    const int found = proc_variable(pid, MEMBERS_VARIABLE, name, sizeof name);

    if (found < 0)
        return errno == ENOENT || errno == ESRCH ? MEMBERS_NOBODY : MEMBERS_UNREADABLE;
    if (!found || (members->inherited && strcmp(name, members->inherited) == 0))
        return MEMBERS_NOBODY;
    for (size_t i = 0; i < members->service_count; i++)
        if (strcmp(members->services[i].name, name) == 0)
            return (int)i;
    return MEMBERS_NOBODY;
}

/* ---- What /proc hides. ---- */

static int exists(pid_t pid)
{
    return kill(pid, 0) == 0 || errno != ESRCH;
}

static int has_group(const struct members *members, pid_t group)
{
    for (size_t i = 0; i < members->count; i++)
        if (members->list[i].pgrp == group)
            return 1;
    return 0;
}

/* A process that has begun since the list was read can be read now. */
static int is_hidden_child(int pid, void *context)
{
    struct members_scan *const scan = context;
    struct proc_stat stat;

    if (!members_get(&scan->members, pid) && proc_read(pid, &stat) != 0 && exists(pid))
        scan->is_incomplete = 1;
    return scan->is_incomplete;
}

/* Adds the leaders that live and are not listed, behind the list. Only the search by pid needs its order. */
static int add_hidden_leaders(struct members_scan *scan)
{
    const struct members listed = scan->members;

    for (size_t i = 0; i < listed.service_count; i++) {
        const struct member_service *const service = &listed.services[i];
        struct member *process;

        if (!service->is_alive || service->leader <= 1 || members_get(&listed, service->leader)
            || !exists(service->leader))
            continue;
        process = add(scan);
        if (!process)
            return -1;
        process->pid = process->pgrp = service->leader;
        process->owner = (int)i;
        scan->is_incomplete = 1;
    }
    return 0;
}

static void mark_hidden_groups(struct members_scan *scan)
{
    for (size_t i = 0; i < scan->members.service_count; i++) {
        struct member_service *const service = &scan->members.services[i];

        service->has_hidden_group = service->leader > 1 && !service->is_reused
                                    && !has_group(&scan->members, service->leader) && exists(-service->leader);
        scan->is_incomplete |= service->has_hidden_group;
    }
}

int members_scan(struct members_scan *scan)
{
    const int result = proc_each(add_process, scan);

    if (scan->is_cut)
        errno = ENOMEM;
    if (scan->is_cut || (result < 0 && proc_usable()))
        return -1;
    scan->is_incomplete = result != 0;
    scan->members.named = named;
    members_find(&scan->members);
    if (result >= 0)
        proc_children(scan->members.engine, is_hidden_child, scan);
    if (add_hidden_leaders(scan) != 0) {
        errno = ENOMEM;
        return -1;
    }
    mark_hidden_groups(scan);
    return 0;
}
