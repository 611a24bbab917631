#include "nodeagent/qmp.h"

#include "lib/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

enum {
    RECEIVE_CHUNK = 16 * 1024,
    ID_TEXT_SIZE = 48,
    /* Any byte that is no JSON makes QEMU's lexer drop what it holds of an unfinished command. */
    LEXER_RESET = 0xff,
};

struct request {
    struct request *next;
    uint64_t number;
    uint64_t deadline_ms; /* loop time */
    enum status preset;   /* what to answer at the deadline */
    bool abandoned;       /* has been answered with a timeout; waits for QEMU's late answer */
    struct bytes line;
    size_t sent;
    int passed_fd;
    qmp_on_reply on_reply;
    void *argument;
};

struct qmp {
    uv_poll_t poll;
    uv_timer_t timer;
    int fd;
    enum qmp_start start;
    struct qmp_handlers handlers;
    void *argument;
    uint32_t session; /* random: replies to an earlier agent's commands are told from ours */
    uint64_t last_number;
    unsigned outstanding;
    bool ready, broken, closing;
    enum status broken_status;
    unsigned handles_open, calls; /* freed when both reach 0 and it is closing */
    struct request *requests;     /* sent or to be sent, oldest first */
    uint8_t *received;
    size_t received_size, received_capacity;
    bool skipping; /* QMP_RESUMED: before the reply that tells us where we are */
};

static void qmp_update(struct qmp *qmp);

static void request_free(struct request *request)
{
    if (request->passed_fd >= 0) {
        (void)close(request->passed_fd);
    }
    bytes_free(&request->line);
    free(request);
}

static void qmp_maybe_free(struct qmp *qmp)
{
    if (!qmp->closing || qmp->handles_open || qmp->calls) {
        return;
    }
    while (qmp->requests) {
        struct request *request = qmp->requests;

        qmp->requests = request->next;
        request_free(request);
    }
    (void)close(qmp->fd);
    free(qmp->received);
    free(qmp);
}

static void request_unlink(struct qmp *qmp, struct request *request)
{
    struct request **at = &qmp->requests;

    while (*at != request) {
        at = &(*at)->next;
    }
    *at = request->next;
    qmp->outstanding--;
}

static void request_answer(struct qmp *qmp, struct request *request, const struct qmp_reply *reply)
{
    qmp_on_reply on_reply = request->on_reply;

    request->on_reply = NULL;
    if (on_reply && !qmp->closing) {
        on_reply(request->argument, reply);
    }
}

/* The conversation is over: everybody who waits is told, then the owner. Happens in a handler of
 * the loop, never inside a call of the owner's. */
static void qmp_break(struct qmp *qmp, enum status status)
{
    if (qmp->broken || qmp->closing) {
        return;
    }
    qmp->broken = true;
    qmp->broken_status = status;
    (void)uv_poll_stop(&qmp->poll);
    (void)uv_timer_stop(&qmp->timer);
    while (qmp->requests && !qmp->closing) {
        struct request *request = qmp->requests;
        const struct qmp_reply reply = {
            .status = request->preset == STATUS_TIMEOUT ? status : request->preset,
            .error = status_text(status)};

        request_unlink(qmp, request);
        request_answer(qmp, request, &reply);
        request_free(request);
    }
    if (!qmp->closing && qmp->handlers.on_closed) {
        qmp->handlers.on_closed(qmp->argument, status);
    }
}

static void handle_closed(uv_handle_t *handle)
{
    struct qmp *qmp = handle->data;

    qmp->handles_open--;
    qmp_maybe_free(qmp);
}

void qmp_close(struct qmp *qmp)
{
    if (!qmp || qmp->closing) {
        return;
    }
    qmp->closing = true;
    uv_close((uv_handle_t *)&qmp->poll, handle_closed);
    uv_close((uv_handle_t *)&qmp->timer, handle_closed);
}

/* --- sending --- */

static ssize_t send_with_fd(int socket_fd, struct view data, int passed_fd)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec vector = {(void *)(uintptr_t)data.data, data.size};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};

    if (passed_fd >= 0) {
        struct cmsghdr *header = &control.header;

        message.msg_control = control.space;
        message.msg_controllen = sizeof control.space;
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(header), &passed_fd, sizeof(int));
    }
    return sendmsg(socket_fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Only the negotiation itself goes out before the connection is ready. */
static bool request_may_go(const struct qmp *qmp, const struct request *request)
{
    return (qmp->ready || request->number == 1) && request->preset == STATUS_TIMEOUT &&
           request->sent < request->line.size;
}

/* STATUS_BUSY while the socket takes no more. */
static enum status qmp_flush(struct qmp *qmp)
{
    for (struct request *request = qmp->requests; request; request = request->next) {
        while (request_may_go(qmp, request)) {
            ssize_t size = send_with_fd(qmp->fd,
                                        (struct view){request->line.data + request->sent,
                                                      request->line.size - request->sent},
                                        request->passed_fd);

            if (size < 0) {
                if (errno == EINTR) {
                    continue;
                }
                if (errno == EAGAIN || errno == EWOULDBLOCK) {
                    return STATUS_BUSY;
                }
                return errno == EPIPE || errno == ECONNRESET ? STATUS_CLOSED : STATUS_IO;
            }
            request->sent += (size_t)size;
            if (request->passed_fd >= 0) {
                (void)close(request->passed_fd);
                request->passed_fd = -1;
            }
        }
    }
    return STATUS_OK;
}

static struct request *request_add(struct qmp *qmp, unsigned timeout_ms, qmp_on_reply on_reply,
                                   void *argument)
{
    struct request *request = calloc(1, sizeof *request);
    struct request **at = &qmp->requests;

    /* A handful of bytes: without them nobody could be told of anything any more. */
    ASSERT(request);
    *request = (struct request){.number = ++qmp->last_number,
                                .deadline_ms = uv_now(qmp->timer.loop) + timeout_ms,
                                .preset = STATUS_TIMEOUT,
                                .passed_fd = -1,
                                .on_reply = on_reply,
                                .argument = argument};
    while (*at) {
        at = &(*at)->next;
    }
    *at = request;
    qmp->outstanding++;
    return request;
}

static enum status request_fill(struct qmp *qmp, struct request *request, const char *command,
                                const struct qmp_arguments *arguments, int passed_fd)
{
    char id[ID_TEXT_SIZE];

    if (qmp->broken) {
        return qmp->broken_status;
    }
    if (qmp->outstanding > QMP_OUTSTANDING_MAX) {
        return STATUS_BUSY;
    }
    (void)snprintf(id, sizeof id, "%08" PRIx32 "-%" PRIu64, qmp->session, request->number);
    TRY(qmp_command_encode(command, id, arguments, &request->line));
    if (passed_fd >= 0) {
        request->passed_fd = fcntl(passed_fd, F_DUPFD_CLOEXEC, 0);
        return request->passed_fd >= 0 ? STATUS_OK : STATUS_IO;
    }
    return STATUS_OK;
}

void qmp_execute(struct qmp *qmp, const char *command, struct qmp_arguments *arguments,
                 int passed_fd, unsigned timeout_ms, qmp_on_reply on_reply, void *argument)
{
    struct request *request = request_add(qmp, timeout_ms, on_reply, argument);
    enum status status = request_fill(qmp, request, command, arguments, passed_fd);

    qmp_arguments_free(arguments);
    if (status != STATUS_OK) {
        /* Answered by the timer, so that the caller is never called back from inside its call. */
        request->preset = status;
        request->deadline_ms = 0;
    }
    qmp_update(qmp);
}

void qmp_forget(struct qmp *qmp, const void *argument)
{
    for (struct request *request = qmp->requests; request; request = request->next) {
        if (request->argument == argument) {
            request->on_reply = NULL;
        }
    }
}

/* --- receiving --- */

static void negotiated(void *argument, const struct qmp_reply *reply)
{
    struct qmp *qmp = argument;

    /* An earlier agent negotiated already: QEMU says so with an error, and all is well. */
    if (reply->status == STATUS_OK ||
        (reply->status == STATUS_REFUSED && qmp->start == QMP_RESUMED)) {
        qmp->skipping = false;
        qmp->ready = true;
        if (qmp->handlers.on_ready) {
            qmp->handlers.on_ready(qmp->argument);
        }
        return;
    }
    qmp_break(qmp, reply->status == STATUS_REFUSED ? STATUS_MALFORMED : reply->status);
}

/* True when the id is one that this client gave. */
static bool id_parse(const struct qmp *qmp, const char *id, uint64_t *ret_number)
{
    uint32_t session;
    char rest;

    return sscanf(id, "%8" SCNx32 "-%" SCNu64 "%c", &session, ret_number, &rest) == 2 &&
           session == qmp->session;
}

static enum status qmp_take_reply(struct qmp *qmp, const struct qmp_message *message)
{
    const bool held = message->kind == QMP_RETURN;
    struct qmp_reply reply = {.status = held ? STATUS_OK : STATUS_REFUSED,
                              .error = held ? status_text(STATUS_OK) : message->description,
                              .value = message->value};
    struct request *request = qmp->requests;
    uint64_t number;

    if (!id_parse(qmp, message->id, &number)) {
        /* What was still on its way to an earlier agent, and the lexer's answer to being reset. */
        return qmp->start == QMP_RESUMED ? STATUS_OK : STATUS_MALFORMED;
    }
    while (request && request->number != number) {
        request = request->next;
    }
    if (!request || request->sent < request->line.size) {
        return STATUS_MALFORMED;
    }
    request_unlink(qmp, request);
    if (!request->abandoned) {
        request_answer(qmp, request, &reply);
    }
    request_free(request);
    return STATUS_OK;
}

static enum status qmp_take_line(struct qmp *qmp, struct view line)
{
    OWN(qmp_message) struct qmp_message *message = NULL;
    enum status status = qmp_message_parse(line, &message);

    if (status == STATUS_MALFORMED && qmp->skipping) {
        /* The second half of a line whose first half went to an earlier agent. */
        return STATUS_OK;
    }
    TRY(status);
    switch (message->kind) {
    case QMP_GREETING:
        if (qmp->last_number != 0) {
            return qmp->skipping ? STATUS_OK : STATUS_MALFORMED;
        }
        (void)uv_timer_stop(&qmp->timer);
        qmp_execute(qmp, "qmp_capabilities", NULL, -1, QMP_GREETING_TIMEOUT_MS, negotiated, qmp);
        return STATUS_OK;
    case QMP_EVENT:
        if (qmp->ready && qmp->handlers.on_event) {
            qmp->handlers.on_event(qmp->argument, message->name, message->value);
        }
        return STATUS_OK;
    case QMP_RETURN:
    case QMP_ERROR:
        return qmp_take_reply(qmp, message);
    }
    return STATUS_MALFORMED;
}

/* Takes whole lines off the front of what was received. */
static enum status qmp_take_lines(struct qmp *qmp)
{
    size_t from = 0;

    while (!qmp->closing && !qmp->broken) {
        const uint8_t *begin = qmp->received + from;
        const uint8_t *end = memchr(begin, '\n', qmp->received_size - from);
        struct view line;

        if (!end) {
            break;
        }
        line = (struct view){begin, (size_t)(end - begin)};
        from += line.size + 1;
        if (line.size && line.data[line.size - 1] == '\r') {
            line.size--;
        }
        TRY(qmp_take_line(qmp, line));
    }
    if (from) {
        memmove(qmp->received, qmp->received + from, qmp->received_size - from);
        qmp->received_size -= from;
    }
    return qmp->received_size > QMP_LINE_SIZE_MAX ? STATUS_TOO_LARGE : STATUS_OK;
}

static enum status qmp_receive(struct qmp *qmp)
{
    ssize_t size;

    if (qmp->received_capacity - qmp->received_size < RECEIVE_CHUNK) {
        size_t capacity = qmp->received_capacity * 2 + RECEIVE_CHUNK;
        uint8_t *grown = realloc(qmp->received, capacity);

        if (!grown) {
            return STATUS_NO_MEMORY;
        }
        qmp->received = grown;
        qmp->received_capacity = capacity;
    }
    /* Descriptors that QEMU might send along are not wanted, and the kernel drops them. */
    size = recv(qmp->fd, qmp->received + qmp->received_size,
                qmp->received_capacity - qmp->received_size, MSG_DONTWAIT);
    if (size < 0) {
        return errno == EAGAIN || errno == EINTR ? STATUS_OK
               : errno == ECONNRESET             ? STATUS_CLOSED
                                                 : STATUS_IO;
    }
    if (size == 0) {
        return STATUS_CLOSED;
    }
    qmp->received_size += (size_t)size;
    return qmp_take_lines(qmp);
}

/* --- the loop --- */

static void on_poll(uv_poll_t *handle, int status, int events)
{
    struct qmp *qmp = handle->data;
    enum status result = status < 0 ? STATUS_IO : STATUS_OK;

    qmp->calls++;
    if (result == STATUS_OK && (events & UV_READABLE)) {
        result = qmp_receive(qmp);
    }
    if (result != STATUS_OK) {
        qmp_break(qmp, result == STATUS_TOO_LARGE ? STATUS_MALFORMED : result);
    }
    qmp->calls--;
    qmp_update(qmp);
    qmp_maybe_free(qmp);
}

static void on_timer(uv_timer_t *timer)
{
    struct qmp *qmp = timer->data;
    uint64_t now = uv_now(timer->loop);
    struct request *request;

    qmp->calls++;
    if (qmp->last_number == 0) {
        qmp_break(qmp, STATUS_TIMEOUT);
    }
    /* From the start after each call: what it did to the list is not known. */
    do {
        for (request = qmp->requests; request; request = request->next) {
            if (!request->abandoned && request->deadline_ms <= now) {
                break;
            }
        }
        if (request && !qmp->closing) {
            const struct qmp_reply reply = {.status = request->preset,
                                            .error = status_text(request->preset)};
            const bool was_sent = request->sent > 0;

            /* One that is half out must go out whole: the stream has no other framing. */
            request->abandoned = was_sent;
            if (!was_sent) {
                request_unlink(qmp, request);
            }
            request_answer(qmp, request, &reply);
            if (!was_sent) {
                request_free(request);
            }
        }
    } while (request && !qmp->closing);
    qmp->calls--;
    qmp_update(qmp);
    qmp_maybe_free(qmp);
}

/* Sends what can be sent, and asks the loop for exactly what is waited for. */
static void qmp_update(struct qmp *qmp)
{
    enum status flushed;
    uint64_t next = UINT64_MAX, now = uv_now(qmp->timer.loop);

    if (qmp->closing) {
        return;
    }
    flushed = qmp->broken ? STATUS_OK : qmp_flush(qmp);
    if (!qmp->broken) {
        /* A broken socket shows on reading, where it is handled. */
        (void)uv_poll_start(&qmp->poll, UV_READABLE | (flushed == STATUS_BUSY ? UV_WRITABLE : 0),
                            on_poll);
    }
    for (const struct request *request = qmp->requests; request; request = request->next) {
        if (!request->abandoned && request->deadline_ms < next) {
            next = request->deadline_ms;
        }
    }
    if (next != UINT64_MAX) {
        (void)uv_timer_start(&qmp->timer, on_timer, next > now ? next - now : 0, 0);
    } else if (qmp->last_number != 0 || qmp->broken) {
        (void)uv_timer_stop(&qmp->timer);
    }
}

static enum status qmp_resume(struct qmp *qmp)
{
    static const uint8_t reset[] = {LEXER_RESET, '\n'};

    qmp->skipping = true;
    if (send(qmp->fd, reset, sizeof reset, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)sizeof reset) {
        return STATUS_IO;
    }
    qmp_execute(qmp, "qmp_capabilities", NULL, -1, QMP_GREETING_TIMEOUT_MS, negotiated, qmp);
    return STATUS_OK;
}

enum status qmp_open(struct uv_loop_s *loop, int fd, enum qmp_start start,
                     const struct qmp_handlers *handlers, void *argument, struct qmp **ret_qmp)
{
    struct qmp *qmp = calloc(1, sizeof *qmp);
    enum status status = STATUS_OK;

    if (!qmp) {
        return STATUS_NO_MEMORY;
    }
    qmp->fd = fd;
    qmp->start = start;
    qmp->handlers = *handlers;
    qmp->argument = argument;
    if (uv_random(NULL, NULL, &qmp->session, sizeof qmp->session, 0, NULL) != 0 ||
        uv_poll_init(loop, &qmp->poll, fd) != 0) {
        free(qmp);
        return STATUS_IO;
    }
    qmp->poll.data = qmp;
    ASSERT(uv_timer_init(loop, &qmp->timer) == 0);
    qmp->timer.data = qmp;
    qmp->handles_open = 2;
    uv_update_time(loop);
    if (start == QMP_RESUMED) {
        status = qmp_resume(qmp);
    } else {
        (void)uv_timer_start(&qmp->timer, on_timer, QMP_GREETING_TIMEOUT_MS, 0);
        qmp_update(qmp);
    }
    if (status != STATUS_OK) {
        /* The caller keeps its descriptor. */
        qmp->fd = -1;
        qmp_close(qmp);
        return status;
    }
    *ret_qmp = qmp;
    return STATUS_OK;
}
