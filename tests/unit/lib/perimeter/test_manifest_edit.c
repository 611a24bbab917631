#include "lib/perimeter/manifest_edit.h"

#include "lib/base/text.h"
#include "lib/perimeter/manifest_diff.h"

#include "tests/support/perimeter.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct tpm_name new_ek = {.size = 34, .bytes = {0x00, 0x0b, 0xee, 0x11}};

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

static enum refusal_code refused(struct view text, const char *node, const struct tpm_name *ek)
{
    OWN(bytes) struct bytes edited = {0};
    struct text_error error;
    struct refusal refusal = {.code = REFUSAL_NONE};

    assert_int_equal(manifest_edit_replace(text, node, ek, &edited, &error, &refusal),
                     STATUS_REFUSED);
    return refusal.code;
}

static void what_cannot_be_replaced_is_refused(void **state)
{
    OWN(perimeter_test) struct perimeter_test *perimeter = perimeter_test_new();
    OWN(bytes) struct bytes text = perimeter_test_manifest_text(perimeter, 1, 1);
    OWN(manifest) struct manifest *manifest = manifest_of(bytes_view(&text));
    OWN(bytes) struct bytes edited = {0};
    struct text_error error;

    (void)state;
    assert_int_equal(refused(bytes_view(&text), "n77", &new_ek), REFUSAL_NOT_FOUND);
    assert_int_equal(refused(bytes_view(&text), "tc1", &new_ek), REFUSAL_NOT_FOUND);
    assert_int_equal(
        refused(bytes_view(&text), "n1", &manifest_node_by_name(manifest, "n1")->ek_name),
        REFUSAL_ALREADY_EXISTS);
    assert_int_equal(
        manifest_edit_replace(view_string("node n1 {\n"), "n1", &new_ek, &edited, &error, NULL),
        STATUS_MALFORMED);
    assert_int_equal(error.line, 1);
}

static void one_node_is_replaced_and_nothing_else_is_touched(void **state)
{
    OWN(perimeter_test) struct perimeter_test *perimeter = perimeter_test_new();
    OWN(bytes) struct bytes text = perimeter_test_manifest_text(perimeter, 1, 1);
    OWN(manifest) struct manifest *before = manifest_of(bytes_view(&text));
    OWN(manifest) struct manifest *after = NULL;
    OWN(bytes) struct bytes edited = {0};
    OWN(bytes) struct bytes diff = {0};
    char *commented;
    struct text_error error;
    struct refusal refusal = {.code = REFUSAL_NONE};

    (void)state;
    assert_true(asprintf(&commented, "# what we run, version = 9\n%.*s# the end", (int)text.size,
                         (const char *)text.data) > 0);
    assert_ok(
        manifest_edit_replace(view_string(commented), "n1", &new_ek, &edited, &error, &refusal));
    assert_memory_equal(edited.data, "# what we run, version = 9\n", 27);
    assert_memory_equal(edited.data + edited.size - 9, "# the end", 9);
    after = manifest_of(bytes_view(&edited));
    assert_int_equal(after->version, before->version + 1);
    assert_true(tpm_name_equal(&manifest_node_by_name(after, "n1")->ek_name, &new_ek));
    assert_true(tpm_name_equal(&manifest_node_by_name(after, "n1")->replaces,
                               &manifest_node_by_name(before, "n1")->ek_name));
    assert_ok(manifest_diff(before, after, &diff));
    assert_non_null(memmem(diff.data, diff.size, "~ node n1    REPLACED", 21));
    assert_null(memmem(diff.data, diff.size, "node n2", 7));
    assert_ok(manifest_replacements_check(before, after, &refusal));
    /* Once more, and it would name what never was in force. */
    assert_int_equal(
        refused(bytes_view(&edited), "n1", &(struct tpm_name){.size = 34, .bytes = {0, 0x0b, 7}}),
        REFUSAL_ALREADY_EXISTS);
    free(commented);
}

/* The first occurrence of a line, taken out. */
static void drop_line(struct bytes *text, const char *key)
{
    uint8_t *at = memmem(text->data, text->size, key, strlen(key)), *end;

    assert_non_null(at);
    end = memchr(at, '\n', text->size - (size_t)(at - text->data));
    memmove(at, end, text->size - (size_t)(end - text->data));
    text->size -= (size_t)(end - at);
}

static void an_undeclared_replacement_is_refused(void **state)
{
    OWN(perimeter_test) struct perimeter_test *perimeter = perimeter_test_new();
    OWN(bytes) struct bytes text = perimeter_test_manifest_text(perimeter, 1, 1);
    OWN(manifest) struct manifest *before = manifest_of(bytes_view(&text));
    OWN(manifest) struct manifest *after = NULL;
    OWN(bytes) struct bytes edited = {0};
    struct text_error error;
    struct refusal refusal = {.code = REFUSAL_NONE};

    (void)state;
    assert_ok(manifest_edit_replace(bytes_view(&text), "n1", &new_ek, &edited, &error, &refusal));
    drop_line(&edited, "replaces =");
    after = manifest_of(bytes_view(&edited));
    assert_int_equal(manifest_replacements_check(before, after, &refusal), STATUS_REFUSED);
    assert_int_equal(refusal.code, REFUSAL_UNDECLARED_REPLACEMENT);
    assert_ok(manifest_replacements_check(after, after, &refusal));
}

/* --- references --- */

static const struct digest set = {{0xab, 0x01}};

/* The text with the policy naming the set in that way; what it was refused for goes to *ret_code.
 */
static struct bytes with_reference(struct view text, const char *policy, const char *value,
                                   enum refusal_code *ret_code)
{
    struct refusal refusal = {.code = REFUSAL_NONE};
    struct bytes edited = {0};
    struct text_error error;
    enum status status =
        manifest_edit_reference(text, policy, &set, value, &edited, &error, &refusal);

    assert_true(status == STATUS_OK || status == STATUS_REFUSED);
    *ret_code = refusal.code;
    return edited;
}

static void a_reference_that_is_not_there_cannot_go_and_one_that_is_does_not_come_again(
    void **state)
{
    OWN(perimeter_test) struct perimeter_test *perimeter = perimeter_test_new();
    OWN(bytes) struct bytes text = perimeter_test_manifest_text(perimeter, 1, 1);
    OWN(manifest) struct manifest *manifest = manifest_of(bytes_view(&text));
    const char *policy = manifest->nodes[0].policy->name;
    OWN(bytes) struct bytes staged = {0}, nothing = {0};
    enum refusal_code code;

    (void)state;
    nothing = with_reference(bytes_view(&text), "no-such", "staged", &code);
    assert_int_equal(code, REFUSAL_NOT_FOUND);
    nothing = with_reference(bytes_view(&text), policy, NULL, &code);
    assert_int_equal(code, REFUSAL_NOT_FOUND);
    staged = with_reference(bytes_view(&text), policy, "staged", &code);
    assert_int_equal(code, REFUSAL_NONE);
    nothing = with_reference(bytes_view(&staged), policy, "staged", &code);
    assert_int_equal(code, REFUSAL_ALREADY_EXISTS);
}

static void a_reference_is_staged_enabled_ended_and_taken_out_again(void **state)
{
    static const char *const values[] = {"staged", "enforced", "2027-02-03T04:05:06Z", NULL};
    OWN(perimeter_test) struct perimeter_test *perimeter = perimeter_test_new();
    struct bytes text = perimeter_test_manifest_text(perimeter, 1, 1);
    OWN(manifest) struct manifest *first = manifest_of(bytes_view(&text));
    const char *policy = first->nodes[0].policy->name;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
        enum refusal_code code;
        struct bytes next = with_reference(bytes_view(&text), policy, values[i], &code);
        OWN(manifest) struct manifest *manifest = manifest_of(bytes_view(&next));
        const struct manifest_policy *entry = manifest_policy_by_name(manifest, policy);

        assert_int_equal(code, REFUSAL_NONE);
        assert_int_equal(manifest->version, first->version + i + 1);
        assert_int_equal(entry->reference_count, values[i] ? 1 : 0);
        if (values[i]) {
            assert_true(digest_equal(&entry->references[0].digest, &set));
            assert_int_equal(entry->references[0].staged, i == 0);
            assert_int_equal(entry->references[0].not_after_s != 0, i == 2);
        } else {
            assert_true(
                digest_equal(&entry->digest, &manifest_policy_by_name(first, policy)->digest));
        }
        bytes_free(&text);
        text = next;
    }
    bytes_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_cannot_be_replaced_is_refused),
        cmocka_unit_test(an_undeclared_replacement_is_refused),
        cmocka_unit_test(one_node_is_replaced_and_nothing_else_is_touched),
        cmocka_unit_test(
            a_reference_that_is_not_there_cannot_go_and_one_that_is_does_not_come_again),
        cmocka_unit_test(a_reference_is_staged_enabled_ended_and_taken_out_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
