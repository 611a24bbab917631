#include "nodeagent/migration_port.h"

#include "lib/base/log.h"
#include "lib/net/timer.h"
#include "lib/protocol/migration_session.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

enum {
    TLS_HANDSHAKE_RECORD = 0x16, /* RFC 8446, section 5.1: how every client begins */
    FULL_LOG_INTERVAL_MS = 10000,
};

struct migration_port {
    struct uv_loop_s *loop;
    struct listener *listener;
    struct tls_context *tls; /* NULL: no registration */
    uint8_t key[SPKI_SIZE_MAX];
    size_t key_size;
    struct migration_expected *expected;
    size_t expected_count;
    struct stranger *strangers[MIGRATION_STRANGER_MAX]; /* the oldest first */
    size_t stranger_count;
    uint64_t full_logged_ms;
};

/* A connection that is not recognised yet: first a socket, then, if it turns out to be one, a
 * session. */
struct stranger {
    struct migration_port *port;
    struct timer *timer;
    uv_poll_t poll;
    bool has_poll, is_over;
    int fd; /* -1: the session's, or handed on */
    struct connection *connection;
    uint8_t greeting[MIGRATION_CHANNEL_GREETING_SIZE];
    size_t size;
};

/* --- strangers --- */

static void on_poll_closed(uv_handle_t *handle)
{
    struct stranger *stranger = handle->data;

    stranger->has_poll = false;
    if (stranger->is_over) {
        free(stranger);
    }
}

/* The poll handle goes before anything else happens to its descriptor. */
static void poll_close(struct stranger *stranger)
{
    if (stranger->has_poll && !uv_is_closing((uv_handle_t *)&stranger->poll)) {
        uv_close((uv_handle_t *)&stranger->poll, on_poll_closed);
    }
}

static void forget_stranger(struct migration_port *port, const struct stranger *stranger)
{
    size_t at = 0;

    while (port->strangers[at] != stranger) {
        at++;
        ASSERT(at < port->stranger_count);
    }
    port->stranger_count--;
    memmove(&port->strangers[at], &port->strangers[at + 1],
            (port->stranger_count - at) * sizeof port->strangers[0]);
}

/* It is a stranger no more: either what it holds was handed on, or it goes with it. */
static void stranger_end(struct stranger *stranger)
{
    forget_stranger(stranger->port, stranger);
    timer_free(stranger->timer);
    poll_close(stranger);
    if (stranger->fd >= 0) {
        (void)close(stranger->fd);
    }
    if (stranger->connection) {
        /* Not in order: a goodbye is a wait, and strangers may not make us wait. */
        connection_disown(stranger->connection);
        connection_abort(stranger->connection, STATUS_REFUSED, "not expected");
    }
    stranger->is_over = true;
    if (!stranger->has_poll) {
        free(stranger);
    }
}

static void on_stranger_timer(void *argument)
{
    stranger_end(argument);
}

/* --- channels --- */

enum status migration_channel_prepare(int fd)
{
    int flags = fcntl(fd, F_GETFL), on = 1;

    if (flags < 0 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) != 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0) {
        return STATUS_IO;
    }
    return STATUS_OK;
}

static void take_channel(struct stranger *stranger)
{
    const struct view token = {stranger->greeting + MIGRATION_CHANNEL_MAGIC_SIZE, SHA256_SIZE};
    struct migration_expected *found = NULL;
    int fd;

    /* Against all of them, so that the time taken says nothing about any. */
    for (struct migration_expected *expected = stranger->port->expected; expected;
         expected = expected->next) {
        if (expected->has_token && secret_equal(token, digest_view(&expected->token))) {
            found = expected;
        }
    }
    if (!found) {
        stranger_end(stranger);
        return;
    }
    poll_close(stranger);
    if (migration_channel_prepare(stranger->fd) != STATUS_OK) {
        stranger_end(stranger);
        return;
    }
    fd = stranger->fd;
    stranger->fd = -1;
    stranger_end(stranger);
    found->has_token = false;
    found->on_channel(found->argument, fd);
}

/* No byte beyond the greeting is read: those are QEMU's. */
static void read_greeting(struct stranger *stranger)
{
    ssize_t count = recv(stranger->fd, stranger->greeting + stranger->size,
                         sizeof stranger->greeting - stranger->size, 0);
    size_t magic_size;

    if (count < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (count <= 0) {
        stranger_end(stranger);
        return;
    }
    stranger->size += (size_t)count;
    magic_size = stranger->size < MIGRATION_CHANNEL_MAGIC_SIZE ? stranger->size
                                                               : MIGRATION_CHANNEL_MAGIC_SIZE;
    if (memcmp(stranger->greeting, MIGRATION_CHANNEL_MAGIC, magic_size) != 0) {
        stranger_end(stranger);
    } else if (stranger->size == sizeof stranger->greeting) {
        take_channel(stranger);
    }
}

/* --- sessions --- */

static enum status verify_peer(void *argument, const struct view *chain, size_t count,
                               struct refusal *ret_refusal)
{
    struct migration_port *port = argument;
    enum status status =
        refuse(ret_refusal, REFUSAL_ORDER, "no migration to this node is expected");

    (void)count;
    for (struct migration_expected *expected = port->expected; expected && status != STATUS_OK;
         expected = expected->next) {
        status = expected->verify(expected->argument, chain[0], ret_refusal);
    }
    return status;
}

static void on_session_open(struct connection *connection, void *argument,
                            const struct connection_peer *peer)
{
    (void)connection, (void)argument, (void)peer;
}

/* The session's certificate was that of some migration's source: here it has to be this one's. */
static enum status recognise(struct migration_port *port, struct view frame,
                             struct view certificate, struct migration_hello *ret_hello,
                             struct migration_expected **ret_expected, struct refusal *refusal)
{
    struct migration_expected *expected = port->expected;

    if (migration_hello_parse(frame, ret_hello) != STATUS_OK) {
        return refuse(refusal, REFUSAL_MALFORMED, "migration hello");
    }
    while (expected && expected->migration != ret_hello->migration) {
        expected = expected->next;
    }
    if (!expected) {
        return refuse(refusal, REFUSAL_NOT_FOUND, "migration %llu is not expected",
                      (unsigned long long)ret_hello->migration);
    }
    TRY(expected->verify(expected->argument, certificate, refusal));
    if (expected->has_session) {
        return refuse(refusal, REFUSAL_ALREADY_EXISTS, "migration %llu has a session",
                      (unsigned long long)ret_hello->migration);
    }
    *ret_expected = expected;
    return STATUS_OK;
}

static void on_session_frame(struct connection *connection, void *argument, struct view frame)
{
    struct stranger *stranger = argument;
    const struct connection_peer *peer = connection_peer(connection);
    struct migration_expected *expected;
    struct migration_hello hello;
    struct refusal refusal = {0};

    if (recognise(stranger->port, frame, peer->certificate, &hello, &expected, &refusal) !=
        STATUS_OK) {
        log_event(LOG_WARNING, "migration-session-refused", "peer=%s reason=%s detail=\"%s\"",
                  peer->address, refusal_name(refusal.code), refusal.detail);
        stranger_end(stranger);
        return;
    }
    stranger->connection = NULL;
    stranger_end(stranger);
    expected->has_session = true;
    expected->on_session(expected->argument, connection, &hello);
}

static void on_session_close(struct connection *connection, void *argument, enum status reason,
                             const char *detail)
{
    struct stranger *stranger = argument;

    /* Anyone can bring this about: it is worth a line to who looks for it, and no more. */
    log_event(LOG_DEBUG, "migration-session-failed", "peer=%s reason=\"%s\" detail=\"%s\"",
              connection_peer(connection)->address ? connection_peer(connection)->address : "-",
              status_text(reason), detail);
    stranger->connection = NULL;
    stranger_end(stranger);
}

static void begin_session(struct stranger *stranger)
{
    struct adopt_config config = {
        .loop = stranger->port->loop,
        .fd = stranger->fd,
        .tls = stranger->port->tls,
        .limits = {.handshake_timeout_ms = MIGRATION_STRANGER_TIMEOUT_MS,
                   .idle_timeout_ms = UINT_MAX,
                   .frame_size_max = MIGRATION_HELLO_SIZE_MAX},
        .callbacks = {on_session_open, on_session_frame, NULL, on_session_close},
        .argument = stranger,
    };

    poll_close(stranger);
    /* Where nobody is expected no handshake is worth its signature. */
    if (!config.tls || !stranger->port->expected ||
        connection_adopt(&config, &stranger->connection) != STATUS_OK) {
        stranger_end(stranger);
        return;
    }
    stranger->fd = -1;
}

/* --- arriving --- */

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct stranger *stranger = poll->data;
    uint8_t first = 0;

    (void)events;
    if (status < 0) {
        stranger_end(stranger);
    } else if (stranger->size == 0 && recv(stranger->fd, &first, 1, MSG_PEEK) == 1 &&
               first == TLS_HANDSHAKE_RECORD) {
        begin_session(stranger);
    } else {
        read_greeting(stranger);
    }
}

static void make_room(struct migration_port *port)
{
    uint64_t now_ms = uv_now(port->loop);

    if (port->stranger_count < MIGRATION_STRANGER_MAX) {
        return;
    }
    if (port->full_logged_ms == 0 || now_ms - port->full_logged_ms > FULL_LOG_INTERVAL_MS) {
        port->full_logged_ms = now_ms;
        log_event(LOG_WARNING, "migration-port-crowded", "port=%u max=%d",
                  migration_port_number(port), MIGRATION_STRANGER_MAX);
    }
    stranger_end(port->strangers[0]);
}

static void on_socket(void *argument, int fd)
{
    struct migration_port *port = argument;
    struct stranger *stranger = calloc(1, sizeof *stranger);

    if (!stranger ||
        timer_new(port->loop, on_stranger_timer, stranger, &stranger->timer) != STATUS_OK) {
        free(stranger);
        (void)close(fd);
        return;
    }
    make_room(port);
    stranger->port = port;
    stranger->fd = fd;
    port->strangers[port->stranger_count++] = stranger;
    timer_start(stranger->timer, MIGRATION_STRANGER_TIMEOUT_MS);
    stranger->has_poll = uv_poll_init(port->loop, &stranger->poll, fd) == 0;
    stranger->poll.data = stranger;
    if (!stranger->has_poll || uv_poll_start(&stranger->poll, UV_READABLE, on_readable) != 0) {
        stranger_end(stranger);
    }
}

/* --- who is waited for --- */

struct view migration_port_key(const struct migration_port *port)
{
    return (struct view){port->key, port->key_size};
}

enum status migration_port_expect(struct migration_port *port, struct migration_expected *expected)
{
    if (port->expected_count >= MIGRATION_EXPECTED_MAX) {
        return STATUS_BUSY;
    }
    for (struct migration_expected *other = port->expected; other; other = other->next) {
        if (other->migration == expected->migration) {
            return STATUS_EXISTS;
        }
    }
    expected->next = port->expected;
    port->expected = expected;
    port->expected_count++;
    return STATUS_OK;
}

void migration_port_forget(struct migration_port *port, struct migration_expected *expected)
{
    struct migration_expected **at = &port->expected;

    while (*at != expected) {
        ASSERT(*at);
        at = &(*at)->next;
    }
    *at = expected->next;
    port->expected_count--;
}

static void drop_expected(struct migration_port *port, const char *reason)
{
    while (port->expected) {
        struct migration_expected *expected = port->expected;

        migration_port_forget(port, expected);
        expected->on_dropped(expected->argument, reason);
    }
}

/* --- the port --- */

enum status migration_port_open(struct uv_loop_s *loop, const char *address,
                                struct migration_port **ret_port, char *ret_error)
{
    struct migration_port *port;
    struct address parsed;
    enum status status;

    if (address_parse(address, &parsed) != STATUS_OK || parsed.is_unix) {
        (void)snprintf(ret_error, LISTENER_ERROR_SIZE,
                       "cannot listen on %s: not host:port or [ipv6]:port", address);
        return STATUS_MALFORMED;
    }
    port = calloc(1, sizeof *port);
    if (!port) {
        (void)snprintf(ret_error, LISTENER_ERROR_SIZE, "cannot listen on %s: out of memory",
                       address);
        return STATUS_NO_MEMORY;
    }
    port->loop = loop;
    status = listener_open(
        &(struct listener_config){
            .loop = loop, .address = address, .argument = port, .on_socket = on_socket},
        &port->listener, ret_error);
    if (status != STATUS_OK) {
        free(port);
        return status;
    }
    *ret_port = port;
    return STATUS_OK;
}

uint16_t migration_port_number(const struct migration_port *port)
{
    return listener_port(port->listener);
}

static void drop_sessions(struct migration_port *port)
{
    for (size_t i = port->stranger_count; i-- > 0;) {
        if (port->strangers[i]->connection) {
            stranger_end(port->strangers[i]);
        }
    }
}

enum status migration_port_set_identity(struct migration_port *port, struct view certificate,
                                        const struct private_key *tk_sign)
{
    static const char *const protocols[] = {MIGRATION_ALPN, NULL};
    struct tls_config config = {.role = TLS_SERVER,
                                .chain = &certificate,
                                .chain_count = 1,
                                .private_key = tk_sign,
                                .alpn = protocols,
                                .peer_policy = TLS_PEER_REQUIRED,
                                .verify = verify_peer,
                                .verify_argument = port};
    struct view key;

    tls_context_release(TAKE(port->tls));
    port->key_size = 0;
    drop_sessions(port);
    drop_expected(port, "this node has another registration");
    if (certificate.size == 0) {
        return STATUS_OK;
    }
    TRY(tls_context_new(&config, &port->tls));
    key = private_key_spki(tk_sign);
    memcpy(port->key, key.data, key.size);
    port->key_size = key.size;
    return STATUS_OK;
}

void migration_port_close(struct migration_port *port)
{
    if (!port) {
        return;
    }
    listener_close(port->listener, NULL, NULL);
    while (port->stranger_count > 0) {
        stranger_end(port->strangers[0]);
    }
    drop_expected(port, "the port for migrations was closed");
    tls_context_release(port->tls);
    free(port);
}
