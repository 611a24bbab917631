/* The port against whoever may connect to it; what waits there is made by hand. */
#include "nodeagent/migration_port.h"

#include "lib/net/timer.h"
#include "lib/protocol/migration_session.h"
#include "tests/support/credentials.h"
#include "tests/support/loop.h"
#include "tests/support/test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WAIT_MS = 10000, SHORT_MS = 100 };

/* What waits for a channel. */
struct waiting {
    struct migration_expected expected;
    bool has_channel, is_dropped;
    unsigned channels;
    int fd;
    char reason[100];
};

struct fixture {
    uv_loop_t loop;
    struct migration_port *port;
    struct credentials credentials;
    struct waiting waiting;
};

static enum status refuse_all(void *argument, struct view certificate, struct refusal *ret_refusal)
{
    (void)argument, (void)certificate;
    return refuse(ret_refusal, REFUSAL_ORDER, "nobody");
}

static void on_session(void *argument, struct connection *connection,
                       const struct migration_hello *hello)
{
    (void)argument, (void)connection, (void)hello;
    fail_msg("a session");
}

static void on_channel(void *argument, int fd)
{
    struct waiting *waiting = argument;

    waiting->has_channel = true;
    waiting->channels++;
    waiting->fd = fd;
}

static void on_dropped(void *argument, const char *reason)
{
    struct waiting *waiting = argument;

    assert_false(waiting->is_dropped);
    waiting->is_dropped = true;
    (void)snprintf(waiting->reason, sizeof waiting->reason, "%s", reason);
}

static void wait_in(struct waiting *waiting, uint64_t migration, const char *token)
{
    *waiting = (struct waiting){
        .expected = {migration, refuse_all, on_session, on_channel, on_dropped, waiting,
                     .has_token = true, .token = sha256(view_string(token))},
        .fd = -1,
    };
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    char error[LISTENER_ERROR_SIZE];

    assert_non_null(fixture);
    assert_int_equal(uv_loop_init(&fixture->loop), 0);
    assert_ok(migration_port_open(&fixture->loop, "127.0.0.1:0", &fixture->port, error));
    fixture->credentials = credentials_make("node");
    wait_in(&fixture->waiting, 9, "token");
    assert_ok(migration_port_expect(fixture->port, &fixture->waiting.expected));
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    migration_port_close(fixture->port);
    assert_true(loop_finish(&fixture->loop));
    credentials_free(&fixture->credentials);
    if (fixture->waiting.fd >= 0) {
        (void)close(fixture->waiting.fd);
    }
    free(fixture);
    return 0;
}

static int stranger(struct fixture *fixture, const void *bytes, size_t size)
{
    struct sockaddr_in name = {.sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                               .sin_port = htons(migration_port_number(fixture->port))};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&name, sizeof name), 0);
    assert_int_equal(send(fd, bytes, size, MSG_NOSIGNAL), size);
    return fd;
}

/* Whether the port has closed this connection. */
static bool is_shut(int fd)
{
    char byte;
    ssize_t count = recv(fd, &byte, 1, MSG_DONTWAIT);

    assert_true(count <= 0);
    return count == 0 || errno != EAGAIN;
}

static void assert_shut_within(struct fixture *fixture, int fd, unsigned limit_ms)
{
    uint64_t end_ms = time_boot_ms() + limit_ms;

    while (!is_shut(fd)) {
        assert_true(time_boot_ms() < end_ms);
        loop_for(&fixture->loop, 5);
    }
    (void)close(fd);
}

static void greeting_of(const char *token, uint8_t ret_greeting[MIGRATION_CHANNEL_GREETING_SIZE])
{
    struct digest digest = sha256(view_string(token));

    memcpy(ret_greeting, MIGRATION_CHANNEL_MAGIC, MIGRATION_CHANNEL_MAGIC_SIZE);
    memcpy(ret_greeting + MIGRATION_CHANNEL_MAGIC_SIZE, digest.bytes, sizeof digest.bytes);
}

static void assert_true_peer_is_served(struct fixture *fixture)
{
    uint8_t greeting[MIGRATION_CHANNEL_GREETING_SIZE];
    int fd;

    greeting_of("token", greeting);
    fd = stranger(fixture, greeting, sizeof greeting);
    assert_true(loop_until(&fixture->loop, &fixture->waiting.has_channel, WAIT_MS));
    (void)close(fd);
}

/* --- refusals --- */

static void an_address_that_cannot_be_listened_on_is_told(void **state)
{
    struct fixture *fixture = *state;
    struct migration_port *port;
    char error[LISTENER_ERROR_SIZE], address[40];

    (void)snprintf(address, sizeof address, "127.0.0.1:%u", migration_port_number(fixture->port));
    assert_status(migration_port_open(&fixture->loop, address, &port, error), STATUS_EXISTS);
    assert_non_null(strstr(error, address));
    assert_non_null(strstr(error, "in use"));
    assert_status(migration_port_open(&fixture->loop, "nonsense", &port, error), STATUS_MALFORMED);
    assert_non_null(strstr(error, "nonsense"));
    assert_status(migration_port_open(&fixture->loop, "unix:/tmp/no-port", &port, error),
                  STATUS_MALFORMED);
    assert_non_null(strstr(error, "unix:/tmp/no-port"));
}

static void garbage_is_shut_out_at_its_first_byte(void **state)
{
    struct fixture *fixture = *state;

    for (unsigned byte = 0; byte < 256; byte++) {
        uint8_t bytes[] = {(uint8_t)byte};

        if (byte != 0x16 && byte != 'T') {
            assert_shut_within(fixture, stranger(fixture, bytes, sizeof bytes), WAIT_MS / 10);
        }
    }
    assert_shut_within(fixture, stranger(fixture, "TCC?", 4), WAIT_MS / 10);
    assert_shut_within(fixture, stranger(fixture, "GET / HTTP/1.1\r\n\r\n", 18), WAIT_MS / 10);
    assert_true_peer_is_served(fixture);
}

static void a_tls_client_finds_nobody_without_a_registration(void **state)
{
    struct fixture *fixture = *state;

    assert_shut_within(fixture, stranger(fixture, "\x16\x03\x01", 3), WAIT_MS / 10);
    assert_ok(migration_port_set_identity(
        fixture->port, bytes_view(&fixture->credentials.certificate), fixture->credentials.key));
    assert_ok(migration_port_set_identity(fixture->port, (struct view){0}, NULL));
    assert_shut_within(fixture, stranger(fixture, "\x16\x03\x01", 3), WAIT_MS / 10);
}

static void tls_that_goes_wrong_is_shut_out(void **state)
{
    struct fixture *fixture = *state;

    assert_ok(migration_port_set_identity(
        fixture->port, bytes_view(&fixture->credentials.certificate), fixture->credentials.key));
    wait_in(&fixture->waiting, 9, "token");
    assert_ok(migration_port_expect(fixture->port, &fixture->waiting.expected));
    {
        uint8_t record[] = {0x16, 3, 1, 0, 5, 99, 0, 0, 1, 0}, alert[64];
        int fd = stranger(fixture, record, sizeof record);

        loop_for(&fixture->loop, SHORT_MS);
        while (recv(fd, alert, sizeof alert, MSG_DONTWAIT) > 0) {
        }
        assert_true(shutdown(fd, SHUT_WR) == 0);
        assert_shut_within(fixture, fd, WAIT_MS / 10);
    }
    assert_true_peer_is_served(fixture);
}

static void a_token_that_is_not_expected_is_shut_out(void **state)
{
    struct fixture *fixture = *state;
    uint8_t greeting[MIGRATION_CHANNEL_GREETING_SIZE];

    for (size_t at = MIGRATION_CHANNEL_MAGIC_SIZE; at < sizeof greeting; at++) {
        greeting_of("token", greeting);
        greeting[at] ^= 1;
        assert_shut_within(fixture, stranger(fixture, greeting, sizeof greeting), WAIT_MS / 10);
    }
    assert_false(fixture->waiting.has_channel);
    assert_true_peer_is_served(fixture);
}

static void no_token_serves_where_none_is_expected(void **state)
{
    struct fixture *fixture = *state;
    uint8_t zeroes[MIGRATION_CHANNEL_GREETING_SIZE] = MIGRATION_CHANNEL_MAGIC, greeting[36];

    greeting_of("token", greeting);
    fixture->waiting.expected.has_token = false;
    assert_shut_within(fixture, stranger(fixture, greeting, sizeof greeting), WAIT_MS / 10);
    fixture->waiting.expected.token = (struct digest){{0}};
    assert_shut_within(fixture, stranger(fixture, zeroes, sizeof zeroes), WAIT_MS / 10);
    assert_false(fixture->waiting.has_channel);
}

static void a_token_serves_once(void **state)
{
    struct fixture *fixture = *state;
    uint8_t greeting[MIGRATION_CHANNEL_GREETING_SIZE];

    assert_true_peer_is_served(fixture);
    greeting_of("token", greeting);
    assert_shut_within(fixture, stranger(fixture, greeting, sizeof greeting), WAIT_MS / 10);
    assert_int_equal(fixture->waiting.channels, 1);
}

static void a_greeting_that_breaks_off_is_nothing(void **state)
{
    struct fixture *fixture = *state;
    uint8_t greeting[MIGRATION_CHANNEL_GREETING_SIZE];

    greeting_of("token", greeting);
    for (size_t size = 0; size < sizeof greeting; size++) {
        int fd = stranger(fixture, greeting, size);

        assert_int_equal(shutdown(fd, SHUT_WR), 0);
        assert_shut_within(fixture, fd, WAIT_MS / 10);
    }
    assert_false(fixture->waiting.has_channel);
    assert_true_peer_is_served(fixture);
}

static void who_is_silent_or_slow_has_five_seconds(void **state)
{
    struct fixture *fixture = *state;
    uint8_t greeting[MIGRATION_CHANNEL_GREETING_SIZE];
    int fds[4];
    uint64_t begin_ms;

    greeting_of("token", greeting);
    assert_ok(migration_port_set_identity(
        fixture->port, bytes_view(&fixture->credentials.certificate), fixture->credentials.key));
    wait_in(&fixture->waiting, 9, "token");
    assert_ok(migration_port_expect(fixture->port, &fixture->waiting.expected));
    begin_ms = time_boot_ms();
    fds[0] = stranger(fixture, "", 0);
    fds[1] = stranger(fixture, greeting, 1);
    fds[2] = stranger(fixture, greeting, sizeof greeting - 1);
    fds[3] = stranger(fixture, "\x16\x03\x01", 3);
    loop_for(&fixture->loop, MIGRATION_STRANGER_TIMEOUT_MS / 2);
    for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
        assert_false(is_shut(fds[i]));
    }
    /* A byte now and then does not prolong it. */
    assert_int_equal(send(fds[1], greeting + 1, 1, MSG_NOSIGNAL), 1);
    for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
        assert_shut_within(fixture, fds[i], MIGRATION_STRANGER_TIMEOUT_MS);
    }
    assert_true(time_boot_ms() - begin_ms < MIGRATION_STRANGER_TIMEOUT_MS + WAIT_MS / 4);
    assert_false(fixture->waiting.has_channel);
}

static void too_many_strangers_push_each_other_out_and_not_the_true_peer(void **state)
{
    enum { COUNT = MIGRATION_STRANGER_MAX + 20 };
    struct fixture *fixture = *state;
    int fds[COUNT];
    unsigned shut = 0;

    for (size_t i = 0; i < COUNT; i++) {
        fds[i] = stranger(fixture, "T", 1);
    }
    loop_for(&fixture->loop, SHORT_MS);
    for (size_t i = 0; i < COUNT; i++) {
        bool is_gone = is_shut(fds[i]);

        shut += is_gone;
        assert_true(is_gone == (i < 20)); /* the oldest */
    }
    assert_int_equal(shut, COUNT - MIGRATION_STRANGER_MAX);
    assert_true_peer_is_served(fixture);
    for (size_t i = 0; i < COUNT; i++) {
        (void)close(fds[i]);
    }
}

static void no_migration_is_expected_twice_nor_too_many(void **state)
{
    struct fixture *fixture = *state;
    static struct waiting more[MIGRATION_EXPECTED_MAX];

    wait_in(&more[0], 9, "another token");
    assert_status(migration_port_expect(fixture->port, &more[0].expected), STATUS_EXISTS);
    for (size_t i = 1; i < MIGRATION_EXPECTED_MAX; i++) {
        wait_in(&more[i], 100 + i, "another token");
        assert_ok(migration_port_expect(fixture->port, &more[i].expected));
    }
    assert_status(migration_port_expect(fixture->port, &more[0].expected), STATUS_BUSY);
    migration_port_forget(fixture->port, &more[7].expected);
    wait_in(&more[7], 107, "another token");
    assert_ok(migration_port_expect(fixture->port, &more[7].expected));
    assert_true_peer_is_served(fixture);
}

static void an_identity_whose_key_is_another_leaves_none(void **state)
{
    struct fixture *fixture = *state;
    OWN(credentials) struct credentials other = credentials_make("other");

    assert_ok(migration_port_set_identity(
        fixture->port, bytes_view(&fixture->credentials.certificate), fixture->credentials.key));
    assert_true(
        view_equal(migration_port_key(fixture->port), private_key_spki(fixture->credentials.key)));
    assert_status(migration_port_set_identity(
                      fixture->port, bytes_view(&fixture->credentials.certificate), other.key),
                  STATUS_CRYPTO);
    assert_int_equal(migration_port_key(fixture->port).size, 0);
    assert_shut_within(fixture, stranger(fixture, "\x16\x03\x01", 3), WAIT_MS / 10);
}

/* --- service --- */

static void the_channel_is_qemus_from_its_first_byte_on(void **state)
{
    struct fixture *fixture = *state;
    uint8_t bytes[MIGRATION_CHANNEL_GREETING_SIZE + 5];
    char text[8];
    int fd, channel, value = 0;
    socklen_t size = sizeof value;

    greeting_of("token", bytes);
    memcpy(bytes + MIGRATION_CHANNEL_GREETING_SIZE, "QEVM!", 5);
    fd = stranger(fixture, bytes, sizeof bytes);
    assert_true(loop_until(&fixture->loop, &fixture->waiting.has_channel, WAIT_MS));
    channel = fixture->waiting.fd;
    assert_int_equal(recv(channel, text, sizeof text, 0), 5);
    assert_memory_equal(text, "QEVM!", 5);
    assert_int_equal(fcntl(channel, F_GETFL) & O_NONBLOCK, 0);
    assert_int_equal(fcntl(channel, F_GETFD), FD_CLOEXEC);
    assert_int_equal(getsockopt(channel, IPPROTO_TCP, TCP_NODELAY, &value, &size), 0);
    assert_true(value != 0);
    assert_int_equal(send(channel, "answer", 6, MSG_NOSIGNAL), 6);
    assert_int_equal(recv(fd, text, sizeof text, 0), 6);
    /* The port has let go of it: neither its timers nor its end reach the channel. */
    migration_port_close(TAKE(fixture->port));
    loop_for(&fixture->loop, SHORT_MS);
    assert_int_equal(send(channel, "more", 4, MSG_NOSIGNAL), 4);
    assert_int_equal(recv(fd, text, sizeof text, 0), 4);
    (void)close(fd);
}

static void a_greeting_may_come_in_pieces(void **state)
{
    struct fixture *fixture = *state;
    uint8_t greeting[MIGRATION_CHANNEL_GREETING_SIZE];
    int fd;

    greeting_of("token", greeting);
    fd = stranger(fixture, greeting, 1);
    for (size_t i = 1; i < sizeof greeting; i++) {
        loop_for(&fixture->loop, 2);
        assert_false(fixture->waiting.has_channel);
        assert_int_equal(send(fd, greeting + i, 1, MSG_NOSIGNAL), 1);
    }
    assert_true(loop_until(&fixture->loop, &fixture->waiting.has_channel, WAIT_MS));
    (void)close(fd);
}

static void everyone_gets_the_channel_of_their_token(void **state)
{
    struct fixture *fixture = *state;
    struct waiting other;
    uint8_t greeting[MIGRATION_CHANNEL_GREETING_SIZE];
    int fd;

    wait_in(&other, 10, "other");
    assert_ok(migration_port_expect(fixture->port, &other.expected));
    greeting_of("other", greeting);
    fd = stranger(fixture, greeting, sizeof greeting);
    assert_true(loop_until(&fixture->loop, &other.has_channel, WAIT_MS));
    assert_false(fixture->waiting.has_channel);
    assert_true_peer_is_served(fixture);
    assert_int_equal(other.channels, 1);
    migration_port_forget(fixture->port, &other.expected);
    (void)close(other.fd);
    (void)close(fd);
}

static void who_waits_hears_of_a_new_registration_and_of_the_end(void **state)
{
    struct fixture *fixture = *state;

    assert_ok(migration_port_set_identity(
        fixture->port, bytes_view(&fixture->credentials.certificate), fixture->credentials.key));
    assert_true(fixture->waiting.is_dropped);
    assert_non_null(strstr(fixture->waiting.reason, "registration"));
    wait_in(&fixture->waiting, 9, "token");
    assert_ok(migration_port_expect(fixture->port, &fixture->waiting.expected));
    migration_port_close(TAKE(fixture->port));
    assert_true(fixture->waiting.is_dropped);
    assert_non_null(strstr(fixture->waiting.reason, "closed"));
}

static void a_session_that_began_under_another_registration_is_shut(void **state)
{
    struct fixture *fixture = *state;
    int session, channel;

    assert_ok(migration_port_set_identity(
        fixture->port, bytes_view(&fixture->credentials.certificate), fixture->credentials.key));
    session = stranger(fixture, "\x16\x03\x01", 3);
    channel = stranger(fixture, "TCCP", 4);
    loop_for(&fixture->loop, SHORT_MS);
    assert_ok(migration_port_set_identity(
        fixture->port, bytes_view(&fixture->credentials.certificate), fixture->credentials.key));
    assert_shut_within(fixture, session, WAIT_MS / 10);
    assert_false(is_shut(channel));
    (void)close(channel);
}

static void a_port_closes_whoever_is_there(void **state)
{
    struct fixture *fixture = *state;
    int fds[3];

    assert_ok(migration_port_set_identity(
        fixture->port, bytes_view(&fixture->credentials.certificate), fixture->credentials.key));
    fds[0] = stranger(fixture, "", 0);
    fds[1] = stranger(fixture, "TCCP", 4);
    fds[2] = stranger(fixture, "\x16\x03\x01", 3);
    loop_for(&fixture->loop, SHORT_MS);
    migration_port_close(TAKE(fixture->port));
    for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
        assert_shut_within(fixture, fds[i], WAIT_MS / 10);
    }
}

int main(void)
{
#define WITH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        WITH(an_address_that_cannot_be_listened_on_is_told),
        WITH(garbage_is_shut_out_at_its_first_byte),
        WITH(a_tls_client_finds_nobody_without_a_registration),
        WITH(tls_that_goes_wrong_is_shut_out),
        WITH(a_token_that_is_not_expected_is_shut_out),
        WITH(no_token_serves_where_none_is_expected),
        WITH(a_token_serves_once),
        WITH(a_greeting_that_breaks_off_is_nothing),
        WITH(who_is_silent_or_slow_has_five_seconds),
        WITH(too_many_strangers_push_each_other_out_and_not_the_true_peer),
        WITH(no_migration_is_expected_twice_nor_too_many),
        WITH(an_identity_whose_key_is_another_leaves_none),
        WITH(the_channel_is_qemus_from_its_first_byte_on),
        WITH(a_greeting_may_come_in_pieces),
        WITH(everyone_gets_the_channel_of_their_token),
        WITH(who_waits_hears_of_a_new_registration_and_of_the_end),
        WITH(a_session_that_began_under_another_registration_is_shut),
        WITH(a_port_closes_whoever_is_there),
    };

    return cmocka_run_group_tests_name("nodeagent/migration_port", tests, NULL, NULL);
}
