#include "engine/search.h"

#include <signal.h>
#include <unistd.h>

#include "common/proc.h"
#include "engine/hidden.h"

enum {
    SEARCH_SLICE = 32768, /* about 8 ms */
    FIRST_PID = 2,
};

static const int64_t search_rest = NANOSECONDS / 20; /* at least, between two passes */

static void search_slice(struct hidden *hidden, const struct scope *scope, const struct census *census, pid_t end)
{
    for (pid_t pid = hidden->next; pid < end; pid++)
        if (pid != getpid() && census_is_there(scope, pid) && !scope_spares(scope, pid) && !census_find(census, pid))
            hidden_remember(hidden, pid);
}

/* True while a pass is under way. */
static int search(struct hidden *hidden, const struct scope *scope, const struct census *census)
{
    const int64_t now = clock_now();
    const pid_t highest = proc_highest_pid();
    int64_t rest;

    if (hidden->next == 0) {
        if (now < hidden->from)
            return 0;
        hidden->from = now;
        hidden->next = FIRST_PID;
    }
    search_slice(hidden, scope, census,
                 highest - hidden->next < SEARCH_SLICE ? highest + 1 : hidden->next + SEARCH_SLICE);
    hidden->next += SEARCH_SLICE;
    if (hidden->next <= highest)
        return 1;
    rest = clock_now() - hidden->from;
    hidden->from = clock_after(rest > search_rest ? rest : search_rest);
    hidden->next = 0;
    hidden->searched = 1;
    return 0;
}

/*
 * Only a whole pass could prove that a program is the last one, since it is a child itself; it goes on after the first
 * slice, and when it has ended the kernel tells whether another child is left.
 */
int search_on(struct remains *remains, const struct scope *scope, const struct census *census)
{
    struct hidden *const hidden = &remains->hidden;
    const size_t known = hidden->count;
    const int more = search(hidden, scope, census);
    const int64_t again = more ? clock_now() : hidden->from;

    for (size_t i = known; i < hidden->count; i++)
        for (int number = 1; number <= SIGNAL_MAX; number++)
            if (hidden->owed & SIGNAL_BIT(number))
                kill(hidden->pids[i], number);
    if (again < remains->check_at)
        remains->check_at = again;
    return hidden->count > known || (more && !scope->has_program);
}
