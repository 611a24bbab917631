/* Dialing: the name first, then its addresses one after the other until one answers. */
#include "lib/net/connection_internal.h"

#include <netdb.h>
#include <stdlib.h>
#include <string.h>

struct dial {
    struct address address;
    struct sockaddr_storage numeric;
    uv_getaddrinfo_t resolution;
    struct addrinfo *addresses, *next; /* next: to be tried */
    uv_connect_t request;
    bool is_resolving;
    int last_error;
};

static enum status status_of_error(int error)
{
    return error == UV_ETIMEDOUT ? STATUS_TIMEOUT : STATUS_IO;
}

void dial_free(struct dial *dial)
{
    if (dial) {
        uv_freeaddrinfo(dial->addresses);
        free(dial);
    }
}

void dial_cancel(struct connection *connection)
{
    if (connection->dial && connection->dial->is_resolving) {
        /* Its callback runs in any case, and counts as a part that is done. */
        (void)uv_cancel((uv_req_t *)&connection->dial->resolution);
    }
}

static void on_connect(uv_connect_t *request, int error);

static void give_up(struct connection *connection, int error)
{
    char text[ADDRESS_TEXT_SIZE];

    address_format(&connection->dial->address, text);
    connection_drop(connection, status_of_error(error), "cannot connect to %s: %s", text,
                    uv_strerror(error));
}

static void try_next(struct connection *connection)
{
    struct dial *dial = connection->dial;

    while (dial->next) {
        struct sockaddr *name = dial->next->ai_addr;

        dial->next = dial->next->ai_next;
        if (name->sa_family == AF_INET6) {
            ((struct sockaddr_in6 *)name)->sin6_port = htons(dial->address.port);
        } else {
            ((struct sockaddr_in *)name)->sin_port = htons(dial->address.port);
        }
        dial->last_error =
            uv_tcp_connect(&dial->request, &connection->socket.tcp, name, on_connect);
        if (dial->last_error == 0) {
            return;
        }
    }
    give_up(connection, dial->last_error);
}

/* The socket of a failed attempt cannot be used again. */
static void on_socket_closed(uv_handle_t *handle)
{
    struct connection *connection = handle->data;

    if (connection->phase == PHASE_GONE) {
        connection_part_done(connection);
        return;
    }
    (void)uv_tcp_init(handle->loop, &connection->socket.tcp);
    connection->socket.handle.data = connection;
    try_next(connection);
}

static void on_connect(uv_connect_t *request, int error)
{
    struct connection *connection = request->handle->data;
    struct dial *dial = connection->dial;

    if (connection->phase == PHASE_GONE) {
        return;
    }
    if (error == 0) {
        dial_free(dial);
        connection->dial = NULL;
        connection_start(connection);
    } else if (dial->next) {
        dial->last_error = error;
        uv_close(&connection->socket.handle, on_socket_closed);
    } else {
        give_up(connection, error);
    }
}

static void on_resolved(uv_getaddrinfo_t *request, int error, struct addrinfo *addresses)
{
    struct connection *connection = request->data;
    struct dial *dial = connection->dial;

    dial->is_resolving = false;
    dial->addresses = dial->next = addresses;
    if (connection->phase == PHASE_GONE) {
        connection_part_done(connection);
        return;
    }
    connection->handles_open--;
    if (error != 0) {
        give_up(connection, error);
    } else {
        try_next(connection);
    }
}

static enum status begin(struct connection *connection)
{
    struct dial *dial = connection->dial;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};

    if (dial->address.is_unix) {
        uv_pipe_connect(&dial->request, &connection->socket.pipe, dial->address.host, on_connect);
        return STATUS_OK;
    }
    /* A numeric address needs no resolver thread: those are busy with the disk in a coordinator. */
    if (uv_ip4_addr(dial->address.host, dial->address.port, (struct sockaddr_in *)&dial->numeric) ==
            0 ||
        uv_ip6_addr(dial->address.host, dial->address.port,
                    (struct sockaddr_in6 *)&dial->numeric) == 0) {
        dial->last_error = uv_tcp_connect(&dial->request, &connection->socket.tcp,
                                          (struct sockaddr *)&dial->numeric, on_connect);
        if (dial->last_error != 0) {
            give_up(connection, dial->last_error);
        }
        return STATUS_OK;
    }
    dial->resolution.data = connection;
    if (uv_getaddrinfo(connection->timer.loop, &dial->resolution, on_resolved, dial->address.host,
                       NULL, &hints) != 0) {
        return STATUS_IO;
    }
    dial->is_resolving = true;
    connection->handles_open++;
    return STATUS_OK;
}

enum status connection_dial(const struct dial_config *config, struct connection **ret_connection)
{
    struct connection *connection;
    struct address address;

    TRY(address_parse(config->address, &address));
    ASSERT(address.is_unix == !config->tls);
    TRY(connection_new(config->loop, address.is_unix, &config->limits, &config->callbacks,
                       config->argument, &connection));
    connection->dial = calloc(1, sizeof *connection->dial);
    if (!connection->dial || (config->tls && tls_new(config->tls, &connection->tls) != STATUS_OK)) {
        connection_drop(connection, STATUS_NO_MEMORY, "out of memory");
    } else {
        connection->dial->address = address;
        if (config->verify) {
            tls_set_verify(connection->tls, config->verify, config->verify_argument);
        }
        if (begin(connection) != STATUS_OK) {
            connection_drop(connection, STATUS_IO, "cannot resolve %s", address.host);
        }
    }
    /* Failures so far are reported by on_close, like later ones. */
    *ret_connection = connection;
    return STATUS_OK;
}
