#define _GNU_SOURCE
#include "engine/report.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/slot.h"

typedef char state_name[PAGE_STATE_SIZE]; /* copied as a whole, once a turn */

static const state_name state_names[ENGINE_STATES] = {
    [ENGINE_LOADING] = "loading",     [ENGINE_STARTING] = "starting", [ENGINE_RUNNING] = "running",
    [ENGINE_ORDERLY] = "orderly",     [ENGINE_STOPPING] = "stopping", [ENGINE_KILLING] = "killing",
    [ENGINE_ASKING_CODE] = "on_exit", [ENGINE_PARTING] = "parting",   [ENGINE_LAST_SWEEP] = "last sweep",
    [ENGINE_DONE] = "done",
};

/* ---- The pages. ---- */

static void *make(struct engine *engine, const char *name, size_t size, size_t ready, int *fd)
{
    void *const page = page_make(name, size, ready, fd);

    if (!page)
        log_line(&engine->log, LOG_LEVEL_WARNING, "reaperctl cannot look inside: no memory file %s: %s", name,
                 errno == EFBIG ? "files may not be so large (ulimit -f)" : strerror(errno));
    return page;
}

static const char *last_part(const char *path)
{
    const char *const slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

static void set_what_stays(struct engine *engine, struct engine_report *report)
{
    const struct options *const base = &engine->origin.base;

    report->started_at = engine->origin.started_at;
    report->started_time = clock_wall();
    report->pid = getpid();
    report->is_init = engine->origin.is_init;
    report->is_program = engine->origin.start->program != NULL;
    report->has_command = base->command != NULL;
    if (base->command)
        page_text(report->command, sizeof report->command, last_part(base->command[0]));
    if (base->restart) /* which is a script of ours */
        page_text(report->script, sizeof report->script, "--restart");
    else if (base->script || base->eval)
        page_text(report->script, sizeof report->script, base->script ? base->script : "-x");
}

void report_open(struct engine *engine)
{
    struct pages *const pages = &engine->pages;

    pages->engine = make(engine, ENGINE_PAGE_NAME, sizeof *pages->engine, sizeof *pages->engine, &pages->engine_fd);
    set_what_stays(engine, &pages->report);
    report_write(engine);
}

void report_open_script_page(struct engine *engine)
{
    struct pages *const pages = &engine->pages;

    if (!pages->engine)
        return;
    pages->script =
        make(engine, SCRIPT_PAGE_NAME, sizeof *pages->script, sizeof pages->script->head, &pages->script_fd);
    if (pages->script)
        mprotect(pages->script, sizeof *pages->script, PROT_NONE);
}

static void leave_engine_page(struct pages *pages)
{
    if (pages->engine)
        munmap(pages->engine, sizeof *pages->engine);
    pages->engine = NULL;
}

void report_forget(struct engine *engine)
{
    struct pages *const pages = &engine->pages;

    leave_engine_page(pages);
    if (pages->script)
        munmap(pages->script, sizeof *pages->script);
    pages->script = NULL;
}

struct script_page *report_leave(struct engine *engine)
{
    struct pages *const pages = &engine->pages;

    leave_engine_page(pages);
    if (pages->script && mprotect(pages->script, sizeof *pages->script, PROT_READ | PROT_WRITE) != 0)
        pages->script = NULL;
    return pages->script;
}

/* ---- What is written. ---- */

static const state_name script_none = "none", script_loading = "loading", script_works = "working",
                        script_down = "down", script_gone = "gone";

static const state_name *script_state(const struct engine *engine)
{
    const struct slot *const slot = engine->scripts.current;

    if (!engine_has_script(engine))
        return &script_none;
    if (slot->pid == 0 && engine->life.state != ENGINE_LOADING)
        return engine->scripts.start_at == NEVER ? &script_gone : &script_down;
    return slot->state == SLOT_READY ? &script_works : &script_loading;
}

static int open_questions(const struct engine *engine)
{
    int count = 0;

    for (int i = 0; i < engine->questions.used; i++)
        count += engine->questions.list[i].kind != QUESTION_NONE;
    return count;
}

static void set_script(const struct engine *engine, struct engine_report *report)
{
    const struct slot *const slot = engine->scripts.current;
    const state_name *const state = script_state(engine);

    if (slot->pid != report->script_pid || memcmp(state, report->script_state, sizeof *state) != 0) {
        report->script_since = clock_now();
        memcpy(report->script_state, state, sizeof *state);
    }
    report->script_pid = slot->pid;
    report->script_next = slot->pid == 0 && engine->scripts.start_at != NEVER ? engine->scripts.start_at : 0;
    report->unread = (int64_t)journal_unread(&engine->journal);
    report->unread_since = slot->look_at == NEVER || report->unread == 0 ? 0 : slot->unread_since;
    report->failed_reloads = engine->scripts.failed_reloads;
    report->is_reloading = engine->scripts.reload != RELOAD_IDLE || engine->scripts.wanted;
    report->open_questions = open_questions(engine);
}

static void set_main_child(const struct engine *engine, struct engine_report *report)
{
    if (report->main_pid != engine->main_child.pid) {
        report->main_since = clock_now();
        report->main_starts += engine->main_child.pid > 0;
    }
    report->main_pid = engine->main_child.pid;
    report->main_status = engine->main_child.status;
    report->main_code = engine->main_child.code;
}

struct statistics report_statistics(const struct engine *engine)
{
    struct statistics statistics = engine->statistics;

    statistics.dropped = (int64_t)engine->journal.dropped_ever;
    return statistics;
}

/* The facts from which the report follows. In a storm none of them changes from one turn to the next. */
static void note_facts(const struct engine *engine, int64_t facts[REPORT_FACTS_MAX])
{
    const struct slot *const slot = engine->scripts.current;
    const int64_t now[REPORT_FACTS_MAX] = {
        engine->life.state,
        engine->life.final_code,
        engine->life.requested_code,
        engine->life.stop_reason[0],
        engine->main_child.pid,
        engine->main_child.status,
        engine->main_child.code,
        slot->pid,
        slot->state,
        slot->look_at,
        engine->scripts.start_at,
        engine->scripts.failed_reloads,
        engine->scripts.reload,
        engine->scripts.wanted,
        open_questions(engine),
        engine->porter.pid,
        1, /* it was written */
    };

    memcpy(facts, now, sizeof now);
}

static int have_facts_changed(struct engine *engine)
{
    int64_t *const seen = engine->pages.seen;
    int64_t facts[REPORT_FACTS_MAX];
    int64_t difference = 0;

    note_facts(engine, facts);
    for (int i = 0; i < REPORT_FACTS_MAX; i++) {
        difference |= facts[i] ^ seen[i];
        seen[i] = facts[i];
    }
    return difference != 0;
}

static void write_counters(struct engine *engine)
{
    struct statistics *const last = &engine->pages.counters;
    const struct statistics statistics = report_statistics(engine);

    if (last->reaped == statistics.reaped && last->dropped == statistics.dropped
        && last->script_restarts == statistics.script_restarts)
        return; /* the others change with these only */
    *last = statistics;
    LATCH_WRITE(&engine->pages.engine->counters, last);
}

void report_write(struct engine *engine)
{
    struct engine_report *const report = &engine->pages.report;

    if (!engine->pages.engine)
        return;
    write_counters(engine);
    if (!have_facts_changed(engine))
        return;
    set_main_child(engine, report);
    set_script(engine, report);
    report->porter_pid = engine->porter.pid;
    memcpy(report->state, state_names[engine->life.state], sizeof report->state);
    memcpy(report->stop_reason, engine->life.stop_reason, sizeof report->stop_reason);
    report->exit_code =
        engine->life.state >= ENGINE_ASKING_CODE ? engine->life.final_code : engine->life.requested_code;
    LATCH_WRITE(&engine->pages.engine->report, report);
}
