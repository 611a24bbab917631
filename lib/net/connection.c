#include "lib/net/connection_internal.h"

#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
    HANDSHAKE_TIMEOUT_DEFAULT_MS = 5000,
    IDLE_TIMEOUT_DEFAULT_MS = 120000,
    USER_TIMEOUT_DEFAULT_MS = 15000,
    CLOSE_TIMEOUT_DEFAULT_MS = 2000,
    QUEUE_HIGH_DEFAULT = 1024 * 1024,
    QUEUE_LOW_DEFAULT = 256 * 1024,
    QUEUE_MAX_DEFAULT = 16 * 1024 * 1024,
    KEEPALIVE_S = 15,
    READ_SIZE = 64 * 1024,
    TURN_SIZE_MAX = 256 * 1024, /* read before the others have their turn */
    PLAIN_SIZE = 16 * 1024,     /* one TLS record */
    FLUSH_SLICE = 256 * 1024,   /* encrypted at a time */
    HANDSHAKE_KEPT_MAX = 64 * 1024,
};

/* --- making one --- */

static void limits_fill(struct connection_limits *limits)
{
    static const struct connection_limits defaults = {
        .handshake_timeout_ms = HANDSHAKE_TIMEOUT_DEFAULT_MS,
        .idle_timeout_ms = IDLE_TIMEOUT_DEFAULT_MS,
        .user_timeout_ms = USER_TIMEOUT_DEFAULT_MS,
        .close_timeout_ms = CLOSE_TIMEOUT_DEFAULT_MS,
        .queue_high = QUEUE_HIGH_DEFAULT,
        .queue_low = QUEUE_LOW_DEFAULT,
        .queue_max = QUEUE_MAX_DEFAULT,
        .frame_size_max = FRAME_SIZE_MAX_BEFORE_AUTHENTICATION,
    };

#define FILL(field) limits->field = limits->field ? limits->field : defaults.field
    FILL(handshake_timeout_ms);
    FILL(idle_timeout_ms);
    FILL(user_timeout_ms);
    FILL(close_timeout_ms);
    FILL(queue_high);
    FILL(queue_low);
    FILL(queue_max);
    FILL(frame_size_max);
#undef FILL
}

static void on_work(uv_idle_t *idle);
static void on_timer(uv_timer_t *timer);

enum status connection_new(uv_loop_t *loop, bool is_unix, const struct connection_limits *limits,
                           const struct connection_callbacks *callbacks, void *argument,
                           struct connection **ret_connection)
{
    struct connection *connection = calloc(1, sizeof *connection);

    if (!connection) {
        return STATUS_NO_MEMORY;
    }
    if ((is_unix ? uv_pipe_init(loop, &connection->socket.pipe, 0)
                 : uv_tcp_init(loop, &connection->socket.tcp)) != 0) {
        free(connection);
        return STATUS_IO;
    }
    (void)uv_timer_init(loop, &connection->timer);
    (void)uv_idle_init(loop, &connection->work);
    connection->socket.handle.data = connection->timer.data = connection->work.data = connection;
    connection->handles_open = 3;
    connection->references = 1;
    connection->limits = *limits;
    limits_fill(&connection->limits);
    connection->callbacks = *callbacks;
    connection->argument = argument;
    connection->peer.is_local = is_unix;
    frame_decoder_init(&connection->decoder, connection->limits.frame_size_max);
    (void)uv_timer_start(&connection->timer, on_timer, connection->limits.handshake_timeout_ms, 0);
    *ret_connection = connection;
    return STATUS_OK;
}

static void socket_set_options(struct connection *connection)
{
    unsigned timeout_ms = connection->limits.user_timeout_ms;
    struct ucred credentials;
    socklen_t size = sizeof credentials;
    int fd;

    if (uv_fileno(&connection->socket.handle, &fd) != 0) {
        return;
    }
    if (!connection->peer.is_local) {
        /* A peer that vanished must not hold our answers for the quarter of an hour that TCP would
         * try, nor a connection that has nothing to say; failure to say so only costs time. */
        (void)uv_tcp_nodelay(&connection->socket.tcp, 1);
        (void)uv_tcp_keepalive(&connection->socket.tcp, 1, KEEPALIVE_S);
        (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof timeout_ms);
        return;
    }
    connection->peer.uid = (uid_t)-1;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0) {
        connection->peer.uid = credentials.uid;
        connection->peer.pid = credentials.pid;
    }
}

static char *peer_address_text(const struct connection *connection)
{
    struct sockaddr_storage storage;
    struct address address = {0};
    char text[ADDRESS_TEXT_SIZE];
    int size = sizeof storage;

    if (connection->peer.is_local) {
        return strdup("unix");
    }
    if (uv_tcp_getpeername(&connection->socket.tcp, (struct sockaddr *)&storage, &size) != 0) {
        return strdup("unknown");
    }
    if (storage.ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&storage;

        (void)uv_ip6_name(in6, address.host, sizeof address.host);
        address.port = ntohs(in6->sin6_port);
    } else {
        const struct sockaddr_in *in4 = (const struct sockaddr_in *)&storage;

        (void)uv_ip4_name(in4, address.host, sizeof address.host);
        address.port = ntohs(in4->sin_port);
    }
    address_format(&address, text);
    return strdup(text);
}

/* --- reading --- */

static void on_allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_buffer)
{
    (void)handle, (void)suggested;
    /* Held for the length of one read only, so that idle connections hold none. */
    ret_buffer->base = malloc(READ_SIZE);
    ret_buffer->len = ret_buffer->base ? READ_SIZE : 0;
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer);

static void reading_update(struct connection *connection)
{
    bool is_wanted = false;

    switch (connection->phase) {
    case PHASE_HANDSHAKE:
        is_wanted = true;
        break;
    case PHASE_OPEN:
        is_wanted = connection->pauses == 0 && !connection->is_congested;
        break;
    case PHASE_CLOSING:
        is_wanted = !connection->has_eof;
        break;
    case PHASE_CONNECTING:
    case PHASE_GONE:
        break;
    }
    if (is_wanted == connection->is_reading) {
        return;
    }
    connection->is_reading = is_wanted;
    if (!is_wanted) {
        (void)uv_read_stop(&connection->socket.stream);
    } else if (uv_read_start(&connection->socket.stream, on_allocate, on_read) != 0) {
        connection_drop(connection, STATUS_IO, "cannot read from the socket");
    }
}

static bool frames_may_be_delivered(const struct connection *connection)
{
    return connection->phase == PHASE_OPEN && connection->pauses == 0;
}

/* Returns true when more input is needed. */
static bool frames_deliver(struct connection *connection)
{
    while (frames_may_be_delivered(connection)) {
        struct view frame = {NULL, 0};
        enum status status = frame_decoder_next(&connection->decoder, &frame);

        if (status == STATUS_OK) {
            connection->callbacks.on_frame(connection, connection->argument, frame);
            continue;
        }
        if (status == STATUS_NOT_READY) {
            frame_decoder_trim(&connection->decoder);
            return true;
        }
        connection_end(connection, status, "a frame of the peer is %s",
                       status == STATUS_TOO_LARGE ? "larger than its limit" : "malformed");
    }
    return false;
}

static void opened(struct connection *connection)
{
    connection->phase = PHASE_OPEN;
    connection->heard_ms = uv_now(connection->timer.loop);
    connection->peer.address = connection->peer_address;
    connection->peer.alpn = connection->tls ? tls_alpn(connection->tls) : "";
    if (connection->tls) {
        connection->peer.certificate = tls_peer_certificate(connection->tls);
    }
    (void)uv_timer_stop(&connection->timer);
    if (connection->limits.idle_timeout_ms != UINT_MAX) {
        (void)uv_timer_start(&connection->timer, on_timer, connection->limits.idle_timeout_ms, 0);
    }
    connection->is_reported = true;
    connection->callbacks.on_open(connection, connection->argument, &connection->peer);
}

/* Takes what the peer sent as far as it goes: records, then frames. */
static void input_process(struct connection *connection)
{
    uint8_t plain[PLAIN_SIZE];

    while (frames_deliver(connection) && connection->tls) {
        size_t size = 0;
        enum status status = tls_read(connection->tls, plain, sizeof plain, &size);

        if (status == STATUS_OK && size > 0) {
            status = frame_decoder_feed(&connection->decoder, (struct view){plain, size});
        } else if (status == STATUS_OK) {
            break;
        }
        if (status == STATUS_CLOSED) {
            connection_end(connection, STATUS_CLOSED, "closed by the peer");
        } else if (status != STATUS_OK) {
            connection_end(connection, status, "%s", tls_error(connection->tls));
        }
    }
    /* Alerts, key updates. */
    if (connection->tls && tls_output(connection->tls).size > 0) {
        connection_schedule(connection);
    }
}

static void input_take(struct connection *connection, struct view bytes)
{
    enum status status;

    if (!connection->tls) {
        status = frame_decoder_feed(&connection->decoder, bytes);
    } else {
        status = tls_feed(connection->tls, bytes);
    }
    if (connection->phase == PHASE_HANDSHAKE && connection->tls) {
        connection_flush(connection);
    }
    if (connection->phase == PHASE_CLOSING || connection->phase == PHASE_GONE) {
        return;
    }
    if (status != STATUS_OK) {
        connection_end(connection, status, "%s",
                       connection->tls ? tls_error(connection->tls) : status_text(status));
        return;
    }
    if (connection->phase == PHASE_HANDSHAKE && tls_is_open(connection->tls)) {
        opened(connection);
    }
    input_process(connection);
}

void connection_handshake(struct connection *connection)
{
    if (connection->phase == PHASE_HANDSHAKE) {
        input_take(connection, (struct view){NULL, 0});
    }
}

/* Those whom we accepted take turns: many at once would keep everybody else waiting. */
static void handshake_keep(struct connection *connection, struct view bytes)
{
    if (tls_kept(connection->tls) + bytes.size > HANDSHAKE_KEPT_MAX ||
        tls_keep(connection->tls, bytes) != STATUS_OK) {
        connection_drop(connection, STATUS_TOO_LARGE, "a TLS handshake of too many bytes");
    } else {
        listener_wait_turn(connection->listener, connection);
    }
}

static void input_arrived(struct connection *connection, struct view bytes)
{
    switch (connection->phase) {
    case PHASE_HANDSHAKE:
        if (connection->listener && connection->tls) {
            handshake_keep(connection, bytes);
            break;
        }
        input_take(connection, bytes);
        break;
    case PHASE_OPEN:
        input_take(connection, bytes);
        break;
    case PHASE_CONNECTING:
    case PHASE_CLOSING:
    case PHASE_GONE:
        /* What comes while we say goodbye is read, so that the goodbye is not lost to a reset, and
         * discarded. */
        break;
    }
}

/* libuv reads on for as long as there is something, up to 2 MiB: decrypting that takes
 * milliseconds.
 */
static void turn_count(struct connection *connection, size_t size)
{
    connection->turn_size += size;
    if (connection->phase == PHASE_OPEN && connection->is_reading &&
        connection->turn_size >= TURN_SIZE_MAX) {
        connection->is_reading = false;
        (void)uv_read_stop(&connection->socket.stream);
        connection_schedule(connection);
    }
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
    struct connection *connection = stream->data;

    if (size > 0) {
        connection->heard_ms = uv_now(stream->loop);
        input_arrived(connection, (struct view){(const uint8_t *)buffer->base, (size_t)size});
        turn_count(connection, (size_t)size);
    }
    free(buffer->base);
    if (size >= 0 || connection->phase == PHASE_GONE) {
        return;
    }
    connection->has_eof = true;
    connection->is_reading = false;
    (void)uv_read_stop(stream);
    if (connection->phase == PHASE_CLOSING) {
        connection_end_advance(connection);
    } else if (size == UV_EOF && !connection->tls && connection->decoder.size == 0) {
        connection_end(connection, STATUS_CLOSED, "closed by the peer");
    } else if (size == UV_EOF) {
        connection_drop(connection, STATUS_IO, "cut off by the peer");
    } else {
        connection_drop(connection, size == UV_ETIMEDOUT ? STATUS_TIMEOUT : STATUS_IO, "%s",
                        uv_strerror((int)size));
    }
}

/* --- writing --- */

static size_t queue_size(const struct connection *connection)
{
    return connection->plain.size + connection->writing_size;
}

static void congestion_update(struct connection *connection)
{
    size_t size = queue_size(connection);

    if (!connection->is_congested && size > connection->limits.queue_high) {
        connection->is_congested = true;
        connection_schedule(connection);
    } else if (connection->is_congested && size <= connection->limits.queue_low) {
        connection->is_congested = false;
        connection->was_congested = true;
        connection_schedule(connection);
    }
}

struct write {
    uv_write_t request;
    size_t size;
    uint8_t data[];
};

static void on_written(uv_write_t *request, int status)
{
    struct connection *connection = request->handle->data;
    struct write *write = request->data;

    connection->writing_size -= write->size;
    free(write);
    if (connection->phase == PHASE_GONE) {
        return;
    }
    if (status < 0) {
        connection_drop(connection, status == UV_ETIMEDOUT ? STATUS_TIMEOUT : STATUS_IO, "%s",
                        uv_strerror(status));
        return;
    }
    congestion_update(connection);
    connection_schedule(connection);
}

/* Sends the bytes, or hands a copy of what the socket does not take to libuv. */
static enum status bytes_send(struct connection *connection, struct view bytes)
{
    uv_buf_t buffer = uv_buf_init((char *)(uintptr_t)bytes.data, (unsigned)bytes.size);
    int sent = uv_try_write(&connection->socket.stream, &buffer, 1);
    struct write *write;

    if (sent < 0 && sent != UV_EAGAIN) {
        return STATUS_IO;
    }
    sent = sent < 0 ? 0 : sent;
    if ((size_t)sent == bytes.size) {
        return STATUS_OK;
    }
    write = malloc(sizeof *write + bytes.size - (size_t)sent);
    if (!write) {
        return STATUS_NO_MEMORY;
    }
    write->size = bytes.size - (size_t)sent;
    memcpy(write->data, bytes.data + sent, write->size);
    write->request.data = write;
    buffer = uv_buf_init((char *)write->data, (unsigned)write->size);
    if (uv_write(&write->request, &connection->socket.stream, &buffer, 1, on_written) != 0) {
        free(write);
        return STATUS_IO;
    }
    connection->writing_size += write->size;
    return STATUS_OK;
}

/* The next bytes for the network: at most FLUSH_SLICE of plaintext and what TLS makes of it. */
static enum status slice_send(struct connection *connection, size_t *plain_done)
{
    size_t size = connection->plain.size - *plain_done;
    struct view slice = {connection->plain.data + *plain_done,
                         size < FLUSH_SLICE ? size : FLUSH_SLICE};
    struct view output;

    *plain_done += slice.size;
    if (!connection->tls) {
        return bytes_send(connection, slice);
    }
    if (slice.size > 0) {
        TRY(tls_write(connection->tls, slice));
    }
    output = tls_output(connection->tls);
    if (output.size > 0) {
        TRY(bytes_send(connection, output));
        tls_output_sent(connection->tls, output.size);
    }
    return STATUS_OK;
}

void connection_flush(struct connection *connection)
{
    size_t done = 0;
    enum status status = STATUS_OK;

    /* One write at a time: what is sent meanwhile gathers and goes in fewer records. */
    while (connection->phase != PHASE_CONNECTING && connection->phase != PHASE_GONE &&
           connection->writing_size == 0 && status == STATUS_OK &&
           (done < connection->plain.size ||
            (connection->tls && tls_output(connection->tls).size > 0))) {
        status = slice_send(connection, &done);
    }
    if (done == connection->plain.size) {
        bytes_free(&connection->plain);
        connection->plain_capacity = 0;
    } else if (done > 0) {
        memmove(connection->plain.data, connection->plain.data + done,
                connection->plain.size - done);
        connection->plain.size -= done;
    }
    if (status != STATUS_OK) {
        connection_drop(connection, status, "cannot send: %s", status_text(status));
    } else {
        congestion_update(connection);
    }
}

static enum status plain_append(struct connection *connection, struct view content)
{
    size_t needed = connection->plain.size + FRAME_HEADER_SIZE + content.size;
    size_t capacity = connection->plain_capacity ? connection->plain_capacity : 256;
    uint8_t *at;

    if (needed > connection->plain_capacity) {
        while (capacity < needed) {
            capacity *= 2;
        }
        at = realloc(connection->plain.data, capacity);
        if (!at) {
            return STATUS_NO_MEMORY;
        }
        connection->plain.data = at;
        connection->plain_capacity = capacity;
    }
    at = connection->plain.data + connection->plain.size;
    frame_header(content.size, at);
    memcpy(at + FRAME_HEADER_SIZE, content.data, content.size);
    connection->plain.size = needed;
    return STATUS_OK;
}

enum status connection_send(struct connection *connection, struct view content)
{
    if (connection->phase != PHASE_OPEN) {
        return STATUS_CLOSED;
    }
    if (queue_size(connection) + content.size > connection->limits.queue_max) {
        connection_drop(connection, STATUS_BUSY, "the peer does not read what it is sent");
        return STATUS_BUSY;
    }
    TRY(plain_append(connection, content));
    congestion_update(connection);
    connection_schedule(connection);
    return STATUS_OK;
}

bool connection_is_congested(const struct connection *connection)
{
    return connection->is_congested;
}

/* --- turns --- */

void connection_schedule(struct connection *connection)
{
    if (connection->phase != PHASE_GONE) {
        (void)uv_idle_start(&connection->work, on_work);
    }
}

static void on_work(uv_idle_t *idle)
{
    struct connection *connection = idle->data;

    (void)uv_idle_stop(idle);
    connection->turn_size = 0;
    if (connection->is_new) {
        connection->is_new = false;
        opened(connection);
    }
    if (connection->phase == PHASE_OPEN) {
        input_process(connection);
    }
    connection_flush(connection);
    if (connection->phase == PHASE_OPEN && connection->was_congested) {
        connection->was_congested = false;
        if (connection->callbacks.on_drain) {
            connection->callbacks.on_drain(connection, connection->argument);
        }
    }
    if (connection->phase == PHASE_CLOSING) {
        connection_end_advance(connection);
    }
    reading_update(connection);
}

static void on_timer(uv_timer_t *timer)
{
    struct connection *connection = timer->data;
    uint64_t silent_ms = uv_now(timer->loop) - connection->heard_ms;

    switch (connection->phase) {
    case PHASE_CONNECTING:
        connection_drop(connection, STATUS_TIMEOUT, "cannot connect: timed out");
        break;
    case PHASE_HANDSHAKE:
        connection_drop(connection, STATUS_TIMEOUT, "the TLS handshake timed out");
        break;
    case PHASE_OPEN:
        /* Whom we do not listen to cannot be blamed for silence. */
        if (connection->pauses > 0) {
            silent_ms = 0;
        }
        if (silent_ms >= connection->limits.idle_timeout_ms) {
            connection_end(connection, STATUS_TIMEOUT, "idle for %u ms",
                           connection->limits.idle_timeout_ms);
        } else {
            (void)uv_timer_start(timer, on_timer, connection->limits.idle_timeout_ms - silent_ms,
                                 0);
        }
        break;
    case PHASE_CLOSING:
        connection_drop(connection, connection->reason, "%s", connection->detail);
        break;
    case PHASE_GONE:
        break;
    }
}

void connection_start(struct connection *connection)
{
    connection->phase = PHASE_HANDSHAKE;
    connection->heard_ms = uv_now(connection->timer.loop);
    socket_set_options(connection);
    connection->peer_address = peer_address_text(connection);
    if (!connection->peer_address) {
        connection_drop(connection, STATUS_NO_MEMORY, "out of memory");
        return;
    }
    if (connection->tls) {
        input_take(connection, (struct view){NULL, 0});
    } else {
        connection->is_new = true;
        connection_schedule(connection);
    }
    reading_update(connection);
}

/* --- the rest of the interface --- */

void connection_set_argument(struct connection *connection, void *argument)
{
    connection->argument = argument;
}

void connection_hand_over(struct connection *connection,
                          const struct connection_callbacks *callbacks, void *argument)
{
    connection->callbacks = *callbacks;
    connection->argument = argument;
}

static void nobody_on_open(struct connection *connection, void *argument,
                           const struct connection_peer *peer)
{
    (void)connection, (void)argument, (void)peer;
}

static void nobody_on_frame(struct connection *connection, void *argument, struct view frame)
{
    (void)connection, (void)argument, (void)frame;
}

static void nobody_on_close(struct connection *connection, void *argument, enum status reason,
                            const char *detail)
{
    (void)connection, (void)argument, (void)reason, (void)detail;
}

void connection_disown(struct connection *connection)
{
    static const struct connection_callbacks nobody = {nobody_on_open, nobody_on_frame, NULL,
                                                       nobody_on_close};

    connection_hand_over(connection, &nobody, NULL);
}

void connection_set_frame_size_max(struct connection *connection, size_t size_max)
{
    frame_decoder_set_max(&connection->decoder, size_max);
}

void connection_set_idle_timeout(struct connection *connection, unsigned timeout_ms)
{
    connection->limits.idle_timeout_ms = timeout_ms;
    if (connection->phase != PHASE_OPEN) {
        return;
    }
    connection->heard_ms = uv_now(connection->timer.loop);
    (void)uv_timer_stop(&connection->timer);
    if (timeout_ms != UINT_MAX) {
        (void)uv_timer_start(&connection->timer, on_timer, timeout_ms, 0);
    }
}

const struct tls *connection_tls(const struct connection *connection)
{
    return connection->tls;
}

const struct connection_peer *connection_peer(const struct connection *connection)
{
    return &connection->peer;
}

void connection_pause(struct connection *connection)
{
    connection->pauses++;
    connection_schedule(connection);
}

void connection_resume(struct connection *connection)
{
    ASSERT(connection->pauses > 0);
    connection->pauses--;
    connection->heard_ms = uv_now(connection->timer.loop);
    connection_schedule(connection);
}

struct connection *connection_hold(struct connection *connection)
{
    connection->references++;
    return connection;
}

void connection_release(struct connection *connection)
{
    if (--connection->references > 0) {
        return;
    }
    ASSERT(connection->handles_open == 0);
    frame_decoder_free(&connection->decoder);
    bytes_free(&connection->plain);
    free(connection->peer_address);
    free(connection->detail);
    free(connection);
}
