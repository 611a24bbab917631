#include "nodeagent/migration_link.h"

#include "lib/base/log.h"
#include "lib/net/timer.h"
#include "lib/protocol/migration_session.h"

#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

enum {
    RETRY_MS = 200,
    HANDSHAKE_TIMEOUT_MS = 5000,
    ANSWER_TIMEOUT_MS = 5000,
    CHANNEL_TIMEOUT_MS = 5000,
    /* The lifetime runs on CLOCK_BOOTTIME, timers do not: they stop while the machine sleeps. */
    LIFETIME_TICK_MS = 1000,
    REASON_SIZE = 320,
};

enum link_phase {
    LINK_RESTING,         /* source: until the next attempt */
    LINK_DIALING,         /* source */
    LINK_SAID_HELLO,      /* source: waits for the answer */
    LINK_DIALING_CHANNEL, /* source: the other end has shown that it has K_S */
    LINK_EXPECTING,       /* destination: waits for a session */
    LINK_ANSWERED,        /* destination: waits for the channel */
    LINK_READY,
    LINK_FAILED, /* to be told */
};

/* A channel that is being connected: outlives its link where that is closed meanwhile. */
struct channel_dial {
    union {
        uv_handle_t handle;
        uv_tcp_t tcp;
    } socket;
    uv_connect_t request;
    struct migration_link *link; /* NULL: given up */
};

struct migration_link {
    struct uv_loop_s *loop;
    struct migration_ticket ticket;
    enum migration_side side;
    struct scope scope;
    struct public_key *tc_sign;
    struct migration_link_callbacks callbacks;
    void *argument;

    enum link_phase phase;
    uint64_t deadline_ms; /* CLOCK_BOOTTIME */
    struct timer *lifetime_timer;
    struct timer *timer;           /* of the phase */
    struct connection *connection; /* the session */
    struct secret secret;          /* K_S of the session */
    struct digest session;
    char reason[REASON_SIZE]; /* why the last attempt failed, or the link */

    /* source */
    char address[ADDRESS_TEXT_SIZE];
    struct tls_context *tls;
    struct channel_dial *channel;
    /* destination */
    struct migration_port *port; /* NULL: not expected there any more */
    struct migration_expected expected;
};

static void attempt(struct migration_link *link);

/* --- ending --- */

static void on_channel_dial_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void channel_give_up(struct migration_link *link)
{
    struct channel_dial *channel = TAKE(link->channel);

    if (channel) {
        channel->link = NULL;
        uv_close(&channel->socket.handle, on_channel_dial_closed);
    }
}

static void expect_nothing(struct migration_link *link)
{
    struct migration_port *port = TAKE(link->port);

    if (port) {
        migration_port_forget(port, &link->expected);
    }
}

static void session_drop(struct migration_link *link, const char *reason)
{
    struct connection *connection = TAKE(link->connection);

    channel_give_up(link);
    if (connection) {
        connection_disown(connection);
        connection_abort(connection, STATUS_REFUSED, reason);
    }
    link->expected.has_session = link->expected.has_token = false;
    secret_wipe(&link->expected.token, sizeof link->expected.token);
    /* The owner may use what it was given until it closes the link. */
    if (link->phase != LINK_READY) {
        secret_free(&link->secret);
    }
}

/* For good. It is told from the loop, so that no callback runs inside somebody's call. */
PRINTF_LIKE(2, 3) static void fail(struct migration_link *link, const char *format, ...)
{
    char reason[REASON_SIZE];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(reason, sizeof reason, format, arguments);
    va_end(arguments);
    (void)snprintf(link->reason, sizeof link->reason, "%s", reason);
    session_drop(link, link->reason);
    expect_nothing(link);
    timer_stop(link->lifetime_timer);
    link->phase = LINK_FAILED;
    timer_start(link->timer, 0);
}

/* Nothing is lost yet: the other side may be a moment late, or somebody came in between. */
PRINTF_LIKE(2, 3) static void attempt_over(struct migration_link *link, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(link->reason, sizeof link->reason, format, arguments);
    va_end(arguments);
    log_event(LOG_DEBUG, "migration-link-attempt", "migration=%llu reason=\"%s\"",
              (unsigned long long)link->ticket.migration, link->reason);
    session_drop(link, link->reason);
    timer_stop(link->timer);
    if (link->side == SIDE_SOURCE) {
        link->phase = LINK_RESTING;
        timer_start(link->timer, RETRY_MS);
    } else {
        link->phase = LINK_EXPECTING;
    }
}

static void on_lifetime_timer(void *argument)
{
    struct migration_link *link = argument;
    uint64_t now_ms = time_boot_ms(), left_ms;

    if (now_ms >= link->deadline_ms) {
        fail(link, "the migration ticket's time is over (%s)",
             link->reason[0] ? link->reason : "the other agent was not there");
        return;
    }
    left_ms = link->deadline_ms - now_ms;
    timer_start(link->lifetime_timer, left_ms < LIFETIME_TICK_MS ? left_ms : LIFETIME_TICK_MS);
}

/* --- the channel --- */

static void ready(struct migration_link *link, int fd)
{
    const struct digest session = link->session; /* The callee may close the link. */
    OWN(secret) struct secret secret = {0};

    timer_stop(link->timer);
    timer_stop(link->lifetime_timer);
    expect_nothing(link);
    link->phase = LINK_READY;
    log_event(LOG_NOTICE, "migration-link-ready", "migration=%llu peer=%s",
              (unsigned long long)link->ticket.migration,
              connection_peer(link->connection)->address);
    /* Whatever is made of K_S is made in there. */
    secret = TAKE(link->secret);
    link->callbacks.on_ready(link->argument, fd, secret_view(&secret), &session);
}

static void on_channel(void *argument, int fd)
{
    struct migration_link *link = argument;

    ASSERT(link->phase == LINK_ANSWERED);
    ready(link, fd);
}

static void token_of(const struct migration_link *link, struct digest *ret_token)
{
    migration_channel_token(&link->scope, secret_view(&link->secret), CHANNEL_MEMORY,
                            DIRECTION_TO_DESTINATION, ret_token);
}

/* The socket's queue is empty: it takes the greeting whole. */
static enum status say_greeting(const struct migration_link *link, int fd)
{
    uint8_t greeting[MIGRATION_CHANNEL_GREETING_SIZE] = MIGRATION_CHANNEL_MAGIC;
    struct digest token;

    token_of(link, &token);
    memcpy(greeting + MIGRATION_CHANNEL_MAGIC_SIZE, token.bytes, sizeof token.bytes);
    return send(fd, greeting, sizeof greeting, MSG_NOSIGNAL) == sizeof greeting ? STATUS_OK
                                                                                : STATUS_IO;
}

static void on_channel_connected(uv_connect_t *request, int error)
{
    struct channel_dial *channel = request->data;
    struct migration_link *link = channel->link;
    int connected, fd = -1;

    if (!link) {
        return;
    }
    if (error != 0) {
        attempt_over(link, "the channel cannot be connected: %s", uv_strerror(error));
        return;
    }
    if (uv_fileno(&channel->socket.handle, &connected) == 0) {
        fd = fcntl(connected, F_DUPFD_CLOEXEC, 0);
    }
    channel_give_up(link);
    if (fd < 0 || say_greeting(link, fd) != STATUS_OK ||
        migration_channel_prepare(fd) != STATUS_OK) {
        if (fd >= 0) {
            (void)close(fd);
        }
        attempt_over(link, "the channel cannot be used");
        return;
    }
    ready(link, fd);
}

/* To where the session leads, not to what a name may mean by now. */
static bool peer_name(const struct migration_link *link, struct sockaddr_storage *ret_name)
{
    struct address address;

    return address_parse(connection_peer(link->connection)->address, &address) == STATUS_OK &&
           (uv_ip4_addr(address.host, address.port, (struct sockaddr_in *)ret_name) == 0 ||
            uv_ip6_addr(address.host, address.port, (struct sockaddr_in6 *)ret_name) == 0);
}

static void dial_channel(struct migration_link *link)
{
    struct channel_dial *channel = calloc(1, sizeof *channel);
    struct sockaddr_storage name = {0};

    if (!channel || uv_tcp_init(link->loop, &channel->socket.tcp) != 0) {
        free(channel);
        attempt_over(link, "out of memory");
        return;
    }
    channel->socket.handle.data = channel->request.data = channel;
    channel->link = link;
    link->channel = channel;
    if (!peer_name(link, &name) ||
        uv_tcp_connect(&channel->request, &channel->socket.tcp, (const struct sockaddr *)&name,
                       on_channel_connected) != 0) {
        attempt_over(link, "the channel cannot be connected");
        return;
    }
    link->phase = LINK_DIALING_CHANNEL;
    timer_start(link->timer, CHANNEL_TIMEOUT_MS);
}

/* --- the session --- */

/* K_S, and what it is called. */
static enum status session_begin(struct migration_link *link)
{
    struct digest exported;
    enum status status;

    TRY(tls_exporter(connection_tls(link->connection), MIGRATION_EXPORTER_LABEL,
                     digest_view(&link->ticket.digest), &exported));
    status = secret_copy(digest_view(&exported), &link->secret);
    secret_wipe(&exported, sizeof exported);
    if (status == STATUS_OK) {
        link->session = migration_session_id(&link->scope, secret_view(&link->secret));
    }
    return status;
}

static enum status say_hello(struct migration_link *link)
{
    OWN(bytes) struct bytes frame = {0};

    TRY(migration_hello_pack(&(struct migration_hello){link->ticket.migration, link->session},
                             &frame));
    return connection_send(link->connection, bytes_view(&frame));
}

static bool is_our_session(const struct migration_link *link, const struct migration_hello *hello)
{
    return hello->migration == link->ticket.migration &&
           secret_equal(digest_view(&hello->session), digest_view(&link->session));
}

static void on_open(struct connection *connection, void *argument,
                    const struct connection_peer *peer)
{
    struct migration_link *link = argument;
    enum status status = session_begin(link);

    (void)connection, (void)peer;
    if (status == STATUS_OK) {
        status = say_hello(link);
    }
    if (status != STATUS_OK) {
        attempt_over(link, "the session cannot begin: %s", status_text(status));
        return;
    }
    link->phase = LINK_SAID_HELLO;
    timer_start(link->timer, ANSWER_TIMEOUT_MS);
}

/* The other end is the ticket's destination: what it says wrongly, it will not say better. */
static void take_answer(struct migration_link *link, struct view frame)
{
    struct migration_hello hello;

    if (migration_hello_parse(frame, &hello) != STATUS_OK) {
        fail(link, "the other agent's answer is malformed");
    } else if (!is_our_session(link, &hello)) {
        fail(link, "the other agent has another session: its ticket is not ours");
    } else {
        dial_channel(link);
    }
}

static void on_frame(struct connection *connection, void *argument, struct view frame)
{
    struct migration_link *link = argument;

    (void)connection;
    switch (link->phase) {
    case LINK_SAID_HELLO:
        take_answer(link, frame);
        break;
    case LINK_RESTING:
    case LINK_DIALING:
    case LINK_DIALING_CHANNEL:
    case LINK_EXPECTING:
    case LINK_ANSWERED:
        attempt_over(link, "the other agent speaks out of turn");
        break;
    case LINK_READY:
    case LINK_FAILED:
        fail(link, "the other agent speaks out of turn");
        break;
    }
}

static void on_close(struct connection *connection, void *argument, enum status reason,
                     const char *detail)
{
    struct migration_link *link = argument;

    (void)connection, (void)reason;
    link->connection = NULL;
    if (link->phase == LINK_READY) {
        fail(link, "the other agent is gone: %s", detail);
    } else {
        attempt_over(link, "%s", detail);
    }
}

static const struct connection_callbacks session_callbacks = {on_open, on_frame, NULL, on_close};

/* The peer of the ticket, and nobody else. */
static enum status verify_destination(void *argument, const struct view *chain, size_t count,
                                      struct refusal *ret_refusal)
{
    const struct migration_link *link = argument;

    (void)count;
    return migration_peer_check(&link->ticket, SIDE_SOURCE, chain[0], &link->scope, link->tc_sign,
                                ret_refusal);
}

static enum status verify_source(void *argument, struct view certificate,
                                 struct refusal *ret_refusal)
{
    const struct migration_link *link = argument;

    return migration_peer_check(&link->ticket, SIDE_DESTINATION, certificate, &link->scope,
                                link->tc_sign, ret_refusal);
}

static void on_session(void *argument, struct connection *connection,
                       const struct migration_hello *hello)
{
    struct migration_link *link = argument;
    enum status status;

    ASSERT(link->phase == LINK_EXPECTING);
    link->connection = connection;
    connection_hand_over(connection, &session_callbacks, link);
    status = session_begin(link);
    if (status != STATUS_OK) {
        attempt_over(link, "the session cannot begin: %s", status_text(status));
        return;
    }
    if (!is_our_session(link, hello)) {
        log_event(LOG_WARNING, "migration-session-refused", "peer=%s detail=\"%s\"",
                  connection_peer(connection)->address, "its ticket is not ours");
        attempt_over(link, "the other agent has another session: its ticket is not ours");
        return;
    }
    /* Expected before it is asked for: the channel may come as soon as the answer is out. */
    token_of(link, &link->expected.token);
    link->expected.has_token = true;
    status = say_hello(link);
    if (status != STATUS_OK) {
        attempt_over(link, "the session cannot begin: %s", status_text(status));
        return;
    }
    link->phase = LINK_ANSWERED;
    timer_start(link->timer, CHANNEL_TIMEOUT_MS);
}

static void on_dropped(void *argument, const char *reason)
{
    struct migration_link *link = argument;

    link->port = NULL;
    fail(link, "%s", reason);
}

/* --- attempts --- */

static void attempt(struct migration_link *link)
{
    const struct dial_config config = {
        .loop = link->loop,
        .address = link->address,
        .tls = link->tls,
        .limits = {.handshake_timeout_ms = HANDSHAKE_TIMEOUT_MS,
                   .idle_timeout_ms = UINT_MAX,
                   .frame_size_max = MIGRATION_HELLO_SIZE_MAX},
        .callbacks = session_callbacks,
        .argument = link,
    };
    enum status status = connection_dial(&config, &link->connection);

    if (status != STATUS_OK) {
        link->connection = NULL;
        attempt_over(link, "cannot connect to %s: %s", link->address, status_text(status));
        return;
    }
    link->phase = LINK_DIALING;
}

static void on_timer(void *argument)
{
    struct migration_link *link = argument;
    char reason[REASON_SIZE];

    switch (link->phase) {
    case LINK_RESTING:
        attempt(link);
        break;
    case LINK_SAID_HELLO:
        attempt_over(link, "the other agent does not answer");
        break;
    case LINK_DIALING_CHANNEL:
        attempt_over(link, "the channel cannot be connected in time");
        break;
    case LINK_ANSWERED:
        attempt_over(link, "the channel does not come");
        break;
    case LINK_FAILED:
        (void)snprintf(reason, sizeof reason, "%s", link->reason);
        link->callbacks.on_failed(link->argument, reason); /* The callee may close the link. */
        break;
    case LINK_DIALING:
    case LINK_EXPECTING:
    case LINK_READY:
        break;
    }
}

/* --- beginning and end --- */

DEFINE_OWN_POINTER(migration_link, migration_link_close)

static enum status link_new(const struct migration_link_config *config, enum migration_side side,
                            struct migration_link **ret_link)
{
    OWN(migration_link) struct migration_link *link = calloc(1, sizeof *link);
    uint64_t lifetime_ms = config->ticket->lifetime_ms;

    if (!link) {
        return STATUS_NO_MEMORY;
    }
    link->loop = config->loop;
    link->ticket = *config->ticket;
    link->side = side;
    link->scope = config->scope;
    link->callbacks = config->callbacks;
    link->argument = config->argument;
    link->deadline_ms = lifetime_ms > UINT64_MAX - config->received_ms
                            ? UINT64_MAX
                            : config->received_ms + lifetime_ms;
    TRY(public_key_parse(config->tc_sign, &link->tc_sign));
    TRY(timer_new(config->loop, on_timer, link, &link->timer));
    TRY(timer_new(config->loop, on_lifetime_timer, link, &link->lifetime_timer));
    timer_start(link->lifetime_timer, 0);
    *ret_link = TAKE(link);
    return STATUS_OK;
}

enum status migration_link_expect(struct migration_port *port,
                                  const struct migration_link_config *config,
                                  struct migration_link **ret_link)
{
    OWN(migration_link) struct migration_link *link = NULL;

    if (!view_equal(migration_port_key(port),
                    VIEW_OF_ARRAY(config->ticket->parties[SIDE_DESTINATION].tk_sign))) {
        return STATUS_CONFLICT;
    }
    TRY(link_new(config, SIDE_DESTINATION, &link));
    link->phase = LINK_EXPECTING;
    link->expected = (struct migration_expected){.migration = config->ticket->migration,
                                                 .verify = verify_source,
                                                 .on_session = on_session,
                                                 .on_channel = on_channel,
                                                 .on_dropped = on_dropped,
                                                 .argument = link};
    TRY(migration_port_expect(port, &link->expected));
    link->port = port;
    *ret_link = TAKE(link);
    return STATUS_OK;
}

enum status migration_link_dial(const struct migration_link_config *config, const char *address,
                                struct migration_link **ret_link)
{
    static const char *const protocols[] = {MIGRATION_ALPN, NULL};
    OWN(migration_link) struct migration_link *link = NULL;
    struct address parsed;

    TRY(address_parse(address, &parsed));
    if (parsed.port == 0) { /* nor has a unix socket one */
        return STATUS_MALFORMED;
    }
    if (!view_equal(private_key_spki(config->tk_sign),
                    VIEW_OF_ARRAY(config->ticket->parties[SIDE_SOURCE].tk_sign))) {
        return STATUS_CONFLICT;
    }
    TRY(link_new(config, SIDE_SOURCE, &link));
    address_format(&parsed, link->address);
    TRY(tls_context_new(&(struct tls_config){.role = TLS_CLIENT,
                                             .chain = &config->certificate,
                                             .chain_count = 1,
                                             .private_key = config->tk_sign,
                                             .alpn = protocols,
                                             .verify = verify_destination,
                                             .verify_argument = link},
                        &link->tls));
    timer_start(link->timer, 0);
    *ret_link = TAKE(link);
    return STATUS_OK;
}

void migration_link_close(struct migration_link *link)
{
    struct connection *connection;

    if (!link) {
        return;
    }
    connection = TAKE(link->connection);
    if (connection) {
        connection_disown(connection);
        connection_close(connection);
    }
    session_drop(link, "closed");
    secret_free(&link->secret);
    expect_nothing(link);
    if (link->timer) {
        timer_free(link->timer);
    }
    if (link->lifetime_timer) {
        timer_free(link->lifetime_timer);
    }
    tls_context_release(link->tls);
    public_key_free(link->tc_sign);
    free(link);
}
