#include "lib/perimeter/manifest_text.h"

#include "tests/support/perimeter.h"
#include "tests/support/test.h"

#include <stdlib.h>
#include <string.h>

#define HASH "0000000000000000000000000000000000000000000000000000000000000000"
#define HASH_1 "1111111111111111111111111111111111111111111111111111111111111111"
#define HASH_2 "2222222222222222222222222222222222222222222222222222222222222222"
#define PERIMETER "tccp1-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

#define MANIFEST_HEAD                                                                              \
    "manifest {\n"                                                                                 \
    "    perimeter = " PERIMETER "\n"                                                              \
    "    version = 1\n"                                                                            \
    "    epoch = 1\n"                                                                              \
    "    not_before = 2026-01-01\n"                                                                \
    "    not_after = 2027-01-01T12:00:00Z\n"                                                       \
    "    member_policy = p\n"
#define MEMBER                                                                                     \
    "member tc1 {\n ek = 000b" HASH "\n ak = 000b" HASH_1 "\n address = a:1\n"                     \
    " raft_address = a:2\n}\n"
#define POLICY "policy p {\n pcr 0 = " HASH "\n}\n"
#define REFERENCE(number)                                                                          \
    " reference 0" number "11111111111111111111111111111111111111111111111111111111111111 = "      \
    "enforced\n"
#define REFERENCES_8                                                                               \
    REFERENCE("1")                                                                                 \
    REFERENCE("2")                                                                                 \
    REFERENCE("3") REFERENCE("4") REFERENCE("5") REFERENCE("6") REFERENCE("7") REFERENCE("8")
#define GOOD MANIFEST_HEAD "}\n" MEMBER POLICY

static void good_text_compiles(void **state)
{
    OWN(bytes) struct bytes bytes = {0};
    struct text_error error;

    (void)state;
    if (manifest_text_compile(view_string(GOOD), &bytes, &error) != STATUS_OK) {
        fail_msg("%u:%u: %s", error.line, error.column, error.message);
    }
}

static void errors_name_line_and_column(void **state)
{
    static const struct {
        const char *text;
        unsigned line, column;
        const char *message;
    } wrong[] = {
        {"", 0, 0, "there is no manifest section"},
        {"\n\n  nonsense\n", 3, 3, "'=' or '{' is missing"},
        {"version = 1\n", 1, 1, "a key outside of a section"},
        {"}\n", 1, 1, "a '}' without a section"},
        {"{\n", 1, 1, "a section's name is missing"},
        {"= 1\n", 1, 1, "a key is missing before '='"},
        {"manifest x {\n", 1, 1, "no name"},
        {"node {\n", 1, 1, "needs one name"},
        {"node a b {\n", 1, 1, "needs one name"},
        {"node a b c d e {\n", 1, 12, "too many words"},
        {"vm a {\n", 1, 1, "unknown section"},
        {"node a/b {\n", 1, 6, "a name has"},
        {"node a { }\n", 1, 10, "nothing may follow"},
        {"node a {\nnode b {\n", 2, 1, "a section inside a section"},
        {"node a {\n", 1, 1, "not closed"},
        {"node a {\n  colour = red\n", 2, 3, "no such key"},
        {"node a {\n  ek =\n", 2, 7, "a value is missing"},
        {"node a {\n  ek = 1 2\n", 2, 10, "more than one value"},
        {"node a {\n  ek = 000b\n", 2, 8, "hexadecimal digits"},
        {"node a {\n  ek = 0004" HASH "\n", 2, 8, "not a TPM name"},
        {"node a {\n  ek = 000x" HASH "\n", 2, 8, "not hexadecimal"},
        {"node a {\n  ek x = 000b" HASH "\n", 2, 3, "`ek = VALUE` is expected"},
        {"node a {\n  attribute = 1\n", 2, 3, "NAME = VALUE"},
        {"node a {\n  policy = p\n  policy = q\n", 3, 3, "given twice"},
        {"node a {\n  policy = p\n}\n", 3, 1, "has no `ek`"},
        {"node a {\n  policy = p }\n", 2, 14, "more than one value"},
        {"manifest {\n}\n", 2, 1, "has no `perimeter`"},
        {"manifest {\n perimeter = tccp1-a\n", 2, 14, "not a perimeter id"},
        {"manifest {\n version = 1x\n", 2, 12, "not a number"},
        {"manifest {\n version = 18446744073709551616\n", 2, 12, "not a number"},
        {"manifest {\n not_before = 2026-02-30\n", 2, 15, "not a time"},
        {"manifest {\n lease = 4s\n", 2, 10, "a lease is a duration"},
        {"manifest {\n lease = 30\n", 2, 10, "a lease is a duration"},
        {"manifest {\n development = true\n", 2, 16, "neither yes nor no"},
        {"manifest {\n manufacturer_ca = AA=A\n", 2, 20, "not base64"},
        {"policy p {\n pcr 24 = " HASH "\n", 2, 6, "numbers 0 to 23"},
        {"policy p {\n pcr x = " HASH "\n", 2, 6, "not a number"},
        {"policy p {\n pcr 0 = 00\n", 2, 10, "hexadecimal digits"},
        {"policy p {\n}\n", 2, 1, "has no `pcr`"},
        {"policy p {\n reference " HASH " = staged\n}\n", 3, 1, "no `reference` that is enforced"},
        {"policy p {\n reference = enforced\n", 2, 2, "`reference NAME = VALUE` is expected"},
        {"policy p {\n reference 00 = enforced\n", 2, 12, "hexadecimal digits"},
        {"policy p {\n reference " HASH " = yes\n", 2, 79, "neither enforced, nor staged"},
        {"policy p {\n reference " HASH " = 1970-01-01\n", 2, 79, "nor a time"},
        {"policy p {\n reference " HASH " = staged\n reference " HASH " = enforced\n", 3, 12,
         "given twice"},
        {"policy p {\n" REFERENCES_8 " reference " HASH_1 " = staged\n", 10, 12,
         "more than 8 references"},
        {"operator o {\n role = customer\n", 2, 9, "neither operator nor auditor"},
        {"# comment \xc3\xa9\n\x01\n", 2, 1, "not printable ASCII"},
        {"node \xc3\xa9 {\n", 1, 6, "not printable ASCII"},
        {GOOD "manifest {\n", 18, 1, "one manifest section"},
        /* About the whole, not about a line. */
        {GOOD MEMBER, 0, 0, "there twice"},
        {MANIFEST_HEAD "}\n" MEMBER, 0, 0, "member_policy names a policy"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        struct text_error error;
        struct bytes bytes;

        assert_status(manifest_text_compile(view_string(wrong[i].text), &bytes, &error),
                      STATUS_MALFORMED);
        if (error.line != wrong[i].line || error.column != wrong[i].column ||
            !strstr(error.message, wrong[i].message)) {
            fail_msg("case %zu: %u:%u: %s", i, error.line, error.column, error.message);
        }
    }
}

static void a_text_or_line_that_is_too_long_is_refused(void **state)
{
    char *text = malloc(MANIFEST_TEXT_SIZE_MAX + 1);
    struct text_error error;
    struct bytes bytes;

    (void)state;
    assert_non_null(text);
    memset(text, '#', MANIFEST_TEXT_SIZE_MAX + 1);
    assert_status(
        manifest_text_compile((struct view){(const uint8_t *)text, MANIFEST_TEXT_SIZE_MAX + 1},
                              &bytes, &error),
        STATUS_MALFORMED);
    assert_int_equal(error.line, 0);
    assert_status(manifest_text_compile(
                      (struct view){(const uint8_t *)text, STATEMENT_LINE_MAX + 1}, &bytes, &error),
                  STATUS_MALFORMED);
    assert_int_equal(error.line, 1);
    assert_int_equal(error.column, STATEMENT_LINE_MAX + 1);
    free(text);
}

static void the_same_content_in_another_order_is_the_same_manifest(void **state)
{
    static const char other[] =
        "# another order, other blanks\n"
        "policy\tp{\n\n pcr 0=" HASH "   # a comment\n\thost_profile = no\n }\n" MEMBER
        "manifest {\n version = 1\n perimeter = " PERIMETER "\n lease = 30s\n member_policy=p\n"
        " not_after = 2027-01-01T12:00:00Z\n not_before = 2026-01-01T00:00:00Z\n epoch = 1\n"
        " development = no\n}";
    OWN(bytes) struct bytes first = {0}, second = {0};
    struct text_error error;

    (void)state;
    assert_ok(manifest_text_compile(view_string(GOOD), &first, &error));
    assert_ok(manifest_text_compile(view_string(other), &second, &error));
    assert_true(view_equal(bytes_view(&first), bytes_view(&second)));
}

static void printing_and_compiling_gives_the_same_bytes(void **state)
{
    static const char full[] = GOOD
        "node n {\n ek = 000b" HASH_2 "\n policy = q\n attribute b = 2=3\n attribute a = {}\n}\n"
        "policy q {\n pcr 7 = " HASH_2 "\n pcr 7 = " HASH_1 "\n pcr 0 = " HASH
        "\n needs_event_log = yes\n needs_ima_log = yes\n host_profile = yes\n}\n"
        "policy r {\n reference " HASH_2 " = staged\n reference " HASH_1
        " = 2026-07-01T00:00:00Z\n reference " HASH " = enforced\n}\n";
    OWN(bytes) struct bytes first = {0}, text = {0}, second = {0};
    OWN(manifest) struct manifest *manifest = NULL;
    struct text_error error;

    (void)state;
    if (manifest_text_compile(view_string(full), &first, &error) != STATUS_OK) {
        fail_msg("%u:%u: %s", error.line, error.column, error.message);
    }
    assert_ok(manifest_parse(bytes_view(&first), &manifest, NULL));
    assert_string_equal(manifest_node_attribute(&manifest->nodes[0], "b"), "2=3");
    assert_true(manifest->nodes[0].policy->pcrs.needs_ima_log);
    assert_int_equal(manifest->nodes[0].policy->pcrs.allowed[7].count, 2);
    {
        const struct manifest_policy *policy = manifest_policy_by_name(manifest, "r");
        const struct digest last = {.bytes = {[0 ... SHA256_SIZE - 1] = 0x22}};

        assert_int_equal(policy->pcrs.listed, 0);
        assert_int_equal(policy->reference_count, 3);
        assert_false(policy->references[0].staged || policy->references[0].not_after_s);
        assert_false(policy->references[1].staged);
        assert_int_equal(policy->references[1].not_after_s, 1782864000);
        assert_true(policy->references[2].staged);
        assert_ptr_equal(manifest_policy_reference(policy, &last), &policy->references[2]);
        assert_null(manifest_policy_reference(&manifest->policies[0], &last));
    }
    assert_ok(manifest_print(manifest, &text));
    assert_ok(manifest_text_compile(bytes_view(&text), &second, &error));
    assert_true(view_equal(bytes_view(&first), bytes_view(&second)));
}

/* What the limits promise: a text and a manifest of 10,000 nodes. */
static void ten_thousand_nodes_fit(void **state)
{
    OWN(writer) struct writer writer = writer_new(MANIFEST_TEXT_SIZE_MAX);
    OWN(bytes) struct bytes text = {0}, bytes = {0}, printed = {0};
    OWN(manifest) struct manifest *manifest = NULL;
    struct text_error error;

    (void)state;
    writer_format(&writer, GOOD);
    for (unsigned i = 0; i < MANIFEST_NODE_COUNT_MAX; i++) {
        writer_format(&writer,
                      "node node-%05u {\n ek = 000b%064x\n policy = p\n attribute zone = z%u\n"
                      " attribute country = CH\n}\n",
                      i, i + 7, i % 9);
    }
    assert_ok(writer_take(&writer, &text));
    if (manifest_text_compile(bytes_view(&text), &bytes, &error) != STATUS_OK) {
        fail_msg("%u:%u: %s", error.line, error.column, error.message);
    }
    assert_ok(manifest_parse(bytes_view(&bytes), &manifest, NULL));
    assert_int_equal(manifest->node_count, MANIFEST_NODE_COUNT_MAX);
    assert_string_equal(manifest_node_by_name(manifest, "node-07777")->name, "node-07777");
    assert_ok(manifest_print(manifest, &printed));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_text_compiles),
        cmocka_unit_test(errors_name_line_and_column),
        cmocka_unit_test(a_text_or_line_that_is_too_long_is_refused),
        cmocka_unit_test(the_same_content_in_another_order_is_the_same_manifest),
        cmocka_unit_test(printing_and_compiling_gives_the_same_bytes),
        cmocka_unit_test(ten_thousand_nodes_fit),
    };
    return cmocka_run_group_tests_name("manifest_text", tests, NULL, NULL);
}
