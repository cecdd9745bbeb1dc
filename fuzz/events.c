/*
 * Events, as the script process decodes them: lua_channel.c, events.lua and what follows. Input: the kind of script,
 * then packets of events. The engine is trusted with little: one start, for a reason that there is, and no usage beyond
 * the kernel's.
 */
#include "lua_state.h"

enum { PACKETS_MAX = 24, EVENTS_MAX = 8 };

/* Hooks that return, yield, wait, fail and answer nonsense, by turns. */
static const char script[] =
    "local turn = 0\n"
    "local given = { 0, 9, 'TERM', false, 'nonsense', 3.5, {}, 256, -1, math.huge, 'RTMIN+3' }\n"
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
    "  assert(math.type(pid) == 'integer' and status.kind and rusage.maxrss and (info or true))\n"
    "  return hook(pid, status, rusage, info)\n"
    "end\n"
    "function on_signal(name, number)\n"
    "  assert(type(name) == 'string' and math.type(number) == 'integer')\n"
    "  return hook(name, number)\n"
    "end\n"
    "on_stop, on_exit, on_reload, on_overflow = hook, hook, hook, hook\n";

static struct event read_event(struct input *input, int *has_started)
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
        event.kind = *has_started ? EVENT_NONE : EVENT_START;
        *has_started = 1;
    }
    event.lifetime_ns = input_number(input);
    if (event.kind == EVENT_STOP || event.kind == EVENT_REPLY)
        input_text(input, event.of.text, sizeof event.of.text);
    else
        event.of.usage.maxrss_kb = (int32_t)(uint32_t)input_number(input);
    memset(event.comm, (int)input_byte(input), sizeof event.comm); /* without a zero at the end */
    input_text(input, event.name, sizeof event.name);
    return event;
}

static void send_packet(int fd, struct input *input, int *has_started)
{
    struct event events[EVENTS_MAX];
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int) * MESSAGE_FDS_MAX)];
    } control;
    const unsigned count = input_byte(input) % EVENTS_MAX;
    const unsigned fd_count = input_byte(input) % (MESSAGE_FDS_MAX + 1);
    struct iovec part = { events, count * sizeof *events + (input_byte(input) == 1 ? 7 : 0) };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
    int fds[MESSAGE_FDS_MAX];

    memset(events, 0, sizeof events);
    memset(&control, 0, sizeof control);
    for (unsigned i = 0; i < count; i++)
        events[i] = read_event(input, has_started);
    for (unsigned i = 0; i < fd_count; i++)
        fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (fd_count > 0) {
        message.msg_control = control.room;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
        memcpy(CMSG_DATA(&control.header), fds, sizeof(int) * fd_count);
    }
    if (part.iov_len > 0)
        sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    for (unsigned i = 0; i < fd_count; i++)
        close(fds[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static char *command[] = { "sleep", NULL };
    struct input input = { bytes, bytes + size };
    struct lua_run run;
    unsigned kind;
    int has_started = 0;

    world_begin();
    lua_begin(&run, script);
    kind = input_byte(&input);
    run.script.options.command = run.script.configured.command = kind & 1 ? command : NULL;
    run.script.options.restart = run.script.configured.restart = (kind & 3) == 3 ? "always" : NULL;
    run.script.log.json = kind >> 2 & 1;
    for (int i = 0; i < PACKETS_MAX && input.at < input.end; i++)
        send_packet(run.engine_end, &input, &has_started);
    close(run.engine_end);
    EXPECT(lua_end(&run) == 0);
    world_end();
    return 0;
}
