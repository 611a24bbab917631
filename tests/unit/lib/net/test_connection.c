#include "lib/net/connection.h"

#include "tests/support/credentials.h"
#include "tests/support/loop.h"
#include "tests/support/test.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define ALPN "tccp-test/1"

enum { WAIT_MS = 10000 };

static struct credentials server_credentials, client_credentials;

/* One end of a connection as the test sees it. */
struct end {
    struct fixture *fixture;
    struct connection *connection;
    bool is_open, is_closed, has_enough, is_drained;
    bool pause_on_frame;
    enum status reason;
    char detail[200];
    char peer_address[64];
    size_t frames, bytes, frames_wanted;
    uint8_t last;
    bool is_order_broken;
    bool has_certificate;
    uid_t uid;
};

struct fixture {
    uv_loop_t loop;
    struct tls_context *server_tls, *client_tls;
    struct listener *listener;
    struct listener_config config;
    struct end server; /* the last connection that was accepted */
    struct end client;
    bool echo;
    bool listener_is_closed;
    char address[64];
    int accepted_fd; /* of the last raw socket */
    bool has_socket;
};

static void on_open(struct connection *connection, void *argument,
                    const struct connection_peer *peer)
{
    struct end *end = argument;

    end->connection = connection;
    end->is_open = true;
    end->has_certificate = peer->certificate.size > 0;
    end->uid = peer->uid;
    (void)snprintf(end->peer_address, sizeof end->peer_address, "%s", peer->address);
}

static void on_accepted(struct connection *connection, void *argument,
                        const struct connection_peer *peer)
{
    struct fixture *fixture = argument;

    connection_set_argument(connection, &fixture->server);
    on_open(connection, &fixture->server, peer);
}

static void on_frame(struct connection *connection, void *argument, struct view frame)
{
    struct end *end = argument;

    end->frames++;
    end->bytes += frame.size;
    if (frame.data[0] != (uint8_t)(end->last + 1)) {
        end->is_order_broken = true;
    }
    end->last = frame.data[0];
    end->has_enough = end->frames >= end->frames_wanted;
    if (end->fixture->echo && end == &end->fixture->server) {
        assert_ok(connection_send(connection, frame));
    }
    if (end->pause_on_frame) {
        end->pause_on_frame = false;
        connection_pause(connection);
    }
}

static void on_drain(struct connection *connection, void *argument)
{
    (void)connection;
    ((struct end *)argument)->is_drained = true;
}

static void on_close(struct connection *connection, void *argument, enum status reason,
                     const char *detail)
{
    struct end *end = argument;

    (void)connection;
    assert_false(end->is_closed); /* exactly once */
    end->is_closed = true;
    end->connection = NULL;
    end->reason = reason;
    (void)snprintf(end->detail, sizeof end->detail, "%s", detail);
}

static void ignore_close(struct connection *connection, void *argument, enum status reason,
                         const char *detail)
{
    (void)connection, (void)argument, (void)reason, (void)detail;
}

static void fixture_listen(struct fixture *fixture)
{
    char error[LISTENER_ERROR_SIZE];

    if (listener_open(&fixture->config, &fixture->listener, error) != STATUS_OK) {
        fail_msg("%s", error);
    }
    if (fixture->config.tls) {
        (void)snprintf(fixture->address, sizeof fixture->address, "127.0.0.1:%u",
                       listener_port(fixture->listener));
    } else {
        (void)snprintf(fixture->address, sizeof fixture->address, "%s", fixture->config.address);
    }
}

static struct fixture *fixture_new(void)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);

    assert_non_null(fixture);
    assert_int_equal(uv_loop_init(&fixture->loop), 0);
    fixture->server_tls = credentials_context(&server_credentials, TLS_SERVER, ALPN, "client");
    fixture->client_tls = credentials_context(&client_credentials, TLS_CLIENT, ALPN, "server");
    fixture->server.fixture = fixture->client.fixture = fixture;
    fixture->config = (struct listener_config){
        .loop = &fixture->loop,
        .address = "127.0.0.1:0",
        .tls = fixture->server_tls,
        .callbacks = {on_accepted, on_frame, on_drain, on_close},
        .argument = fixture,
    };
    return fixture;
}

static void on_listener_closed(void *argument)
{
    ((struct fixture *)argument)->listener_is_closed = true;
}

static void fixture_free(struct fixture *fixture)
{
    if (fixture->client.connection) {
        connection_close(fixture->client.connection);
    }
    if (fixture->listener) {
        listener_close(fixture->listener, on_listener_closed, fixture);
        assert_true(loop_until(&fixture->loop, &fixture->listener_is_closed, WAIT_MS));
    }
    assert_true(loop_finish(&fixture->loop)); /* No handle is left. */
    tls_context_release(fixture->server_tls);
    tls_context_release(fixture->client_tls);
    free(fixture);
}

static struct dial_config dial_config(struct fixture *fixture)
{
    return (struct dial_config){
        .loop = &fixture->loop,
        .address = fixture->address,
        .tls = fixture->config.tls ? fixture->client_tls : NULL,
        .callbacks = {on_open, on_frame, on_drain, on_close},
        .argument = &fixture->client,
    };
}

static void dial(struct fixture *fixture)
{
    struct dial_config config = dial_config(fixture);
    struct connection *connection;

    assert_ok(connection_dial(&config, &connection));
}

static void connect_both(struct fixture *fixture)
{
    dial(fixture);
    assert_true(loop_until(&fixture->loop, &fixture->client.is_open, WAIT_MS));
    assert_true(loop_until(&fixture->loop, &fixture->server.is_open, WAIT_MS));
}

static int plain_socket(struct fixture *fixture)
{
    struct sockaddr_in name = {.sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                               .sin_port = htons(listener_port(fixture->listener))};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&name, sizeof name), 0);
    return fd;
}

static void on_socket(void *argument, int fd)
{
    struct fixture *fixture = argument;

    fixture->accepted_fd = fd;
    fixture->has_socket = true;
}

/* Listens for raw sockets. */
static struct fixture *raw_fixture_new(void)
{
    struct fixture *fixture = fixture_new();

    fixture->config.tls = NULL;
    fixture->config.on_socket = on_socket;
    fixture_listen(fixture);
    (void)snprintf(fixture->address, sizeof fixture->address, "127.0.0.1:%u",
                   listener_port(fixture->listener));
    fixture->config.tls = fixture->server_tls; /* for dial() and adopt() */
    return fixture;
}

static struct adopt_config adopt_config(struct fixture *fixture)
{
    return (struct adopt_config){
        .loop = &fixture->loop,
        .fd = fixture->accepted_fd,
        .tls = fixture->server_tls,
        .callbacks = {on_open, on_frame, on_drain, on_close},
        .argument = &fixture->server,
    };
}

static void adopt(struct fixture *fixture)
{
    struct adopt_config config;

    assert_true(loop_until(&fixture->loop, &fixture->has_socket, WAIT_MS));
    config = adopt_config(fixture);
    assert_ok(connection_adopt(&config, &fixture->server.connection));
}

/* --- refusals --- */

static void a_client_with_the_wrong_certificate_never_opens(void **state)
{
    struct fixture *fixture = fixture_new();

    (void)state;
    tls_context_release(fixture->client_tls);
    fixture->client_tls = credentials_context(&server_credentials, TLS_CLIENT, ALPN, "server");
    fixture_listen(fixture);
    dial(fixture);
    assert_true(loop_until(&fixture->loop, &fixture->client.is_closed, WAIT_MS));
    assert_false(fixture->server.is_open || fixture->server.is_closed);
    assert_status(fixture->client.reason, STATUS_UNTRUSTED);
    fixture_free(fixture);
}

static void a_server_that_the_dialer_refuses_never_opens(void **state)
{
    struct fixture *fixture = fixture_new();
    struct dial_config config;
    struct connection *connection;

    (void)state;
    fixture_listen(fixture);
    config = dial_config(fixture);
    config.verify = credentials_verify;
    config.verify_argument = (void *)(uintptr_t) "another server";
    assert_ok(connection_dial(&config, &connection));
    assert_true(loop_until(&fixture->loop, &fixture->client.is_closed, WAIT_MS));
    assert_false(fixture->client.is_open || fixture->server.is_open);
    assert_status(fixture->client.reason, STATUS_REFUSED);
    assert_non_null(strstr(fixture->client.detail, "server instead of another server"));
    fixture_free(fixture);
}

static void a_frame_above_the_limit_closes(void **state)
{
    struct fixture *fixture = fixture_new();
    static uint8_t big[4097] = {1};

    (void)state;
    fixture->config.limits.frame_size_max = 4096;
    fixture_listen(fixture);
    connect_both(fixture);
    assert_ok(connection_send(fixture->client.connection, (struct view){big, 4096}));
    assert_ok(connection_send(fixture->client.connection, VIEW_OF_ARRAY(big)));
    assert_ok(connection_send(fixture->client.connection, (struct view){big, 1}));
    assert_true(loop_until(&fixture->loop, &fixture->server.is_closed, WAIT_MS));
    assert_status(fixture->server.reason, STATUS_TOO_LARGE);
    assert_int_equal(fixture->server.frames, 1);
    assert_true(loop_until(&fixture->loop, &fixture->client.is_closed, WAIT_MS));
    fixture_free(fixture);
}

static void a_half_open_handshake_times_out(void **state)
{
    struct fixture *fixture = fixture_new();
    char byte;
    int fd;

    (void)state;
    fixture->config.limits.handshake_timeout_ms = 100;
    fixture_listen(fixture);
    fd = plain_socket(fixture);
    assert_int_equal(write(fd, "\x16\x03\x01", 3), 3); /* the beginning of a record */
    loop_for(&fixture->loop, 50);
    assert_int_equal(listener_connection_count(fixture->listener), 1);
    loop_for(&fixture->loop, 200);
    assert_int_equal(listener_connection_count(fixture->listener), 0);
    assert_true(recv(fd, &byte, 1, MSG_DONTWAIT) <= 0);
    assert_false(fixture->server.is_open || fixture->server.is_closed);
    (void)close(fd);
    fixture_free(fixture);
}

static void a_dialer_gives_up_on_a_server_that_says_nothing(void **state)
{
    struct fixture *fixture = fixture_new();
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof name;
    struct dial_config config;
    struct connection *connection;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)state;
    assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof name), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&name, &size), 0);
    (void)snprintf(fixture->address, sizeof fixture->address, "127.0.0.1:%u", ntohs(name.sin_port));
    config = dial_config(fixture);
    config.limits.handshake_timeout_ms = 100;
    assert_ok(connection_dial(&config, &connection));
    assert_true(loop_until(&fixture->loop, &fixture->client.is_closed, WAIT_MS));
    assert_status(fixture->client.reason, STATUS_TIMEOUT);
    (void)close(fd);
    fixture_free(fixture);
}

static void nobody_listening_is_told_with_the_address(void **state)
{
    struct fixture *fixture = fixture_new();

    (void)state;
    fixture_listen(fixture);
    listener_close(fixture->listener, on_listener_closed, fixture);
    fixture->listener = NULL;
    assert_true(loop_until(&fixture->loop, &fixture->listener_is_closed, WAIT_MS));
    dial(fixture);
    assert_true(loop_until(&fixture->loop, &fixture->client.is_closed, WAIT_MS));
    assert_status(fixture->client.reason, STATUS_IO);
    assert_non_null(strstr(fixture->client.detail, fixture->address));
    assert_non_null(strstr(fixture->client.detail, "refused"));
    fixture_free(fixture);
}

static void a_name_that_does_not_resolve_is_told(void **state)
{
    struct fixture *fixture = fixture_new();

    (void)state;
    (void)snprintf(fixture->address, sizeof fixture->address, "no-such-host.invalid:1");
    dial(fixture);
    assert_true(loop_until(&fixture->loop, &fixture->client.is_closed, WAIT_MS));
    assert_status(fixture->client.reason, STATUS_IO);
    assert_non_null(strstr(fixture->client.detail, "no-such-host.invalid"));
    fixture_free(fixture);
}

static void connections_above_the_maximum_are_dropped_and_the_others_live(void **state)
{
    struct fixture *fixture = fixture_new();
    struct end extra = {.fixture = fixture};
    struct dial_config config;
    struct connection *connection;

    (void)state;
    fixture->config.connection_max = 1;
    fixture->echo = true;
    fixture_listen(fixture);
    connect_both(fixture);
    config = dial_config(fixture);
    config.argument = &extra;
    assert_ok(connection_dial(&config, &connection));
    assert_true(loop_until(&fixture->loop, &extra.is_closed, WAIT_MS));
    assert_false(extra.is_open);
    assert_ok(connection_send(fixture->client.connection, view_string("\1")));
    assert_true(loop_until(&fixture->loop, &fixture->client.has_enough, WAIT_MS));
    fixture_free(fixture);
}

static void an_idle_connection_is_closed(void **state)
{
    struct fixture *fixture = fixture_new();

    (void)state;
    fixture->config.limits.idle_timeout_ms = 100;
    fixture_listen(fixture);
    connect_both(fixture);
    loop_for(&fixture->loop, 60);
    assert_ok(connection_send(fixture->client.connection, view_string("\1")));
    loop_for(&fixture->loop, 60);
    assert_false(fixture->server.is_closed); /* It was not silent. */
    assert_true(loop_until(&fixture->loop, &fixture->server.is_closed, WAIT_MS));
    assert_status(fixture->server.reason, STATUS_TIMEOUT);
    assert_true(loop_until(&fixture->loop, &fixture->client.is_closed, WAIT_MS));
    assert_status(fixture->client.reason, STATUS_CLOSED);
    fixture_free(fixture);
}

static void a_taken_port_is_told(void **state)
{
    struct fixture *fixture = fixture_new();
    struct listener *second;
    char error[LISTENER_ERROR_SIZE];

    (void)state;
    fixture_listen(fixture);
    fixture->config.address = fixture->address;
    assert_status(listener_open(&fixture->config, &second, error), STATUS_EXISTS);
    assert_non_null(strstr(error, fixture->address));
    assert_non_null(strstr(error, "in use"));
    fixture->config.address = "nonsense";
    assert_status(listener_open(&fixture->config, &second, error), STATUS_MALFORMED);
    assert_non_null(strstr(error, "nonsense"));
    fixture_free(fixture);
}

static void what_is_no_socket_is_not_adopted(void **state)
{
    struct fixture *fixture = raw_fixture_new();
    struct adopt_config config = adopt_config(fixture);
    struct connection *connection;

    (void)state;
    config.fd = -1;
    assert_status(connection_adopt(&config, &connection), STATUS_IO);
    loop_for(&fixture->loop, 20);
    assert_false(fixture->server.is_closed); /* there never was one */
    fixture_free(fixture);
}

static void an_adopted_stranger_is_told_from_a_client(void **state)
{
    struct fixture *fixture = raw_fixture_new();
    int fd = plain_socket(fixture);

    (void)state;
    assert_int_equal(write(fd, "no TLS at all", 13), 13);
    adopt(fixture);
    assert_true(loop_until(&fixture->loop, &fixture->server.is_closed, WAIT_MS));
    assert_status(fixture->server.reason, STATUS_UNTRUSTED);
    assert_false(fixture->server.is_open);
    (void)close(fd);
    fixture_free(fixture);
}

static void a_disowned_connection_says_nothing_more(void **state)
{
    struct fixture *fixture = fixture_new();
    struct connection *connection;

    (void)state;
    fixture_listen(fixture);
    connect_both(fixture);
    connection = fixture->client.connection;
    fixture->client.connection = NULL;
    assert_ok(connection_send(fixture->server.connection, view_string("\1")));
    connection_disown(connection);
    loop_for(&fixture->loop, 50);
    assert_int_equal(fixture->client.frames, 0);
    connection_close(connection);
    assert_true(loop_until(&fixture->loop, &fixture->server.is_closed, WAIT_MS));
    loop_for(&fixture->loop, 50);
    assert_false(fixture->client.is_closed);
    fixture_free(fixture);
}

/* --- service --- */

static void an_accepted_socket_is_handed_over_untouched(void **state)
{
    struct fixture *fixture = raw_fixture_new();
    int fd = plain_socket(fixture);
    char text[16];

    (void)state;
    assert_int_equal(write(fd, "hello", 5), 5);
    assert_true(loop_until(&fixture->loop, &fixture->has_socket, WAIT_MS));
    loop_for(&fixture->loop, 20);
    assert_int_equal(read(fixture->accepted_fd, text, sizeof text), 5);
    assert_memory_equal(text, "hello", 5);
    assert_int_equal(fcntl(fixture->accepted_fd, F_GETFD), FD_CLOEXEC);
    assert_int_equal(write(fixture->accepted_fd, "answer", 6), 6);
    assert_int_equal(read(fd, text, sizeof text), 6);
    (void)close(fixture->accepted_fd);
    (void)close(fd);
    fixture_free(fixture);
}

static void an_adopted_socket_serves_like_an_accepted_one(void **state)
{
    struct fixture *fixture = raw_fixture_new();

    (void)state;
    fixture->echo = true;
    dial(fixture);
    adopt(fixture);
    assert_true(loop_until(&fixture->loop, &fixture->client.is_open, WAIT_MS));
    assert_true(loop_until(&fixture->loop, &fixture->server.is_open, WAIT_MS));
    assert_true(fixture->server.has_certificate && fixture->client.has_certificate);
    assert_ok(connection_send(fixture->client.connection, view_string("\1")));
    assert_true(loop_until(&fixture->loop, &fixture->client.has_enough, WAIT_MS));
    connection_close(fixture->client.connection);
    assert_true(loop_until(&fixture->loop, &fixture->server.is_closed, WAIT_MS));
    assert_status(fixture->server.reason, STATUS_CLOSED);
    fixture_free(fixture);
}

static void a_connection_that_is_handed_over_speaks_to_its_new_owner(void **state)
{
    struct fixture *fixture = fixture_new();
    struct end owner = {.fixture = fixture};
    const struct connection_callbacks callbacks = {on_open, on_frame, on_drain, on_close};

    (void)state;
    fixture_listen(fixture);
    connect_both(fixture);
    connection_hand_over(fixture->server.connection, &callbacks, &owner);
    assert_ok(connection_send(fixture->client.connection, view_string("\1")));
    assert_true(loop_until(&fixture->loop, &owner.has_enough, WAIT_MS));
    assert_int_equal(fixture->server.frames, 0);
    connection_close(fixture->client.connection);
    assert_true(loop_until(&fixture->loop, &owner.is_closed, WAIT_MS));
    assert_false(fixture->server.is_closed || owner.is_open);
    fixture_free(fixture);
}

static void frames_arrive_whole_and_in_order(void **state)
{
    struct fixture *fixture = fixture_new();
    static uint8_t frame[50000];
    size_t sent = 0;

    (void)state;
    fixture->echo = true;
    fixture_listen(fixture);
    connect_both(fixture);
    assert_true(fixture->server.has_certificate && fixture->client.has_certificate);
    fixture->client.frames_wanted = 200;
    for (unsigned i = 1; i <= 200; i++) {
        size_t size = i * 7919 % sizeof frame + 1;

        memset(frame, (int)i, sizeof frame);
        sent += size;
        assert_ok(connection_send(fixture->client.connection, (struct view){frame, size}));
    }
    assert_true(loop_until(&fixture->loop, &fixture->client.has_enough, WAIT_MS));
    assert_int_equal(fixture->client.bytes, sent);
    assert_false(fixture->client.is_order_broken || fixture->server.is_order_broken);
    fixture_free(fixture);
}

static void what_was_sent_before_the_close_arrives(void **state)
{
    struct fixture *fixture = fixture_new();
    static uint8_t frame[60000] = {1};

    (void)state;
    fixture_listen(fixture);
    connect_both(fixture);
    /* The server has words of its own on the way, which would make a careless close a reset. */
    for (unsigned i = 0; i < 20; i++) {
        assert_ok(connection_send(fixture->server.connection, VIEW_OF_ARRAY(frame)));
        assert_ok(connection_send(fixture->client.connection, VIEW_OF_ARRAY(frame)));
    }
    connection_close(fixture->client.connection);
    assert_status(connection_send(fixture->client.connection, VIEW_OF_ARRAY(frame)), STATUS_CLOSED);
    assert_true(loop_until(&fixture->loop, &fixture->server.is_closed, WAIT_MS));
    assert_int_equal(fixture->server.frames, 20);
    assert_status(fixture->server.reason, STATUS_CLOSED);
    assert_true(loop_until(&fixture->loop, &fixture->client.is_closed, WAIT_MS));
    assert_status(fixture->client.reason, STATUS_OK);
    fixture_free(fixture);
}

static void a_cut_is_told_from_an_end(void **state)
{
    struct fixture *fixture = fixture_new();

    (void)state;
    fixture_listen(fixture);
    connect_both(fixture);
    connection_abort(fixture->client.connection, STATUS_OK, "test");
    assert_true(loop_until(&fixture->loop, &fixture->server.is_closed, WAIT_MS));
    assert_status(fixture->server.reason, STATUS_IO);
    fixture_free(fixture);
}

static void a_slow_reader_stops_its_own_requests_and_drains_later(void **state)
{
    struct fixture *fixture = fixture_new();
    static uint8_t frame[60000] = {1};
    unsigned sent = 0;

    (void)state;
    fixture_listen(fixture);
    connect_both(fixture);
    connection_pause(fixture->client.connection); /* does not read */
    while (!connection_is_congested(fixture->server.connection)) {
        assert_ok(connection_send(fixture->server.connection, VIEW_OF_ARRAY(frame)));
        sent++;
        loop_for(&fixture->loop, 1);
        assert_true(sent < 2000);
    }
    loop_for(&fixture->loop, 20);
    /* It is congested: what the client asks now is not taken. */
    assert_ok(connection_send(fixture->client.connection, view_string("\1")));
    loop_for(&fixture->loop, 50);
    assert_int_equal(fixture->server.frames, 0);
    assert_int_equal(fixture->client.frames, 0);
    fixture->client.frames_wanted = sent;
    connection_resume(fixture->client.connection);
    assert_true(loop_until(&fixture->loop, &fixture->client.has_enough, WAIT_MS));
    assert_true(loop_until(&fixture->loop, &fixture->server.is_drained, WAIT_MS));
    assert_true(loop_until(&fixture->loop, &fixture->server.has_enough, WAIT_MS));
    fixture_free(fixture);
}

static void a_peer_that_sends_much_leaves_turns_to_the_others(void **state)
{
    enum { CONTENT = 32 * 1024, COUNT = 256, TURN_MAX = 256 * 1024 + 64 * 1024 + CONTENT };
    struct fixture *fixture = fixture_new();
    uint8_t *content = calloc(1, CONTENT);
    size_t most = 0;

    (void)state;
    fixture_listen(fixture);
    connect_both(fixture);
    fixture->server.frames_wanted = COUNT;
    for (unsigned i = 0; i < COUNT; i++) {
        content[0] = (uint8_t)(i + 1);
        assert_ok(connection_send(fixture->client.connection, (struct view){content, CONTENT}));
    }
    while (!fixture->server.has_enough) {
        size_t before = fixture->server.bytes;

        (void)uv_run(&fixture->loop, UV_RUN_ONCE);
        most = fixture->server.bytes - before > most ? fixture->server.bytes - before : most;
    }
    assert_false(fixture->server.is_order_broken);
    assert_true(most > 0 && most <= TURN_MAX);
    free(content);
    fixture_free(fixture);
}

static void a_reader_that_stops_for_good_is_dropped(void **state)
{
    struct fixture *fixture = fixture_new();
    static uint8_t frame[60000] = {1};
    enum status status = STATUS_OK;

    (void)state;
    fixture->config.limits.queue_max = 4 * 1024 * 1024;
    fixture_listen(fixture);
    connect_both(fixture);
    connection_pause(fixture->client.connection);
    loop_for(&fixture->loop, 5);
    for (unsigned i = 0; i < 2000 && status == STATUS_OK; i++) {
        status = connection_send(fixture->server.connection, VIEW_OF_ARRAY(frame));
    }
    assert_status(status, STATUS_BUSY);
    assert_true(loop_until(&fixture->loop, &fixture->server.is_closed, WAIT_MS));
    assert_status(fixture->server.reason, STATUS_BUSY);
    fixture_free(fixture);
}

static void a_paused_connection_delivers_nothing_until_resumed(void **state)
{
    struct fixture *fixture = fixture_new();

    (void)state;
    fixture_listen(fixture);
    connect_both(fixture);
    fixture->server.pause_on_frame = true;
    fixture->server.frames_wanted = 3;
    assert_ok(connection_send(fixture->client.connection, view_string("\1")));
    assert_ok(connection_send(fixture->client.connection, view_string("\2")));
    assert_ok(connection_send(fixture->client.connection, view_string("\3")));
    loop_for(&fixture->loop, 50);
    assert_int_equal(fixture->server.frames, 1);
    connection_resume(fixture->server.connection);
    assert_int_equal(fixture->server.frames, 1); /* never inside a call */
    assert_true(loop_until(&fixture->loop, &fixture->server.has_enough, WAIT_MS));
    assert_false(fixture->server.is_order_broken);
    fixture_free(fixture);
}

static void a_held_connection_can_be_asked_after_its_end(void **state)
{
    struct fixture *fixture = fixture_new();
    struct connection *held;

    (void)state;
    fixture_listen(fixture);
    connect_both(fixture);
    held = connection_hold(fixture->server.connection);
    connection_close(fixture->client.connection);
    assert_true(loop_until(&fixture->loop, &fixture->server.is_closed, WAIT_MS));
    assert_status(connection_send(held, view_string("late")), STATUS_CLOSED);
    assert_null(connection_tls(held));
    connection_release(held);
    fixture_free(fixture);
}

static void a_new_certificate_serves_new_connections(void **state)
{
    struct fixture *fixture = fixture_new();
    OWN(credentials) struct credentials renewed = credentials_make("server");
    struct tls_context *context;

    (void)state;
    fixture_listen(fixture);
    context = credentials_context(&renewed, TLS_SERVER, ALPN, "client");
    listener_set_tls(fixture->listener, context);
    tls_context_release(context);
    connect_both(fixture);
    assert_true(view_equal(connection_peer(fixture->client.connection)->certificate,
                           bytes_view(&renewed.certificate)));
    fixture_free(fixture);
}

static void a_unix_socket_tells_the_peer_and_keeps_others_out(void **state)
{
    struct fixture *fixture = fixture_new();
    char folder[] = "/tmp/tccp-test-XXXXXX", address[64];
    struct stat about;

    (void)state;
    assert_non_null(mkdtemp(folder));
    (void)snprintf(address, sizeof address, "unix:%s/socket", folder);
    fixture->config.tls = NULL;
    fixture->config.address = address;
    fixture->echo = true;
    fixture_listen(fixture);
    assert_int_equal(stat(address + 5, &about), 0);
    assert_int_equal(about.st_mode & 0777, 0600);
    connect_both(fixture);
    assert_int_equal(fixture->server.uid, getuid());
    assert_string_equal(fixture->server.peer_address, "unix");
    assert_ok(connection_send(fixture->client.connection, view_string("\1")));
    assert_true(loop_until(&fixture->loop, &fixture->client.has_enough, WAIT_MS));
    connection_close(fixture->client.connection);
    assert_true(loop_until(&fixture->loop, &fixture->server.is_closed, WAIT_MS));
    assert_status(fixture->server.reason, STATUS_CLOSED);
    fixture_free(fixture);
    (void)unlink(address + 5);
    assert_int_equal(rmdir(folder), 0);
}

static void names_and_ipv6_are_dialed(void **state)
{
    struct fixture *fixture = fixture_new();

    (void)state;
    fixture_listen(fixture);
    (void)snprintf(fixture->address, sizeof fixture->address, "localhost:%u",
                   listener_port(fixture->listener));
    connect_both(fixture);
    assert_int_equal(strncmp(fixture->client.peer_address, "127.0.0.1:", 10), 0);
    fixture_free(fixture);

    fixture = fixture_new();
    fixture->config.address = "[::1]:0";
    if (listener_open(&fixture->config, &fixture->listener, NULL) == STATUS_OK) {
        (void)snprintf(fixture->address, sizeof fixture->address, "[::1]:%u",
                       listener_port(fixture->listener));
        connect_both(fixture);
        assert_int_equal(strncmp(fixture->server.peer_address, "[::1]:", 6), 0);
    }
    fixture_free(fixture);
}

static void dialing_can_be_given_up_at_any_moment(void **state)
{
    (void)state;
    for (unsigned turns = 0; turns < 12; turns++) {
        struct fixture *fixture = fixture_new();
        struct dial_config config;
        struct connection *connection;

        fixture_listen(fixture);
        config = dial_config(fixture);
        if (turns % 2) {
            (void)snprintf(fixture->address, sizeof fixture->address, "localhost:%u",
                           listener_port(fixture->listener));
        }
        assert_ok(connection_dial(&config, &connection));
        for (unsigned i = 0; i < turns; i++) {
            (void)uv_run(&fixture->loop, UV_RUN_NOWAIT);
        }
        connection_close(connection);
        fixture->client.connection = NULL;
        assert_true(loop_until(&fixture->loop, &fixture->client.is_closed, WAIT_MS));
        assert_status(fixture->client.reason, STATUS_OK);
        fixture_free(fixture);
    }
}

static void an_idle_connection_takes_little_memory(void **state)
{
    enum { COUNT = 100, BYTES_MAX = 20 * 1024 };
    struct fixture *fixture = fixture_new();
    static struct end ends[COUNT];
    struct dial_config config;
    struct connection *connection;
    size_t before, after;

    (void)state;
    fixture->config.callbacks.on_open = on_open;
    fixture->config.callbacks.on_close = ignore_close;
    fixture->config.argument = &fixture->server;
    fixture_listen(fixture);
    dial(fixture); /* What is made once is made before we count. */
    assert_true(loop_until(&fixture->loop, &fixture->client.is_open, WAIT_MS));
    loop_for(&fixture->loop, 20);
    before = mallinfo2().uordblks;
    for (size_t i = 0; i < COUNT; i++) {
        config = dial_config(fixture);
        config.argument = &ends[i];
        assert_ok(connection_dial(&config, &connection));
        assert_true(loop_until(&fixture->loop, &ends[i].is_open, WAIT_MS));
    }
    loop_for(&fixture->loop, 20);
    after = mallinfo2().uordblks;
    assert_int_equal(listener_connection_count(fixture->listener), COUNT + 1);
    print_message("# bytes per idle connection: %zu\n", (after - before) / (2 * COUNT));
    assert_true(after - before < (size_t)2 * COUNT * BYTES_MAX);
    for (size_t i = 0; i < COUNT; i++) {
        connection_close(ends[i].connection);
    }
    fixture_free(fixture);
}

static int make_credentials(void **state)
{
    (void)state;
    server_credentials = credentials_make("server");
    client_credentials = credentials_make("client");
    return 0;
}

static int free_credentials(void **state)
{
    (void)state;
    credentials_free(&server_credentials);
    credentials_free(&client_credentials);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_with_the_wrong_certificate_never_opens),
        cmocka_unit_test(a_server_that_the_dialer_refuses_never_opens),
        cmocka_unit_test(a_frame_above_the_limit_closes),
        cmocka_unit_test(a_half_open_handshake_times_out),
        cmocka_unit_test(a_dialer_gives_up_on_a_server_that_says_nothing),
        cmocka_unit_test(nobody_listening_is_told_with_the_address),
        cmocka_unit_test(a_name_that_does_not_resolve_is_told),
        cmocka_unit_test(connections_above_the_maximum_are_dropped_and_the_others_live),
        cmocka_unit_test(an_idle_connection_is_closed),
        cmocka_unit_test(a_taken_port_is_told),
        cmocka_unit_test(what_is_no_socket_is_not_adopted),
        cmocka_unit_test(an_adopted_stranger_is_told_from_a_client),
        cmocka_unit_test(a_disowned_connection_says_nothing_more),
        cmocka_unit_test(an_accepted_socket_is_handed_over_untouched),
        cmocka_unit_test(an_adopted_socket_serves_like_an_accepted_one),
        cmocka_unit_test(a_connection_that_is_handed_over_speaks_to_its_new_owner),
        cmocka_unit_test(frames_arrive_whole_and_in_order),
        cmocka_unit_test(what_was_sent_before_the_close_arrives),
        cmocka_unit_test(a_cut_is_told_from_an_end),
        cmocka_unit_test(a_slow_reader_stops_its_own_requests_and_drains_later),
        cmocka_unit_test(a_peer_that_sends_much_leaves_turns_to_the_others),
        cmocka_unit_test(a_reader_that_stops_for_good_is_dropped),
        cmocka_unit_test(a_paused_connection_delivers_nothing_until_resumed),
        cmocka_unit_test(a_held_connection_can_be_asked_after_its_end),
        cmocka_unit_test(a_new_certificate_serves_new_connections),
        cmocka_unit_test(a_unix_socket_tells_the_peer_and_keeps_others_out),
        cmocka_unit_test(names_and_ipv6_are_dialed),
        cmocka_unit_test(an_idle_connection_takes_little_memory),
        cmocka_unit_test(dialing_can_be_given_up_at_any_moment),
    };
    return cmocka_run_group_tests_name("connection", tests, make_credentials, free_credentials);
}
