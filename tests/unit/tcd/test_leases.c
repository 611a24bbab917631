#include "tcd/leases.h"

#include "tests/support/core_fixture.h"
#include "tests/support/test.h"

enum { LEASE_MS = FIXTURE_LEASE_S * 1000 };

/* A registry with two nodes, and the leases that a leader keeps of them. */
struct watch {
    struct fixture fixture;
    struct leases *leases;
};

static void watch_free(struct watch *watch)
{
    leases_free(watch->leases);
    fixture_stop(&watch->fixture);
}
DEFINE_OWN_VALUE(watch, watch_free)

static struct watch watch_new(void)
{
    struct watch watch;

    fixture_start(&watch.fixture, 2);
    assert_ok(leases_new(&watch.leases));
    return watch;
}

static uint64_t register_node(struct watch *watch, unsigned node, uint64_t now_ms)
{
    struct command command = fixture_registration(&watch->fixture, node);

    assert_int_equal(fixture_do(&watch->fixture, &command), REFUSAL_NONE);
    leases_applied(watch->leases, watch->fixture.registry, &command, &watch->fixture.outcome,
                   now_ms);
    return fixture_node(&watch->fixture, node)->registration.id;
}

/* number: 1 is the first. */
static void renew(struct watch *watch, unsigned node, uint64_t number, uint64_t now_ms)
{
    const struct registration *registration = &fixture_node(&watch->fixture, node)->registration;
    struct renewal item = {
        .registration = registration->id,
        .number = number,
        .policy = fixture_node(&watch->fixture, node)->policy,
        .boot = registration->boot,
        .progress = registration->progress,
    };
    struct command command = fixture_command(&watch->fixture, COMMAND_RENEWAL_BATCH);

    item.boot.clock_ms++;
    command.renewal_batch.count = 1;
    command.renewal_batch.items = &item;
    assert_int_equal(fixture_do(&watch->fixture, &command), REFUSAL_NONE);
    leases_applied(watch->leases, watch->fixture.registry, &command, &watch->fixture.outcome,
                   now_ms);
}

static void lease_change(struct watch *watch, uint32_t lease_s)
{
    watch->fixture.manifest.lease_s = lease_s;
    watch->fixture.manifest.version++;
    fixture_apply_manifest(&watch->fixture);
}

static unsigned count_expired(struct watch *watch, uint64_t now_ms, struct lease_expiry *ret_last)
{
    unsigned count = 0;
    size_t cursor = 0;

    while (leases_next_expired(watch->leases, now_ms, &cursor, ret_last)) {
        count++;
    }
    return count;
}

static void a_lease_expires_once_it_is_old_and_not_before(void **state)
{
    OWN(watch) struct watch watch = watch_new();
    struct lease_expiry expiry;
    uint64_t id = register_node(&watch, 0, 1000);

    (void)state;
    assert_int_equal(count_expired(&watch, 1000 + LEASE_MS - 1, &expiry), 0);
    assert_int_equal(count_expired(&watch, 1000 + LEASE_MS, &expiry), 1);
    assert_int_equal(expiry.registration, id);
    assert_int_equal(expiry.renewal, 0);
}

static void what_is_left_of_a_lease_counts_from_its_last_renewal(void **state)
{
    OWN(watch) struct watch watch = watch_new();
    uint64_t id = register_node(&watch, 0, 1000);

    (void)state;
    assert_int_equal(leases_left_ms(watch.leases, id + 1, 1000), 0);
    assert_int_equal(leases_left_ms(watch.leases, id, 1000), LEASE_MS);
    assert_int_equal(leases_left_ms(watch.leases, id, 11000), LEASE_MS - 10000);
    assert_int_equal(leases_left_ms(watch.leases, id, 1000 + LEASE_MS), 0);
    renew(&watch, 0, 1, 21000);
    assert_int_equal(leases_left_ms(watch.leases, id, 21500), LEASE_MS - 500);
}

static void a_renewal_that_was_committed_begins_the_lease_anew(void **state)
{
    OWN(watch) struct watch watch = watch_new();
    struct lease_expiry expiry;

    (void)state;
    (void)register_node(&watch, 0, 0);
    renew(&watch, 0, 1, 20000);
    assert_int_equal(count_expired(&watch, LEASE_MS + 1, &expiry), 0);
    assert_int_equal(count_expired(&watch, 20000 + LEASE_MS, &expiry), 1);
    assert_int_equal(expiry.renewal, 1);
}

static void a_renewal_that_was_refused_does_not(void **state)
{
    OWN(watch) struct watch watch = watch_new();
    struct lease_expiry expiry;

    (void)state;
    (void)register_node(&watch, 0, 0);
    renew(&watch, 0, 7, 20000);
    assert_int_equal(count_expired(&watch, LEASE_MS, &expiry), 1);
    assert_int_equal(expiry.renewal, 0);
}

static void an_expiry_is_asked_for_again_only_after_a_while(void **state)
{
    OWN(watch) struct watch watch = watch_new();
    struct lease_expiry expiry;

    (void)state;
    (void)register_node(&watch, 0, 0);
    assert_int_equal(count_expired(&watch, LEASE_MS, &expiry), 1);
    assert_int_equal(count_expired(&watch, LEASE_MS + 200, &expiry), 0);
    assert_int_equal(count_expired(&watch, LEASE_MS + 2000, &expiry), 1);
}

static void what_ended_is_forgotten(void **state)
{
    OWN(watch) struct watch watch = watch_new();
    struct command command;
    struct lease_expiry expiry;

    (void)state;
    (void)register_node(&watch, 0, 0);
    leases_forget(watch.leases, register_node(&watch, 1, 0));
    command = fixture_node_command(&watch.fixture, COMMAND_LEASE_EXPIRED, 0);
    assert_int_equal(fixture_do(&watch.fixture, &command), REFUSAL_NONE);
    leases_applied(watch.leases, watch.fixture.registry, &command, &watch.fixture.outcome,
                   LEASE_MS);
    assert_int_equal(count_expired(&watch, 10 * (uint64_t)LEASE_MS, &expiry), 0);
}

/* A new leader does not know how old the leases are: it begins all of them anew. */
static void a_new_leader_expires_nothing_within_a_lease_of_its_own(void **state)
{
    OWN(watch) struct watch watch = watch_new();
    struct lease_expiry expiry;

    (void)state;
    (void)register_node(&watch, 0, 0);
    leases_restart(watch.leases, watch.fixture.registry, LEASE_MS - 1);
    assert_int_equal(count_expired(&watch, 2 * LEASE_MS - 2, &expiry), 0);
    assert_int_equal(count_expired(&watch, 2 * LEASE_MS - 1, &expiry), 1);
}

/* A node goes by the lease that it was given, and so do the grants of its VMs. */
static void a_manifest_that_shortens_leases_ends_none_early(void **state)
{
    OWN(watch) struct watch watch = watch_new();
    struct lease_expiry expiry;

    (void)state;
    (void)register_node(&watch, 0, 0);
    lease_change(&watch, FIXTURE_LEASE_S / 3);
    assert_int_equal(count_expired(&watch, LEASE_MS - 1, &expiry), 0);
    renew(&watch, 0, 1, LEASE_MS - 1);
    assert_int_equal(count_expired(&watch, 2 * LEASE_MS - 2, &expiry), 0);
    leases_restart(watch.leases, watch.fixture.registry, 2 * LEASE_MS - 2);
    assert_int_equal(count_expired(&watch, 3 * LEASE_MS - 3, &expiry), 0);
    assert_int_equal(count_expired(&watch, 3 * LEASE_MS - 2, &expiry), 1);
    /* A new registration has nothing to go by but the new one. */
    (void)register_node(&watch, 1, 4 * LEASE_MS);
    assert_int_equal(leases_left_ms(watch.leases, fixture_node(&watch.fixture, 1)->registration.id,
                                    4 * LEASE_MS),
                     LEASE_MS / 3);
}

static void a_manifest_that_lengthens_leases_does_so_from_the_next_renewal_on(void **state)
{
    OWN(watch) struct watch watch = watch_new();
    struct lease_expiry expiry;

    (void)state;
    (void)register_node(&watch, 0, 0);
    lease_change(&watch, 2 * FIXTURE_LEASE_S);
    assert_int_equal(count_expired(&watch, LEASE_MS, &expiry), 1);
    renew(&watch, 0, 1, LEASE_MS);
    assert_int_equal(count_expired(&watch, 3 * LEASE_MS - 1, &expiry), 0);
    assert_int_equal(count_expired(&watch, 3 * LEASE_MS, &expiry), 1);
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
        cmocka_unit_test(a_manifest_that_shortens_leases_ends_none_early),
        cmocka_unit_test(a_manifest_that_lengthens_leases_does_so_from_the_next_renewal_on),
    };
    return cmocka_run_group_tests_name("leases", tests, NULL, NULL);
}
