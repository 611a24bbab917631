/*
 * Datagrams with descriptors over the socketpair between launcher and agent. Both ends use it;
 * never blocks.
 */
#ifndef TCCP_NODEAGENT_LAUNCHER_CHANNEL_H
#define TCCP_NODEAGENT_LAUNCHER_CHANNEL_H

#include "nodeagent/launcher/message.h"

/* Room for what a stopped reader leaves behind; the kernel may grant less. */
enum { CHANNEL_BUFFER_SIZE = 4 * 1024 * 1024 };

/* The agent finds its end's number in this environment variable. */
#define CHANNEL_ENVIRONMENT "TCCP_LAUNCHER_FD"

struct channel_message {
    uint8_t *data; /* LAUNCHER_MESSAGE_SIZE_MAX bytes of room */
    size_t size;
    int fds[LAUNCHER_FDS_MAX]; /* owned by whoever received the message; -1 where there is none */
    unsigned fd_count;
};

WARN_UNUSED enum status channel_message_new(struct channel_message *ret_message);
/* Closes the descriptors that are still there; TAKE() or set to -1 those that are kept. */
void channel_message_close_fds(struct channel_message *message);
void channel_message_free(struct channel_message *message);
DEFINE_OWN_VALUE(channel_message, channel_message_free)

/* Two connected ends, close-on-exec and non-blocking. */
WARN_UNUSED enum status channel_pair(int ret_ends[2]);

/* STATUS_BUSY when the other side does not read; STATUS_CLOSED when it is gone. */
WARN_UNUSED enum status channel_send(int end, struct view message, const int *fds,
                                     unsigned fd_count);
/* STATUS_BUSY when there is nothing; STATUS_CLOSED; STATUS_MALFORMED when the message or its
 * descriptors were too many and were dropped. */
WARN_UNUSED enum status channel_receive(int end, struct channel_message *message);

#endif
