#include "lib/policy/policy_diff.h"

#include "tests/unit/lib/policy/policy_helper.h"

#include "lib/base/text.h"

static const struct policy_difference no_difference;

/* What was told, a line each: "+ statement". */
static void tell(void *context, bool is_added, struct view statement)
{
    writer_format(context, "%s %.*s\n", is_added ? "+" : "-", (int)statement.size, statement.data);
}

static struct policy_difference diff(const char *old_text, const char *new_text,
                                     const char *expected)
{
    OWN(policy) struct policy *old = policy_of(view_string(old_text));
    OWN(policy) struct policy *new = policy_of(view_string(new_text));
    OWN(writer) struct writer told = writer_new(1 << 16);
    struct policy_difference difference, silent;

    assert_ok(policy_diff(old, new, tell, &told, &difference));
    assert_int_equal(told.size, strlen(expected));
    assert_memory_equal(told.size ? (const char *)told.data : "", expected, told.size);
    assert_ok(policy_diff(old, new, NULL, NULL, &silent));
    assert_memory_equal(&difference, &silent, sizeof difference);
    return difference;
}

static void assert_part(const struct policy_difference *difference, enum policy_part part,
                        size_t added, size_t removed, size_t changed)
{
    assert_int_equal(difference->parts[part].added, added);
    assert_int_equal(difference->parts[part].removed, removed);
    assert_int_equal(difference->parts[part].changed, changed);
}

static void the_same_in_another_order_under_another_name_is_no_difference(void **state)
{
    struct policy_difference difference =
        diff("policy p {\n pcr 0 = " A64 "\n pcr 0 = " B64 "\n files = listed\n file " A64
             " = /a\n file " B64 " = /b\n}\n",
             "policy q {\n files = listed\n file " B64 " = /b\n file " A64 " = /a\n pcr 0 = " B64
             "\n pcr 0 = " A64 " # as before\n}\n",
             "");

    (void)state;
    assert_memory_equal(&difference, &no_difference, sizeof difference);
}

static void a_file_with_another_digest_is_changed_and_one_beside_it_is_added(void **state)
{
    struct policy_difference difference = diff(
        "policy p {\n files = listed\n file " A64 " = /changed\n file " A64 " = /beside\n file " A64
        " = /gone\n file " A64 " = /kept\n}\n",
        "policy p {\n files = listed\n file " B64 " = /changed\n file " A64 " = /beside\n file " B64
        " = /beside\n file " A64 " = /kept\n file " A64 " = /new\n}\n",
        "+ file " B64 " = /beside\n"
        "- file " A64 " = /changed\n"
        "+ file " B64 " = /changed\n"
        "- file " A64 " = /gone\n"
        "+ file " A64 " = /new\n");

    (void)state;
    assert_part(&difference, POLICY_PART_FILES, 2, 1, 1);
    difference.parts[POLICY_PART_FILES] = (struct policy_part_difference){0};
    assert_memory_equal(&difference, &no_difference, sizeof difference);
}

static void each_part_is_counted_by_itself(void **state)
{
    struct policy_difference difference =
        diff("policy p {\n pcr 0 = " A64 "\n firmware = 0000000000000001\n}\n",
             "policy p {\n pcr 0 = " B64 "\n pcr 7 = " A64
             "\n files = listed\n except_file = /etc/machine-id\n}\n",
             "- pcr 0 = " A64 "\n+ pcr 0 = " B64 "\n+ pcr 7 = " A64
             "\n- firmware = 0000000000000001\n+ files = listed\n+ except_file = "
             "/etc/machine-id\n");

    (void)state;
    assert_part(&difference, POLICY_PART_PCRS, 1, 0, 1);
    assert_part(&difference, POLICY_PART_FIRMWARE, 0, 1, 0);
    assert_part(&difference, POLICY_PART_FILES, 1, 0, 0);
    assert_part(&difference, POLICY_PART_EXCEPTIONS, 1, 0, 0);
    assert_part(&difference, POLICY_PART_EVENTS, 0, 0, 0);
    assert_part(&difference, POLICY_PART_SECURE_BOOT, 0, 0, 0);
    assert_part(&difference, POLICY_PART_SIGNERS, 0, 0, 0);
}

static void another_digest_of_an_event_belongs_to_the_event(void **state)
{
    struct policy_difference difference = diff(
        "policy p {\n events = 4\n event 4 SEPARATOR = " A64 "\n event 4 EFI_ACTION = " A64 "\n}\n",
        "policy p {\n events = 4\n event 4 SEPARATOR = " A64 "\n or = " B64
        "\n event 4 EFI_ACTION = " A64 "\n}\n",
        "- event 4 SEPARATOR = " A64 "\n+ event 4 SEPARATOR = " A64 "\n    or = " B64 "\n");

    (void)state;
    assert_part(&difference, POLICY_PART_EVENTS, 0, 0, 1);
    assert_false(difference.events_moved);
}

static void events_in_another_order_are_told(void **state)
{
    struct policy_difference difference = diff(
        "policy p {\n events = 4\n event 4 SEPARATOR = " A64 "\n event 4 SEPARATOR = " B64 "\n}\n",
        "policy p {\n events = 4\n event 4 SEPARATOR = " B64 "\n event 4 SEPARATOR = " A64 "\n}\n",
        "");

    (void)state;
    assert_part(&difference, POLICY_PART_EVENTS, 0, 0, 0);
    assert_true(difference.events_moved);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_in_another_order_under_another_name_is_no_difference),
        cmocka_unit_test(a_file_with_another_digest_is_changed_and_one_beside_it_is_added),
        cmocka_unit_test(each_part_is_counted_by_itself),
        cmocka_unit_test(another_digest_of_an_event_belongs_to_the_event),
        cmocka_unit_test(events_in_another_order_are_told),
    };

    return cmocka_run_group_tests_name("policy_diff", tests, NULL, NULL);
}
