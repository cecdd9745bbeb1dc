/* variables.h: changes to an environment, as a script asks for them: variables to set, and variables to take away. */
#ifndef REAPER_COMMON_VARIABLES_H
#define REAPER_COMMON_VARIABLES_H

#include <stddef.h>

enum { VARIABLES_SIZE_MAX = 128 * 1024 }; /* of all texts together, with their zeros */

/* Each change is a text: "NAME=value" sets a variable, "NAME" takes it away. One name stands there once. */
struct variables {
    char *texts; /* one after another, each with its zero */
    size_t size;
    char *arriving; /* the beginning of a change whose rest is still to come, with a zero; or NULL */
};

/*
 * Takes the next piece of a change, and the change itself with its last one, in place of an earlier change of that
 * name. 0, or -1 with errno: ENOMEM, E2BIG for too much, EINVAL without a name; then the change is lost.
 */
int variables_arrive(struct variables *variables, const char *piece, int is_last);

/* Makes *to the same changes as *from. 0, or -1 with errno, and *to is as it was. */
int variables_copy(struct variables *to, const struct variables *from);

void variables_free(struct variables *variables);

/* The next change, after `change`, or the first for NULL; NULL when there is none. */
const char *variables_next(const struct variables *variables, const char *change);

/* The length of the name in a change, or in a variable of an environment. */
size_t variables_name_length(const char *text);

/* The change of that name, or NULL. The name ends at its length. */
const char *variables_find(const struct variables *variables, const char *name, size_t length);

#endif
