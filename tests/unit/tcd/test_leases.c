#include "tcd/leases.h"

#include "tests/support/test.h"

enum { LEASE_MS = 30000 };

static void register_node(struct leases *leases, uint64_t registration, uint64_t now_ms)
{
    struct command command = {.kind = COMMAND_NODE_REGISTERED};
    struct outcome outcome = {.verdict = REFUSAL_NONE, .id = registration};

    leases_applied(leases, &command, &outcome, now_ms);
}

static void renew(struct leases *leases, uint64_t registration, uint64_t number,
                  enum refusal_code verdict, uint64_t now_ms)
{
    struct renewal item = {.registration = registration, .number = number};
    struct command command = {.kind = COMMAND_RENEWAL_BATCH, .renewal_batch = {1, &item}};
    struct outcome outcome = {.verdict = REFUSAL_NONE, .item_count = 1, .items = &verdict};

    leases_applied(leases, &command, &outcome, now_ms);
}

static unsigned count_expired(struct leases *leases, uint64_t now_ms, struct lease_expiry *ret_last)
{
    unsigned count = 0;
    size_t cursor = 0;

    while (leases_next_expired(leases, LEASE_MS, now_ms, &cursor, ret_last)) {
        count++;
    }
    return count;
}

static void a_lease_expires_once_it_is_old_and_not_before(void **state)
{
    OWN(leases) struct leases *leases = NULL;
    struct lease_expiry expiry;

    (void)state;
    assert_ok(leases_new(&leases));
    register_node(leases, 7, 1000);
    assert_int_equal(count_expired(leases, 1000 + LEASE_MS - 1, &expiry), 0);
    assert_int_equal(count_expired(leases, 1000 + LEASE_MS, &expiry), 1);
    assert_int_equal(expiry.registration, 7);
    assert_int_equal(expiry.renewal, 0);
}

static void what_is_left_of_a_lease_counts_from_its_last_renewal(void **state)
{
    OWN(leases) struct leases *leases = NULL;

    (void)state;
    assert_ok(leases_new(&leases));
    register_node(leases, 7, 1000);
    assert_int_equal(leases_left_ms(leases, 8, LEASE_MS, 1000), 0);
    assert_int_equal(leases_left_ms(leases, 7, LEASE_MS, 1000), LEASE_MS);
    assert_int_equal(leases_left_ms(leases, 7, LEASE_MS, 11000), LEASE_MS - 10000);
    assert_int_equal(leases_left_ms(leases, 7, LEASE_MS, 1000 + LEASE_MS), 0);
    renew(leases, 7, 1, REFUSAL_NONE, 21000);
    assert_int_equal(leases_left_ms(leases, 7, LEASE_MS, 21500), LEASE_MS - 500);
}

static void a_renewal_that_was_committed_begins_the_lease_anew(void **state)
{
    OWN(leases) struct leases *leases = NULL;
    struct lease_expiry expiry;

    (void)state;
    assert_ok(leases_new(&leases));
    register_node(leases, 7, 0);
    renew(leases, 7, 1, REFUSAL_NONE, 20000);
    assert_int_equal(count_expired(leases, LEASE_MS + 1, &expiry), 0);
    assert_int_equal(count_expired(leases, 20000 + LEASE_MS, &expiry), 1);
    assert_int_equal(expiry.renewal, 1);
}

static void a_renewal_that_was_refused_does_not(void **state)
{
    OWN(leases) struct leases *leases = NULL;
    struct lease_expiry expiry;

    (void)state;
    assert_ok(leases_new(&leases));
    register_node(leases, 7, 0);
    renew(leases, 7, 1, REFUSAL_STALE_VERSION, 20000);
    assert_int_equal(count_expired(leases, LEASE_MS, &expiry), 1);
    assert_int_equal(expiry.renewal, 0);
}

static void an_expiry_is_asked_for_again_only_after_a_while(void **state)
{
    OWN(leases) struct leases *leases = NULL;
    struct lease_expiry expiry;

    (void)state;
    assert_ok(leases_new(&leases));
    register_node(leases, 7, 0);
    assert_int_equal(count_expired(leases, LEASE_MS, &expiry), 1);
    assert_int_equal(count_expired(leases, LEASE_MS + 200, &expiry), 0);
    assert_int_equal(count_expired(leases, LEASE_MS + 2000, &expiry), 1);
}

static void what_ended_is_forgotten(void **state)
{
    struct command command = {.kind = COMMAND_LEASE_EXPIRED, .rests = {.registration = 7}};
    struct outcome outcome = {.verdict = REFUSAL_NONE};
    OWN(leases) struct leases *leases = NULL;
    struct lease_expiry expiry;

    (void)state;
    assert_ok(leases_new(&leases));
    register_node(leases, 7, 0);
    register_node(leases, 8, 0);
    leases_applied(leases, &command, &outcome, LEASE_MS);
    leases_forget(leases, 8);
    assert_int_equal(count_expired(leases, 10 * LEASE_MS, &expiry), 0);
}

/* A new leader does not know how old the leases are: it begins all of them anew. */
static void a_new_leader_expires_nothing_within_a_lease_of_its_own(void **state)
{
    OWN(registry) struct registry *registry = registry_new();
    OWN(leases) struct leases *leases = NULL;
    struct lease_expiry expiry;

    (void)state;
    assert_ok(leases_new(&leases));
    register_node(leases, 7, 0);
    leases_restart(leases, registry, LEASE_MS);
    /* The empty registry knows no live registration: nothing is left to expire. */
    assert_int_equal(count_expired(leases, 10 * LEASE_MS, &expiry), 0);
    register_node(leases, 9, LEASE_MS);
    assert_int_equal(count_expired(leases, 2 * LEASE_MS - 1, &expiry), 0);
    assert_int_equal(count_expired(leases, 2 * LEASE_MS, &expiry), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lease_expires_once_it_is_old_and_not_before),
        cmocka_unit_test(what_is_left_of_a_lease_counts_from_its_last_renewal),
        cmocka_unit_test(a_renewal_that_was_committed_begins_the_lease_anew),
        cmocka_unit_test(a_renewal_that_was_refused_does_not),
        cmocka_unit_test(an_expiry_is_asked_for_again_only_after_a_while),
        cmocka_unit_test(what_ended_is_forgotten),
        cmocka_unit_test(a_new_leader_expires_nothing_within_a_lease_of_its_own),
    };
    return cmocka_run_group_tests_name("leases", tests, NULL, NULL);
}
