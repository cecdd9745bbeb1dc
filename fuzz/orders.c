/*
 * What a hostile script can put on the engine's socket and into its page of the journal, while signals come and
 * processes end: the whole engine, turn by turn, in the world of harmless.h. Input: how it is started, then steps. At
 * the end everything dies and TERM comes: whatever was ordered before, the engine has to end then, and no descriptor
 * that was sent is left.
 */
#include "engine/loop.c"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

#include "harmless.h"
#include "hostile.h"

enum { STEPS_MAX = 200, TURNS_MAX = 2000, DESCRIPTORS_MAX = 256 };

enum step {
    STEP_SCRIPT,    /* an order of the script process */
    STEP_CANDIDATE, /* of the one that is being loaded */
    STEP_BYTES,     /* a packet that is no order */
    STEP_SIGNAL,
    STEP_CHILD, /* SIGCHLD */
    STEP_DEATH,
    STEP_BIRTH, /* of a process that the engine has not made */
    STEP_CLONE, /* how clones end from now on */
    STEP_SHUT,  /* the script process shuts its socket */
    STEP_WAIT,
    STEP_RECORD, /* a signal with any record: the kernel's, or a forged one */
    STEP_READ,   /* the script process reads messages and events */
    STEP_LIE,    /* it writes what is not so into its page of the journal */
    STEP_FLOOD,  /* many orphans have died, as far as the journal is concerned */
    STEP_SHORTAGE,
    STEPS,
};

static struct engine engine;
static struct hostile hostile;

/* ---- Signals and deaths. ---- */

static void send_signal(unsigned number, pid_t pid, int code)
{
    siginfo_t record;

    memset(&record, 0, sizeof record);
    record.si_signo = (int)number;
    record.si_code = code;
    record.si_pid = pid;
    world_signal(&record);
}

/* Of a child, of a descriptor, of what the kernel has had no memory for, or anything. */
static void send_record(struct input *input)
{
    static const int codes[] = { POLL_IN,   POLL_OUT, POLL_MSG, POLL_ERR, POLL_PRI,   POLL_HUP,
                                 SI_KERNEL, SI_USER,  SI_QUEUE, SI_TKILL, SI_ASYNCIO, SI_SIGIO };
    static const int numbers[] = { SIGCHLD, SCRIPT_SIGNAL, DESCRIPTOR_SIGNAL, SIGIO };
    const unsigned number = input_byte(input) % 68, code = input_byte(input);
    siginfo_t record;

    memset(&record, 0, sizeof record);
    record.si_signo = number < 4 ? numbers[number] : (int)number - 3;
    record.si_code = code < sizeof codes / sizeof *codes ? codes[code] : (int)input_number(input);
    record.si_band = (long)input_number(input); /* a pid, and a uid above it */
    record.si_fd = (int)input_number(input);
    if (record.si_fd == 255)
        record.si_fd = engine.scripts.current->channel.fd;
    else if (record.si_fd == 254)
        record.si_fd = engine.main_child.start.report_fd;
    world_signal(&record);
}

static void kill_one(struct input *input)
{
    struct process *process = world_find(FIRST_PID + (pid_t)(input_byte(input) % PROCESSES_MAX));
    unsigned how;

    if (process) {
        how = input_byte(input);
        process->is_traced = how >> 1 & 1;
        world_die(process, how & 1 ? (int)input_byte(input) << 8 : 9);
    }
    send_signal(process && process->is_script ? SCRIPT_SIGNAL : SIGCHLD, process ? world_pid(process) : 0, CLD_EXITED);
}

/* ---- The engine. ---- */

/* Nothing has grown beyond its bounds, and what belongs together agrees. */
static void check(void)
{
    size_t count = 0;

    for (int i = 0; i < CHILDREN_BUCKETS; i++)
        for (const struct child *child = engine.children.bucket[i]; child; child = child->next)
            count++;
    EXPECT(count == engine.children.count);
    EXPECT(engine.questions.used >= 0 && engine.questions.used <= QUESTIONS_MAX);
    EXPECT(engine.remains.watched_count >= 0 && engine.remains.watched_count <= WATCHED_MAX);
    EXPECT(engine.life.final_code >= 0 && engine.life.final_code <= 255 && engine.life.requested_code >= -1
           && engine.life.requested_code <= 255);
    EXPECT(engine.main_child.pid >= 0 && engine.scripts.current->pid >= 0 && engine.scripts.candidate->pid >= 0);
    EXPECT((engine.scripts.current->pid == 0) == (engine.scripts.current->state == SLOT_EMPTY));
    EXPECT(engine.scripts.current != engine.scripts.candidate);
    EXPECT(!engine.scripts.first_order || engine.wait.orders); /* they are carried out in the next turn */
    EXPECT(engine.scripts.candidate->pid == 0 || engine.scripts.candidate->told_shut
           || (engine.scripts.reload >= RELOAD_LOADING && engine.scripts.reload <= RELOAD_ALLOWED));
    EXPECT(engine.scripts.current->replies.count <= REPLIES_MAX);
    EXPECT(engine.scripts.candidate->replies.count <= REPLIES_MAX);
    EXPECT(engine.journal.seen <= engine.journal.written);
    EXPECT(engine.journal.released <= engine.journal.seen * sizeof(struct event));
    EXPECT(engine.journal.late.count == 0 || engine.journal.late.first);
}

static void take_turn(void)
{
    if (engine.life.state == ENGINE_DONE)
        return;
    turn(&engine);
    check();
}

static void flood(unsigned count)
{
    const struct event event = { .kind = EVENT_REAP, .flags = EVENT_ORPHAN, .pid = 1 };

    for (; engine.journal.journal.facts && count > 0; count--)
        journal_write(&engine.journal, &event, MAY_DROP);
}

static void run_short(unsigned what)
{
    world.send_error = what & 1 ? ENOBUFS : 0;
    world.timer_error = what & 2 ? ENOMEM : 0;
    world.memory_error = what & 4 ? ENOMEM : 0;
}

static void take_step(struct input *input)
{
    char bytes[256];

    switch ((enum step)(input_byte(input) % STEPS)) {
    case STEP_SCRIPT:
        send_order(&engine, input, engine.scripts.current);
        break;
    case STEP_CANDIDATE:
        send_order(&engine, input, engine.scripts.candidate);
        break;
    case STEP_BYTES:
        send_bytes(engine.scripts.current, bytes, input_text(input, bytes, sizeof bytes), input_byte(input) % 8);
        break;
    case STEP_SIGNAL:
        send_signal(1 + input_byte(input) % 64, (pid_t)input_byte(input), input_byte(input) & 1 ? SI_QUEUE : SI_USER);
        break;
    case STEP_CHILD:
        send_signal(SIGCHLD, FIRST_PID + (pid_t)input_byte(input), CLD_EXITED);
        break;
    case STEP_DEATH:
        kill_one(input);
        break;
    case STEP_BIRTH:
        world_add((int)input_byte(input) & 1, 0);
        break;
    case STEP_CLONE:
        world.clone_error = input_byte(input) & 1 ? EAGAIN : 0;
        world.exec_error = input_byte(input) & 1 ? ENOENT : 0;
        break;
    case STEP_SHUT:
        shut(&engine, input_byte(input));
        break;
    case STEP_RECORD:
        send_record(input);
        break;
    case STEP_READ:
        read_some(&hostile, input);
        break;
    case STEP_LIE:
        if (engine.journal.journal.facts)
            lie(input, &engine.journal);
        hostile.has_lied = 1;
        break;
    case STEP_FLOOD:
        flood(32 * input_byte(input));
        break;
    case STEP_SHORTAGE:
        run_short(input_byte(input));
        break;
    case STEP_WAIT:
    case STEPS:
        break;
    }
}

/* No question without a deadline keeps it: a hook_timeout of years is the script's own wish. */
static void make_impatient(void)
{
    engine.options.hook_timeout = engine.options.grace = NANOSECONDS;
    for (int i = 0; i < engine.questions.used; i++)
        engine.questions.list[i].deadline = clock_now();
}

static void die_for_good(struct process *process)
{
    process->is_traced = 0;
    world_die(process, SIGKILL);
}

static void die_all(void)
{
    for (size_t i = 0; i < world.process_count; i++)
        die_for_good(&world.processes[i]);
    send_signal(SIGCHLD, 0, CLD_KILLED);
}

static void come_to_an_end(void)
{
    world.clone_error = EAGAIN;
    for (int i = 0; i < TURNS_MAX && engine.life.state != ENGINE_DONE; i++) {
        make_impatient();
        if (i % 4 == 0)
            die_all();
        if (i % 4 == 2)
            send_signal(SIGTERM, 1, SI_USER);
        take_turn();
    }
    EXPECT(engine.life.state == ENGINE_DONE);
}

/* Of the descriptors that were sent, which are the only ones here of a regular file. */
static int any_is_left(void)
{
    struct stat file;
    int left = 0;

    for (int fd = world.first_fd; fd < DESCRIPTORS_MAX; fd++)
        left |= fstat(fd, &file) == 0 && S_ISREG(file.st_mode);
    return left;
}

static void forget_child(struct child *child, void *context)
{
    (void)context;
    children_remove(&engine.children, child->pid);
}

/* They stay to the end of process 1. */
static void forget_pages(const struct pages *pages)
{
    if (pages->engine)
        munmap(pages->engine, sizeof *pages->engine);
    if (pages->script)
        munmap(pages->script, sizeof *pages->script);
    close(pages->engine_fd);
    close(pages->script_fd);
}

static int never_script(struct engine *unused, unsigned reader, int socket_fd)
{
    (void)unused;
    (void)reader;
    (void)socket_fd;
    return 0;
}

static void run_engine(const struct engine_start *start, const struct options *options, struct input *input)
{
    const struct inherited_signals signals = { .is_known = 1 };
    const int devnull = open("/dev/null", O_WRONLY | O_CLOEXEC);

    memset(&engine, 0, sizeof engine);
    hostile = (struct hostile){ .engine = &engine };
    set_up(&engine, start, options, &signals);
    engine.log.fd = devnull;
    begin(&engine);
    if (engine.journal.journal.facts)
        engine.journal.journal.slots = JOURNAL_LEAST; /* it is full sooner */
    for (int i = 0; i < STEPS_MAX && input->at < input->end; i++) {
        take_step(input);
        if (input_byte(input) % 4 > 0)
            take_turn();
    }
    come_to_an_end();
    engine.journal.journal.slots = JOURNAL_SLOTS;
    tear_down(&engine);
    children_each(&engine.children, forget_child, NULL);
    close(engine.scripts.store_fd);
    forget_pages(&engine.pages);
    EXPECT(!any_is_left());
}

/* What the kernel refuses, and what script processes leave behind. */
static void surround(unsigned how, struct options *options)
{
    world.refuses_async = how & 1;
    world.has_signalfd = !(how & 2);
    world.leaves_sockets = how >> 2 & 1;
    world.clone_error = how & 8 ? EAGAIN : 0;
    options->script_timeout = how & 16 ? 5 * NANOSECONDS : 0;
}

static void start_program(struct engine_program *program, unsigned how)
{
    static const pid_t told[] = { -1, 0, FIRST_PID + 1, -FIRST_PID };
    struct process *const process = world_add(1, 0);
    int program_end;

    EXPECT(channel_open(&program->channel, &program_end) == 0 && journal_begin(&program->journal) == 0);
    close(program_end); /* world_give_socket has another */
    world_give_socket(process);
    program->pid = world_pid(process);
    program->told = told[how % 4];
    program->hooks = how & 4 ? HOOK_REAP : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static char *arguments[] = { "reaper-lua", NULL };
    static char *environment[] = { "A=b", NULL };
    static char *command[] = { "sleep", "5", NULL };
    struct input input = { bytes, bytes + size };
    struct engine_program program = { .told = -1, .subreaper = 1 };
    struct engine_start start = { 1, arguments, environment, 1, NULL, never_script, exit, NULL };
    struct options options = options_default();
    unsigned kind, how;

    world_begin();
    kind = input_byte(&input);
    how = input_byte(&input);
    surround(how, &options);
    world.self = kind & 1 ? 1 : 50;
    options.command = kind & 2 ? command : NULL;
    options.eval = kind & 4 ? NULL : "";
    options.threshold = kind & 8 ? LOG_LEVEL_TRACE : LOG_LEVEL_ERROR;
    options.grace = kind & 16 ? 0 : options.grace;
    options.leave_orphans = kind >> 5 & 1;
    options.pause = !options.command;
    if (kind & 64) { /* a program that has loaded the library */
        options.eval = NULL;
        options.command = NULL;
        start_program(&program, how >> 5);
        start.program = &program;
    }
    run_engine(&start, &options, &input);
    world_end();
    return 0;
}
