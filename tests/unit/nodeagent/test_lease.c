#include "nodeagent/lease.h"

#include "tests/support/test.h"

static void no_lease_is_not_live(void **state)
{
    struct lease lease = {0};

    (void)state;
    assert_false(lease_is_live(&lease, 0));
    assert_int_equal(lease_left_ms(&lease, 0), 0);
}

static void it_counts_from_the_challenge(void **state)
{
    struct lease lease = {0};

    (void)state;
    lease_extend(&lease, 1000, 30000, 30000);
    assert_true(lease_is_live(&lease, 30999));
    assert_false(lease_is_live(&lease, 31000));
    assert_int_equal(lease_left_ms(&lease, 30000), 1000);
}

static void no_more_than_the_manifest_says_is_taken(void **state)
{
    struct lease lease = {0};

    (void)state;
    lease_extend(&lease, 1000, 1000000, 30000);
    assert_false(lease_is_live(&lease, 31000));
}

static void an_answer_that_was_overtaken_shortens_nothing(void **state)
{
    struct lease lease = {0};

    (void)state;
    lease_extend(&lease, 2000, 30000, 30000);
    lease_extend(&lease, 1000, 30000, 30000);
    assert_true(lease_is_live(&lease, 31500));
}

static void an_ended_lease_is_over_at_once(void **state)
{
    struct lease lease = {0};

    (void)state;
    lease_extend(&lease, 1000, 30000, 30000);
    lease_end(&lease);
    assert_false(lease_is_live(&lease, 1000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_lease_is_not_live),
        cmocka_unit_test(no_more_than_the_manifest_says_is_taken),
        cmocka_unit_test(it_counts_from_the_challenge),
        cmocka_unit_test(an_answer_that_was_overtaken_shortens_nothing),
        cmocka_unit_test(an_ended_lease_is_over_at_once),
    };

    return cmocka_run_group_tests_name("lease", tests, NULL, NULL);
}
