/*
 * For Lua on musl: pclose there may leave an errno although it has succeeded (ESPIPE, when something was left unread),
 * and io.popen's close (luaL_execresult) takes that for a failure.
 */
#include <errno.h>
#include <stdio.h>

static inline int close_pipe(FILE *file)
{
    const int status = pclose(file);

    if (status != -1)
        errno = 0;
    return status;
}

#define l_popen(L, command, mode) (fflush(NULL), popen(command, mode))
#define l_pclose(L, file) close_pipe(file)
