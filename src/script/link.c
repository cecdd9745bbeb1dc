#define _GNU_SOURCE
#include "script/link.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/descriptors.h"

/* The analyzer of gcc loses sight of the list that `link` keeps. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
#endif

enum { A_TURN = 4096 }; /* events between two waits: timers and descriptors have their turn, too */

void link_open(struct link *link, int fd, const struct journal *journal, unsigned index, uint64_t from)
{
    memset(link, 0, sizeof *link);
    link->fd = fd;
    link->pid = getpid();
    link->journal = *journal;
    journal_view(&link->view, &link->journal, index, from);
}

/* Descriptors that nobody has taken are closed. */
static void drop(struct message *message)
{
    close_descriptors(message->fds, message->fd_count);
    message->fd_count = 0;
    message->event.kind = EVENT_NONE;
}

void link_close(struct link *link)
{
    struct message *message;

    drop(&link->current);
    while ((message = link->first)) {
        link->first = message->next;
        drop(message);
        free(message);
    }
    journal_close(&link->journal);
    if (link->fd >= 0)
        close(link->fd);
    link->fd = -1;
}

int link_is_connected(const struct link *link)
{
    return link->fd >= 0 && link->pid == getpid();
}

int link_is_forked(const struct link *link)
{
    return link->fd >= 0 && link->pid != getpid();
}

int link_lost_engine(const struct link *link)
{
    struct pollfd entry = { .fd = link->fd, .events = 0 };

    return poll(&entry, 1, 0) == 1 && (entry.revents & (POLLHUP | POLLERR));
}

/* An order that is lost could be waited for without end, and a lack of memory passes. */
void link_send(struct link *link, const struct order *order)
{
    if (!link_is_connected(link))
        return;
    while (send(link->fd, order, sizeof *order, MSG_NOSIGNAL) < 0
           && (errno == EINTR || errno == ENOBUFS || errno == ENOMEM))
        poll(NULL, 0, 1);
    journal_ordered(&link->journal);
}

/* Memory for a message: a lack of it passes, and the message waits in the socket. */
static struct message *new_message(void)
{
    struct message *message;

    while (!(message = malloc(sizeof *message)))
        poll(NULL, 0, 1);
    return message;
}

/* The list is short: the socket holds some hundred messages. */
static void append(struct link *link, struct message *message)
{
    struct message **at = &link->first;

    while (*at)
        at = &(*at)->next;
    *at = message;
}

int link_receive(struct link *link)
{
    struct message *const message = new_message();
    const ssize_t got =
        receive_packet(link->fd, &message->event, sizeof message->event, message->fds, &message->fd_count, 0);

    if (got != sizeof message->event) {
        free(message);
        link->closed = 1;
        return 0;
    }
    link->view.received++;
    message->next = NULL;
    append(link, message);
    return 1;
}

/* What was `current` has been dealt with. */
static void set_current(struct link *link, const struct message *message)
{
    drop(&link->current);
    link->current = *message;
}

static int is_reply(const struct event *event, uint32_t number)
{
    return (event->kind == EVENT_REPLY || event->kind == EVENT_STATS) && event->question == number;
}

/* Makes the reply `current`: 1, or 0 when it is not there yet. */
static int take_reply(struct link *link, uint32_t number)
{
    for (struct message **at = &link->first; *at; at = &(*at)->next) {
        struct message *const reply = *at;

        if (!is_reply(&reply->event, number))
            continue;
        *at = reply->next;
        set_current(link, reply);
        free(reply);
        return 1;
    }
    return 0;
}

int link_request(struct link *link, struct order *order)
{
    order->question = ++link->last_request;
    link_send(link, order);
    while (link_is_connected(link) && link_receive(link))
        if (take_reply(link, order->question))
            return 0;
    return -1;
}

/* Messages that were sent before an event come before it. */
static void receive_sent(struct link *link)
{
    while (!link->closed && journal_has_messages(&link->view) && link_receive(link))
        continue;
}

/* From the start on the events are this process's to read. */
static void take_first(struct link *link)
{
    struct message *const message = link->first;

    link->first = message->next;
    set_current(link, message);
    free(message);
    if (link->current.event.kind != EVENT_START || link->view.reading != JOURNAL_LOOKS_AHEAD)
        return;
    link->view.reading = JOURNAL_READS;
    link->view.skipped = 0; /* of those that it could not look at ahead, the old script process knows */
}

/* The ends that were delivered to the old script process are this one's to know before it begins, too. */
static int is_start(const struct link *link)
{
    return link->first->event.kind == EVENT_START && link->view.reading == JOURNAL_LOOKS_AHEAD;
}

/* The engine may sleep for long, and the memory of what has been read waits for it. */
static void answer_look(struct link *link)
{
    const struct order order = { .kind = ORDER_LOOK };

    if (journal_is_to_look(&link->view))
        link_send(link, &order);
}

/* A forked process does not come here: it cannot wait. To ask for the pid would be a system call for each event. */
int link_next(struct link *link)
{
    if (link->fd < 0)
        return 0;
    if (link->dealt >= A_TURN) {
        answer_look(link);
        return 0;
    }
    journal_see(&link->view);
    if (!link->first)
        receive_sent(link);
    drop(&link->current);
    if (link->first && (!is_start(link) || !journal_read_seen(&link->view, &link->current.event)))
        take_first(link);
    if (link->current.event.kind != EVENT_NONE)
        return 1;
    if (journal_read_seen(&link->view, &link->current.event)) {
        link->dealt++;
        return 1;
    }
    answer_look(link);
    return 0;
}

int link_has_something(const struct link *link)
{
    return link->fd >= 0
           && (link->first || (!link->closed && journal_has_messages(&link->view)) || journal_is_readable(&link->view));
}

int link_has_ended(const struct link *link)
{
    return link->closed && !link->end_is_told && !link_has_something(link);
}

int link_take_fd(struct link *link, enum event_flag flag)
{
    struct message *const message = &link->current;

    if (!(message->event.flags & flag))
        return -1;
    for (int i = 0; i < message->fd_count; i++) {
        const int fd = message->fds[i];

        message->fds[i] = -1;
        if (fd >= 0)
            return fd;
    }
    return -1;
}
