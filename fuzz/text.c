/* Numbers, times, sizes, flags, signals and their likely slips, as options and scripts write them. Input: the text. */
#include <stdlib.h>
#include <string.h>

#include "common/signals.h"
#include "common/text.h"
#include "harmless.h"

static void read_numbers(const char *text)
{
    int64_t number = -1;
    uint64_t bytes = 0;
    int flag = -1;

    if (text_number(text, 255, &number) == 0)
        EXPECT(number >= 0 && number <= 255 && strspn(text, "0123456789") == strlen(text));
    if (text_seconds(text, &number) == 0)
        EXPECT(number >= 0 && strspn(text, ".0123456789") == strlen(text));
    if (text_size(text, &bytes) == 0)
        EXPECT(strspn(text, "0123456789") > 0 && strlen(text) - strspn(text, "0123456789") <= 1);
    if (text_flag(text, &flag) == 0)
        EXPECT(flag == 0 || flag == 1);
}

/* Each name that is given leads back to its number. */
static void read_signal(const char *text)
{
    const int number = signal_from_text(text);
    const char *const nearest = signal_nearest(text);
    char name[SIGNAL_NAME_SIZE];

    EXPECT(number >= -1 && number <= SIGNAL_MAX);
    if (number > 0)
        EXPECT(signal_from_text(signal_name(number, name)) == number);
    if (nearest)
        EXPECT(signal_from_text(nearest) > 0);
}

/* With the halves of the text: as far from each other as the other way round, and nothing is far from itself. */
static void compare(char *text)
{
    char *const middle = text + strlen(text) / 2;
    const char *words[] = { middle, NULL };
    char kept;

    EXPECT(strlen(text) > 63 || text_distance(text, text) == 0);
    kept = *middle;
    *middle = '\0';
    EXPECT(text_distance(text, middle + (kept != 0)) == text_distance(middle + (kept != 0), text));
    text_nearest(text, words);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    char *const text = malloc(size + 1);

    memcpy(text, bytes, size);
    text[size] = '\0';
    read_numbers(text);
    read_signal(text);
    compare(text);
    free(text);
    return 0;
}
