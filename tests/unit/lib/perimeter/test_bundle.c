#include "lib/perimeter/bundle.h"

#include "lib/base/protobuf.h"
#include "lib/crypto/x509.h"

#include "tests/support/perimeter.h"
#include "tests/support/test.h"

#include <string.h>

/* A good bundle of manifest version 3 and epoch 2 as a message, and what a client expects. */
struct sample {
    struct perimeter_test *perimeter;
    Tccp__PerimeterBundle *message;
    struct bundle_expectation expectation;
};

static struct sample sample_new(void)
{
    struct sample test = {.perimeter = perimeter_test_new()};
    OWN(bytes) struct bytes bytes = perimeter_test_bundle(test.perimeter, 3, 2);

    test.message = tccp__perimeter_bundle__unpack(NULL, bytes.size, bytes.data);
    assert_non_null(test.message);
    test.expectation = (struct bundle_expectation){
        .perimeter_id = test.perimeter->root.id,
        .memory = {0, 2, 3},
        .now_s = PERIMETER_TEST_NOW_S,
    };
    return test;
}

static void sample_free(struct sample *test)
{
    tccp__perimeter_bundle__free_unpacked(test->message, NULL);
    perimeter_test_free(test->perimeter);
}
DEFINE_OWN_VALUE(sample, sample_free)

static enum status check(const struct sample *test, struct refusal *refusal)
{
    OWN(bytes) struct bytes bytes = {0};
    OWN(bundle) struct bundle *bundle = NULL;

    assert_ok(protobuf_pack(&test->message->base, BUNDLE_SIZE_MAX, &bytes));
    return bundle_check(bytes_view(&bytes), &test->expectation, &bundle, refusal);
}

#define assert_check_refused(test, expected)                                                       \
    do {                                                                                           \
        struct refusal refusal_ = {0};                                                             \
        assert_refused(check(&(test), &refusal_), refusal_, expected);                             \
    } while (0)

static void document_replace(Tccp__SignedDocument **place, Tccp__SignedDocument *document)
{
    tccp__signed_document__free_unpacked(*place, NULL);
    *place = document;
}

static void a_good_bundle_is_accepted(void **state)
{
    OWN(sample) struct sample test = sample_new();
    OWN(bundle) struct bundle *bundle = NULL;
    struct scope scope;

    (void)state;
    assert_ok(bundle_check_message(test.message, &test.expectation, &bundle, NULL));
    assert_true(bundle->endorsed);
    assert_false(bundle->manifest_expired);
    assert_int_equal(bundle->seen.epoch, 2);
    assert_int_equal(bundle->seen.manifest_version, 3);
    scope = bundle_scope(bundle);
    assert_int_equal(scope.epoch, 2);
    assert_true(digest_equal(&scope.perimeter_id, &test.perimeter->root.id));
}

static void a_bundle_that_is_too_long_is_refused_unread(void **state)
{
    static const uint8_t bytes[BUNDLE_SIZE_MAX + 1];
    const struct bundle_expectation expectation = {.memory = {0}};
    struct bundle *bundle = NULL;
    struct refusal refusal;

    (void)state;
    assert_refused(bundle_check(VIEW_OF_ARRAY(bytes), &expectation, &bundle, &refusal), refusal,
                   REFUSAL_TOO_LARGE);
}

static void a_bundle_of_another_perimeter_is_refused(void **state)
{
    OWN(sample) struct sample test = sample_new();

    (void)state;
    test.expectation.perimeter_id.bytes[0] ^= 1;
    assert_check_refused(test, REFUSAL_WRONG_PERIMETER);
}

static void a_client_refuses_to_go_back(void **state)
{
    OWN(sample) struct sample test = sample_new();

    (void)state;
    test.expectation.memory = (struct perimeter_memory){0, 2, 4};
    assert_check_refused(test, REFUSAL_OLD_VERSION);
    test.expectation.memory = (struct perimeter_memory){0, 3, 3};
    assert_check_refused(test, REFUSAL_OLD_EPOCH);
    /* Keys that were replaced, shown as if they never had been. */
    test.expectation.memory = (struct perimeter_memory){1, 2, 3};
    assert_check_refused(test, REFUSAL_OLD_SUCCESSION);
    test.expectation.memory = (struct perimeter_memory){0, 1, 2};
    assert_ok(check(&test, NULL));
}

static void an_expired_manifest_is_refused_unless_it_is_asked_for(void **state)
{
    OWN(sample) struct sample test = sample_new();
    OWN(bundle) struct bundle *bundle = NULL;

    (void)state;
    test.expectation.now_s = UINT64_C(1800000000);
    test.expectation.tolerate_no_endorsement = true;
    assert_check_refused(test, REFUSAL_MANIFEST_EXPIRED);
    test.expectation.tolerate_expired_manifest = true;
    assert_ok(bundle_check_message(test.message, &test.expectation, &bundle, NULL));
    assert_true(bundle->manifest_expired);
    assert_false(bundle->endorsed);
    test.expectation.tolerate_no_endorsement = false;
    assert_check_refused(test, REFUSAL_ENDORSEMENT_EXPIRED);
}

static void a_missing_or_foreign_endorsement_is_refused(void **state)
{
    OWN(sample) struct sample test = sample_new();
    OWN(bytes) struct bytes later = perimeter_test_endorsement(test.perimeter, 3);
    Tccp__SignedDocument *kept = test.message->endorsement;

    (void)state;
    test.message->endorsement = NULL;
    assert_check_refused(test, REFUSAL_ENDORSEMENT_MISSING);
    test.message->endorsement = kept;
    document_replace(
        &test.message->endorsement,
        perimeter_test_signed(test.perimeter, DOCUMENT_ENDORSEMENT, 3, bytes_view(&later), 3));
    assert_check_refused(test, REFUSAL_EPOCH_MISMATCH);
}

static void an_undersigned_part_is_refused(void **state)
{
    OWN(sample) struct sample test = sample_new();
    OWN(bytes) struct bytes manifest = perimeter_test_manifest(test.perimeter, 3, 2);
    OWN(bytes) struct bytes endorsement = perimeter_test_endorsement(test.perimeter, 2);

    (void)state;
    document_replace(&test.message->endorsement,
                     perimeter_test_signed(test.perimeter, DOCUMENT_ENDORSEMENT, 2,
                                           bytes_view(&endorsement), 1));
    assert_check_refused(test, REFUSAL_TOO_FEW_SIGNATURES);
    document_replace(&test.message->endorsement,
                     perimeter_test_signed(test.perimeter, DOCUMENT_ENDORSEMENT, 2,
                                           bytes_view(&endorsement), 7));
    assert_ok(check(&test, NULL));
    document_replace(
        &test.message->manifest,
        perimeter_test_signed(test.perimeter, DOCUMENT_MANIFEST, 2, bytes_view(&manifest), 1));
    assert_check_refused(test, REFUSAL_TOO_FEW_SIGNATURES);
    document_replace(&test.message->manifest, NULL);
    assert_check_refused(test, REFUSAL_MALFORMED);
}

static void successions_put_their_keys_in_force(void **state)
{
    OWN(sample) struct sample test = sample_new();
    OWN(bytes) struct bytes manifest = perimeter_test_manifest(test.perimeter, 3, 2);
    OWN(bytes) struct bytes endorsement = perimeter_test_endorsement(test.perimeter, 2);
    OWN(bytes) struct bytes succession = {0};
    OWN(bundle) struct bundle *bundle = NULL;
    struct view keys[2] = {private_key_spki(test.perimeter->keys[1]),
                           private_key_spki(test.perimeter->keys[2])};
    Tccp__SignedDocument *list[1];

    (void)state;
    /* Key 0 leaves. */
    assert_ok(succession_build(&test.perimeter->root, keys, 2, 2, &succession));
    list[0] =
        perimeter_test_signed(test.perimeter, DOCUMENT_SUCCESSION, 0, bytes_view(&succession), 3);
    test.message->successions = list;
    test.message->n_successions = 1;
    assert_check_refused(test, REFUSAL_UNKNOWN_SIGNER);
    document_replace(
        &test.message->manifest,
        perimeter_test_signed(test.perimeter, DOCUMENT_MANIFEST, 2, bytes_view(&manifest), 6));
    document_replace(&test.message->endorsement,
                     perimeter_test_signed(test.perimeter, DOCUMENT_ENDORSEMENT, 2,
                                           bytes_view(&endorsement), 6));
    assert_ok(bundle_check_message(test.message, &test.expectation, &bundle, NULL));
    assert_int_equal(bundle->seen.succession, 1);
    assert_int_equal(bundle->root.key_count, 2);
    tccp__signed_document__free_unpacked(list[0], NULL);
    test.message->successions = NULL;
    test.message->n_successions = 0;
}

/* --- cluster_trust --- */

static struct bytes ca_new(const struct sample *test, const struct private_key *key)
{
    OWN(bytes) struct bytes extension = {0};
    struct bytes certificate;

    assert_ok(cluster_trust_extension(test->message, &extension));
    assert_ok(certificate_make_authority(key, bytes_view(&extension), PERIMETER_TEST_NOW_S - 100,
                                         PERIMETER_TEST_NOW_S + 100, &certificate));
    return certificate;
}

static enum status trust(const struct sample *test, struct view certificate,
                         struct refusal *refusal)
{
    struct cluster_trust trusted;

    return cluster_trust_check(certificate, &test->expectation, &trusted, refusal);
}

static void a_ca_with_the_endorsed_key_is_trusted_in_one_step(void **state)
{
    OWN(sample) struct sample test = sample_new();
    OWN(bytes) struct bytes certificate = ca_new(&test, test.perimeter->tc_sign);
    struct cluster_trust trusted;

    (void)state;
    assert_ok(cluster_trust_check(bytes_view(&certificate), &test.expectation, &trusted, NULL));
    assert_true(view_equal(perimeter_key_view(&trusted.endorsement.tc_sign),
                           private_key_spki(test.perimeter->tc_sign)));
    assert_int_equal(trusted.seen.epoch, 2);
    assert_int_equal(trusted.seen.manifest_version, 0);
}

static void a_ca_with_another_key_is_refused(void **state)
{
    OWN(sample) struct sample test = sample_new();
    /* Endorsement and root are public: anybody can put them into a certificate of their own. */
    OWN(bytes) struct bytes certificate = ca_new(&test, test.perimeter->tc_kem);
    struct refusal refusal;

    (void)state;
    assert_refused(trust(&test, bytes_view(&certificate), &refusal), refusal,
                   REFUSAL_CERTIFICATE_CHAIN);
}

static void a_ca_of_another_perimeter_or_older_epoch_is_refused(void **state)
{
    OWN(sample) struct sample test = sample_new();
    OWN(bytes) struct bytes certificate = ca_new(&test, test.perimeter->tc_sign);
    struct refusal refusal;

    (void)state;
    test.expectation.memory.epoch = 3;
    assert_refused(trust(&test, bytes_view(&certificate), &refusal), refusal, REFUSAL_OLD_EPOCH);
    test.expectation.memory.epoch = 2;
    test.expectation.memory.succession = 1;
    assert_refused(trust(&test, bytes_view(&certificate), &refusal), refusal,
                   REFUSAL_OLD_SUCCESSION);
    test.expectation.memory.succession = 0;
    test.expectation.perimeter_id.bytes[5] ^= 1;
    assert_refused(trust(&test, bytes_view(&certificate), &refusal), refusal,
                   REFUSAL_WRONG_PERIMETER);
}

static void a_ca_without_a_valid_endorsement_is_refused(void **state)
{
    OWN(sample) struct sample test = sample_new();
    OWN(bytes) struct bytes document = perimeter_test_endorsement(test.perimeter, 2);
    OWN(bytes) struct bytes missing = {0}, undersigned = {0};
    struct refusal refusal;

    (void)state;
    document_replace(
        &test.message->endorsement,
        perimeter_test_signed(test.perimeter, DOCUMENT_ENDORSEMENT, 2, bytes_view(&document), 4));
    undersigned = ca_new(&test, test.perimeter->tc_sign);
    assert_refused(trust(&test, bytes_view(&undersigned), &refusal), refusal,
                   REFUSAL_TOO_FEW_SIGNATURES);
    document_replace(&test.message->endorsement, NULL);
    missing = ca_new(&test, test.perimeter->tc_sign);
    assert_refused(trust(&test, bytes_view(&missing), &refusal), refusal,
                   REFUSAL_ENDORSEMENT_MISSING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_bundle_is_accepted),
        cmocka_unit_test(a_bundle_that_is_too_long_is_refused_unread),
        cmocka_unit_test(a_bundle_of_another_perimeter_is_refused),
        cmocka_unit_test(a_client_refuses_to_go_back),
        cmocka_unit_test(an_expired_manifest_is_refused_unless_it_is_asked_for),
        cmocka_unit_test(a_missing_or_foreign_endorsement_is_refused),
        cmocka_unit_test(an_undersigned_part_is_refused),
        cmocka_unit_test(successions_put_their_keys_in_force),
        cmocka_unit_test(a_ca_with_the_endorsed_key_is_trusted_in_one_step),
        cmocka_unit_test(a_ca_with_another_key_is_refused),
        cmocka_unit_test(a_ca_of_another_perimeter_or_older_epoch_is_refused),
        cmocka_unit_test(a_ca_without_a_valid_endorsement_is_refused),
    };
    return cmocka_run_group_tests_name("bundle", tests, NULL, NULL);
}
