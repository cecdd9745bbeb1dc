/*
 * What a hostile script can put on the engine's socket, while signals come and processes end: the whole engine, turn by
 * turn, in the world of harmless.h. Input: how it is started, then steps. At the end everything dies and TERM comes:
 * whatever was ordered before, the engine has to end then, and no descriptor that was sent is left.
 */
#include "engine/loop.c"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "harmless.h"

enum { STEPS_MAX = 200, TURNS_MAX = 400, DESCRIPTORS_MAX = 256 };

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
    STEPS,
};

static struct engine engine;
static int signal_writer;

static void send_packet(const struct channel *channel, const void *bytes, size_t size, unsigned fd_count)
{
    struct iovec part = { (void *)bytes, size };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int) * 8)];
    } control;
    int fds[8];

    if (channel->peer < 0)
        return;
    memset(&control, 0, sizeof control);
    for (unsigned i = 0; i < fd_count; i++)
        fds[i] = memfd_create("sent", MFD_CLOEXEC);
    if (fd_count > 0) {
        message.msg_control = control.room;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
        memcpy(CMSG_DATA(&control.header), fds, sizeof(int) * fd_count);
    }
    sendmsg(channel->peer, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    for (unsigned i = 0; i < fd_count; i++)
        close(fds[i]);
}

/* A setting is its key, a zero and its value. */
static void read_text(struct input *input, char text[ORDER_TEXT_SIZE])
{
    const char *const *const keys = options_keys();
    const unsigned key = input_byte(input) % 16;
    size_t at = 0;

    memset(text, 0, ORDER_TEXT_SIZE);
    if (key < 14) {
        at = strlen(keys[key]) + 1;
        memcpy(text, keys[key], at);
    }
    at += input_text(input, text + at, ORDER_TEXT_SIZE - at);
    if (key == 15)
        memset(text + at, 'x', ORDER_TEXT_SIZE - at); /* without a zero */
}

/* Mostly of processes and questions that there are. */
static void send_order(struct input *input, const struct channel *channel)
{
    struct order order;

    memset(&order, 0, sizeof order);
    order.kind = (uint16_t)(input_byte(input) % (ORDER_COUNT + 1));
    order.flags = (uint16_t)input_number(input);
    order.question = engine.questions.last - (uint32_t)input_number(input);
    order.pid = (int32_t)(uint32_t)input_number(input);
    if (order.pid >= 0 && order.pid < PROCESSES_MAX)
        order.pid += FIRST_PID;
    order.number = (int32_t)(uint32_t)input_number(input);
    if (order.kind == ORDER_CONFIGURE || order.kind == ORDER_SPAWNED)
        read_text(input, order.text);
    send_packet(channel, &order, sizeof order, order.kind == ORDER_SPAWNED ? input_byte(input) % 8 : 0);
}

static void send_signal(unsigned number, pid_t pid, int code)
{
    const struct signalfd_siginfo record = { .ssi_signo = number, .ssi_pid = (uint32_t)pid, .ssi_code = code };

    EXPECT(write(signal_writer, &record, sizeof record) == sizeof record);
}

static void kill_one(struct input *input)
{
    struct process *process = world_find(FIRST_PID + (pid_t)(input_byte(input) % PROCESSES_MAX));

    if (process)
        world_die(process, input_byte(input) & 1 ? (int)input_byte(input) << 8 : 9);
    send_signal(SIGCHLD, process ? world_pid(process) : 0, CLD_EXITED);
}

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
    EXPECT(engine.main_child.pid >= 0 && engine.scripts.current.pid >= 0 && engine.scripts.candidate.pid >= 0);
    EXPECT((engine.scripts.current.pid == 0) == (engine.scripts.current.state == SLOT_EMPTY));
    EXPECT(engine.scripts.current.channel.backlog <= BACKLOG_MAX + 1024);
    EXPECT(!engine.scripts.current.channel.head || engine.scripts.current.channel.backlog > 0);
}

static void take_turn(void)
{
    if (engine.life.state == ENGINE_DONE)
        return;
    turn(&engine);
    check();
}

static void take_step(struct input *input)
{
    char bytes[256];

    switch ((enum step)(input_byte(input) % STEPS)) {
    case STEP_SCRIPT:
        send_order(input, &engine.scripts.current.channel);
        break;
    case STEP_CANDIDATE:
        send_order(input, &engine.scripts.candidate.channel);
        break;
    case STEP_BYTES:
        send_packet(&engine.scripts.current.channel, bytes, input_text(input, bytes, sizeof bytes),
                    input_byte(input) % 8);
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
        if (engine.scripts.current.channel.peer >= 0)
            shutdown(engine.scripts.current.channel.peer, SHUT_RDWR);
        break;
    default:
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

static void die_all(void)
{
    for (size_t i = 0; i < world.process_count; i++)
        world_die(&world.processes[i], SIGKILL);
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

    for (int fd = world.signal_fd; fd < DESCRIPTORS_MAX; fd++) /* the first that a run opens */
        left |= fstat(fd, &file) == 0 && S_ISREG(file.st_mode);
    return left;
}

static void forget_child(struct child *child, void *context)
{
    (void)context;
    children_remove(&engine.children, child->pid);
}

static int never_script(const struct engine *unused, int channel_fd)
{
    (void)unused;
    (void)channel_fd;
    return 0;
}

static void run_engine(const struct engine_start *start, const struct options *options, struct input *input)
{
    const struct inherited_signals signals = { .is_known = 1 };
    const int devnull = open("/dev/null", O_WRONLY | O_CLOEXEC);

    memset(&engine, 0, sizeof engine);
    set_up(&engine, start, options, &signals);
    engine.log.fd = devnull;
    EXPECT(open_signals(&engine) == 0);
    if (start->program)
        scripts_take_program(&engine);
    else if (engine_has_script(&engine))
        scripts_start_first(&engine);
    else
        life_begin(&engine);
    for (int i = 0; i < STEPS_MAX && input->at < input->end; i++) {
        take_step(input);
        if (input_byte(input) % 4 > 0)
            take_turn();
    }
    come_to_an_end();
    tear_down(&engine);
    children_each(&engine.children, forget_child, NULL);
    close(engine.scripts.store_fd);
    EXPECT(!any_is_left());
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static char *arguments[] = { "reaper-lua", NULL };
    static char *environment[] = { "A=b", NULL };
    static char *command[] = { "sleep", "5", NULL };
    struct input input = { bytes, bytes + size };
    struct engine_program program = { .told = -1, .subreaper = 1 };
    struct engine_start start = { 1, arguments, environment, 1, NULL, never_script, exit };
    struct options options = options_default();
    unsigned kind;
    int program_end;
    int pair[2];

    world_begin();
    kind = input_byte(&input);
    world.self = kind & 1 ? 1 : 50;
    EXPECT(pipe2(pair, O_CLOEXEC | O_NONBLOCK) == 0);
    world.signal_fd = pair[0];
    signal_writer = pair[1];
    options.command = kind & 2 ? command : NULL;
    options.eval = kind & 4 ? NULL : "";
    options.threshold = kind & 8 ? LOG_LEVEL_TRACE : LOG_LEVEL_ERROR;
    options.grace = kind & 16 ? 0 : options.grace;
    options.leave_orphans = kind >> 5 & 1;
    options.pause = !options.command;
    if (kind & 64) { /* a program that has loaded the library */
        options.eval = NULL;
        options.command = NULL;
        EXPECT(channel_open(&program.channel, &program_end) == 0);
        program.pid = world_pid(world_add(1, 0));
        start.program = &program;
    }
    run_engine(&start, &options, &input);
    world_end();
    return 0;
}
