/* text.h: numbers, times and sizes as people write them, and the word that was probably meant. */
#ifndef REAPER_COMMON_TEXT_H
#define REAPER_COMMON_TEXT_H

#include <stddef.h>
#include <stdint.h>

/*
 * Each parser takes the whole text or nothing: 0, or -1 when the text is anything but an unsigned decimal in
 * range. strtol and strtod are not used, because they accept signs, blanks, hex, "inf" and "nan".
 */
int text_number(const char *text, int64_t max, int64_t *number);

/* Seconds such as "2.5" as nanoseconds. Decimals after the ninth are ignored. */
int text_seconds(const char *text, int64_t *nanoseconds);

/* A size such as "64M" as bytes. The suffixes K, M and G, in any case, are powers of 1024. */
int text_size(const char *text, uint64_t *bytes);

/* 1 for "1", "yes", "true", "on"; 0 for "0", "no", "false", "off", in any case. */
int text_flag(const char *text, int *flag);

/*
 * The member of `words` (NULL-terminated) that is nearest to `word`, or NULL when the distance of each is more
 * than likely slips make: one more than a third of the letters.
 */
const char *text_nearest(const char *word, const char *const *words);

/*
 * How many letters have to be inserted, removed, changed or swapped with their neighbour to make one word from the
 * other (optimal string alignment), without regard to case. Words of more than 63 letters are infinitely far
 * (SIZE_MAX).
 */
size_t text_distance(const char *left, const char *right);

#endif
