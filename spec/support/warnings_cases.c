/*
 * warnings-cases ROOT CURRENT STEP...: the warnings of src/engine/warnings.h alone, below ROOT in place of /. A step is
 * SECONDS:USED, or shortage:USED at the moment of the last step: writes USED into the file CURRENT, looks, and then
 * writes the step on stderr, behind what was said.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "engine/warnings.h"

static void write_used(const char *path, const char *used)
{
    FILE *const file = fopen(path, "w");

    if (!file)
        exit(2);
    fprintf(file, "%s\n", used);
    fclose(file);
}

int main(int argc, char **argv)
{
    struct log log;
    struct warnings warnings;
    int64_t now = 0;

    if (argc < 3)
        return 2;
    memset(&log, 0, sizeof log);
    log.threshold = LOG_LEVEL_WARNING;
    log.patient = 1;
    warnings_begin(&warnings, &log, 0, 0);
    warnings.root = argv[1];
    for (int i = 3; i < argc; i++) {
        const char *const colon = strchr(argv[i], ':');

        if (!colon)
            return 2;
        write_used(argv[2], colon + 1);
        if (argv[i][0] == 's')
            warnings_shortage(&warnings);
        else
            now = strtoll(argv[i], NULL, 10) * NANOSECONDS;
        warnings_step(&warnings, now);
        fprintf(stderr, "%s\n", argv[i]);
    }
    return 0;
}
