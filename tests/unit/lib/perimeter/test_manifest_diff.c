#include "lib/perimeter/manifest_diff.h"

#include "tests/support/perimeter.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REFERENCE "2222222222222222222222222222222222222222222222222222222222222222"

static struct manifest *manifest_of(struct view text)
{
    OWN(bytes) struct bytes bytes = {0};
    struct manifest *manifest;
    struct text_error error;

    if (manifest_text_compile(text, &bytes, &error) != STATUS_OK) {
        fail_msg("%u:%u: %s", error.line, error.column, error.message);
    }
    assert_ok(manifest_parse(bytes_view(&bytes), &manifest, NULL));
    return manifest;
}

/* The text with the first occurrence of `old` replaced; the caller frees. */
static char *replaced(const struct bytes *text, const char *old, const char *new)
{
    const char *at = memmem(text->data, text->size, old, strlen(old));
    size_t before;
    char *result;

    assert_non_null(at);
    before = (size_t)(at - (const char *)text->data);
    assert_true(asprintf(&result, "%.*s%s%.*s", (int)before, (const char *)text->data, new,
                         (int)(text->size - before - strlen(old)), at + strlen(old)) > 0);
    return result;
}

static void changes_are_told_entry_by_entry(void **state)
{
    OWN(perimeter_test) struct perimeter_test *perimeter = perimeter_test_new();
    OWN(bytes) struct bytes text = perimeter_test_manifest_text(perimeter, 1, 1);
    static const struct {
        const char *old, *new, *expected;
    } changes[] = {
        {"version = 1", "version = 2", "~ manifest\n    - version = 1\n    + version = 2\n"},
        {"attribute zone = a", "attribute zone = c",
         "~ node n1\n    - attribute zone = a\n    + attribute zone = c\n"},
        {"role = operator", "role = auditor",
         "~ operator alice\n    - role = operator\n    + role = auditor\n"},
        {"policy compute {", "policy compute {\n reference " REFERENCE " = staged",
         "~ policy compute\n    + reference " REFERENCE " = staged\n"},
        {"member tc3 {", "member tc4 {", "- member tc3\n+ member tc4\n"},
        {"127.0.0.1:7031", "127.0.0.1:7039",
         "~ member tc3\n    - address = 127.0.0.1:7031\n    + address = 127.0.0.1:7039\n"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
        char *changed = replaced(&text, changes[i].old, changes[i].new);
        OWN(manifest) struct manifest *before = manifest_of(bytes_view(&text));
        OWN(manifest) struct manifest *after = manifest_of(view_string(changed));
        OWN(bytes) struct bytes diff = {0};
        size_t expected_size = strlen(changes[i].expected);

        free(changed);
        assert_ok(manifest_diff(before, after, &diff));
        assert_true(diff.size >= expected_size);
        assert_memory_equal(diff.data, changes[i].expected, expected_size);
    }
}

static void one_manifest_has_no_difference_to_itself(void **state)
{
    OWN(perimeter_test) struct perimeter_test *perimeter = perimeter_test_new();
    OWN(bytes) struct bytes text = perimeter_test_manifest_text(perimeter, 1, 1);
    OWN(manifest) struct manifest *manifest = manifest_of(bytes_view(&text));
    OWN(bytes) struct bytes diff = {0}, all = {0};

    (void)state;
    assert_ok(manifest_diff(manifest, manifest, &diff));
    assert_int_equal(diff.size, 0);
    assert_ok(manifest_diff(NULL, manifest, &all));
    assert_memory_equal(all.data, "+ manifest\n    + perimeter = ", 28);
    assert_non_null(memmem(all.data, all.size, "\n+ policy members\n", 18));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changes_are_told_entry_by_entry),
        cmocka_unit_test(one_manifest_has_no_difference_to_itself),
    };
    return cmocka_run_group_tests_name("manifest_diff", tests, NULL, NULL);
}
