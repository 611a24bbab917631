/* Very many handshakes at the same time, as after a change of leader. */
#include "lib/net/connection.h"

#include "tests/support/credentials.h"
#include "tests/support/loop.h"
#include "tests/support/test.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#define ALPN "tccp-test/1"

enum { PEER_COUNT = 300, TURN_MAX = 10000, KEPT_MAX = 64 * 1024, FLOOD_SIZE = 2 * KEPT_MAX };

struct fixture {
    uv_loop_t loop;
    struct credentials server, client;
    struct tls_context *server_tls, *client_tls;
    struct listener *listener;
    struct sockaddr_in name;
    int fds[PEER_COUNT];
    struct tls *tls[PEER_COUNT];
};

static void on_open(struct connection *connection, void *argument,
                    const struct connection_peer *peer)
{
    (void)connection, (void)argument, (void)peer;
}

static void on_frame(struct connection *connection, void *argument, struct view frame)
{
    (void)connection, (void)argument, (void)frame;
}

static void on_close(struct connection *connection, void *argument, enum status reason,
                     const char *detail)
{
    (void)connection, (void)argument, (void)reason, (void)detail;
}

static int begin(void **state)
{
    static struct fixture fixture;

    fixture = (struct fixture){.server = credentials_make("server"),
                               .client = credentials_make("client")};
    assert_int_equal(uv_loop_init(&fixture.loop), 0);
    fixture.server_tls = credentials_context(&fixture.server, TLS_SERVER, ALPN, "client");
    fixture.client_tls = credentials_context(&fixture.client, TLS_CLIENT, ALPN, "server");
    assert_ok(
        listener_open(&(struct listener_config){.loop = &fixture.loop,
                                                .address = "127.0.0.1:0",
                                                .tls = fixture.server_tls,
                                                .callbacks = {on_open, on_frame, NULL, on_close}},
                      &fixture.listener, NULL));
    fixture.name = (struct sockaddr_in){.sin_family = AF_INET,
                                        .sin_port = htons(listener_port(fixture.listener)),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    *state = &fixture;
    return 0;
}

static int end(void **state)
{
    struct fixture *fixture = *state;

    listener_close(fixture->listener, NULL, NULL);
    assert_true(loop_finish(&fixture->loop));
    tls_context_release(fixture->server_tls);
    tls_context_release(fixture->client_tls);
    credentials_free(&fixture->server);
    credentials_free(&fixture->client);
    return 0;
}

static int socket_connect(const struct fixture *fixture)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&fixture->name, sizeof fixture->name), 0);
    return fd;
}

/* All have said ClientHello before the server looks at the first. */
static void peers_say_hello(struct fixture *fixture)
{
    for (unsigned i = 0; i < PEER_COUNT; i++) {
        struct view hello;

        fixture->fds[i] = socket_connect(fixture);
        assert_ok(tls_new(fixture->client_tls, &fixture->tls[i]));
        assert_ok(tls_feed(fixture->tls[i], (struct view){0}));
        hello = tls_output(fixture->tls[i]);
        assert_int_equal(write(fixture->fds[i], hello.data, hello.size), hello.size);
    }
}

static void peers_end(struct fixture *fixture)
{
    for (unsigned i = 0; i < PEER_COUNT; i++) {
        (void)close(fixture->fds[i]);
        tls_free(fixture->tls[i]);
    }
}

static unsigned answered_count(const struct fixture *fixture)
{
    struct pollfd polls[PEER_COUNT];
    int count;

    for (unsigned i = 0; i < PEER_COUNT; i++) {
        polls[i] = (struct pollfd){.fd = fixture->fds[i], .events = POLLIN};
    }
    count = poll(polls, PEER_COUNT, 0);
    assert_true(count >= 0);
    return (unsigned)count;
}

static void many_handshakes_leave_the_loop_its_turns(void **state)
{
    struct fixture *fixture = *state;
    unsigned turns = 0, answered;

    peers_say_hello(fixture);
    /* A signature and two key agreements each, even the fastest machine needs 30 ms for all. */
    for (unsigned all = 0; (answered = answered_count(fixture)) < PEER_COUNT; all++) {
        assert_true(all < TURN_MAX);
        (void)uv_run(&fixture->loop, UV_RUN_NOWAIT);
        turns += answered > 0;
    }
    assert_true(turns >= 4);
    peers_end(fixture);
}

static bool is_answered(int fd)
{
    struct pollfd waiting = {.fd = fd, .events = POLLIN};
    char byte;

    return poll(&waiting, 1, 0) == 1 && recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1;
}

static void handshakes_of_peers_that_went_are_forgotten(void **state)
{
    struct fixture *fixture = *state;

    peers_say_hello(fixture);
    for (unsigned i = 0; i + 1 < PEER_COUNT; i++) {
        assert_int_equal(shutdown(fixture->fds[i], SHUT_WR), 0);
    }
    loop_for(&fixture->loop, 500);
    assert_int_equal(listener_connection_count(fixture->listener), 1);
    assert_true(is_answered(fixture->fds[PEER_COUNT - 1]));
    /* Whoever was not served when it went was not served afterwards. */
    assert_false(is_answered(fixture->fds[PEER_COUNT - 2]));
    peers_end(fixture);
}

static void handshake_that_does_not_wait_its_turn_is_dropped(void **state)
{
    struct fixture *fixture = *state;
    static uint8_t flood[FLOOD_SIZE];
    struct view hello;

    fixture->fds[0] = socket_connect(fixture);
    assert_ok(tls_new(fixture->client_tls, &fixture->tls[0]));
    assert_ok(tls_feed(fixture->tls[0], (struct view){0}));
    hello = tls_output(fixture->tls[0]);
    memcpy(flood, hello.data, hello.size);
    assert_true(send(fixture->fds[0], flood, sizeof flood, MSG_DONTWAIT | MSG_NOSIGNAL) > KEPT_MAX);
    loop_for(&fixture->loop, 200);
    assert_int_equal(listener_connection_count(fixture->listener), 0);
    assert_false(is_answered(fixture->fds[0]));
    (void)close(fixture->fds[0]);
    tls_free(fixture->tls[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(handshake_that_does_not_wait_its_turn_is_dropped, begin,
                                        end),
        cmocka_unit_test_setup_teardown(handshakes_of_peers_that_went_are_forgotten, begin, end),
        cmocka_unit_test_setup_teardown(many_handshakes_leave_the_loop_its_turns, begin, end),
    };
    return cmocka_run_group_tests_name("handshakes", tests, NULL, NULL);
}
