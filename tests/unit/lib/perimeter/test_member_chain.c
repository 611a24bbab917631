#include "lib/perimeter/member_chain.h"

#include "lib/base/protobuf.h"

#include "tests/support/perimeter.h"
#include "tests/support/test.h"

#include <string.h>

enum { EPOCH = 2, HOUR_S = 3600 };

/* A chain that holds, and what a client expects. */
struct sample {
    struct perimeter_test *perimeter;
    struct private_key *key; /* the leaf's */
    struct certificate content;
    struct bytes authority;
    struct bundle_expectation expectation;
};

static struct sample sample_new(void)
{
    struct sample test = {.perimeter = perimeter_test_new()};
    OWN(bytes) struct bytes bundle = perimeter_test_bundle(test.perimeter, 3, EPOCH);
    Tccp__PerimeterBundle *message = tccp__perimeter_bundle__unpack(NULL, bundle.size, bundle.data);
    OWN(bytes) struct bytes extension = {0};

    assert_non_null(message);
    assert_ok(cluster_trust_extension(message, &extension));
    tccp__perimeter_bundle__free_unpacked(message, NULL);
    assert_ok(certificate_make_authority(test.perimeter->tc_sign, bytes_view(&extension),
                                         PERIMETER_TEST_NOW_S - HOUR_S,
                                         PERIMETER_TEST_NOW_S + HOUR_S, &test.authority));
    assert_ok(private_key_generate(KEY_ECDSA_P256, &test.key));
    test.content = (struct certificate){.role = ROLE_MEMBER,
                                        .scope = {test.perimeter->root.id, EPOCH},
                                        .subject = "tc1",
                                        .serial = {1},
                                        .serial_size = 1,
                                        .spki_size = private_key_spki(test.key).size,
                                        .registration_id = 1,
                                        .not_before_s = PERIMETER_TEST_NOW_S - HOUR_S,
                                        .not_after_s = PERIMETER_TEST_NOW_S + HOUR_S};
    memcpy(test.content.spki, private_key_spki(test.key).data, test.content.spki_size);
    test.expectation = (struct bundle_expectation){.perimeter_id = test.perimeter->root.id,
                                                   .memory = {0, EPOCH, 3},
                                                   .now_s = PERIMETER_TEST_NOW_S};
    return test;
}

static void sample_free(struct sample *test)
{
    private_key_free(test->key);
    bytes_free(&test->authority);
    perimeter_test_free(test->perimeter);
}
DEFINE_OWN_VALUE(sample, sample_free)

static enum status check_signed_by(const struct sample *test, const struct private_key *signer,
                                   size_t count, struct refusal *refusal)
{
    OWN(bytes) struct bytes leaf = {0};
    struct cluster_trust trust;
    struct certificate certificate;

    assert_ok(certificate_issue(signer, &test->content, &leaf));
    const struct view chain[] = {bytes_view(&leaf), bytes_view(&test->authority),
                                 bytes_view(&test->authority)};
    TRY(member_chain_check(chain, count, &test->expectation, &trust, &certificate, refusal));
    assert_string_equal(certificate.subject, "tc1");
    assert_int_equal(trust.endorsement.epoch, EPOCH);
    return STATUS_OK;
}

static enum status check(const struct sample *test, struct refusal *refusal)
{
    return check_signed_by(test, test->perimeter->tc_sign, 2, refusal);
}

static void fewer_or_more_certificates_than_two_are_refused(void **state)
{
    OWN(sample) struct sample test = sample_new();
    struct refusal refusal;

    (void)state;
    assert_refused(check_signed_by(&test, test.perimeter->tc_sign, 1, &refusal), refusal,
                   REFUSAL_CERTIFICATE_CHAIN);
    assert_refused(check_signed_by(&test, test.perimeter->tc_sign, 3, &refusal), refusal,
                   REFUSAL_CERTIFICATE_CHAIN);
}

static void a_leaf_under_another_key_is_refused(void **state)
{
    OWN(sample) struct sample test = sample_new();
    struct refusal refusal;

    (void)state;
    assert_refused(check_signed_by(&test, test.perimeter->tc_kem, 2, &refusal), refusal,
                   REFUSAL_CERTIFICATE_CHAIN);
}

static void a_nodes_certificate_is_no_members(void **state)
{
    OWN(sample) struct sample test = sample_new();
    struct refusal refusal;

    (void)state;
    test.content.role = ROLE_NODE;
    assert_refused(check(&test, &refusal), refusal, REFUSAL_CERTIFICATE_ROLE);
}

static void a_leaf_of_another_epoch_is_refused(void **state)
{
    OWN(sample) struct sample test = sample_new();
    struct refusal refusal;

    (void)state;
    test.content.scope.epoch = EPOCH - 1;
    assert_refused(check(&test, &refusal), refusal, REFUSAL_OLD_EPOCH);
}

static void an_expired_leaf_is_refused(void **state)
{
    OWN(sample) struct sample test = sample_new();
    struct refusal refusal;

    (void)state;
    test.content.not_after_s = PERIMETER_TEST_NOW_S - 1;
    assert_refused(check(&test, &refusal), refusal, REFUSAL_CERTIFICATE_EXPIRED);
}

static void an_older_epoch_than_seen_is_refused(void **state)
{
    OWN(sample) struct sample test = sample_new();
    struct refusal refusal;

    (void)state;
    test.expectation.memory.epoch = EPOCH + 1;
    assert_refused(check(&test, &refusal), refusal, REFUSAL_OLD_EPOCH);
}

static void another_perimeters_member_is_refused(void **state)
{
    OWN(sample) struct sample test = sample_new();
    struct refusal refusal;

    (void)state;
    test.expectation.perimeter_id.bytes[0] ^= 1;
    assert_refused(check(&test, &refusal), refusal, REFUSAL_WRONG_PERIMETER);
}

static void a_member_is_accepted(void **state)
{
    OWN(sample) struct sample test = sample_new();
    struct refusal refusal;

    (void)state;
    assert_ok(check(&test, &refusal));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fewer_or_more_certificates_than_two_are_refused),
        cmocka_unit_test(a_leaf_under_another_key_is_refused),
        cmocka_unit_test(a_nodes_certificate_is_no_members),
        cmocka_unit_test(a_leaf_of_another_epoch_is_refused),
        cmocka_unit_test(an_expired_leaf_is_refused),
        cmocka_unit_test(an_older_epoch_than_seen_is_refused),
        cmocka_unit_test(another_perimeters_member_is_refused),
        cmocka_unit_test(a_member_is_accepted),
    };

    return cmocka_run_group_tests_name("member chain", tests, NULL, NULL);
}
