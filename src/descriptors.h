/* descriptors.h: closing what a new process must not keep. */
#ifndef REAPER_DESCRIPTORS_H
#define REAPER_DESCRIPTORS_H

/* Closes every descriptor from 3 up but these two, which may be equal or -1. */
void close_all_but(int first, int second);

#endif
