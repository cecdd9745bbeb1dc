#define _GNU_SOURCE
#include "engine/setup.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

void engine_fill_standard_descriptors(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            open("/dev/null", O_RDWR); /* takes the lowest number that is free */
}

/* A directory that may not be opened, because its user may not enter it, is stayed in: it could not be gone back to. */
static void leave_directory(struct engine *engine)
{
    engine->main_child.directory_fd = -1;
    if (!engine->origin.start->program) { /* which is there already, and would find its directory kept busy */
        engine->main_child.directory_fd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (engine->main_child.directory_fd < 0)
            return;
        if (engine_has_script(engine)) /* only that starts COMMAND again */
            engine->main_child.directory = getcwd(NULL, 0);
    }
    if (chdir("/") != 0)
        log_line(&engine->log, LOG_LEVEL_WARNING, "cannot move to /: %s", strerror(errno));
}

static void become_reaper(struct engine *engine)
{
    const struct engine_program *const program = engine->origin.start->program;

    engine->origin.is_init = getpid() == 1;
    if (!engine->origin.is_init && (!program || program->subreaper) && prctl(PR_SET_CHILD_SUBREAPER, 1UL) != 0)
        log_line(&engine->log, LOG_LEVEL_WARNING, "cannot become a subreaper: %s; orphans go to process 1",
                 strerror(errno));
}

/* SIG when the parent dies; when it has died already, the kernel will not tell. */
static void set_parent_death(struct engine *engine)
{
    if (prctl(PR_SET_PDEATHSIG, engine->options.parent_death) != 0)
        log_line(&engine->log, LOG_LEVEL_WARNING, "cannot set the parent-death signal: %s", strerror(errno));
    else if (engine->options.parent_death && getppid() != engine->origin.start->parent)
        kill(getpid(), engine->options.parent_death);
}

pid_t setup_fork(void)
{
    return (pid_t)syscall(SYS_clone, (unsigned long)SCRIPT_SIGNAL, NULL, NULL, NULL, NULL);
}

void setup_log(struct engine *engine)
{
    options_set_log(&engine->options, &engine->log);
}

void setup_apply_options(struct engine *engine)
{
    const int before = engine->options.parent_death;

    engine->options = engine->scripts.current->options;
    options_reapply_arguments(&engine->options, engine->origin.start->argc, engine->origin.start->argv);
    setup_log(engine);
    if (engine->options.parent_death != before)
        set_parent_death(engine);
    if (engine->options.warn)
        oom_watch_open(&engine->reaper.oom);
    if (variables_copy(&engine->main_child.variables, &engine->scripts.current->variables) != 0)
        log_line(&engine->log, LOG_LEVEL_ERROR, "COMMAND's environment stays as it was: %s", strerror(errno));
}

void setup_surroundings(struct engine *engine)
{
    become_reaper(engine);
    if (engine->options.parent_death)
        set_parent_death(engine);
    leave_directory(engine);
}
