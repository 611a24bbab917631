#include "lib/perimeter/signed_document.h"

#include "lib/base/protobuf.h"

#include "tests/support/perimeter.h"
#include "tests/support/test.h"

#include <string.h>

static const char document_text[] = "some document";

struct sample {
    struct perimeter_test *perimeter;
    struct scope scope;
    Tccp__SignedDocument *document;
};

static struct sample sample_new(unsigned signers)
{
    struct sample test = {.perimeter = perimeter_test_new()};

    test.scope = (struct scope){test.perimeter->root.id, 4};
    test.document = perimeter_test_signed(test.perimeter, DOCUMENT_MANIFEST, 4,
                                          view_string(document_text), signers);
    return test;
}

static void sample_free(struct sample *test)
{
    tccp__signed_document__free_unpacked(test->document, NULL);
    perimeter_test_free(test->perimeter);
}
DEFINE_OWN_VALUE(sample, sample_free)

static enum status check(const struct sample *test, struct refusal *refusal)
{
    return signed_document_check(test->document, DOCUMENT_MANIFEST, &test->scope,
                                 &test->perimeter->root, refusal);
}

static void too_few_signatures_are_refused(void **state)
{
    OWN(sample) struct sample none = sample_new(0);
    OWN(sample) struct sample one = sample_new(4);
    struct refusal refusal;

    (void)state;
    assert_refused(check(&none, &refusal), refusal, REFUSAL_TOO_FEW_SIGNATURES);
    assert_refused(check(&one, &refusal), refusal, REFUSAL_TOO_FEW_SIGNATURES);
}

static void one_key_twice_is_refused(void **state)
{
    OWN(sample) struct sample test = sample_new(1);
    OWN(bytes) struct bytes signature = {0}, bytes = {0};
    struct digest key_id = sha256(private_key_spki(test.perimeter->keys[0]));
    struct refusal refusal;

    (void)state;
    /* Another valid signature by the same key: ECDSA is not deterministic. */
    assert_ok(document_sign(DOCUMENT_MANIFEST, &test.scope, view_string(document_text),
                            test.perimeter->keys[0], &signature));
    assert_ok(signed_document_append(test.document, view_string(document_text), &key_id,
                                     bytes_view(&signature), &bytes));
    tccp__signed_document__free_unpacked(test.document, NULL);
    assert_ok(signed_document_parse(bytes_view(&bytes), &test.document, NULL));
    assert_refused(check(&test, &refusal), refusal, REFUSAL_DUPLICATE_SIGNER);
}

static void a_foreign_key_is_refused(void **state)
{
    OWN(sample) struct sample test = sample_new(7);
    struct refusal refusal;

    (void)state;
    test.document->signatures[1]->key_id.data[0] ^= 1;
    assert_refused(check(&test, &refusal), refusal, REFUSAL_UNKNOWN_SIGNER);
    test.document->signatures[1]->key_id.len = 31;
    assert_refused(check(&test, &refusal), refusal, REFUSAL_MALFORMED);
}

static void a_changed_bit_of_document_or_signature_is_refused(void **state)
{
    OWN(sample) struct sample test = sample_new(7);
    struct refusal refusal;

    (void)state;
    for (size_t i = 0; i < test.document->document.len; i++) {
        test.document->document.data[i] ^= 1;
        assert_refused(check(&test, &refusal), refusal, REFUSAL_BAD_SIGNATURE);
        test.document->document.data[i] ^= 1;
    }
    /* One bad one among enough good ones refuses the whole. */
    for (size_t i = 0; i < 3; i++) {
        ProtobufCBinaryData *signature = &test.document->signatures[i]->signature;

        signature->data[signature->len - 1] ^= 1;
        assert_refused(check(&test, &refusal), refusal, REFUSAL_BAD_SIGNATURE);
        signature->data[signature->len - 1] ^= 1;
    }
    assert_ok(check(&test, &refusal));
}

static void a_signature_for_another_kind_perimeter_or_epoch_is_refused(void **state)
{
    OWN(sample) struct sample test = sample_new(3);
    struct refusal refusal;

    (void)state;
    assert_refused(signed_document_check(test.document, DOCUMENT_ENDORSEMENT, &test.scope,
                                         &test.perimeter->root, &refusal),
                   refusal, REFUSAL_BAD_SIGNATURE);
    test.scope.epoch++;
    assert_refused(check(&test, &refusal), refusal, REFUSAL_BAD_SIGNATURE);
    test.scope.epoch--;
    test.scope.perimeter_id.bytes[31] ^= 1;
    assert_refused(check(&test, &refusal), refusal, REFUSAL_BAD_SIGNATURE);
}

static void enough_signatures_in_any_combination_are_accepted(void **state)
{
    static const unsigned enough[] = {3, 5, 6, 7};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(enough); i++) {
        OWN(sample) struct sample test = sample_new(enough[i]);
        struct refusal refusal;

        assert_ok(check(&test, &refusal));
    }
}

static void a_file_that_is_no_signed_document_is_refused(void **state)
{
    OWN(sample) struct sample test = sample_new(3);
    OWN(bytes)
    struct bytes bytes =
        perimeter_test_sign(test.perimeter, DOCUMENT_MANIFEST, 4, view_string(document_text), 3);
    Tccp__SignedDocument *document;
    struct refusal refusal;

    (void)state;
    assert_refused(signed_document_parse((struct view){NULL, 0}, &document, &refusal), refusal,
                   REFUSAL_MALFORMED);
    assert_refused(
        signed_document_parse((struct view){bytes.data, bytes.size - 1}, &document, &refusal),
        refusal, REFUSAL_MALFORMED);
    assert_refused(signed_document_parse((struct view){bytes.data, SIGNED_DOCUMENT_SIZE_MAX + 1},
                                         &document, &refusal),
                   refusal, REFUSAL_TOO_LARGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(too_few_signatures_are_refused),
        cmocka_unit_test(one_key_twice_is_refused),
        cmocka_unit_test(a_foreign_key_is_refused),
        cmocka_unit_test(a_changed_bit_of_document_or_signature_is_refused),
        cmocka_unit_test(a_signature_for_another_kind_perimeter_or_epoch_is_refused),
        cmocka_unit_test(enough_signatures_in_any_combination_are_accepted),
        cmocka_unit_test(a_file_that_is_no_signed_document_is_refused),
    };
    return cmocka_run_group_tests_name("signed_document", tests, NULL, NULL);
}
