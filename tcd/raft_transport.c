#include "tcd/raft_transport.h"

#include "lib/base/log.h"
#include "lib/net/connection.h"

#include <limits.h>
#include <raft.h>
#include <raft/uv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

enum {
    CHUNK_SIZE = 64 * 1024,
    PIPE_QUEUE_HIGH = 1024 * 1024, /* bytes waiting for libraft to read them */
    SOCKET_BUFFER_SIZE = 1024 * 1024,
    HANDSHAKE_TIMEOUT_MS = 3000,
    USER_TIMEOUT_MS = 5000,
    CLOSE_TIMEOUT_MS = 200,
    CONNECTION_MAX = 64, /* handshakes included */
};

/*
 * libraft wants a stream that libuv knows. It gets one end of a socket pair; the other end is
 * joined to the connection here: what libraft writes becomes frames, frames become what it reads.
 * The first frame of a connection is the address of the member that dialed.
 */
struct link {
    struct raft_transport *transport;
    struct link *next, *previous;
    struct connection *connection;  /* NULL: gone */
    struct raft_uv_connect *dialed; /* libraft waits for this connection */
    uint64_t raft_id;               /* of the other member; 0: not known yet */
    uv_pipe_t pipe;
    bool has_pipe, pipe_is_closing, is_paused, is_server;
};

struct raft_transport {
    struct raft_uv_transport interface;
    struct uv_loop_s *loop;
    struct tls_context *server_tls, *client_tls;
    replica_identify identify;
    void *identify_argument;
    char *listen_address;
    const char *address; /* announced; libraft's, which outlives us */
    struct listener *listener;
    struct link *links;
    raft_uv_accept_cb on_accept;
    raft_uv_transport_close_cb on_close;
    bool is_closing;
    enum status listen_status;
};

/* --- ends --- */

static void maybe_closed(struct raft_transport *transport)
{
    raft_uv_transport_close_cb on_close = transport->on_close;

    if (transport->is_closing && !transport->links && !transport->listener && on_close) {
        transport->on_close = NULL;
        on_close(&transport->interface);
    }
}

static void link_maybe_free(struct link *link)
{
    struct raft_transport *transport = link->transport;

    if (link->connection || link->has_pipe) {
        return;
    }
    if (link->previous) {
        link->previous->next = link->next;
    } else {
        transport->links = link->next;
    }
    if (link->next) {
        link->next->previous = link->previous;
    }
    free(link);
    maybe_closed(transport);
}

static void on_pipe_closed(uv_handle_t *handle)
{
    struct link *link = handle->data;

    link->has_pipe = false;
    link_maybe_free(link);
}

/* libraft sees the end of its stream, or a failing write, and dials again when it wants to. */
static void pipe_close(struct link *link)
{
    if (link->has_pipe && !link->pipe_is_closing) {
        link->pipe_is_closing = true;
        uv_close((uv_handle_t *)&link->pipe, on_pipe_closed);
    }
}

static void dialed_finish(struct link *link, uv_stream_t *stream, int status)
{
    struct raft_uv_connect *dialed = link->dialed;

    link->dialed = NULL;
    if (dialed) {
        dialed->cb(dialed, stream, status);
    }
}

static void on_connection_closed(struct connection *connection, void *argument, enum status reason,
                                 const char *detail)
{
    struct link *link = argument;

    (void)connection;
    if (!link) {
        return; /* Accepted, and not a member's. */
    }
    if (reason == STATUS_REFUSED || reason == STATUS_UNTRUSTED) {
        log_event(LOG_WARNING, "raft-peer-refused", "raft_id=%llu detail=\"%s\"",
                  (unsigned long long)link->raft_id, detail);
    }
    link->connection = NULL;
    dialed_finish(link, NULL, link->transport->is_closing ? RAFT_CANCELED : RAFT_NOCONNECTION);
    pipe_close(link);
    link_maybe_free(link);
}

static void link_drop(struct link *link, enum status reason, const char *detail)
{
    if (link->connection) {
        connection_abort(link->connection, reason, detail);
    }
    pipe_close(link);
}

/* --- from libraft to the network --- */

static void on_allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_buffer)
{
    (void)handle, (void)suggested;
    ret_buffer->base = malloc(CHUNK_SIZE);
    ret_buffer->len = ret_buffer->base ? CHUNK_SIZE : 0;
}

static void on_pipe_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
    struct link *link = stream->data;
    enum status status = STATUS_OK;

    if (size > 0 && link->connection) {
        status = connection_send(link->connection,
                                 (struct view){(const uint8_t *)buffer->base, (size_t)size});
        if (connection_is_congested(link->connection)) {
            (void)uv_read_stop(stream);
        }
    }
    free(buffer->base);
    if (size < 0 || status != STATUS_OK) {
        link_drop(link, STATUS_OK, "closed by raft");
    }
}

static void on_drain(struct connection *connection, void *argument)
{
    struct link *link = argument;

    (void)connection;
    if (link->has_pipe && !link->pipe_is_closing) {
        (void)uv_read_start((uv_stream_t *)&link->pipe, on_allocate, on_pipe_read);
    }
}

/* --- from the network to libraft --- */

struct pipe_write {
    uv_write_t request;
    uint8_t data[];
};

static void on_pipe_written(uv_write_t *request, int status)
{
    struct link *link = request->handle->data;

    free(request->data);
    if (status < 0) {
        link_drop(link, STATUS_OK, "closed by raft");
    } else if (link->is_paused && link->pipe.write_queue_size < PIPE_QUEUE_HIGH / 2) {
        link->is_paused = false;
        if (link->connection) {
            connection_resume(link->connection);
        }
    }
}

static void pipe_write(struct link *link, struct view bytes)
{
    uv_stream_t *stream = (uv_stream_t *)&link->pipe;
    uv_buf_t buffer = uv_buf_init((char *)(uintptr_t)bytes.data, (unsigned)bytes.size);
    int written = uv_try_write(stream, &buffer, 1);
    struct pipe_write *rest;

    if (written == (int)bytes.size) {
        return;
    }
    written = written < 0 ? 0 : written;
    rest = malloc(sizeof *rest + bytes.size - (size_t)written);
    if (!rest) {
        link_drop(link, STATUS_NO_MEMORY, "out of memory");
        return;
    }
    memcpy(rest->data, bytes.data + written, bytes.size - (size_t)written);
    rest->request.data = rest;
    buffer = uv_buf_init((char *)rest->data, (unsigned)(bytes.size - (size_t)written));
    if (uv_write(&rest->request, stream, &buffer, 1, on_pipe_written) != 0) {
        free(rest);
        link_drop(link, STATUS_OK, "closed by raft");
    } else if (!link->is_paused && link->pipe.write_queue_size > PIPE_QUEUE_HIGH) {
        link->is_paused = true;
        connection_pause(link->connection);
    }
}

/* Joins the connection to a new socket pair; libraft's end, NULL where there is none to be had. */
static uv_stream_t *pair_make(struct link *link)
{
    const int size = SOCKET_BUFFER_SIZE;
    uv_pipe_t *pipe = raft_malloc(sizeof *pipe);
    int ends[2];

    if (!pipe) {
        return NULL;
    }
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0) {
        raft_free(pipe);
        return NULL;
    }
    for (unsigned i = 0; i < 2; i++) {
        (void)setsockopt(ends[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    }
    (void)uv_pipe_init(link->transport->loop, pipe, 0);
    (void)uv_pipe_init(link->transport->loop, &link->pipe, 0);
    ASSERT(uv_pipe_open(pipe, ends[0]) == 0 && uv_pipe_open(&link->pipe, ends[1]) == 0);
    link->pipe.data = link;
    link->has_pipe = true;
    (void)uv_read_start((uv_stream_t *)&link->pipe, on_allocate, on_pipe_read);
    return (uv_stream_t *)pipe;
}

static void hello_take(struct link *link, struct view hello)
{
    char address[REPLICA_ADDRESS_SIZE];
    struct address parsed;
    uv_stream_t *stream;

    if (hello.size == 0 || hello.size >= sizeof address || memchr(hello.data, 0, hello.size)) {
        link_drop(link, STATUS_MALFORMED, "malformed greeting");
        return;
    }
    memcpy(address, hello.data, hello.size);
    address[hello.size] = 0;
    if (address_parse(address, &parsed) != STATUS_OK || parsed.is_unix) {
        link_drop(link, STATUS_MALFORMED, "malformed greeting");
        return;
    }
    stream = pair_make(link);
    if (!stream) {
        link_drop(link, STATUS_IO, "no socket pair");
        return;
    }
    link->transport->on_accept(&link->transport->interface, link->raft_id, address, stream);
}

static void on_frame(struct connection *connection, void *argument, struct view frame)
{
    struct link *link = argument;

    (void)connection;
    if (!link->is_server || link->pipe_is_closing) {
        return; /* The member that was dialed has nothing to say on this connection. */
    }
    if (!link->has_pipe) {
        hello_take(link, frame);
    } else {
        pipe_write(link, frame);
    }
}

/* --- connections --- */

static struct link *link_new(struct raft_transport *transport)
{
    struct link *link = calloc(1, sizeof *link);

    if (link) {
        link->transport = transport;
        link->next = transport->links;
        if (link->next) {
            link->next->previous = link;
        }
        transport->links = link;
    }
    return link;
}

static enum status identify(struct raft_transport *transport, const struct connection_peer *peer,
                            uint64_t *ret_raft_id)
{
    struct refusal refusal = {0};
    enum status status =
        transport->identify(transport->identify_argument, peer->certificate, ret_raft_id, &refusal);

    if (status != STATUS_OK || *ret_raft_id == 0) {
        log_event(LOG_WARNING, "raft-peer-refused", "address=%s reason=%s detail=\"%s\"",
                  peer->address, refusal_name(refusal.code), refusal.detail);
        return STATUS_REFUSED;
    }
    return STATUS_OK;
}

static void on_accepted(struct connection *connection, void *argument,
                        const struct connection_peer *peer)
{
    struct raft_transport *transport = argument;
    uint64_t raft_id = 0;
    struct link *link;

    if (identify(transport, peer, &raft_id) != STATUS_OK) {
        connection_set_argument(connection, NULL);
        connection_abort(connection, STATUS_REFUSED, "not a member");
        return;
    }
    link = link_new(transport);
    if (!link) {
        connection_set_argument(connection, NULL);
        connection_abort(connection, STATUS_NO_MEMORY, "out of memory");
        return;
    }
    link->is_server = true;
    link->raft_id = raft_id;
    link->connection = connection;
    connection_set_argument(connection, link);
    connection_set_frame_size_max(connection, FRAME_SIZE_MAX);
}

static void on_dialed(struct connection *connection, void *argument,
                      const struct connection_peer *peer)
{
    struct link *link = argument;
    uint64_t raft_id = 0;
    uv_stream_t *stream;

    if (identify(link->transport, peer, &raft_id) != STATUS_OK || raft_id != link->raft_id) {
        link_drop(link, STATUS_REFUSED, "another member answers at this address");
        return;
    }
    connection_set_frame_size_max(connection, FRAME_SIZE_MAX);
    stream = pair_make(link);
    if (!stream ||
        connection_send(connection, view_string(link->transport->address)) != STATUS_OK) {
        link_drop(link, STATUS_IO, "no socket pair");
        if (stream) {
            uv_close((uv_handle_t *)stream, (uv_close_cb)raft_free);
        }
        return;
    }
    dialed_finish(link, stream, 0);
}

static const struct connection_limits link_limits = {
    .handshake_timeout_ms = HANDSHAKE_TIMEOUT_MS,
    /* A follower has nothing to say to another one until an election. */
    .idle_timeout_ms = UINT_MAX,
    .user_timeout_ms = USER_TIMEOUT_MS,
    .close_timeout_ms = CLOSE_TIMEOUT_MS,
};

static int transport_connect(struct raft_uv_transport *interface, struct raft_uv_connect *request,
                             raft_id id, const char *address, raft_uv_connect_cb on_connect)
{
    struct raft_transport *transport = interface->impl;
    struct link *link = link_new(transport);
    struct dial_config config = {
        .loop = transport->loop,
        .address = address,
        .tls = transport->client_tls,
        .limits = link_limits,
        .callbacks = {on_dialed, on_frame, on_drain, on_connection_closed},
        .argument = link,
    };
    struct connection *connection;

    if (!link) {
        return RAFT_NOMEM;
    }
    link->raft_id = id;
    if (connection_dial(&config, &connection) != STATUS_OK) {
        link_maybe_free(link);
        return RAFT_NOCONNECTION;
    }
    link->connection = connection;
    link->dialed = request;
    request->cb = on_connect;
    return 0;
}

static int transport_init(struct raft_uv_transport *interface, raft_id id, const char *address)
{
    struct raft_transport *transport = interface->impl;

    (void)id;
    transport->address = address;
    return 0;
}

static int transport_listen(struct raft_uv_transport *interface, raft_uv_accept_cb on_accept)
{
    struct raft_transport *transport = interface->impl;
    struct listener_config config = {
        .loop = transport->loop,
        .address = transport->listen_address ? transport->listen_address : transport->address,
        .tls = transport->server_tls,
        .connection_max = CONNECTION_MAX,
        .limits = link_limits,
        .callbacks = {on_accepted, on_frame, on_drain, on_connection_closed},
        .argument = transport,
    };
    char error[LISTENER_ERROR_SIZE];

    transport->on_accept = on_accept;
    transport->listen_status = listener_open(&config, &transport->listener, error);
    if (transport->listen_status != STATUS_OK) {
        transport->listener = NULL;
        (void)snprintf(interface->errmsg, sizeof interface->errmsg, "%.*s",
                       (int)sizeof interface->errmsg - 1, error);
        return RAFT_IOERR;
    }
    return 0;
}

static void on_listener_closed(void *argument)
{
    struct raft_transport *transport = argument;

    transport->listener = NULL;
    maybe_closed(transport);
}

static void transport_close(struct raft_uv_transport *interface,
                            raft_uv_transport_close_cb on_close)
{
    struct raft_transport *transport = interface->impl;

    transport->is_closing = true;
    transport->on_close = on_close;
    for (struct link *link = transport->links; link; link = link->next) {
        link_drop(link, STATUS_OK, "closed");
    }
    if (transport->listener) {
        listener_close(transport->listener, on_listener_closed, transport);
    }
    maybe_closed(transport);
}

/* --- the rest of the interface --- */

enum status raft_transport_new(const struct raft_transport_config *config,
                               struct raft_transport **ret_transport)
{
    struct raft_transport *transport = calloc(1, sizeof *transport);

    if (!transport) {
        return STATUS_NO_MEMORY;
    }
    if (config->listen_address) {
        transport->listen_address = strdup(config->listen_address);
        if (!transport->listen_address) {
            free(transport);
            return STATUS_NO_MEMORY;
        }
    }
    transport->loop = config->loop;
    transport->server_tls = tls_context_hold(config->server_tls);
    transport->client_tls = tls_context_hold(config->client_tls);
    transport->identify = config->identify;
    transport->identify_argument = config->identify_argument;
    transport->interface = (struct raft_uv_transport){
        .version = 1,
        .impl = transport,
        .init = transport_init,
        .listen = transport_listen,
        .connect = transport_connect,
        .close = transport_close,
    };
    *ret_transport = transport;
    return STATUS_OK;
}

void raft_transport_free(struct raft_transport *transport)
{
    ASSERT(!transport->links && !transport->listener);
    tls_context_release(transport->server_tls);
    tls_context_release(transport->client_tls);
    free(transport->listen_address);
    free(transport);
}

struct raft_uv_transport *raft_transport_interface(struct raft_transport *transport)
{
    return &transport->interface;
}

enum status raft_transport_error(const struct raft_transport *transport, const char **ret_text)
{
    *ret_text = transport->interface.errmsg;
    return transport->listen_status;
}

void raft_transport_set_tls(struct raft_transport *transport, struct tls_context *server_tls,
                            struct tls_context *client_tls)
{
    tls_context_hold(server_tls);
    tls_context_hold(client_tls);
    tls_context_release(transport->server_tls);
    tls_context_release(transport->client_tls);
    transport->server_tls = server_tls;
    transport->client_tls = client_tls;
    if (transport->listener) {
        listener_set_tls(transport->listener, server_tls);
    }
}

void raft_transport_drop(struct raft_transport *transport, uint64_t raft_id)
{
    for (struct link *link = transport->links; link; link = link->next) {
        if (link->raft_id == raft_id) {
            link_drop(link, STATUS_OK, "the member was removed");
        }
    }
}
