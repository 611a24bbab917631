#include "lib/net/client.h"

#include "lib/net/timer.h"
#include "tests/support/credentials.h"
#include "tests/support/loop.h"
#include "tests/support/test.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ALPN "tccp-test/1"

enum { WAIT_MS = 10000, MEMBERS = 3 };

static struct credentials server_credentials, client_credentials;

/* Answers "leader" or "ask ADDRESS"; counts its visitors. */
struct member {
    struct fixture *fixture;
    struct listener *listener;
    char address[64];
    unsigned visitors;
    bool is_leader;
    bool is_closed;
};

struct fixture {
    uv_loop_t loop;
    struct tls_context *server_tls, *client_tls;
    struct member members[MEMBERS];
    struct client *client;
    bool found, failed, failed_finally;
    unsigned failures;
    char detail[300];
    char leader_hint[64]; /* what members that do not lead say */
    char answered_by[64];
};

static void member_on_open(struct connection *connection, void *argument,
                           const struct connection_peer *peer)
{
    (void)connection, (void)peer;
    ((struct member *)argument)->visitors++;
}

static void member_on_frame(struct connection *connection, void *argument, struct view frame)
{
    struct member *member = argument;
    char answer[80];

    (void)frame;
    (void)snprintf(answer, sizeof answer, "%s",
                   member->is_leader ? "leader" : member->fixture->leader_hint);
    assert_ok(connection_send(connection, (struct view){(uint8_t *)answer, strlen(answer) + 1}));
}

static void member_on_close(struct connection *connection, void *argument, enum status reason,
                            const char *detail)
{
    (void)connection, (void)argument, (void)reason, (void)detail;
}

static void member_start(struct fixture *fixture, unsigned index)
{
    struct member *member = &fixture->members[index];
    struct listener_config config = {
        .loop = &fixture->loop,
        .address = member->address[0] ? member->address : "127.0.0.1:0",
        .tls = fixture->server_tls,
        .callbacks = {member_on_open, member_on_frame, NULL, member_on_close},
        .argument = member,
    };

    member->fixture = fixture;
    assert_ok(listener_open(&config, &member->listener, NULL));
    (void)snprintf(member->address, sizeof member->address, "127.0.0.1:%u",
                   listener_port(member->listener));
}

static void on_member_closed(void *argument)
{
    ((struct member *)argument)->is_closed = true;
}

static void member_stop(struct member *member)
{
    if (member->listener) {
        member->is_closed = false;
        listener_close(member->listener, on_member_closed, member);
        member->listener = NULL;
        assert_true(loop_until(&member->fixture->loop, &member->is_closed, WAIT_MS));
    }
}

static void on_open(struct client *client, void *argument, const struct connection_peer *peer)
{
    (void)argument, (void)peer;
    assert_ok(client_send(client, view_string("who leads?")));
}

static void on_frame(struct client *client, void *argument, struct view frame)
{
    struct fixture *fixture = argument;
    const char *answer = (const char *)frame.data;

    if (strcmp(answer, "leader") == 0) {
        client_confirm(client);
        fixture->found = true;
        (void)snprintf(fixture->answered_by, sizeof fixture->answered_by, "%s",
                       client_address(client));
    } else {
        (void)client_redirect(client, strcmp(answer, "nobody") == 0 ? "" : answer);
    }
}

static void on_failure(struct client *client, void *argument, enum status reason,
                       const char *detail, bool is_final)
{
    struct fixture *fixture = argument;

    (void)client;
    assert_int_not_equal(reason, STATUS_OK);
    fixture->failed = true;
    fixture->failures++;
    fixture->failed_finally = is_final;
    (void)snprintf(fixture->detail, sizeof fixture->detail, "%s", detail);
}

static struct fixture *fixture_new(void)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);

    assert_non_null(fixture);
    assert_int_equal(uv_loop_init(&fixture->loop), 0);
    fixture->server_tls = credentials_context(&server_credentials, TLS_SERVER, ALPN, "client");
    fixture->client_tls = credentials_context(&client_credentials, TLS_CLIENT, ALPN, "server");
    for (unsigned i = 0; i < MEMBERS; i++) {
        member_start(fixture, i);
    }
    (void)snprintf(fixture->leader_hint, sizeof fixture->leader_hint, "nobody");
    return fixture;
}

static void client_start(struct fixture *fixture, unsigned attempt_max)
{
    const char *addresses[MEMBERS];
    struct client_config config = {
        .loop = &fixture->loop,
        .addresses = addresses,
        .address_count = MEMBERS,
        .tls = fixture->client_tls,
        .backoff_base_ms = 5,
        .backoff_max_ms = 40,
        .attempt_max = attempt_max,
        .callbacks = {on_open, on_frame, on_failure},
        .argument = fixture,
    };

    for (unsigned i = 0; i < MEMBERS; i++) {
        addresses[i] = fixture->members[i].address;
    }
    assert_ok(client_open(&config, &fixture->client));
}

static void fixture_free(struct fixture *fixture)
{
    client_close(fixture->client);
    for (unsigned i = 0; i < MEMBERS; i++) {
        member_stop(&fixture->members[i]);
    }
    assert_true(loop_finish(&fixture->loop));
    tls_context_release(fixture->server_tls);
    tls_context_release(fixture->client_tls);
    free(fixture);
}

static unsigned visitor_count(const struct fixture *fixture)
{
    unsigned visitors = 0;

    for (unsigned i = 0; i < MEMBERS; i++) {
        visitors += fixture->members[i].visitors;
    }
    return visitors;
}

static void the_leader_is_found_by_its_name(void **state)
{
    struct fixture *fixture = fixture_new();

    (void)state;
    fixture->members[2].is_leader = true;
    (void)snprintf(fixture->leader_hint, sizeof fixture->leader_hint, "%s",
                   fixture->members[2].address);
    client_start(fixture, 0);
    assert_true(loop_until(&fixture->loop, &fixture->found, WAIT_MS));
    assert_string_equal(fixture->answered_by, fixture->members[2].address);
    assert_true(fixture->members[0].visitors + fixture->members[1].visitors <= 1);
    assert_int_equal(fixture->failures, 0);
    fixture_free(fixture);
}

static void the_leader_is_found_by_trying_while_nobody_knows_it(void **state)
{
    struct fixture *fixture = fixture_new();

    (void)state;
    client_start(fixture, 0);
    loop_for(&fixture->loop, 100);
    assert_false(fixture->found);
    fixture->members[1].is_leader = true;
    assert_true(loop_until(&fixture->loop, &fixture->found, WAIT_MS));
    assert_string_equal(fixture->answered_by, fixture->members[1].address);
    fixture_free(fixture);
}

static void members_that_are_down_are_passed_over(void **state)
{
    struct fixture *fixture = fixture_new();

    (void)state;
    member_stop(&fixture->members[0]);
    member_stop(&fixture->members[1]);
    fixture->members[2].is_leader = true;
    client_start(fixture, 0);
    assert_true(loop_until(&fixture->loop, &fixture->found, WAIT_MS));
    assert_true(fixture->failures <= 2);
    fixture_free(fixture);
}

static void a_lost_leader_is_told_and_its_successor_found(void **state)
{
    struct fixture *fixture = fixture_new();

    (void)state;
    fixture->members[0].is_leader = true;
    (void)snprintf(fixture->leader_hint, sizeof fixture->leader_hint, "%s",
                   fixture->members[0].address);
    client_start(fixture, 0);
    assert_true(loop_until(&fixture->loop, &fixture->found, WAIT_MS));
    fixture->found = false;
    fixture->members[1].is_leader = true;
    member_stop(&fixture->members[0]);
    assert_true(loop_until(&fixture->loop, &fixture->failed, WAIT_MS));
    assert_non_null(strstr(fixture->detail, fixture->members[0].address));
    assert_true(loop_until(&fixture->loop, &fixture->found, WAIT_MS));
    assert_string_equal(fixture->answered_by, fixture->members[1].address);
    fixture_free(fixture);
}

static void hints_that_lead_in_circles_are_slowed_down(void **state)
{
    struct fixture *fixture = fixture_new();
    unsigned visitors;

    (void)state;
    /* Each says: ask member 0, which says so too. */
    (void)snprintf(fixture->leader_hint, sizeof fixture->leader_hint, "%s",
                   fixture->members[0].address);
    client_start(fixture, 0);
    loop_for(&fixture->loop, 500);
    visitors = visitor_count(fixture);
    assert_true(visitors > CLIENT_REDIRECT_MAX && visitors < 60);
    fixture_free(fixture);
}

static void a_hint_that_is_no_address_or_a_local_socket_is_not_followed(void **state)
{
    struct fixture *fixture = fixture_new();

    (void)state;
    client_start(fixture, 0);
    assert_status(client_redirect(fixture->client, "unix:/run/elsewhere"), STATUS_MALFORMED);
    assert_status(client_redirect(fixture->client, "nonsense"), STATUS_MALFORMED);
    fixture_free(fixture);
}

static void after_so_many_failures_it_gives_up_and_says_why(void **state)
{
    struct fixture *fixture = fixture_new();

    (void)state;
    for (unsigned i = 0; i < MEMBERS; i++) {
        member_stop(&fixture->members[i]);
    }
    client_start(fixture, 7);
    assert_true(loop_until(&fixture->loop, &fixture->failed_finally, WAIT_MS));
    assert_int_equal(fixture->failures, 7);
    assert_non_null(strstr(fixture->detail, "refused"));
    loop_for(&fixture->loop, 100);
    assert_int_equal(fixture->failures, 7);
    fixture_free(fixture);
}

/* Found, and then lost: by the leader's end, or by its word. */
static void lose_leader(struct fixture *fixture, unsigned spread_ms, bool is_redirected)
{
    fixture->members[0].is_leader = true;
    (void)snprintf(fixture->leader_hint, sizeof fixture->leader_hint, "%s",
                   fixture->members[0].address);
    client_start(fixture, 0);
    client_set_spread(fixture->client, spread_ms);
    assert_true(loop_until(&fixture->loop, &fixture->found, WAIT_MS));
    fixture->found = false;
    fixture->members[1].is_leader = true;
    if (is_redirected) {
        (void)client_redirect(fixture->client, fixture->members[1].address);
    } else {
        member_stop(&fixture->members[0]);
    }
}

static void one_of_many_does_not_come_back_with_the_others(void **state)
{
    (void)state;
    for (unsigned redirected = 0; redirected < 2; redirected++) {
        struct fixture *fixture = fixture_new();
        unsigned before;

        lose_leader(fixture, UINT_MAX, redirected);
        before = visitor_count(fixture);
        loop_for(&fixture->loop, 300);
        assert_int_equal(visitor_count(fixture), before);
        fixture_free(fixture);
    }
}

static void one_of_many_comes_back_within_the_spread(void **state)
{
    (void)state;
    for (unsigned redirected = 0; redirected < 2; redirected++) {
        struct fixture *fixture = fixture_new();

        lose_leader(fixture, 50, redirected);
        assert_true(loop_until(&fixture->loop, &fixture->found, WAIT_MS));
        assert_string_equal(fixture->answered_by, fixture->members[1].address);
        fixture_free(fixture);
    }
}

static void waiting_times_double_with_jitter_and_have_an_end(void **state)
{
    struct backoff backoff = {.base_ms = 100, .max_ms = 1000};
    static const unsigned full[] = {100, 200, 400, 800, 1000, 1000, 1000};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(full); i++) {
        unsigned delay_ms = backoff_next_ms(&backoff);

        assert_in_range(delay_ms, full[i] / 2, full[i]);
    }
    backoff.attempt = UINT32_MAX - 1;
    assert_in_range(backoff_next_ms(&backoff), 500, 1000);
    backoff_reset(&backoff);
    assert_in_range(backoff_next_ms(&backoff), 50, 100);
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
        cmocka_unit_test(the_leader_is_found_by_its_name),
        cmocka_unit_test(the_leader_is_found_by_trying_while_nobody_knows_it),
        cmocka_unit_test(members_that_are_down_are_passed_over),
        cmocka_unit_test(a_lost_leader_is_told_and_its_successor_found),
        cmocka_unit_test(hints_that_lead_in_circles_are_slowed_down),
        cmocka_unit_test(a_hint_that_is_no_address_or_a_local_socket_is_not_followed),
        cmocka_unit_test(after_so_many_failures_it_gives_up_and_says_why),
        cmocka_unit_test(one_of_many_does_not_come_back_with_the_others),
        cmocka_unit_test(one_of_many_comes_back_within_the_spread),
        cmocka_unit_test(waiting_times_double_with_jitter_and_have_an_end),
    };
    return cmocka_run_group_tests_name("client", tests, make_credentials, free_credentials);
}
