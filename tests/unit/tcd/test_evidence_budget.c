/* Room for large evidence: never more than there is, first come first served, and none is lost. */
#include "tcd/evidence_budget.h"

#include "tests/support/test.h"

#include <stdlib.h>
#include <string.h>

enum { TOTAL = 100, PLACE_COUNT = 16, ROUND_COUNT = 100000 };

static void who_does_not_fit_waits(void **state)
{
    struct evidence_budget budget;
    struct evidence_place first = {0}, second = {0};

    (void)state;
    evidence_budget_init(&budget, TOTAL);
    assert_null(evidence_budget_grant(&budget));
    evidence_budget_ask(&budget, &first, 60);
    evidence_budget_ask(&budget, &second, 41);
    assert_ptr_equal(evidence_budget_grant(&budget), &first);
    assert_null(evidence_budget_grant(&budget));
    assert_int_equal(second.state, EVIDENCE_PLACE_WAITING);
    evidence_budget_release(&budget, &first);
    assert_ptr_equal(evidence_budget_grant(&budget), &second);
    assert_int_equal(budget.used, 41);
}

static void all_of_it_may_be_one_s(void **state)
{
    struct evidence_budget budget;
    struct evidence_place place = {0};

    (void)state;
    evidence_budget_init(&budget, TOTAL);
    evidence_budget_ask(&budget, &place, TOTAL);
    assert_ptr_equal(evidence_budget_grant(&budget), &place);
}

static void nobody_overtakes_who_came_first(void **state)
{
    struct evidence_budget budget;
    struct evidence_place holder = {0}, large = {0}, small = {0};

    (void)state;
    evidence_budget_init(&budget, TOTAL);
    evidence_budget_ask(&budget, &holder, 50);
    assert_ptr_equal(evidence_budget_grant(&budget), &holder);
    evidence_budget_ask(&budget, &large, 90);
    evidence_budget_ask(&budget, &small, 1);
    assert_null(evidence_budget_grant(&budget));
    evidence_budget_release(&budget, &holder);
    assert_ptr_equal(evidence_budget_grant(&budget), &large);
    assert_ptr_equal(evidence_budget_grant(&budget), &small);
}

static void who_leaves_the_line_lets_the_next_ones_in(void **state)
{
    struct evidence_budget budget;
    struct evidence_place holder = {0}, large = {0}, small = {0};

    (void)state;
    evidence_budget_init(&budget, TOTAL);
    evidence_budget_ask(&budget, &holder, 50);
    assert_ptr_equal(evidence_budget_grant(&budget), &holder);
    evidence_budget_ask(&budget, &large, 90);
    evidence_budget_ask(&budget, &small, 1);
    evidence_budget_release(&budget, &large);
    assert_int_equal(large.state, EVIDENCE_PLACE_NONE);
    assert_ptr_equal(evidence_budget_grant(&budget), &small);
}

static void room_is_given_back_once(void **state)
{
    struct evidence_budget budget;
    struct evidence_place place = {0};

    (void)state;
    evidence_budget_init(&budget, TOTAL);
    evidence_budget_release(&budget, &place); /* neither in line nor with room */
    evidence_budget_ask(&budget, &place, 10);
    assert_ptr_equal(evidence_budget_grant(&budget), &place);
    evidence_budget_release(&budget, &place);
    evidence_budget_release(&budget, &place);
    assert_int_equal(budget.used, 0);
    evidence_budget_ask(&budget, &place, 10);
    assert_ptr_equal(evidence_budget_grant(&budget), &place);
}

/* What a place is in after each step, by a model that knows nothing of lines. */
static void whatever_happens_no_room_is_lost_and_none_is_given_twice(void **state)
{
    struct evidence_budget budget;
    struct evidence_place places[PLACE_COUNT] = {0};
    unsigned long asked[PLACE_COUNT] = {0}, clock = 0;
    unsigned seed = 1;

    (void)state;
    evidence_budget_init(&budget, TOTAL);
    for (unsigned round = 0; round < ROUND_COUNT; round++) {
        size_t i = (size_t)rand_r(&seed) % PLACE_COUNT, used = 0;
        struct evidence_place *granted;

        if (places[i].state == EVIDENCE_PLACE_NONE) {
            evidence_budget_ask(&budget, &places[i], 1 + (size_t)rand_r(&seed) % TOTAL);
            asked[i] = ++clock;
        } else {
            evidence_budget_release(&budget, &places[i]);
        }
        while ((granted = evidence_budget_grant(&budget)) != NULL) {
            for (size_t k = 0; k < PLACE_COUNT; k++) {
                assert_false(places[k].state == EVIDENCE_PLACE_WAITING &&
                             asked[k] < asked[granted - places]);
            }
        }
        for (size_t k = 0; k < PLACE_COUNT; k++) {
            used += places[k].state == EVIDENCE_PLACE_GRANTED ? places[k].size : 0;
        }
        assert_int_equal(budget.used, used);
        assert_true(used <= TOTAL);
        /* Who is first waits only for what is not there. */
        assert_true(!budget.waiting.first || budget.waiting.first->size > TOTAL - used);
    }
    for (size_t k = 0; k < PLACE_COUNT; k++) {
        evidence_budget_release(&budget, &places[k]);
    }
    assert_int_equal(budget.used, 0);
    assert_null(budget.waiting.first);
    assert_null(budget.granted.first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_does_not_fit_waits),
        cmocka_unit_test(all_of_it_may_be_one_s),
        cmocka_unit_test(nobody_overtakes_who_came_first),
        cmocka_unit_test(who_leaves_the_line_lets_the_next_ones_in),
        cmocka_unit_test(room_is_given_back_once),
        cmocka_unit_test(whatever_happens_no_room_is_lost_and_none_is_given_twice),
    };
    return cmocka_run_group_tests_name("evidence_budget", tests, NULL, NULL);
}
