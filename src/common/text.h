/* text.h: numbers, times and sizes as people write them, and the name that they probably meant. */
#ifndef REAPER_COMMON_TEXT_H
#define REAPER_COMMON_TEXT_H

#include <stddef.h>
#include <stdint.h>

/*
 * Each parser takes the whole text or nothing: 0, or -1 when the text is anything but an unsigned decimal in
 * range. strtol and strtod are not used, because they accept signs, blanks, hex, "inf" and "nan".
 */
int text_number(const char *text, int64_t max, int64_t *number);

/* "2.5" seconds to nanoseconds. At most nine decimals count. */
int text_seconds(const char *text, int64_t *nanoseconds);

/* "64M" to bytes; suffixes K, M, G (powers of 1024), any case. */
int text_size(const char *text, uint64_t *bytes);

/* "1", "yes", "true", "on" or "0", "no", "false", "off". */
int text_flag(const char *text, int *flag);

/*
 * The member of `words` (NULL-terminated) that is nearest to `word`, or NULL when none is near enough to be a
 * likely slip: at most a third of the letters differ (text_distance).
 */
const char *text_nearest(const char *word, const char *const *words);

/*
 * Letters to insert, remove, change or swap with their neighbour (optimal string alignment), without regard to case.
 * Words longer than 63 letters are infinitely far (SIZE_MAX).
 */
size_t text_distance(const char *left, const char *right);

#endif
