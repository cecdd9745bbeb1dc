/* members_scan.h: the processes of /proc, and whose they are (members.h). */
#ifndef REAPER_COMMON_MEMBERS_SCAN_H
#define REAPER_COMMON_MEMBERS_SCAN_H

#include "common/members.h"

#define MEMBERS_VARIABLE "REAPER_NAME" /* in the environment: the service */

/*
 * What a scan has found. A process that /proc does not show has no owner but in two cases: a living leader is added to
 * the list, without a start time, and has_hidden_group of a service says that its group has somebody in it, of whom
 * nobody is in the list.
 */
struct members_scan {
    struct members members;
    size_t room;
    int is_cut;        /* for want of memory */
    int is_incomplete; /* /proc is not there, or hides a leader, a leader's group or a child of the engine */
};

/*
 * Fills in list and owners; services, known processes, engine, self and inherited are given. 0, or -1 with errno when
 * there is no memory or no descriptor for it. To be freed in either case.
 */
int members_scan(struct members_scan *scan);

void members_scan_free(struct members_scan *scan);

#endif
