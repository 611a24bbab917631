#include "lib/perimeter/root.h"

#include "lib/base/protobuf.h"

#include "tests/support/perimeter.h"
#include "tests/support/test.h"

#include <stdlib.h>
#include <string.h>

/* --- the root --- */

/* Parses a root of which the test changed something. */
static enum status root_parse_message(const Tccp__PerimeterRoot *message, struct refusal *refusal)
{
    OWN(bytes) struct bytes bytes = {0};
    struct perimeter_root root;

    assert_ok(protobuf_pack(&message->base, PERIMETER_ROOT_SIZE_MAX, &bytes));
    return root_parse(bytes_view(&bytes), &root, refusal);
}

static Tccp__PerimeterRoot *root_message(const struct perimeter_test *perimeter)
{
    return tccp__perimeter_root__unpack(NULL, perimeter->root_bytes.size,
                                        perimeter->root_bytes.data);
}

static void wrong_roots_are_refused(void **state)
{
    OWN(perimeter_test) struct perimeter_test *perimeter = perimeter_test_new();
    Tccp__PerimeterRoot *message = root_message(perimeter);
    ProtobufCBinaryData third = message->keys[2];
    struct refusal refusal;
    char *name = message->name;

    (void)state;
    message->format = 2;
    assert_refused(root_parse_message(message, &refusal), refusal, REFUSAL_VERSION);
    message->format = 1;
    message->threshold = 0;
    assert_refused(root_parse_message(message, &refusal), refusal, REFUSAL_MALFORMED);
    message->threshold = 4;
    assert_refused(root_parse_message(message, &refusal), refusal, REFUSAL_MALFORMED);
    message->threshold = 2;
    message->keys[2] = message->keys[0]; /* would let one person sign for two */
    assert_refused(root_parse_message(message, &refusal), refusal, REFUSAL_MALFORMED);
    message->keys[2] = (ProtobufCBinaryData){.len = third.len - 1, .data = third.data};
    assert_refused(root_parse_message(message, &refusal), refusal, REFUSAL_MALFORMED);
    message->keys[2] = third;
    message->salt.len--;
    assert_refused(root_parse_message(message, &refusal), refusal, REFUSAL_MALFORMED);
    message->salt.len++;
    message->name = (char[]){"two\nlines"};
    assert_refused(root_parse_message(message, &refusal), refusal, REFUSAL_MALFORMED);
    message->name = name;
    assert_ok(root_parse_message(message, &refusal));
    tccp__perimeter_root__free_unpacked(message, NULL);
}

static void a_root_of_no_or_too_many_keys_is_refused(void **state)
{
    OWN(perimeter_test) struct perimeter_test *perimeter = perimeter_test_new();
    Tccp__PerimeterRoot *message = root_message(perimeter), bent = *message;
    ProtobufCBinaryData keys[PERIMETER_KEY_COUNT_MAX + 1];
    struct private_key *private[ARRAY_SIZE(keys)];
    struct refusal refusal;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        assert_ok(private_key_generate(KEY_ECDSA_P256, &private[i]));
        keys[i] = protobuf_data(private_key_spki(private[i]));
    }
    bent.keys = keys;
    bent.n_keys = PERIMETER_KEY_COUNT_MAX;
    assert_ok(root_parse_message(&bent, &refusal));
    bent.n_keys++;
    assert_refused(root_parse_message(&bent, &refusal), refusal, REFUSAL_MALFORMED);
    bent.n_keys = 0;
    assert_refused(root_parse_message(&bent, &refusal), refusal, REFUSAL_MALFORMED);
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        private_key_free(private[i]);
    }
    tccp__perimeter_root__free_unpacked(message, NULL);
}

static void a_root_in_another_encoding_is_refused(void **state)
{
    OWN(perimeter_test) struct perimeter_test *perimeter = perimeter_test_new();
    /* An unknown field 15 (varint 0) at the end; and the format a second time. */
    static const uint8_t tails[][2] = {{0x78, 0x00}, {0x08, 0x01}};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(tails); i++) {
        OWN(writer) struct writer writer = writer_new(PERIMETER_ROOT_SIZE_MAX);
        OWN(bytes) struct bytes bytes = {0};
        struct perimeter_root root;
        struct refusal refusal;

        writer_view(&writer, bytes_view(&perimeter->root_bytes));
        writer_view(&writer, VIEW_OF_ARRAY(tails[i]));
        assert_ok(writer_take(&writer, &bytes));
        assert_refused(root_parse(bytes_view(&bytes), &root, &refusal), refusal, REFUSAL_MALFORMED);
    }
}

static void a_root_that_is_too_large_is_refused(void **state)
{
    static const uint8_t zeroes[PERIMETER_ROOT_SIZE_MAX + 1];
    struct perimeter_root root;
    struct refusal refusal;

    (void)state;
    assert_refused(root_parse(VIEW_OF_ARRAY(zeroes), &root, &refusal), refusal, REFUSAL_TOO_LARGE);
}

static void the_id_round_trips_as_text(void **state)
{
    OWN(perimeter_test) struct perimeter_test *perimeter = perimeter_test_new();
    char text[PERIMETER_ID_TEXT_SIZE];
    struct digest id, hash = sha256(bytes_view(&perimeter->root_bytes));

    (void)state;
    perimeter_id_print(&perimeter->root.id, text);
    assert_int_equal(strlen(text), sizeof text - 1);
    assert_memory_equal(text, "tccp1-", 6);
    assert_ok(perimeter_id_parse(text, &id));
    assert_true(digest_equal(&id, &hash));
    text[0] = 'T';
    assert_ok(perimeter_id_parse(text, &id));
    text[0] = 'x';
    assert_status(perimeter_id_parse(text, &id), STATUS_MALFORMED);
    text[0] = 't';
    text[sizeof text - 2] = '\0';
    assert_status(perimeter_id_parse(text, &id), STATUS_MALFORMED);
    assert_status(perimeter_id_parse("", &id), STATUS_MALFORMED);
}

/* --- successions --- */

/* Key 0 leaves, a new key comes; 2 of 3 again. */
struct succession_test {
    struct perimeter_test *perimeter;
    struct private_key *new_key;
    struct view keys[3];
    struct bytes document;
};

static struct succession_test succession_new(void)
{
    struct succession_test test = {.perimeter = perimeter_test_new()};

    assert_ok(private_key_generate(KEY_ECDSA_P256, &test.new_key));
    test.keys[0] = private_key_spki(test.new_key);
    test.keys[1] = private_key_spki(test.perimeter->keys[1]);
    test.keys[2] = private_key_spki(test.perimeter->keys[2]);
    assert_ok(succession_build(&test.perimeter->root, test.keys, 3, 2, &test.document));
    return test;
}

static void succession_test_free(struct succession_test *test)
{
    perimeter_test_free(test->perimeter);
    private_key_free(test->new_key);
    bytes_free(&test->document);
}
DEFINE_OWN_VALUE(succession_test, succession_test_free)

static enum status apply(const struct succession_test *test, struct view document, unsigned signers,
                         struct perimeter_root *root, struct refusal *refusal)
{
    OWN(signed_document)
    Tccp__SignedDocument *message =
        perimeter_test_signed(test->perimeter, DOCUMENT_SUCCESSION, 0, document, signers);

    return root_apply_succession(root, message, refusal);
}

static void a_succession_with_too_few_signatures_is_refused(void **state)
{
    OWN(succession_test) struct succession_test test = succession_new();
    struct perimeter_root root = test.perimeter->root;
    struct refusal refusal;

    (void)state;
    assert_refused(apply(&test, bytes_view(&test.document), 1, &root, &refusal), refusal,
                   REFUSAL_TOO_FEW_SIGNATURES);
    assert_memory_equal(&root, &test.perimeter->root, sizeof root);
}

static void a_succession_signed_by_the_new_keys_is_refused(void **state)
{
    OWN(succession_test) struct succession_test test = succession_new();
    struct perimeter_root root = test.perimeter->root;
    struct private_key *old_key = test.perimeter->keys[0];
    struct refusal refusal;

    (void)state;
    test.perimeter->keys[0] = test.new_key;
    assert_refused(apply(&test, bytes_view(&test.document), 3, &root, &refusal), refusal,
                   REFUSAL_UNKNOWN_SIGNER);
    test.perimeter->keys[0] = old_key;
}

static void a_succession_of_another_perimeter_is_refused(void **state)
{
    OWN(succession_test) struct succession_test test = succession_new();
    struct perimeter_root root = test.perimeter->root;
    struct refusal refusal;

    (void)state;
    root.id.bytes[0] ^= 1;
    assert_refused(apply(&test, bytes_view(&test.document), 3, &root, &refusal), refusal,
                   REFUSAL_WRONG_PERIMETER);
}

static void successions_come_without_gap_or_repetition(void **state)
{
    OWN(succession_test) struct succession_test test = succession_new();
    struct perimeter_root root = test.perimeter->root, ahead = root;
    OWN(bytes) struct bytes second = {0};
    struct refusal refusal;

    (void)state;
    ahead.succession = 1;
    assert_ok(succession_build(&ahead, test.keys, 3, 2, &second));
    assert_refused(apply(&test, bytes_view(&second), 3, &root, &refusal), refusal,
                   REFUSAL_OUT_OF_ORDER);
    assert_ok(apply(&test, bytes_view(&test.document), 3, &root, &refusal));
    assert_refused(apply(&test, bytes_view(&test.document), 6, &root, &refusal), refusal,
                   REFUSAL_OLD_SUCCESSION);
    assert_ok(apply(&test, bytes_view(&second), 6, &root, &refusal));
    assert_int_equal(root.succession, 2);
}

static void after_a_succession_only_the_new_keys_count(void **state)
{
    OWN(succession_test) struct succession_test test = succession_new();
    struct perimeter_root root = test.perimeter->root;
    OWN(bytes) struct bytes manifest = perimeter_test_manifest(test.perimeter, 1, 1);
    OWN(signed_document)
    Tccp__SignedDocument *by_old =
        perimeter_test_signed(test.perimeter, DOCUMENT_MANIFEST, 1, bytes_view(&manifest), 3);
    OWN(signed_document)
    Tccp__SignedDocument *by_both =
        perimeter_test_signed(test.perimeter, DOCUMENT_MANIFEST, 1, bytes_view(&manifest), 6);
    const struct scope scope = {root.id, 1};
    struct refusal refusal;

    (void)state;
    assert_ok(apply(&test, bytes_view(&test.document), 3, &root, &refusal));
    assert_true(digest_equal(&root.id, &test.perimeter->root.id));
    assert_refused(signed_document_check(by_old, DOCUMENT_MANIFEST, &scope, &root, &refusal),
                   refusal, REFUSAL_UNKNOWN_SIGNER);
    assert_ok(signed_document_check(by_both, DOCUMENT_MANIFEST, &scope, &root, &refusal));
}

static void a_succession_with_one_key_twice_cannot_be_made(void **state)
{
    OWN(succession_test) struct succession_test test = succession_new();
    struct bytes bytes;

    (void)state;
    test.keys[0] = test.keys[1];
    assert_status(succession_build(&test.perimeter->root, test.keys, 3, 2, &bytes),
                  STATUS_MALFORMED);
    assert_status(succession_build(&test.perimeter->root, test.keys, 0, 0, &bytes),
                  STATUS_MALFORMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_roots_are_refused),
        cmocka_unit_test(a_root_of_no_or_too_many_keys_is_refused),
        cmocka_unit_test(a_root_in_another_encoding_is_refused),
        cmocka_unit_test(a_root_that_is_too_large_is_refused),
        cmocka_unit_test(the_id_round_trips_as_text),
        cmocka_unit_test(a_succession_with_too_few_signatures_is_refused),
        cmocka_unit_test(a_succession_signed_by_the_new_keys_is_refused),
        cmocka_unit_test(a_succession_of_another_perimeter_is_refused),
        cmocka_unit_test(successions_come_without_gap_or_repetition),
        cmocka_unit_test(after_a_succession_only_the_new_keys_count),
        cmocka_unit_test(a_succession_with_one_key_twice_cannot_be_made),
    };
    return cmocka_run_group_tests_name("root", tests, NULL, NULL);
}
