#include "engine/hidden.h"

#include <stdlib.h>

void hidden_remember(struct hidden *hidden, pid_t pid)
{
    const size_t room = hidden->room ? 2 * hidden->room : 64;
    pid_t *grown = hidden->pids;

    if (hidden->count == hidden->room) {
        grown = realloc(grown, room * sizeof *grown);
        if (!grown)
            return;
        hidden->pids = grown;
        hidden->room = room;
    }
    hidden->pids[hidden->count++] = pid;
}

int hidden_has(const struct hidden *hidden, pid_t pid)
{
    for (size_t i = 0; i < hidden->count; i++)
        if (hidden->pids[i] == pid)
            return 1;
    return 0;
}

void hidden_forget(struct hidden *hidden)
{
    free(hidden->pids);
    hidden->pids = NULL;
    hidden->count = hidden->room = 0;
    hidden->next = 0;
}
