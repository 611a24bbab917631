/* What the agent does with orders, grants and commands, by what it knows of a VM. */
#include "tests/support/test.h"

#include "nodeagent/vm_record.h"

#include <string.h>

static const struct digest vm = {{5}};
enum { GENERATION = 7, REGISTRATION = 3 };

/* The way from an order to each state; those of a migration branch off. */
static const struct {
    enum record_state state;
    enum record_step steps[7];
    unsigned count;
} ways[RECORD_STATE_COUNT] = {
    {RECORD_FETCHING, {0}, 0},
    {RECORD_STARTING, {RECORD_FETCHED}, 1},
    {RECORD_ATTACHING, {RECORD_FETCHED, RECORD_STARTED}, 2},
    {RECORD_PREPARED, {RECORD_FETCHED, RECORD_STARTED, RECORD_ATTACHED}, 3},
    {RECORD_GRANTING, {RECORD_FETCHED, RECORD_STARTED, RECORD_ATTACHED, RECORD_GRANTED}, 4},
    {RECORD_RUNNING,
     {RECORD_FETCHED, RECORD_STARTED, RECORD_ATTACHED, RECORD_GRANTED, RECORD_RESUMED},
     5},
    {RECORD_INCOMING, {RECORD_FETCHED, RECORD_STARTED, RECORD_EXPECTED}, 3},
    {RECORD_LOADED, {RECORD_FETCHED, RECORD_STARTED, RECORD_EXPECTED, RECORD_COMPLETED}, 4},
    {RECORD_LEAVING,
     {RECORD_FETCHED, RECORD_STARTED, RECORD_ATTACHED, RECORD_GRANTED, RECORD_RESUMED,
      RECORD_LEAVES},
     6},
    {RECORD_ENDING, {RECORD_END}, 1},
    {RECORD_OVER, {RECORD_END, RECORD_GONE}, 2},
};

static struct vm_record record_in(enum record_state state)
{
    struct vm_record record = record_new(&vm, GENERATION, REGISTRATION);

    for (unsigned i = 0; i < ways[state].count; i++) {
        if (ways[state].steps[i] == RECORD_END) {
            assert_true(record_end(&record, RECORD_FAILED, "it broke"));
        } else {
            assert_true(record_move(&record, ways[state].steps[i]));
        }
    }
    assert_int_equal(record.state, state);
    return record;
}

static void a_step_out_of_place_changes_nothing(void **state)
{
    /* How many steps each state has. */
    static const unsigned counts[RECORD_STATE_COUNT] = {2, 2, 3, 2, 4, 4, 2, 2, 3, 1, 0};

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

static void a_pause_of_an_older_generation_is_not_heeded(void **state)
{
    (void)state;
    for (unsigned i = 0; i < RECORD_STATE_COUNT; i++) {
        struct vm_record record = record_in((enum record_state)i);

        if (i != RECORD_OVER) {
            assert_int_equal(record_take_pause(&record, GENERATION - 1), PAUSE_IGNORE);
        }
    }
}

static void a_pause_freezes_what_there_is_something_to_lose_of(void **state)
{
    static const enum pause_answer answers[RECORD_STATE_COUNT] = {
        [RECORD_FETCHING] = PAUSE_END,       [RECORD_STARTING] = PAUSE_END,
        [RECORD_ATTACHING] = PAUSE_END,      [RECORD_PREPARED] = PAUSE_END,
        [RECORD_GRANTING] = PAUSE_END,       [RECORD_RUNNING] = PAUSE_FREEZE,
        [RECORD_INCOMING] = PAUSE_END,       [RECORD_LOADED] = PAUSE_FREEZE,
        [RECORD_LEAVING] = PAUSE_FIRST_STAY, [RECORD_ENDING] = PAUSE_IGNORE,
        [RECORD_OVER] = PAUSE_REPORT,
    };
    struct vm_record record;

    (void)state;
    assert_int_equal(record_take_pause(NULL, GENERATION), PAUSE_REPORT);
    for (unsigned i = 0; i < RECORD_STATE_COUNT; i++) {
        record = record_in((enum record_state)i);
        assert_int_equal(record_take_pause(&record, GENERATION), answers[i]);
        assert_int_equal(record_take_pause(&record, GENERATION + 1), answers[i]);
    }
    record = record_adopted(&vm, GENERATION);
    assert_int_equal(record_take_pause(&record, GENERATION), PAUSE_FREEZE);
}

static void a_paused_vm_waits_for_a_newer_grant(void **state)
{
    struct vm_record record = record_in(RECORD_RUNNING);

    (void)state;
    assert_true(record_move(&record, RECORD_PAUSED));
    assert_int_equal(record.state, RECORD_PREPARED);
    assert_true(record_survives(&record));
    record.generation = GENERATION + 1;
    assert_int_equal(record_take_grant(&record, GENERATION), GRANT_IGNORE);
    assert_int_equal(record_take_grant(&record, GENERATION + 2), GRANT_APPLY);
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
        assert_int_equal(record_take_order(&record, ORDER_MIGRATE, GENERATION - 1), ORDER_STALE);
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
}

static void what_a_migration_brings_begins_like_a_launch(void **state)
{
    struct vm_record over = record_in(RECORD_OVER), incoming = record_in(RECORD_INCOMING);

    (void)state;
    assert_int_equal(record_take_order(NULL, ORDER_MIGRATE, GENERATION), ORDER_BEGIN);
    assert_int_equal(record_take_order(&over, ORDER_MIGRATE, GENERATION + 1), ORDER_BEGIN);
    assert_int_equal(record_take_order(&over, ORDER_MIGRATE, GENERATION), ORDER_REPORT);
    assert_int_equal(record_take_order(&incoming, ORDER_MIGRATE, GENERATION), ORDER_TAKE);
}

/* A loaded state is nothing that may run before the coordinator gave the VM to it, and a frozen
 * source nothing that may go on as if nothing had been. */
static void a_migration_ends_where_only_a_grant_leads_on(void **state)
{
    struct vm_record loaded = record_in(RECORD_LOADED), leaving = record_in(RECORD_LEAVING);

    (void)state;
    assert_false(record_move(&loaded, RECORD_GRANTED));
    assert_true(record_move(&loaded, RECORD_DECIDED));
    assert_int_equal(loaded.state, RECORD_PREPARED);
    assert_false(record_move(&leaving, RECORD_GRANTED));
    assert_true(record_move(&leaving, RECORD_FROZEN));
    assert_int_equal(leaving.state, RECORD_PREPARED);
}

static void a_grant_is_applied_only_to_what_is_prepared(void **state)
{
    static const enum grant_answer answers[RECORD_STATE_COUNT] = {
        [RECORD_FETCHING] = GRANT_KEEP,  [RECORD_STARTING] = GRANT_KEEP,
        [RECORD_ATTACHING] = GRANT_KEEP, [RECORD_PREPARED] = GRANT_APPLY,
        [RECORD_GRANTING] = GRANT_KEEP,  [RECORD_RUNNING] = GRANT_APPLY,
        [RECORD_INCOMING] = GRANT_KEEP,  [RECORD_LOADED] = GRANT_KEEP,
        [RECORD_LEAVING] = GRANT_KEEP,   [RECORD_ENDING] = GRANT_IGNORE,
        [RECORD_OVER] = GRANT_REPORT,
    };

    (void)state;
    assert_int_equal(record_take_grant(NULL, GENERATION), GRANT_REPORT);
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

static void what_is_not_whole_does_not_survive_its_registration(void **state)
{
    struct vm_record adopted = record_adopted(&vm, GENERATION), running = record_in(RECORD_RUNNING);

    (void)state;
    for (unsigned i = 0; i < RECORD_STATE_COUNT; i++) {
        struct vm_record record = record_in((enum record_state)i);

        assert_int_equal(record_survives(&record),
                         i == RECORD_RUNNING || i == RECORD_LOADED || i == RECORD_LEAVING);
    }
    assert_true(record_survives(&adopted));
    assert_true(record_end(&running, RECORD_FAILED, "it broke"));
    assert_false(record_survives(&running));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_step_out_of_place_changes_nothing),
        cmocka_unit_test(a_pause_of_an_older_generation_is_not_heeded),
        cmocka_unit_test(a_pause_freezes_what_there_is_something_to_lose_of),
        cmocka_unit_test(a_paused_vm_waits_for_a_newer_grant),
        cmocka_unit_test(nothing_runs_before_it_was_granted),
        cmocka_unit_test(the_first_outcome_counts),
        cmocka_unit_test(a_detail_that_is_too_long_is_cut),
        cmocka_unit_test(an_older_order_starts_nothing),
        cmocka_unit_test(a_repeated_order_starts_no_second_copy),
        cmocka_unit_test(a_newer_order_waits_until_the_older_copy_is_gone),
        cmocka_unit_test(only_what_is_here_is_readopted),
        cmocka_unit_test(what_a_migration_brings_begins_like_a_launch),
        cmocka_unit_test(a_migration_ends_where_only_a_grant_leads_on),
        cmocka_unit_test(a_grant_is_applied_only_to_what_is_prepared),
        cmocka_unit_test(an_older_command_ends_nothing),
        cmocka_unit_test(what_is_not_whole_does_not_survive_its_registration),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
