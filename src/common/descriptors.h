/* descriptors.h: what a new process must not keep, what came with a message, and outputs that others share. */
#ifndef REAPER_COMMON_DESCRIPTORS_H
#define REAPER_COMMON_DESCRIPTORS_H

#include <sys/socket.h>
#include <sys/types.h>

#include "common/messages.h"

/* Closes every descriptor from 3 up but those of the list, in which -1 stands for none. */
void close_all_but(const int *kept, int count);

/* Closes those of a list, in which -1 stands for none. */
void close_descriptors(const int *fds, int count);

/*
 * Sends one packet with descriptors, of which duplicates travel, without waiting. 0, or -1 with errno: EAGAIN when the
 * socket is full.
 */
int send_packet(int socket, const void *bytes, size_t size, const int *fds, int count);

/*
 * Receives one packet, and its descriptors, which are close-on-exec. `flags` are of recvmsg(2), such as MSG_DONTWAIT.
 * Its size, which may be more than what fits, 0 at the end, or -1 with errno.
 */
ssize_t receive_packet(int socket, void *bytes, size_t size, int fds[MESSAGE_FDS_MAX], int *count, int flags);

/*
 * Writes to an output that polls writable, without waiting and without O_NONBLOCK, which would change it for all who
 * share it. A pipe has room for PIPE_BUF bytes then, but another writer may take it between the two calls: RWF_NOWAIT
 * closes that gap where the file supports it; elsewhere at most PIPE_BUF bytes are written.
 */
ssize_t write_now(int fd, const void *bytes, size_t size);

#endif
