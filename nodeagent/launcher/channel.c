#include "nodeagent/launcher/channel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* One descriptor more than allowed still fits, so that too many are seen, not cut off in silence.
 */
enum { CONTROL_SIZE = CMSG_SPACE((LAUNCHER_FDS_MAX + 1) * sizeof(int)) };

union control {
    struct cmsghdr header;
    char space[CONTROL_SIZE];
};

enum status channel_message_new(struct channel_message *ret_message)
{
    uint8_t *data = malloc(LAUNCHER_MESSAGE_SIZE_MAX);

    if (!data) {
        return STATUS_NO_MEMORY;
    }
    *ret_message = (struct channel_message){.data = data};
    return STATUS_OK;
}

void channel_message_close_fds(struct channel_message *message)
{
    for (unsigned i = 0; i < message->fd_count; i++) {
        if (message->fds[i] >= 0) {
            (void)close(message->fds[i]);
        }
    }
    message->fd_count = 0;
}

void channel_message_free(struct channel_message *message)
{
    channel_message_close_fds(message);
    free(message->data);
    *message = (struct channel_message){0};
}

enum status channel_pair(int ret_ends[2])
{
    const int size = CHANNEL_BUFFER_SIZE;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ret_ends) != 0) {
        return STATUS_IO;
    }
    for (unsigned i = 0; i < 2; i++) {
        /* SO_SNDBUFFORCE needs a privilege that only one side has. */
        if (setsockopt(ret_ends[i], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size) != 0) {
            (void)setsockopt(ret_ends[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
        }
    }
    return STATUS_OK;
}

enum status channel_send(int end, struct view message, const int *fds, unsigned fd_count)
{
    union control control = {0};
    struct iovec vector = {(void *)(uintptr_t)message.data, message.size};
    struct msghdr header = {.msg_iov = &vector, .msg_iovlen = 1};
    ssize_t size;

    ASSERT(fd_count <= LAUNCHER_FDS_MAX);
    if (fd_count) {
        header.msg_control = control.space;
        header.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(fd_count * sizeof(int));
        memcpy(CMSG_DATA(&control.header), fds, fd_count * sizeof(int));
    }
    do {
        size = sendmsg(end, &header, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (size < 0 && errno == EINTR);
    if (size == (ssize_t)message.size) {
        return STATUS_OK;
    }
    if (errno == EAGAIN || errno == ENOBUFS) {
        return STATUS_BUSY;
    }
    return errno == EPIPE || errno == ECONNRESET ? STATUS_CLOSED : STATUS_IO;
}

static void take_fds(struct msghdr *header, struct channel_message *message, bool *ret_too_many)
{
    for (struct cmsghdr *at = CMSG_FIRSTHDR(header); at; at = CMSG_NXTHDR(header, at)) {
        size_t count;

        if (at->cmsg_level != SOL_SOCKET || at->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        count = (at->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;

            memcpy(&fd, CMSG_DATA(at) + i * sizeof(int), sizeof fd);
            if (message->fd_count < LAUNCHER_FDS_MAX) {
                message->fds[message->fd_count++] = fd;
            } else {
                (void)close(fd);
                *ret_too_many = true;
            }
        }
    }
}

enum status channel_receive(int end, struct channel_message *message)
{
    union control control;
    struct iovec vector = {message->data, LAUNCHER_MESSAGE_SIZE_MAX};
    struct msghdr header = {.msg_iov = &vector,
                            .msg_iovlen = 1,
                            .msg_control = control.space,
                            .msg_controllen = sizeof control.space};
    bool too_many = false;
    ssize_t size;

    ASSERT(message->fd_count == 0);
    do {
        size = recvmsg(end, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    } while (size < 0 && errno == EINTR);
    if (size < 0) {
        return errno == EAGAIN ? STATUS_BUSY : errno == ECONNRESET ? STATUS_CLOSED : STATUS_IO;
    }
    take_fds(&header, message, &too_many);
    /* Nobody sends an empty datagram: it is the end. */
    if (size == 0) {
        channel_message_close_fds(message);
        return STATUS_CLOSED;
    }
    if (too_many || (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC))) {
        channel_message_close_fds(message);
        return STATUS_MALFORMED;
    }
    message->size = (size_t)size;
    return STATUS_OK;
}
