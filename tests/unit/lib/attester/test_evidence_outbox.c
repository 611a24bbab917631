/* Large evidence over a real connection: announced, sent when there is room, no faster than it is
 * read, and forgotten with its connection. */
#include "lib/attester/evidence_outbox.h"

#include "lib/protocol/node_message.h"
#include "tests/support/loop.h"
#include "tests/support/swtpm.h"
#include "tests/support/test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    WAIT_MS = 10000,
    LARGE = 20 << 20,
    /* Above queue_high of the connection, and one part on top of that. */
    QUEUED_MAX = (1 << 20) + 2 * EVIDENCE_PART_SIZE_MAX,
};

struct fixture {
    uv_loop_t loop;
    char folder[SWTPM_PATH_SIZE], address[SWTPM_PATH_SIZE + 16];
    struct listener *listener;
    struct client *client;
    struct evidence_outbox outbox;
    struct connection *peer;

    bool is_open, is_failed, is_announced, is_whole;
    bool is_reluctant; /* the peer stops to read after each part */
    struct evidence_announcement announcement;
    struct evidence_receiver receiver;
    struct bytes received;
    unsigned parts, others;
};

/* --- the receiving side --- */

static void peer_on_open(struct connection *connection, void *argument,
                         const struct connection_peer *peer)
{
    struct fixture *fixture = argument;

    (void)peer;
    fixture->peer = connection;
    connection_set_frame_size_max(connection, NODE_FRAME_SIZE_MAX);
}

static void peer_on_frame(struct connection *connection, void *argument, struct view frame)
{
    struct fixture *fixture = argument;
    Tccp__NodeMessage *message = node_message_unpack(frame);
    struct view payload;
    struct refusal refusal;

    assert_non_null(message);
    payload = protobuf_view(message->payload);
    if (message->kind == TCCP__NODE_MESSAGE_KIND__EVIDENCE_ANNOUNCE) {
        assert_ok(evidence_read_announcement(payload, TCCP__NODE_MESSAGE_KIND__RENEW_EVIDENCE,
                                             &fixture->announcement, &refusal));
        fixture->is_announced = true;
    } else if (message->kind == TCCP__NODE_MESSAGE_KIND__EVIDENCE_PART) {
        fixture->parts++;
        assert_ok(evidence_receiver_take(&fixture->receiver, payload, &refusal));
        if (fixture->is_reluctant) {
            connection_pause(connection);
        }
        if (evidence_receiver_is_whole(&fixture->receiver)) {
            fixture->received = evidence_receiver_finish(&fixture->receiver);
            fixture->is_whole = true;
        }
    } else {
        assert_int_equal(message->kind, TCCP__NODE_MESSAGE_KIND__RENEW_EVIDENCE);
        assert_ok(bytes_copy(payload, &fixture->received));
        fixture->is_whole = true;
        fixture->others++;
    }
    node_message_free(message);
}

static void peer_on_close(struct connection *connection, void *argument, enum status reason,
                          const char *detail)
{
    struct fixture *fixture = argument;

    (void)connection, (void)reason, (void)detail;
    fixture->peer = NULL;
}

/* --- the sending side --- */

static void on_open(struct client *client, void *argument, const struct connection_peer *peer)
{
    (void)client, (void)peer;
    ((struct fixture *)argument)->is_open = true;
}

static void on_frame(struct client *client, void *argument, struct view frame)
{
    (void)client, (void)argument, (void)frame;
}

static void on_failure(struct client *client, void *argument, enum status reason,
                       const char *detail, bool is_final)
{
    struct fixture *fixture = argument;

    (void)client, (void)reason, (void)detail, (void)is_final;
    evidence_outbox_clear(&fixture->outbox);
    fixture->is_failed = true;
}

static void on_drain(struct client *client, void *argument)
{
    struct fixture *fixture = argument;

    assert_ok(evidence_outbox_drained(&fixture->outbox, client));
}

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    const char *const addresses[] = {fixture->address};

    folder_make(fixture->folder);
    (void)snprintf(fixture->address, sizeof fixture->address, "unix:%s/socket", fixture->folder);
    assert_int_equal(uv_loop_init(&fixture->loop), 0);
    assert_ok(listener_open(
        &(struct listener_config){.loop = &fixture->loop,
                                  .address = fixture->address,
                                  .callbacks = {peer_on_open, peer_on_frame, NULL, peer_on_close},
                                  .argument = fixture},
        &fixture->listener, NULL));
    assert_ok(
        client_open(&(struct client_config){.loop = &fixture->loop,
                                            .addresses = addresses,
                                            .address_count = 1,
                                            .callbacks = {on_open, on_frame, on_failure, on_drain},
                                            .argument = fixture},
                    &fixture->client));
    assert_true(loop_until(&fixture->loop, &fixture->is_open, WAIT_MS));
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    client_close(fixture->client);
    listener_close(fixture->listener, NULL, NULL);
    assert_true(loop_finish(&fixture->loop));
    evidence_outbox_clear(&fixture->outbox);
    evidence_receiver_free(&fixture->receiver);
    bytes_free(&fixture->received);
    folder_remove(fixture->folder);
    free(fixture);
    return 0;
}

static struct bytes evidence_new(size_t size)
{
    struct bytes evidence = {malloc(size), size};

    assert_non_null(evidence.data);
    for (size_t i = 0; i < size; i++) {
        evidence.data[i] = (uint8_t)(i * 2654435761U >> 13);
    }
    return evidence;
}

static void send_large(struct fixture *fixture, struct digest *ret_digest)
{
    struct bytes evidence = evidence_new(LARGE);

    *ret_digest = sha256(bytes_view(&evidence));
    assert_ok(
        evidence_outbox_send(&fixture->outbox, fixture->client,
                             &(struct evidence_announcement){
                                 .kind = TCCP__NODE_MESSAGE_KIND__RENEW_EVIDENCE, .size = LARGE},
                             &evidence));
    assert_null(evidence.data);
    assert_true(loop_until(&fixture->loop, &fixture->is_announced, WAIT_MS));
    assert_int_equal(fixture->announcement.size, LARGE);
    assert_ok(evidence_receiver_open(&fixture->receiver, LARGE));
}

static void evidence_larger_than_any_may_be_is_not_announced(void **state)
{
    struct fixture *fixture = *state;
    OWN(bytes) struct bytes evidence = evidence_new(EVIDENCE_MESSAGE_SIZE_MAX + 1);

    assert_status(evidence_outbox_send(
                      &fixture->outbox, fixture->client,
                      &(struct evidence_announcement){
                          .kind = TCCP__NODE_MESSAGE_KIND__RENEW_EVIDENCE, .size = evidence.size},
                      &evidence),
                  STATUS_TOO_LARGE);
    loop_for(&fixture->loop, 20);
    assert_false(fixture->is_announced);
}

static void nothing_is_sent_unless_there_is_room(void **state)
{
    struct fixture *fixture = *state;
    struct digest digest;

    assert_status(evidence_outbox_go(&fixture->outbox, fixture->client), STATUS_CONFLICT);
    send_large(fixture, &digest);
    assert_ok(evidence_outbox_drained(&fixture->outbox, fixture->client));
    loop_for(&fixture->loop, 20);
    assert_int_equal(fixture->parts, 0);
}

static void what_is_not_read_is_not_sent(void **state)
{
    struct fixture *fixture = *state;
    struct digest digest;

    fixture->is_reluctant = true;
    send_large(fixture, &digest);
    assert_ok(evidence_outbox_go(&fixture->outbox, fixture->client));
    loop_for(&fixture->loop, 50);
    assert_int_equal(fixture->parts, 1);
    /* What the sockets hold is gone from here; the rest is where it was. */
    assert_true(fixture->outbox.sender.sent <= QUEUED_MAX + (4 << 20));
    assert_true(connection_is_congested(client_connection(fixture->client)));
}

static void evidence_ends_with_its_connection(void **state)
{
    struct fixture *fixture = *state;
    struct digest digest;

    fixture->is_reluctant = true;
    send_large(fixture, &digest);
    assert_ok(evidence_outbox_go(&fixture->outbox, fixture->client));
    loop_for(&fixture->loop, 20);
    connection_abort(fixture->peer, STATUS_IO, "the test says so");
    assert_true(loop_until(&fixture->loop, &fixture->is_failed, WAIT_MS));
    assert_null(fixture->outbox.sender.evidence.data);
    assert_status(evidence_outbox_go(&fixture->outbox, fixture->client), STATUS_CONFLICT);
    assert_ok(evidence_outbox_drained(&fixture->outbox, fixture->client));
}

static void small_evidence_is_sent_at_once(void **state)
{
    struct fixture *fixture = *state;
    OWN(bytes) struct bytes evidence = evidence_new(EVIDENCE_DIRECT_SIZE_MAX);

    assert_ok(evidence_outbox_send(
        &fixture->outbox, fixture->client,
        &(struct evidence_announcement){.kind = TCCP__NODE_MESSAGE_KIND__RENEW_EVIDENCE,
                                        .size = evidence.size},
        &evidence));
    assert_true(loop_until(&fixture->loop, &fixture->is_whole, WAIT_MS));
    assert_true(view_equal(bytes_view(&fixture->received), bytes_view(&evidence)));
    assert_int_equal(fixture->others, 1);
    assert_false(fixture->is_announced);
}

static void large_evidence_arrives_whole(void **state)
{
    struct fixture *fixture = *state;
    struct digest digest, received;

    send_large(fixture, &digest);
    assert_ok(evidence_outbox_go(&fixture->outbox, fixture->client));
    assert_true(loop_until(&fixture->loop, &fixture->is_whole, WAIT_MS));
    received = sha256(bytes_view(&fixture->received));
    assert_true(digest_equal(&received, &digest));
    assert_int_equal(fixture->parts, LARGE / EVIDENCE_PART_SIZE_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(evidence_larger_than_any_may_be_is_not_announced, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(nothing_is_sent_unless_there_is_room, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_not_read_is_not_sent, setup, teardown),
        cmocka_unit_test_setup_teardown(evidence_ends_with_its_connection, setup, teardown),
        cmocka_unit_test_setup_teardown(small_evidence_is_sent_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(large_evidence_arrives_whole, setup, teardown),
    };
    (void)signal(SIGPIPE, SIG_IGN); /* as a daemon does */
    return cmocka_run_group_tests_name("evidence_outbox", tests, NULL, NULL);
}
