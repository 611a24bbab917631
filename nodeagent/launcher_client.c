#include "nodeagent/launcher_client.h"

#include "nodeagent/launcher/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

struct request {
    struct request *next;
    uint32_t tag;
    enum status preset; /* what came out before anything was sent */
    launcher_on_reply on_reply;
    void *argument;
};

struct launcher_client {
    uv_poll_t poll;
    uv_timer_t timer; /* answers what failed at once, from the loop */
    int fd;
    struct launcher_client_handlers handlers;
    void *argument;
    uint32_t last_tag;
    struct request *requests;
    struct channel_message message;
    unsigned handles_open, calls;
    bool closing, broken;
};

enum status launcher_client_inherited(int *ret_fd)
{
    const char *text = getenv(CHANNEL_ENVIRONMENT);
    char *end;
    long fd;
    int type;
    socklen_t size = sizeof type;

    if (!text || !*text) {
        return STATUS_NOT_FOUND;
    }
    fd = strtol(text, &end, 10);
    if (*end || fd < 3 || fd > 1024 ||
        getsockopt((int)fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type != SOCK_SEQPACKET ||
        fcntl((int)fd, F_SETFD, FD_CLOEXEC) != 0) {
        return STATUS_NOT_FOUND;
    }
    *ret_fd = (int)fd;
    return STATUS_OK;
}

static void client_maybe_free(struct launcher_client *client)
{
    if (!client->closing || client->handles_open || client->calls) {
        return;
    }
    while (client->requests) {
        struct request *request = client->requests;

        client->requests = request->next;
        free(request);
    }
    channel_message_free(&client->message);
    (void)close(client->fd);
    free(client);
}

static void handle_closed(uv_handle_t *handle)
{
    struct launcher_client *client = handle->data;

    client->handles_open--;
    client_maybe_free(client);
}

void launcher_client_close(struct launcher_client *client)
{
    if (!client || client->closing) {
        return;
    }
    client->closing = true;
    uv_close((uv_handle_t *)&client->poll, handle_closed);
    uv_close((uv_handle_t *)&client->timer, handle_closed);
}

static struct request *request_take(struct launcher_client *client, struct request **at)
{
    struct request *request = *at;

    (void)client;
    *at = request->next;
    return request;
}

/* Frees the request. */
static void request_answer(struct launcher_client *client, struct request *request,
                           const struct launcher_reply *reply)
{
    launcher_on_reply on_reply = request->on_reply;
    void *argument = request->argument;

    free(request);
    if (on_reply && !client->closing) {
        on_reply(argument, reply);
        return;
    }
    for (unsigned i = 0; i < VM_FD_COUNT; i++) {
        if (reply->fds[i] >= 0) {
            (void)close(reply->fds[i]);
        }
    }
}

static void client_break(struct launcher_client *client, enum status status)
{
    static const struct refusal nothing;
    const struct launcher_reply reply = {status, &nothing, {-1, -1, -1}};

    client->broken = true;
    (void)uv_poll_stop(&client->poll);
    while (client->requests && !client->closing) {
        request_answer(client, request_take(client, &client->requests), &reply);
    }
    if (!client->closing && client->handlers.on_closed) {
        client->handlers.on_closed(client->argument, status);
    }
}

static enum status take_answer(struct launcher_client *client, const struct launcher_notice *notice)
{
    struct launcher_reply reply = {notice->status, &notice->refusal, {-1, -1, -1}};
    struct request **at = &client->requests;
    struct channel_message *message = &client->message;

    while (*at && (*at)->tag != notice->tag) {
        at = &(*at)->next;
    }
    if (!*at || (message->fd_count != 0 && message->fd_count != VM_FD_COUNT)) {
        return STATUS_MALFORMED;
    }
    if (message->fd_count == VM_FD_COUNT) {
        memcpy(reply.fds, message->fds, sizeof reply.fds);
        message->fd_count = 0;
    }
    request_answer(client, request_take(client, at), &reply);
    return STATUS_OK;
}

static enum status take_notice(struct launcher_client *client)
{
    struct channel_message *message = &client->message;
    struct launcher_notice notice;

    TRY(launcher_notice_parse((struct view){message->data, message->size}, &notice));
    switch (notice.kind) {
    case LAUNCHER_ANSWER:
        return take_answer(client, &notice);
    case LAUNCHER_INVENTORY:
        if (message->fd_count != launcher_notice_fd_count(&notice)) {
            return STATUS_MALFORMED;
        }
        if (client->handlers.on_inventory) {
            message->fd_count = 0;
            client->handlers.on_inventory(client->argument, &notice, message->fds);
        }
        return STATUS_OK;
    case LAUNCHER_STATE:
    case LAUNCHER_GONE:
        if (client->handlers.on_notice) {
            client->handlers.on_notice(client->argument, &notice);
        }
        return STATUS_OK;
    }
    return STATUS_MALFORMED;
}

static void on_poll(uv_poll_t *handle, int status, int events)
{
    struct launcher_client *client = handle->data;
    enum status result = status < 0 ? STATUS_IO : STATUS_OK;

    (void)events;
    client->calls++;
    while (result == STATUS_OK && !client->closing) {
        result = channel_receive(client->fd, &client->message);
        if (result == STATUS_OK) {
            result = take_notice(client);
            channel_message_close_fds(&client->message);
        }
    }
    if (result != STATUS_OK && result != STATUS_BUSY && !client->closing) {
        client_break(client, result);
    }
    client->calls--;
    client_maybe_free(client);
}

static void on_timer(uv_timer_t *timer)
{
    struct launcher_client *client = timer->data;
    static const struct refusal nothing;
    struct request **at = &client->requests;

    client->calls++;
    while (*at && !client->closing) {
        struct launcher_reply reply = {(*at)->preset, &nothing, {-1, -1, -1}};

        if (reply.status == STATUS_OK) {
            at = &(*at)->next;
            continue;
        }
        request_answer(client, request_take(client, at), &reply);
        at = &client->requests;
    }
    client->calls--;
    client_maybe_free(client);
}

void launcher_client_request(struct launcher_client *client, struct launcher_request *request,
                             const int *fds, launcher_on_reply on_reply, void *argument)
{
    struct request *waiting = calloc(1, sizeof *waiting), **at = &client->requests;
    OWN(bytes) struct bytes message = {0};

    /* Without these few bytes nobody could be told of anything. */
    ASSERT(waiting);
    request->tag = ++client->last_tag;
    *waiting = (struct request){.tag = request->tag, .on_reply = on_reply, .argument = argument};
    while (*at) {
        at = &(*at)->next;
    }
    *at = waiting;
    waiting->preset = client->broken ? STATUS_CLOSED : launcher_request_encode(request, &message);
    if (waiting->preset == STATUS_OK) {
        waiting->preset =
            channel_send(client->fd, bytes_view(&message), fds, launcher_request_fd_count(request));
    }
    if (waiting->preset != STATUS_OK) {
        (void)uv_timer_start(&client->timer, on_timer, 0, 0);
    }
}

void launcher_client_forget(struct launcher_client *client, const void *argument)
{
    for (struct request *request = client->requests; request; request = request->next) {
        if (request->argument == argument) {
            request->on_reply = NULL;
        }
    }
}

enum status launcher_client_open(struct uv_loop_s *loop, int fd,
                                 const struct launcher_client_handlers *handlers, void *argument,
                                 struct launcher_client **ret_client)
{
    struct launcher_client *client = calloc(1, sizeof *client);

    if (!client) {
        return STATUS_NO_MEMORY;
    }
    client->fd = fd;
    client->handlers = *handlers;
    client->argument = argument;
    if (channel_message_new(&client->message) != STATUS_OK ||
        uv_poll_init(loop, &client->poll, fd) != 0) {
        channel_message_free(&client->message);
        free(client);
        return STATUS_IO;
    }
    client->poll.data = client;
    ASSERT(uv_timer_init(loop, &client->timer) == 0);
    client->timer.data = client;
    client->handles_open = 2;
    (void)uv_poll_start(&client->poll, UV_READABLE, on_poll);
    *ret_client = client;
    return STATUS_OK;
}
