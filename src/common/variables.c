#include "common/variables.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

size_t variables_name_length(const char *text)
{
    return strcspn(text, "=");
}

const char *variables_next(const struct variables *variables, const char *change)
{
    const char *const next = change ? change + strlen(change) + 1 : variables->texts;

    return variables->size > 0 && next < variables->texts + variables->size ? next : NULL;
}

const char *variables_find(const struct variables *variables, const char *name, size_t length)
{
    const char *change = NULL;

    while ((change = variables_next(variables, change)))
        if (variables_name_length(change) == length && memcmp(change, name, length) == 0)
            return change;
    return NULL;
}

static void take_away(struct variables *variables, const char *change)
{
    const size_t length = strlen(change) + 1;
    char *const at = variables->texts + (change - variables->texts);

    memmove(at, at + length, variables->size - (size_t)(at - variables->texts) - length);
    variables->size -= length;
}

static int put(struct variables *variables, const char *change)
{
    const size_t length = strlen(change) + 1;
    const size_t name_length = variables_name_length(change);
    const char *const before = variables_find(variables, change, name_length);
    char *grown;

    if (name_length == 0) {
        errno = EINVAL;
        return -1;
    }
    if (variables->size - (before ? strlen(before) + 1 : 0) + length > VARIABLES_SIZE_MAX) {
        errno = E2BIG;
        return -1;
    }
    grown = malloc(variables->size + length);
    if (!grown)
        return -1;
    if (before)
        take_away(variables, before);
    if (variables->size > 0)
        memcpy(grown, variables->texts, variables->size);
    memcpy(grown + variables->size, change, length);
    free(variables->texts);
    variables->texts = grown;
    variables->size += length;
    return 0;
}

/* Appends to what has arrived. Without memory, or when it is too long, all of it is let go. */
static int append(struct variables *variables, const char *piece)
{
    const size_t had = variables->arriving ? strlen(variables->arriving) : 0;
    const size_t length = strlen(piece) + 1;
    char *const grown = had + length <= VARIABLES_SIZE_MAX ? realloc(variables->arriving, had + length) : NULL;

    if (!grown) {
        errno = had + length <= VARIABLES_SIZE_MAX ? ENOMEM : E2BIG;
        free(variables->arriving);
        variables->arriving = NULL;
        return -1;
    }
    memcpy(grown + had, piece, length);
    variables->arriving = grown;
    return 0;
}

int variables_arrive(struct variables *variables, const char *piece, int is_last)
{
    int result = append(variables, piece);
    int saved;

    if (!is_last || result != 0)
        return result;
    result = put(variables, variables->arriving);
    saved = errno;
    free(variables->arriving);
    variables->arriving = NULL;
    errno = saved;
    return result;
}

int variables_copy(struct variables *to, const struct variables *from)
{
    char *texts = NULL;

    if (from->size > 0) {
        texts = malloc(from->size);
        if (!texts)
            return -1;
        memcpy(texts, from->texts, from->size);
    }
    free(to->texts);
    to->texts = texts;
    to->size = from->size;
    return 0;
}

void variables_free(struct variables *variables)
{
    free(variables->texts);
    free(variables->arriving);
    *variables = (struct variables){ .texts = NULL };
}
