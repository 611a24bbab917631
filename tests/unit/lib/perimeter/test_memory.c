#include "lib/perimeter/memory.h"

#include "tests/support/test.h"

#include <string.h>

static const struct perimeter_memory seen = {2, 5, 9};

static void what_lies_behind_is_refused(void **state)
{
    struct refusal refusal;

    (void)state;
    assert_refused(perimeter_memory_check(&seen, &(struct perimeter_memory){1, 5, 9}, &refusal),
                   refusal, REFUSAL_OLD_SUCCESSION);
    assert_refused(perimeter_memory_check(&seen, &(struct perimeter_memory){2, 4, 9}, &refusal),
                   refusal, REFUSAL_OLD_EPOCH);
    assert_refused(perimeter_memory_check(&seen, &(struct perimeter_memory){2, 5, 8}, &refusal),
                   refusal, REFUSAL_OLD_VERSION);
}

static void what_was_seen_and_what_is_newer_is_accepted(void **state)
{
    (void)state;
    assert_ok(perimeter_memory_check(&seen, &seen, NULL));
    assert_ok(perimeter_memory_check(&seen, &(struct perimeter_memory){3, 6, 10}, NULL));
    /* No manifest is shown. */
    assert_ok(perimeter_memory_check(&seen, &(struct perimeter_memory){2, 5, 0}, NULL));
}

static void memory_only_grows(void **state)
{
    struct perimeter_memory memory = seen;

    (void)state;
    assert_false(perimeter_memory_raise(&memory, &(struct perimeter_memory){1, 4, 8}));
    assert_memory_equal(&memory, &seen, sizeof memory);
    assert_true(perimeter_memory_raise(&memory, &(struct perimeter_memory){0, 6, 0}));
    assert_int_equal(memory.epoch, 6);
    assert_int_equal(memory.succession, 2);
    assert_int_equal(memory.manifest_version, 9);
}

static void text_that_is_not_exactly_a_memory_is_refused(void **state)
{
    static const char *const wrong[] = {
        "",
        "1 2\n",
        "1 2 3",
        "1 2 3 \n",
        "1 2 3\n\n",
        "-1 2 3\n",
        "01 2 3\n",
        "1  2 3\n",
        " 1 2 3\n",
        "a 2 3\n",
        "1 2 18446744073709551616\n",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        struct perimeter_memory memory;

        assert_status(perimeter_memory_parse(view_string(wrong[i]), &memory), STATUS_MALFORMED);
    }
}

static void text_round_trips(void **state)
{
    static const struct perimeter_memory memories[] = {
        {0, 0, 0}, {2, 5, 9}, {UINT64_MAX, UINT64_MAX, UINT64_MAX}};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(memories); i++) {
        char text[PERIMETER_MEMORY_TEXT_SIZE];
        struct perimeter_memory again;

        perimeter_memory_print(&memories[i], text);
        assert_ok(perimeter_memory_parse(view_string(text), &again));
        assert_memory_equal(&again, &memories[i], sizeof again);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_lies_behind_is_refused),
        cmocka_unit_test(what_was_seen_and_what_is_newer_is_accepted),
        cmocka_unit_test(memory_only_grows),
        cmocka_unit_test(text_that_is_not_exactly_a_memory_is_refused),
        cmocka_unit_test(text_round_trips),
    };
    return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
