/* descriptors.h: what a new process must not keep, what came with a message, and outputs that others share. */
#ifndef REAPER_COMMON_DESCRIPTORS_H
#define REAPER_COMMON_DESCRIPTORS_H

#include <sys/socket.h>
#include <sys/types.h>

#include "common/messages.h"

/* Closes every descriptor from 3 up but these two, which may be equal or -1. */
void close_all_but(int first, int second);

/* The descriptors of a received message, which has no room for more than MESSAGE_FDS_MAX: how many there are. */
int take_descriptors(const struct msghdr *message, int fds[MESSAGE_FDS_MAX]);

/*
 * Writes to an output that polls writable, without waiting and without O_NONBLOCK, which would change it for all who
 * share it. A pipe has room for PIPE_BUF bytes then, but another writer may take it between the two calls: RWF_NOWAIT
 * closes that gap where the file supports it; elsewhere at most PIPE_BUF bytes are written.
 */
ssize_t write_now(int fd, const void *bytes, size_t size);

#endif
