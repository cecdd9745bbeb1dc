#include "common/text.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "common/clock.h"

enum { WORD_MAX = 63 };

/* Reads the digits at *text and leaves *text behind them. -1 when there is no digit, or a number above `max`. */
static int digits(const char **text, int64_t max, int64_t *number)
{
    const char *at = *text;
    int64_t value = 0;

    for (; *at >= '0' && *at <= '9'; at++) {
        const int digit = *at - '0';

        if (digit > max || value > (max - digit) / 10)
            return -1;
        value = value * 10 + digit;
    }
    if (at == *text)
        return -1;
    *text = at;
    *number = value;
    return 0;
}

int text_number(const char *text, int64_t max, int64_t *number)
{
    int64_t value;

    if (digits(&text, max, &value) != 0 || *text != '\0')
        return -1;
    *number = value;
    return 0;
}

/* The digits behind a decimal point, as nanoseconds. */
static int64_t fraction(const char **text)
{
    int64_t value = 0;
    int64_t unit = NANOSECONDS / 10;

    for (; **text >= '0' && **text <= '9'; (*text)++, unit /= 10)
        value += unit * (**text - '0');
    return value;
}

int text_seconds(const char *text, int64_t *nanoseconds)
{
    int64_t whole = 0;
    int64_t part = 0;
    const int bare = *text == '.';

    if (!bare && digits(&text, NEVER / NANOSECONDS - 1, &whole) != 0)
        return -1;
    if (*text == '.') {
        text++;
        if (*text < '0' || *text > '9')
            return -1;
        part = fraction(&text);
    }
    if (*text != '\0')
        return -1;
    *nanoseconds = whole * NANOSECONDS + part;
    return 0;
}

int text_size(const char *text, uint64_t *bytes)
{
    static const char units[] = "KMG";
    int64_t value;
    const char *unit;
    int shift = 0;

    if (digits(&text, INT64_MAX, &value) != 0)
        return -1;
    if (*text != '\0') {
        unit = strchr(units, toupper((unsigned char)*text));
        if (!unit || text[1] != '\0')
            return -1;
        shift = 10 * (int)(unit - units + 1);
    }
    if (value > INT64_MAX >> shift)
        return -1;
    *bytes = (uint64_t)value << shift;
    return 0;
}

int text_flag(const char *text, int *flag)
{
    static const char *const words[] = { "0", "1", "no", "yes", "false", "true", "off", "on" };

    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcasecmp(text, words[i]) == 0) {
            *flag = (int)(i % 2);
            return 0;
        }
    }
    return -1;
}

static size_t least_of(size_t a, size_t b, size_t c)
{
    const size_t least = a < b ? a : b;

    return least < c ? least : c;
}

static int same(char left, char right)
{
    return tolower((unsigned char)left) == tolower((unsigned char)right);
}

size_t text_distance(const char *left, const char *right)
{
    size_t rows[3][WORD_MAX + 1]; /* the last three rows of the table */
    const size_t height = strlen(left);
    const size_t width = strlen(right);

    if (width > WORD_MAX || height > WORD_MAX)
        return SIZE_MAX;
    for (size_t j = 0; j <= width; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= height; i++) {
        size_t *row = rows[i % 3];
        const size_t *above = rows[(i + 2) % 3];
        const size_t *swapped = rows[(i + 1) % 3];

        row[0] = i;
        for (size_t j = 1; j <= width; j++) {
            row[j] = least_of(above[j] + 1, row[j - 1] + 1, above[j - 1] + !same(left[i - 1], right[j - 1]));
            if (i > 1 && j > 1 && same(left[i - 1], right[j - 2]) && same(left[i - 2], right[j - 1])
                && swapped[j - 2] + 1 < row[j])
                row[j] = swapped[j - 2] + 1;
        }
    }
    return rows[height % 3][width];
}

const char *text_nearest(const char *word, const char *const *words)
{
    const char *nearest = NULL;
    size_t least = strlen(word) / 3 + 1;

    for (; *words; words++) {
        const size_t distance = text_distance(word, *words);

        if (distance <= least && (!nearest || distance < least)) {
            nearest = *words;
            least = distance;
        }
    }
    return nearest;
}
