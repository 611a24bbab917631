#include "lib/net/connection_internal.h"

#include "lib/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 1024, CONNECTION_MAX_DEFAULT = 1024, FULL_LOG_INTERVAL_MS = 10000 };

/* A handshake costs signatures. So long do they go on before the loop's other work has its turn. */
enum { HANDSHAKE_SLICE_NS = 5 * 1000 * 1000 };

static void maybe_closed(struct listener *listener)
{
    if (!listener->is_closing || listener->handles_open > 0 || listener->connections) {
        return;
    }
    if (listener->on_closed) {
        listener->on_closed(listener->on_closed_argument);
    }
    tls_context_release(listener->tls);
    free(listener);
}

/* --- turns --- */

static struct connection *waiting_pop(struct listener *listener)
{
    struct connection *connection = listener->waiting_first;

    listener->waiting_first = connection->waiting_next;
    if (!listener->waiting_first) {
        listener->waiting_end = &listener->waiting_first;
        (void)uv_idle_stop(&listener->turn);
    }
    connection->is_waiting = false;
    return connection;
}

static void on_turn(uv_idle_t *turn)
{
    struct listener *listener = turn->data;
    uint64_t until_ns = uv_hrtime() + HANDSHAKE_SLICE_NS;

    do {
        struct connection *connection = waiting_pop(listener);

        connection_handshake(connection);
        connection_release(connection);
    } while (listener->waiting_first && uv_hrtime() < until_ns);
}

void listener_wait_turn(struct listener *listener, struct connection *connection)
{
    if (connection->is_waiting) {
        return;
    }
    connection->is_waiting = true;
    connection->waiting_next = NULL;
    *listener->waiting_end = connection_hold(connection);
    listener->waiting_end = &connection->waiting_next;
    (void)uv_idle_start(&listener->turn, on_turn);
}

static void on_listener_closed(uv_handle_t *handle)
{
    struct listener *listener = handle->data;

    while (listener->waiting_first) {
        connection_release(waiting_pop(listener));
    }
    listener->handles_open--;
    maybe_closed(listener);
}

void listener_forget(struct listener *listener, struct connection *connection)
{
    if (connection->previous) {
        connection->previous->next = connection->next;
    } else {
        listener->connections = connection->next;
    }
    if (connection->next) {
        connection->next->previous = connection->previous;
    }
    listener->connection_count--;
    maybe_closed(listener);
}

static void remember(struct listener *listener, struct connection *connection)
{
    connection->listener = listener;
    connection->next = listener->connections;
    if (connection->next) {
        connection->next->previous = connection;
    }
    listener->connections = connection;
    listener->connection_count++;
}

/* The socket is connected: the other end speaks first. */
static void begin(struct connection *connection, struct tls_context *tls)
{
    if (tls && tls_new(tls, &connection->tls) != STATUS_OK) {
        connection_drop(connection, STATUS_NO_MEMORY, "out of memory");
        return;
    }
    connection_start(connection);
}

static void on_acceptor_closed(uv_handle_t *handle)
{
    free(handle);
}

/* Accepts a socket without making a connection of it: what libuv opened is closed again, a
 * duplicate remains. */
static void socket_hand_over(struct listener *listener)
{
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } *acceptor = calloc(1, sizeof *acceptor);
    int fd = -1, accepted;

    if (!acceptor) {
        return;
    }
    if ((listener->address.is_unix ? uv_pipe_init(listener->loop, &acceptor->pipe, 0)
                                   : uv_tcp_init(listener->loop, &acceptor->tcp)) != 0) {
        free(acceptor);
        return;
    }
    if (uv_accept(&listener->socket.stream, &acceptor->stream) == 0 &&
        uv_fileno(&acceptor->handle, &accepted) == 0) {
        fd = fcntl(accepted, F_DUPFD_CLOEXEC, 0);
    }
    uv_close(&acceptor->handle, on_acceptor_closed);
    if (fd >= 0) {
        listener->on_socket(listener->argument, fd);
    }
}

static void on_connection(uv_stream_t *stream, int status)
{
    struct listener *listener = stream->data;
    struct connection *connection;

    if (status < 0 || listener->is_closing) {
        return;
    }
    if (listener->on_socket) {
        socket_hand_over(listener);
        return;
    }
    if (connection_new(listener->loop, listener->address.is_unix, &listener->limits,
                       &listener->callbacks, listener->argument, &connection) != STATUS_OK) {
        return;
    }
    remember(listener, connection);
    if (uv_accept(stream, &connection->socket.stream) != 0) {
        connection_drop(connection, STATUS_IO, "cannot accept");
        return;
    }
    /* Taken and dropped: left in the kernel's queue it would keep everyone else waiting. */
    if (listener->connection_count > listener->connection_max) {
        uint64_t now_ms = uv_now(listener->loop);

        if (listener->full_logged_ms == 0 ||
            now_ms - listener->full_logged_ms > FULL_LOG_INTERVAL_MS) {
            listener->full_logged_ms = now_ms;
            log_event(LOG_WARNING, "connections-full", "port=%u max=%u", listener->address.port,
                      listener->connection_max);
        }
        connection_drop(connection, STATUS_BUSY, "too many connections");
        return;
    }
    begin(connection, listener->tls);
}

enum status connection_adopt(const struct adopt_config *config, struct connection **ret_connection)
{
    struct connection *connection;

    TRY(connection_new(config->loop, false, &config->limits, &config->callbacks, config->argument,
                       &connection));
    if (uv_tcp_open(&connection->socket.tcp, config->fd) != 0) {
        connection_disown(connection);
        connection_drop(connection, STATUS_IO, "not a socket that can be adopted");
        return STATUS_IO;
    }
    begin(connection, config->tls);
    *ret_connection = connection;
    return STATUS_OK;
}

static enum status failure(char *ret_error, const char *address, int error)
{
    if (ret_error) {
        (void)snprintf(ret_error, LISTENER_ERROR_SIZE, "cannot listen on %s: %s", address,
                       uv_strerror(error));
    }
    switch (error) {
    case UV_EADDRINUSE:
        return STATUS_EXISTS;
    case UV_EACCES:
    case UV_EPERM:
        return STATUS_DENIED;
    default: /* a number of libuv, which has many */
        return STATUS_IO;
    }
}

static int tcp_bind(struct listener *listener)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    uv_getaddrinfo_t request;
    int error = uv_tcp_init(listener->loop, &listener->socket.tcp);

    if (error != 0) {
        return error;
    }
    listener->handles_open = 1;
    error = uv_getaddrinfo(listener->loop, &request, NULL, listener->address.host, NULL, &hints);
    if (error != 0) {
        return error;
    }
    if (request.addrinfo->ai_family == AF_INET6) {
        ((struct sockaddr_in6 *)request.addrinfo->ai_addr)->sin6_port =
            htons(listener->address.port);
    } else {
        ((struct sockaddr_in *)request.addrinfo->ai_addr)->sin_port = htons(listener->address.port);
    }
    error = uv_tcp_bind(&listener->socket.tcp, request.addrinfo->ai_addr, 0);
    uv_freeaddrinfo(request.addrinfo);
    return error;
}

/* A socket file that nobody listens on is left over from a process that was killed. */
static bool unix_socket_is_dead(const char *path)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    struct stat about;
    bool is_dead;
    int fd;

    if (lstat(path, &about) != 0 || !S_ISSOCK(about.st_mode)) {
        return false;
    }
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return false;
    }
    (void)snprintf(name.sun_path, sizeof name.sun_path, "%s", path);
    is_dead = connect(fd, (struct sockaddr *)&name, sizeof name) != 0 && errno == ECONNREFUSED;
    (void)close(fd);
    return is_dead;
}

static int unix_bind(struct listener *listener, unsigned mode)
{
    const char *path = listener->address.host;
    mode_t mask;
    int error = uv_pipe_init(listener->loop, &listener->socket.pipe, 0);

    if (error != 0) {
        return error;
    }
    listener->handles_open = 1;
    if (unix_socket_is_dead(path)) {
        (void)unlink(path);
    }
    /* From the first moment no one else may connect. */
    mask = umask(0777 & ~(mode ? mode : 0600));
    error = uv_pipe_bind(&listener->socket.pipe, path);
    (void)umask(mask);
    return error;
}

enum status listener_open(const struct listener_config *config, struct listener **ret_listener,
                          char *ret_error)
{
    struct listener *listener = calloc(1, sizeof *listener);
    int error;

    if (!listener) {
        return failure(ret_error, config->address, UV_ENOMEM);
    }
    if (address_parse(config->address, &listener->address) != STATUS_OK) {
        if (ret_error) {
            (void)snprintf(ret_error, LISTENER_ERROR_SIZE,
                           "cannot listen on %s: not host:port, [ipv6]:port or unix:/path",
                           config->address);
        }
        free(listener);
        return STATUS_MALFORMED;
    }
    ASSERT(config->on_socket ? !config->tls : listener->address.is_unix == !config->tls);
    listener->loop = config->loop;
    listener->tls = config->tls ? tls_context_hold(config->tls) : NULL;
    listener->connection_max =
        config->connection_max ? config->connection_max : CONNECTION_MAX_DEFAULT;
    listener->limits = config->limits;
    listener->callbacks = config->callbacks;
    listener->argument = config->argument;
    listener->on_socket = config->on_socket;
    listener->waiting_end = &listener->waiting_first;
    error = listener->address.is_unix ? unix_bind(listener, config->unix_mode) : tcp_bind(listener);
    if (error == 0) {
        listener->socket.handle.data = listener->turn.data = listener;
        (void)uv_idle_init(listener->loop, &listener->turn);
        listener->handles_open++;
        error = uv_listen(&listener->socket.stream, BACKLOG, on_connection);
    }
    if (error != 0) {
        enum status status = failure(ret_error, config->address, error);

        if (listener->handles_open > 0) {
            listener_close(listener, NULL, NULL);
        } else {
            tls_context_release(listener->tls);
            free(listener);
        }
        return status;
    }
    *ret_listener = listener;
    return STATUS_OK;
}

uint16_t listener_port(const struct listener *listener)
{
    struct sockaddr_storage storage;
    int size = sizeof storage;

    if (listener->address.is_unix ||
        uv_tcp_getsockname(&listener->socket.tcp, (struct sockaddr *)&storage, &size) != 0) {
        return 0;
    }
    return storage.ss_family == AF_INET6 ? ntohs(((const struct sockaddr_in6 *)&storage)->sin6_port)
                                         : ntohs(((const struct sockaddr_in *)&storage)->sin_port);
}

unsigned listener_connection_count(const struct listener *listener)
{
    return listener->connection_count;
}

void listener_set_tls(struct listener *listener, struct tls_context *tls)
{
    ASSERT(listener->tls && tls);
    tls_context_hold(tls);
    tls_context_release(listener->tls);
    listener->tls = tls;
}

void listener_close(struct listener *listener, void (*on_closed)(void *argument), void *argument)
{
    ASSERT(!listener->is_closing);
    listener->is_closing = true;
    listener->on_closed = on_closed;
    listener->on_closed_argument = argument;
    listener->socket.handle.data = listener;
    uv_close(&listener->socket.handle, on_listener_closed);
    if (listener->turn.data) {
        uv_close((uv_handle_t *)&listener->turn, on_listener_closed);
    }
    for (struct connection *connection = listener->connections; connection;
         connection = connection->next) {
        connection_close(connection);
    }
}
