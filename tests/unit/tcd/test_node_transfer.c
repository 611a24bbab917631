/* Large evidence at the coordinator: who gets room, what becomes of it at every step, and who is
 * too slow. The session around it, the verifier and the clock are the test's. */
#include "lib/net/timer.h"
#include "tcd/node_session.h"

#include "tests/support/test.h"

#include <stdlib.h>
#include <string.h>

enum { PART = EVIDENCE_PART_SIZE_MAX, SIZE = 2 * PART, TOTAL = 3 * PART, HOST_COUNT = 4 };

struct world {
    struct node_server server;
    struct node_session sessions[HOST_COUNT];
    unsigned goes, refusals, aborts, registrations, renewals;
    size_t taken_size;
    const struct node_session *went; /* the last one that may send */
    uint64_t now_ms;
    bool announced_badly;
};

static struct world *world;

/* --- what it leans on --- */

uint64_t time_boot_ms(void)
{
    return world->now_ms;
}

const char *node_session_address(const struct node_session *session)
{
    (void)session;
    return "test";
}

void node_session_send(struct node_session *session, Tccp__NodeMessageKind kind,
                       struct view payload)
{
    assert_int_equal(kind, TCCP__NODE_MESSAGE_KIND__EVIDENCE_GO);
    assert_int_equal(payload.size, 0);
    world->goes++;
    world->went = session;
}

void node_session_refuse(struct node_session *session, const struct refusal *refusal)
{
    assert_true(refusal->code != REFUSAL_NONE);
    session->state = NODE_SESSION_ENDING;
    world->refusals++;
}

void connection_abort(struct connection *connection, enum status reason, const char *detail)
{
    assert_non_null(connection);
    assert_int_equal(reason, STATUS_TIMEOUT);
    assert_true(strlen(detail) > 0);
    world->aborts++;
}

struct verifier_sight verifier_sight(const struct verifier *verifier)
{
    return (struct verifier_sight){.name = (const char *)verifier};
}

enum status verifier_announced(struct verifier *verifier,
                               const struct evidence_announcement *announcement,
                               struct refusal *ret_refusal)
{
    (void)verifier, (void)announcement;
    return world->announced_badly ? refuse(ret_refusal, REFUSAL_CREDENTIAL, "MAC") : STATUS_OK;
}

void node_registration_evidence(struct node_session *session, struct bytes *payload)
{
    session->state = NODE_SESSION_BUSY;
    world->registrations++;
    world->taken_size = payload->size;
    session->task->input = TAKE(*payload);
}

void node_renewal_evidence(struct node_session *session, struct bytes *payload)
{
    session->state = NODE_SESSION_BUSY;
    world->renewals++;
    world->taken_size = payload->size;
    session->task->input = TAKE(*payload);
}

/* --- the world --- */

static int setup(void **state)
{
    static char names[HOST_COUNT][4] = {"n0", "n1", "n2", "n3"};

    (void)state;
    world = calloc(1, sizeof *world);
    world->now_ms = 1000000;
    evidence_budget_init(&world->server.evidence_budget, TOTAL);
    for (size_t i = 0; i < HOST_COUNT; i++) {
        struct node_session *session = &world->sessions[i];

        session->server = &world->server;
        session->connection = (struct connection *)session;
        session->state = NODE_SESSION_CHALLENGED;
        session->task = calloc(1, sizeof *session->task);
        session->task->verifier = (struct verifier *)names[i];
    }
    return 0;
}

/* As node_task_end(): a session may end at any time. */
static void session_end(struct node_session *session)
{
    if (session->task) {
        node_transfer_drop(session);
        bytes_free(&session->task->input);
        free(TAKE(session->task));
    }
}

static int teardown(void **state)
{
    (void)state;
    for (size_t i = 0; i < HOST_COUNT; i++) {
        session_end(&world->sessions[i]);
    }
    assert_int_equal(world->server.evidence_budget.used, 0);
    assert_null(world->server.evidence_budget.waiting.first);
    assert_null(world->server.evidence_budget.granted.first);
    free(TAKE(world));
    return 0;
}

static void announce(struct node_session *session, uint64_t size)
{
    struct evidence_announcement announcement = {
        .kind = session->registration_id ? TCCP__NODE_MESSAGE_KIND__RENEW_EVIDENCE
                                         : TCCP__NODE_MESSAGE_KIND__REGISTER_EVIDENCE,
        .size = size,
    };
    OWN(bytes) struct bytes message = {0};

    assert_ok(evidence_announce(&announcement, &message));
    node_transfer_announce(session, &message);
}

static void part(struct node_session *session, size_t size)
{
    OWN(bytes) struct bytes payload = {calloc(1, size), size};

    node_transfer_part(session, &payload);
}

/* --- refusals --- */

static void an_announcement_that_does_not_hold_takes_no_room(void **state)
{
    struct node_session *session = &world->sessions[0];

    (void)state;
    world->announced_badly = true;
    announce(session, SIZE);
    assert_int_equal(world->refusals, 1);
    assert_int_equal(session->refusal.code, REFUSAL_CREDENTIAL);
    assert_int_equal(session->task->transfer.place.state, EVIDENCE_PLACE_NONE);
}

static void evidence_larger_than_any_may_be_takes_no_room(void **state)
{
    struct node_session *session = &world->sessions[0];

    (void)state;
    announce(session, EVIDENCE_MESSAGE_SIZE_MAX + 1ULL);
    assert_int_equal(world->refusals, 1);
    assert_int_equal(session->refusal.code, REFUSAL_TOO_LARGE);
    assert_int_equal(session->task->transfer.place.state, EVIDENCE_PLACE_NONE);
}

static void large_evidence_that_was_not_announced_is_refused(void **state)
{
    OWN(bytes)
    struct bytes most = {calloc(1, EVIDENCE_DIRECT_SIZE_MAX), EVIDENCE_DIRECT_SIZE_MAX};
    OWN(bytes)
    struct bytes more = {calloc(1, EVIDENCE_DIRECT_SIZE_MAX + 1), EVIDENCE_DIRECT_SIZE_MAX + 1};

    (void)state;
    world->sessions[0].registration_id = 7;
    world->sessions[0].state = NODE_SESSION_RENEWING;
    node_transfer_direct(&world->sessions[0], &more);
    assert_int_equal(world->refusals, 1);
    assert_int_equal(world->sessions[0].refusal.code, REFUSAL_TOO_LARGE);
    assert_int_equal(world->renewals, 0);
    node_transfer_direct(&world->sessions[1], &most);
    assert_int_equal(world->registrations, 1);
}

static void a_host_takes_room_on_one_connection_only(void **state)
{
    struct node_session *first = &world->sessions[0], *second = &world->sessions[1];
    struct node_session *third = &world->sessions[2];

    (void)state;
    second->task->verifier = third->task->verifier = first->task->verifier;
    announce(first, SIZE);
    announce(second, SIZE);
    assert_int_equal(world->refusals, 1);
    assert_int_equal(second->refusal.code, REFUSAL_RATE);
    /* The same while it waits. */
    session_end(first);
    announce(&world->sessions[3], TOTAL);
    second->state = third->state = NODE_SESSION_CHALLENGED;
    announce(second, SIZE);
    assert_int_equal(second->state, NODE_SESSION_ANNOUNCED);
    announce(third, SIZE);
    assert_int_equal(world->refusals, 2);
}

static void a_part_that_does_not_fit_gives_the_room_to_the_next(void **state)
{
    (void)state;
    announce(&world->sessions[0], SIZE);
    announce(&world->sessions[1], SIZE);
    assert_int_equal(world->goes, 1);
    part(&world->sessions[0], PART);
    part(&world->sessions[0], PART - 1);
    assert_int_equal(world->refusals, 1);
    assert_int_equal(world->sessions[0].refusal.code, REFUSAL_MALFORMED);
    assert_ptr_equal(world->went, &world->sessions[1]);
    assert_int_equal(world->registrations, 0);
}

static void who_sends_nothing_is_cut_off(void **state)
{
    (void)state;
    announce(&world->sessions[0], SIZE);
    node_transfer_expire(&world->server, world->now_ms + 9999);
    assert_int_equal(world->aborts, 0);
    node_transfer_expire(&world->server, world->now_ms + 10000);
    assert_int_equal(world->aborts, 1);
    assert_int_equal(world->sessions[0].state, NODE_SESSION_ENDING);
    /* Once. */
    node_transfer_expire(&world->server, world->now_ms + 10000);
    assert_int_equal(world->aborts, 1);
}

static void who_sends_a_part_now_and_then_is_cut_off_too(void **state)
{
    unsigned parts = 0;

    (void)state;
    evidence_budget_init(&world->server.evidence_budget, 32 * PART);
    announce(&world->sessions[0], 20 * PART);
    while (world->sessions[0].state == NODE_SESSION_RECEIVING) {
        world->now_ms += 9000;
        node_transfer_expire(&world->server, world->now_ms);
        if (world->sessions[0].state == NODE_SESSION_RECEIVING) {
            part(&world->sessions[0], PART);
            parts++;
        }
    }
    assert_int_equal(world->aborts, 1);
    assert_int_equal(parts, 6); /* a minute */
}

static void who_waits_is_not_cut_off_for_it(void **state)
{
    (void)state;
    announce(&world->sessions[0], SIZE);
    announce(&world->sessions[1], SIZE);
    world->now_ms += 9000;
    part(&world->sessions[0], PART);
    node_transfer_expire(&world->server, world->now_ms + 9999);
    assert_int_equal(world->aborts, 0);
    /* Its time begins with its turn. */
    world->now_ms += 9999;
    session_end(&world->sessions[0]);
    assert_int_equal(world->sessions[1].state, NODE_SESSION_RECEIVING);
    assert_true(world->sessions[1].register_until_ms > world->now_ms);
    node_transfer_expire(&world->server, world->now_ms + 9999);
    assert_int_equal(world->aborts, 0);
}

/* --- room --- */

static void room_outlasts_the_transfer_until_it_was_appraised(void **state)
{
    (void)state;
    announce(&world->sessions[0], SIZE);
    announce(&world->sessions[1], SIZE);
    part(&world->sessions[0], PART);
    part(&world->sessions[0], PART);
    assert_int_equal(world->registrations, 1);
    assert_int_equal(world->taken_size, SIZE);
    assert_int_equal(world->goes, 1);
    /* It takes its time, and nothing is cut off. */
    node_transfer_expire(&world->server, world->now_ms + 1000000);
    assert_int_equal(world->aborts, 0);
    node_transfer_drop(&world->sessions[0]);
    assert_int_equal(world->goes, 2);
    assert_ptr_equal(world->went, &world->sessions[1]);
}

static void a_connection_that_dies_at_any_step_leaves_its_room_to_the_next(void **state)
{
    (void)state;
    for (unsigned step = 0; step < 4; step++) {
        struct node_session *session = &world->sessions[0];
        size_t used = world->server.evidence_budget.used;

        session->state = NODE_SESSION_CHALLENGED;
        session->task = session->task ? session->task : calloc(1, sizeof *session->task);
        session->task->verifier = (struct verifier *)(uintptr_t) "n0";
        assert_int_equal(used, 0);
        announce(session, TOTAL);
        announce(&world->sessions[1], SIZE);
        assert_ptr_equal(world->went, session);
        for (unsigned sent = 0; sent < step; sent++) {
            part(session, PART);
        }
        assert_int_equal(world->registrations, step == 3);
        session_end(session);
        assert_ptr_equal(world->went, &world->sessions[1]);
        assert_int_equal(world->server.evidence_budget.used, SIZE);
        node_transfer_drop(&world->sessions[1]);
        world->sessions[1].state = NODE_SESSION_CHALLENGED;
    }
}

static void who_left_the_line_is_passed_over(void **state)
{
    (void)state;
    announce(&world->sessions[0], TOTAL);
    announce(&world->sessions[1], SIZE);
    announce(&world->sessions[2], SIZE);
    announce(&world->sessions[3], PART + 1);
    session_end(&world->sessions[1]);               /* gone */
    world->sessions[2].state = NODE_SESSION_ENDING; /* redirected, and not gone yet */
    session_end(&world->sessions[0]);
    assert_int_equal(world->goes, 2);
    assert_ptr_equal(world->went, &world->sessions[3]);
    assert_int_equal(world->server.evidence_budget.used, PART + 1);
}

static void a_renewal_waits_and_goes_like_a_registration(void **state)
{
    struct node_session *session = &world->sessions[0];

    (void)state;
    session->registration_id = 7;
    session->state = NODE_SESSION_RENEWING;
    session->task->verifier = NULL;
    announce(session, SIZE);
    assert_ptr_equal(world->went, session);
    part(session, PART);
    part(session, PART);
    assert_int_equal(world->renewals, 1);
    assert_int_equal(world->registrations, 0);
    assert_int_equal(world->taken_size, SIZE);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(an_announcement_that_does_not_hold_takes_no_room),
        TEST(evidence_larger_than_any_may_be_takes_no_room),
        TEST(large_evidence_that_was_not_announced_is_refused),
        TEST(a_host_takes_room_on_one_connection_only),
        TEST(a_part_that_does_not_fit_gives_the_room_to_the_next),
        TEST(who_sends_nothing_is_cut_off),
        TEST(who_sends_a_part_now_and_then_is_cut_off_too),
        TEST(who_waits_is_not_cut_off_for_it),
        TEST(room_outlasts_the_transfer_until_it_was_appraised),
        TEST(a_connection_that_dies_at_any_step_leaves_its_room_to_the_next),
        TEST(who_left_the_line_is_passed_over),
        TEST(a_renewal_waits_and_goes_like_a_registration),
    };
    return cmocka_run_group_tests_name("node_transfer", tests, NULL, NULL);
}
