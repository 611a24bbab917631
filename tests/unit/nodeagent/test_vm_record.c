/* What the agent does with orders, grants and commands, by what it knows of a VM. */
#include "tests/support/test.h"

#include "nodeagent/vm_record.h"

#include <string.h>

static const struct digest vm = {{5}};
enum { GENERATION = 7, REGISTRATION = 3 };

/* The way up. */
static const enum record_step way_up[] = {RECORD_FETCHED, RECORD_STARTED, RECORD_ATTACHED,
                                          RECORD_GRANTED, RECORD_RESUMED};

static struct vm_record record_in(enum record_state state)
{
    struct vm_record record = record_new(&vm, GENERATION, REGISTRATION);

    for (unsigned i = 0; i < ARRAY_SIZE(way_up) && record.state != state && state < RECORD_ENDING;
         i++) {
        assert_true(record_move(&record, way_up[i]));
    }
    if (state >= RECORD_ENDING) {
        assert_true(record_end(&record, RECORD_FAILED, "it broke"));
    }
    if (state == RECORD_OVER) {
        assert_true(record_move(&record, RECORD_GONE));
    }
    assert_int_equal(record.state, state);
    return record;
}

static void a_step_out_of_place_changes_nothing(void **state)
{
    /* How many steps each state has. */
    static const unsigned counts[RECORD_STATE_COUNT] = {2, 2, 2, 2, 3, 2, 1, 0};

    (void)state;
    for (unsigned i = 0; i < RECORD_STATE_COUNT; i++) {
        unsigned count = 0;

        for (unsigned step = 0; step < RECORD_STEP_COUNT; step++) {
            struct vm_record record = record_in((enum record_state)i), before = record;

            if (record_move(&record, (enum record_step)step)) {
                count++;
                assert_int_not_equal(record.state, before.state);
            } else {
                assert_memory_equal(&record, &before, sizeof record);
            }
        }
        assert_int_equal(count, counts[i]);
    }
}

static void nothing_runs_before_it_was_granted(void **state)
{
    (void)state;
    for (unsigned i = 0; i < RECORD_STATE_COUNT; i++) {
        struct vm_record record = record_in((enum record_state)i);

        assert_int_equal(record_move(&record, RECORD_RESUMED), i == RECORD_GRANTING);
    }
}

static void the_first_outcome_counts(void **state)
{
    struct vm_record record = record_in(RECORD_RUNNING);

    (void)state;
    assert_true(record_end(&record, RECORD_ENDED, "stopped by %s", "carol"));
    assert_false(record_end(&record, RECORD_FAILED, "QEMU ended"));
    assert_int_equal(record.outcome, RECORD_ENDED);
    assert_string_equal(record.detail, "stopped by carol");
}

static void a_detail_that_is_too_long_is_cut(void **state)
{
    struct vm_record record = record_in(RECORD_RUNNING);

    (void)state;
    assert_true(record_end(&record, RECORD_FAILED, "%0400d", 1));
    assert_int_equal(strlen(record.detail), RECORD_DETAIL_SIZE - 1);
}

static void an_older_order_starts_nothing(void **state)
{
    (void)state;
    for (unsigned i = 0; i < RECORD_STATE_COUNT; i++) {
        struct vm_record record = record_in((enum record_state)i);

        assert_int_equal(record_take_order(&record, ORDER_LAUNCH, GENERATION - 1), ORDER_STALE);
        assert_int_equal(record_take_order(&record, ORDER_READOPT, GENERATION - 1), ORDER_STALE);
    }
}

static void a_repeated_order_starts_no_second_copy(void **state)
{
    (void)state;
    for (unsigned i = 0; i < RECORD_STATE_COUNT; i++) {
        struct vm_record record = record_in((enum record_state)i);

        assert_int_equal(record_take_order(&record, ORDER_LAUNCH, GENERATION),
                         i == RECORD_OVER     ? ORDER_REPORT
                         : i == RECORD_ENDING ? ORDER_WAIT
                                              : ORDER_TAKE);
    }
}

static void a_newer_order_waits_until_the_older_copy_is_gone(void **state)
{
    (void)state;
    for (unsigned i = 0; i < RECORD_STATE_COUNT; i++) {
        struct vm_record record = record_in((enum record_state)i);

        assert_int_equal(record_take_order(&record, ORDER_LAUNCH, GENERATION + 1),
                         i == RECORD_OVER     ? ORDER_BEGIN
                         : i == RECORD_ENDING ? ORDER_WAIT
                                              : ORDER_REPLACE);
    }
    assert_int_equal(record_take_order(NULL, ORDER_LAUNCH, 1), ORDER_BEGIN);
}

static void only_what_is_here_is_readopted(void **state)
{
    struct vm_record running = record_adopted(&vm, GENERATION), over = record_in(RECORD_OVER);

    (void)state;
    assert_int_equal(record_take_order(NULL, ORDER_READOPT, GENERATION), ORDER_MISSING);
    assert_int_equal(record_take_order(&over, ORDER_READOPT, GENERATION + 1), ORDER_REPORT);
    assert_int_equal(record_take_order(&running, ORDER_READOPT, GENERATION + 1), ORDER_TAKE);
    assert_int_equal(record_take_order(&running, ORDER_MIGRATE, GENERATION + 1), ORDER_UNSUPPORTED);
}

static void a_grant_is_applied_only_to_what_is_prepared(void **state)
{
    static const enum grant_answer answers[RECORD_STATE_COUNT] = {
        [RECORD_FETCHING] = GRANT_KEEP,  [RECORD_STARTING] = GRANT_KEEP,
        [RECORD_ATTACHING] = GRANT_KEEP, [RECORD_PREPARED] = GRANT_APPLY,
        [RECORD_GRANTING] = GRANT_KEEP,  [RECORD_RUNNING] = GRANT_APPLY,
        [RECORD_ENDING] = GRANT_IGNORE,  [RECORD_OVER] = GRANT_IGNORE,
    };

    (void)state;
    assert_int_equal(record_take_grant(NULL, GENERATION), GRANT_IGNORE);
    for (unsigned i = 0; i < RECORD_STATE_COUNT; i++) {
        struct vm_record record = record_in((enum record_state)i);

        assert_int_equal(record_take_grant(&record, GENERATION - 1), GRANT_IGNORE);
        assert_int_equal(record_take_grant(&record, GENERATION), answers[i]);
        assert_int_equal(record_take_grant(&record, GENERATION + 1), answers[i]);
    }
}

static void an_older_command_ends_nothing(void **state)
{
    struct vm_record running = record_in(RECORD_RUNNING), ending = record_in(RECORD_ENDING),
                     over = record_in(RECORD_OVER);

    (void)state;
    assert_int_equal(record_take_command(&running, GENERATION - 1), COMMAND_IGNORE);
    assert_int_equal(record_take_command(&running, GENERATION), COMMAND_END);
    assert_int_equal(record_take_command(&ending, GENERATION), COMMAND_IGNORE);
    assert_int_equal(record_take_command(&over, GENERATION), COMMAND_REPORT);
    assert_int_equal(record_take_command(NULL, GENERATION), COMMAND_REPORT);
}

static void what_never_ran_does_not_survive_its_registration(void **state)
{
    struct vm_record adopted = record_adopted(&vm, GENERATION), running = record_in(RECORD_RUNNING);

    (void)state;
    for (unsigned i = 0; i < RECORD_STATE_COUNT; i++) {
        struct vm_record record = record_in((enum record_state)i);

        assert_int_equal(record_survives(&record), i == RECORD_RUNNING);
    }
    assert_true(record_survives(&adopted));
    assert_true(record_end(&running, RECORD_FAILED, "it broke"));
    assert_false(record_survives(&running));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_step_out_of_place_changes_nothing),
        cmocka_unit_test(nothing_runs_before_it_was_granted),
        cmocka_unit_test(the_first_outcome_counts),
        cmocka_unit_test(a_detail_that_is_too_long_is_cut),
        cmocka_unit_test(an_older_order_starts_nothing),
        cmocka_unit_test(a_repeated_order_starts_no_second_copy),
        cmocka_unit_test(a_newer_order_waits_until_the_older_copy_is_gone),
        cmocka_unit_test(only_what_is_here_is_readopted),
        cmocka_unit_test(a_grant_is_applied_only_to_what_is_prepared),
        cmocka_unit_test(an_older_command_ends_nothing),
        cmocka_unit_test(what_never_ran_does_not_survive_its_registration),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
