#define _GNU_SOURCE
#include "engine/deaths.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/status.h"
#include "engine/forward.h"
#include "engine/life.h"
#include "engine/orders.h"
#include "engine/porter.h"
#include "engine/scripts.h"
#include "engine/slot.h"
#include "engine/terminal.h"

/* ---- Who wants to know. ---- */

/* Whose deaths a program has asked for, as wait4(2) takes it: every one unless there is such a wish. */
static pid_t wanted_pid(const struct engine *engine)
{
    return engine->origin.start->program ? engine->origin.start->program->told : -1;
}

static pid_t wanted_group(const struct engine *engine)
{
    if (wanted_pid(engine) != 0)
        return -wanted_pid(engine);
    return terminal_shares_group(&engine->terminal) ? getpgrp() : engine->origin.start->program->pid;
}

static int is_about_a_group(pid_t wanted)
{
    return wanted == 0 || wanted < -1;
}

static int is_wanted(const struct engine *engine, const struct death *death)
{
    const pid_t wanted = wanted_pid(engine);

    if (is_about_a_group(wanted))
        return death->looked && death->look.pgrp == wanted_group(engine);
    return wanted == -1 || wanted == death->pid;
}

/* What a script that is still being loaded will want, nobody knows. */
static int wants_look(const struct engine *engine)
{
    return is_about_a_group(wanted_pid(engine)) || (engine->scripts.current->hooks & HOOK_REAP_INFO)
           || engine->options.warn || engine->options.threshold >= LOG_LEVEL_TRACE
           || engine->life.state == ENGINE_LOADING;
}

/* What a process calls itself. It may be anything, so what would begin a line or steer a terminal is replaced. */
static const char *name_of(const struct death *death)
{
    return death->looked ? death->look.comm : "?";
}

static void warn_of_orphan(struct engine *engine, const struct death *death)
{
    char how[STATUS_TEXT_SIZE];

    status_describe(death->status, how);
    log_line(&engine->log, LOG_LEVEL_WARNING, "reaped orphan %d (%s): %s", (int)death->pid, name_of(death), how);
}

static void trace(struct engine *engine, const struct death *death, const char *what)
{
    char how[STATUS_TEXT_SIZE];

    if (engine->log.threshold < LOG_LEVEL_TRACE)
        return;
    status_describe(death->status, how);
    log_line(&engine->log, LOG_LEVEL_TRACE, "reaped %s %d (%s): %s", what, (int)death->pid, name_of(death), how);
}

static struct event event_of(struct engine *engine, const struct death *death)
{
    struct event event;

    memset(&event, 0, sizeof event);
    event.kind = EVENT_REAP;
    event.pid = death->pid;
    event.status = death->status;
    event.of.usage = usage_of(&death->usage);
    if (death->looked) {
        event.flags |= EVENT_LOOKED;
        event.lifetime_ns = proc_lifetime(&death->look);
        memcpy(event.comm, death->look.comm, sizeof event.comm);
    }
    if (WIFSIGNALED(death->status) && WTERMSIG(death->status) == SIGKILL && oom_watch_charge(&engine->reaper.oom))
        event.flags |= EVENT_OOM;
    return event;
}

static void deliver_main(struct engine *engine, struct event *event, const struct death *death)
{
    char how[STATUS_TEXT_SIZE];

    event->flags |= EVENT_MAIN;
    engine->main_child.pid = 0;
    engine->main_child.status = death->status;
    if (engine->main_child.pidfd >= 0)
        close(engine->main_child.pidfd);
    engine->main_child.pidfd = -1;
    status_describe(death->status, how);
    log_line(&engine->log, LOG_LEVEL_DEBUG, "the main child %d ended: %s", (int)death->pid, how);
    life_main_ended(engine, event);
}

static void deliver_spawned(struct engine *engine, struct event *event, struct child *child)
{
    const int failed = child->exec_failed;

    event->flags |= EVENT_SPAWNED;
    memcpy(event->name, child->name, sizeof event->name);
    children_reaped(&engine->children, child);
    if (!failed)
        slot_put_spawned(engine, event);
}

/* Its last orders come first: that it has not loaded its script, or whom it has spawned. */
static int is_of_script(struct engine *engine, const struct death *death)
{
    enum script_end end;

    if (!scripts_has(engine, death->pid))
        return 0;
    orders_read(engine, ALL_ORDERS);
    end = scripts_ended(engine, death->pid, death->status);
    if (end == END_OF_LOADING)
        life_load_failed(engine, 125);
    return end == END_OF_SCRIPT || end == END_OF_LOADING;
}

/* Finds out what the dead process was and tells whom it concerns. */
static void deliver(struct engine *engine, const struct death *death)
{
    struct child *child;
    struct event event;

    if (is_of_script(engine, death) || porter_ended(engine, death->pid, death->status))
        return;
    if (death->pid == engine->main_child.pid)
        forward_look(engine); /* if its exec has failed, it was never COMMAND */
    event = event_of(engine, death);
    child = children_find(&engine->children, death->pid);
    if (child && child->dead)
        child = NULL;
    engine->statistics.reaped += !(child && child->exec_failed);
    if (death->pid == engine->main_child.pid) {
        trace(engine, death, "the main child");
        deliver_main(engine, &event, death);
    } else if (child) {
        trace(engine, death, "spawned child");
        if (!is_wanted(engine, death))
            event.flags |= EVENT_TOLD;
        deliver_spawned(engine, &event, child);
    } else {
        event.flags |= EVENT_ORPHAN;
        engine->statistics.orphans++;
        if (engine->options.warn)
            warn_of_orphan(engine, death);
        else
            trace(engine, death, "orphan");
        if (is_wanted(engine, death))
            slot_put_orphan(engine, &event);
    }
}

/* ---- The batch. ---- */

/* Somebody hears of each death. */
static int is_heard(const struct engine *engine)
{
    return engine_has_listener(engine) || engine->options.warn || engine->options.threshold >= LOG_LEVEL_TRACE;
}

static struct batch *batch_of(struct engine *engine)
{
    struct batch *const batch = &engine->reaper.batch;

    batch->looks = wants_look(engine);
    batch->is_heard = is_heard(engine);
    return batch;
}

/* A child that a script process spawned said so before its exec, so its order is there before its death is seen. */
void deaths_deliver(struct engine *engine)
{
    struct batch *const batch = &engine->reaper.batch;

    if (batch->count == 0)
        return;
    orders_read_new(engine);
    for (size_t i = 0; i < batch->count; i++)
        deliver(engine, &batch->list[i]);
    engine->reaper.together += (int64_t)batch->count;
    if (engine->reaper.together > engine->statistics.zombies_peak)
        engine->statistics.zombies_peak = engine->reaper.together;
    batch->count = 0;
    engine->life.something_died = 1;
}

void deaths_named(struct engine *engine, pid_t pid, int first)
{
    struct batch *const batch = batch_of(engine);

    if (batch_is_full(batch))
        deaths_deliver(engine);
    sweep_named(&engine->reaper.sweep, batch, pid, first);
}

void deaths_sweep(struct engine *engine)
{
    sweep_begin(&engine->reaper.sweep);
    while (sweep_go_on(&engine->reaper.sweep, batch_of(engine)))
        deaths_deliver(engine);
    deaths_deliver(engine);
}

void deaths_follow(struct engine *engine)
{
    if (sweep_may_begin(&engine->reaper.sweep))
        deaths_sweep(engine);
    else
        deaths_deliver(engine);
}
