/*
 * What the engine tells, as the script process deals with it: messages through the socket, events through the journal,
 * link.c, lua_link.c, events.lua and what follows. Input: the kind of script, then packets: each is what an engine does
 * in one turn. Some turns come before the script process begins, the others while it waits. The engine is trusted with
 * little: one start, for a reason that there is, and no usage beyond the kernel's.
 */
#include "lua_state.h"

#include "common/descriptors.h"

enum { PACKETS_MAX = 24, EVENTS_MAX = 8, IDLE_MAX = 8, WRONG = 99 };

/*
 * Hooks that return, yield, wait, fail and answer nonsense, by turns. Each death has a number of its own (minflt),
 * which only grows: who hears of one twice, or too late, ends with WRONG.
 */
static const char script[] =
    "local turn, last = 0, 0\n"
    "local given = { 0, 9, 'TERM', false, 'nonsense', 3.5, {}, 256, -1, math.huge, 'RTMIN+3' }\n"
    "local function must(truth) if not truth then os.exit(99) end end\n"
    "local function hook(...)\n"
    "  turn = turn + 1\n"
    "  for i = 1, select('#', ...) do tostring((select(i, ...))) end\n"
    "  if turn % 3 == 1 then reaper.sleep(0.5) end\n"
    "  if turn % 7 == 2 then error(given[turn % #given + 1]) end\n"
    "  if turn % 5 == 4 then reaper.stats() end\n"
    "  for _, child in ipairs(reaper.children()) do\n"
    "    child:alive()\n"
    "    if turn % 4 == 3 then child:wait(1) end\n"
    "    for _, key in ipairs { 'stdout', 'stderr' } do\n"
    "      if child[key] and turn % 3 ~= 0 then child[key]:each(function() end) end\n"
    "    end\n"
    "  end\n"
    "  if turn % 2 == 0 and reaper.main then reaper.main:start() end\n"
    "  return given[turn % #given + 1]\n"
    "end\n"
    "on_start = hook\n"
    "function on_reap(pid, status, rusage, info)\n"
    "  must(math.type(pid) == 'integer' and status.kind and rusage.maxrss and (info or true))\n"
    "  must(rusage.minflt > last)\n"
    "  last = rusage.minflt\n"
    "  return hook(pid, status, rusage, info)\n"
    "end\n"
    "function on_signal(name, number)\n"
    "  must(type(name) == 'string' and math.type(number) == 'integer')\n"
    "  return hook(name, number)\n"
    "end\n"
    "on_stop, on_exit, on_reload, on_overflow = hook, hook, hook, hook\n";

/* The engine, and what it knows of its script process. */
static struct {
    struct lua_run run;
    struct input input;
    int packets, idle; /* turns that it has taken, and those in which it has had nothing to tell any more */
    int has_started;
    int is_reload;    /* another script process reads until the start */
    int64_t deaths;   /* so many have been told */
    uint32_t request; /* the last one that is to be replied to; 0: there is none */
} engine;

/* ---- What it tells. ---- */

static int is_message(const struct event *event)
{
    return event->kind == EVENT_CHILD || event->kind == EVENT_START || event->kind == EVENT_REPLY
           || event->kind == EVENT_STATS;
}

static struct event read_event(struct input *input)
{
    struct event event;

    memset(&event, 0, sizeof event);
    event.kind = (uint16_t)(input_byte(input) % (EVENT_STATS + 2));
    event.flags = (uint16_t)input_number(input);
    event.question = (uint32_t)input_number(input);
    event.pid = (int32_t)(uint32_t)input_number(input);
    event.status = (int32_t)(uint32_t)input_number(input);
    event.number = input_number(input);
    if (event.kind == EVENT_START) {
        event.number = event.number & 1 ? START_CRASH : START_RELOAD;
        event.kind = engine.has_started ? EVENT_NONE : EVENT_START;
    }
    event.lifetime_ns = input_number(input);
    if (event.kind == EVENT_STOP || event.kind == EVENT_SERVICES || event.kind == EVENT_REPLY)
        input_text(input, event.of.text, sizeof event.of.text);
    else
        event.of.usage.maxrss_kb = (int32_t)(uint32_t)input_number(input);
    memset(event.comm, (int)input_byte(input), sizeof event.comm); /* without a zero at the end */
    input_text(input, event.name, sizeof event.name);
    return event;
}

/* The start is told, with what `size` has been cut to. */
static void begin_script(size_t size)
{
    engine.has_started = 1;
    if (size == sizeof(struct event))
        journal_give(&engine.run.writer, engine.run.script.link.view.index, getpid());
}

/* The output of a child that has ended. */
static int open_output(void)
{
    static const char text[] = "a line\nand what is no line";
    int ends[2];

    EXPECT(pipe2(ends, O_CLOEXEC) == 0 && write(ends[1], text, sizeof text - 1) > 0);
    close(ends[1]);
    return ends[0];
}

static void post(struct event *event, size_t size, unsigned fd_count)
{
    int fds[MESSAGE_FDS_MAX];

    if (event->kind == EVENT_START)
        begin_script(size);
    if (engine.request && (event->kind == EVENT_REPLY || event->kind == EVENT_STATS) && event->question < 0x80) {
        event->question = engine.request;
        engine.request = 0;
    }
    for (unsigned i = 0; i < fd_count; i++)
        fds[i] = open_output();
    if (send_packet(engine.run.engine_end, event, size, fds, (int)fd_count) == 0)
        journal_sent(&engine.run.writer, engine.run.script.link.view.index);
    for (unsigned i = 0; i < fd_count; i++)
        close(fds[i]);
}

static void write_down(struct event *event)
{
    if (event->kind == EVENT_REAP)
        event->of.usage.minflt = ++engine.deaths;
    if (event->question != 0)
        journal_ask(&engine.run.writer, event);
    else
        journal_write(&engine.run.writer, event, event->flags & EVENT_ORPHAN ? MAY_DROP : MUST_KEEP);
}

static void tell(unsigned count, size_t size, unsigned fd_count)
{
    for (; count > 0; count--) {
        struct event event = read_event(&engine.input);

        if (is_message(&event))
            post(&event, size, fd_count);
        else
            write_down(&event);
    }
}

/* ---- What it hears. ---- */

static void check_order(const struct order *order)
{
    EXPECT(order->kind > ORDER_NONE && order->kind < ORDER_COUNT);
    EXPECT(order->kind != ORDER_ANSWER || order->flags <= ANSWER_CODE);
    EXPECT(order->kind != ORDER_EXIT || order->number != WRONG);
    EXPECT(order->kind != ORDER_FAILED);
}

static void hear_orders(void)
{
    struct order order;
    ssize_t got;

    while ((got = recv(engine.run.engine_end, &order, sizeof order, MSG_DONTWAIT | MSG_TRUNC)) > 0) {
        EXPECT(got == sizeof order);
        check_order(&order);
        if (order.kind == ORDER_STATS || order.kind == ORDER_MAIN_START)
            engine.request = order.question;
        else if (order.kind == ORDER_LOOK)
            journal_look(&engine.run.writer);
    }
}

/* ---- Its turns. ---- */

/* Nobody sleeps on over what is there to be read. */
static void check_sleep(void)
{
    const struct journal_view *const view = &engine.run.script.link.view;
    const struct journal_reader *const reader = &engine.run.writer.journal.page->reader[view->index];

    EXPECT(view->reading != JOURNAL_READS || !journal_is_mine(view)
           || engine.run.writer.seen == engine.run.writer.written || atomic_load(&reader->sleep) != JOURNAL_ASLEEP);
}

/* The other script process deals with some more of what it is told. */
static void read_as_the_old_one(unsigned count)
{
    struct journal_reader *const old = &engine.run.writer.journal.page->reader[1 - engine.run.script.link.view.index];

    if (!engine.has_started && engine.run.writer.written - engine.run.writer.seen >= count)
        atomic_store(&old->read, engine.run.writer.seen + count);
}

static void take_turn(void)
{
    unsigned count, fd_count;
    int is_cut;

    hear_orders();
    count = input_byte(&engine.input);
    fd_count = input_byte(&engine.input) % (MESSAGE_FDS_MAX + 1);
    is_cut = input_byte(&engine.input) == 1;
    if (engine.is_reload)
        read_as_the_old_one(count / EVENTS_MAX);
    tell(count % EVENTS_MAX, is_cut ? 7 : sizeof(struct event), fd_count);
    journal_look(&engine.run.writer);
    journal_rest(&engine.run.writer);
    check_sleep();
}

/* While the script process waits. When nothing is left to be told the engine goes, some timers later. */
static void take_turn_or_go(void)
{
    if (engine.run.engine_end < 0)
        return;
    if (engine.packets < PACKETS_MAX && engine.input.at < engine.input.end) {
        engine.packets++;
        take_turn();
        return;
    }
    hear_orders();
    if (engine.idle++ < IDLE_MAX)
        return;
    close(engine.run.engine_end);
    engine.run.engine_end = -1;
}

static void before_send(void)
{
    if (engine.run.engine_end >= 0)
        hear_orders();
}

/* ---- The run. ---- */

/* `kind`: the settings, how many turns come before the script process begins, and whether it replaces another one. */
static void begin(unsigned kind)
{
    static char *command[] = { "sleep", NULL };
    struct script *const process = &engine.run.script;

    lua_prepare(&engine.run);
    engine.is_reload = kind >> 7 & 1;
    for (unsigned i = engine.is_reload ? input_byte(&engine.input) : 0; i > 0; i--) {
        struct event event = { .kind = EVENT_REAP, .flags = i % 2 ? EVENT_ORPHAN : EVENT_SPAWNED, .pid = (int32_t)i };

        write_down(&event);
    }
    lua_begin(&engine.run, script, (unsigned)engine.is_reload);
    if (engine.is_reload) {
        journal_give(&engine.run.writer, 0, 1);
        journal_hold(&engine.run.writer, 1);
    }
    process->options.command = process->configured.command = kind & 1 ? command : NULL;
    process->options.restart = process->configured.restart = (kind & 3) == 3 ? "always" : NULL;
    process->log.json = kind >> 2 & 1;
    for (unsigned i = kind >> 3 & 15; i > 0; i--)
        take_turn_or_go();
}

/* All that has been told from the start on has been read when the engine has gone. */
static void run_to_the_end(void)
{
    const struct journal_view *const view = &engine.run.script.link.view;

    world.before_wait = take_turn_or_go;
    world.before_send = before_send;
    EXPECT(run_lua(&engine.run.script) == 0);
    if (view->reading == JOURNAL_READS) {
        journal_look(&engine.run.writer);
        EXPECT(engine.run.writer.seen == engine.run.writer.written);
    }
    if (engine.run.engine_end >= 0)
        hear_orders();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    world_begin();
    memset(&engine, 0, sizeof engine);
    engine.input = (struct input){ bytes, bytes + size };
    begin(input_byte(&engine.input));
    run_to_the_end();
    lua_end(&engine.run);
    world_end();
    return 0;
}
