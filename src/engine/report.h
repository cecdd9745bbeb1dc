/* report.h: the engine's page (common/pages.h), and the script's, which the engine makes and never reads. */
#ifndef REAPER_ENGINE_REPORT_H
#define REAPER_ENGINE_REPORT_H

#include "engine/engine.h"

/* Makes the engine's page, and writes it for the first time. Without memory or a descriptor for it nobody can look
 * inside, which is said. */
void report_open(struct engine *engine);

/* Makes the page that the script processes write. */
void report_open_script_page(struct engine *engine);

/* In a new script process, which is to write its own page only: gives that, or NULL. */
struct script_page *report_leave(struct engine *engine);

/* In the porter, which reads them through their descriptors: takes the mappings back. */
void report_forget(struct engine *engine);

/* What reaper.stats() gives, but for the uptime, which a reader of the page computes. */
struct statistics report_statistics(const struct engine *engine);

/* Writes down how things are. Called once a turn, before the engine waits. */
void report_write(struct engine *engine);

#endif
