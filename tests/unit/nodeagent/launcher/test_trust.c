/* Whose grants the launcher takes. */
#include "tests/support/perimeter.h"
#include "tests/support/test.h"

#include "nodeagent/launcher/trust.h"

#include "lib/crypto/x509.h"

enum { REGISTRATION = 7, EPOCH = 2 };

static const struct digest vm = {{1}};

static struct bytes ca_make(const struct perimeter_test *perimeter, uint64_t epoch,
                            const struct private_key *key)
{
    OWN(bytes) struct bytes bundle_bytes = perimeter_test_bundle(perimeter, 1, epoch);
    OWN(bytes) struct bytes extension = {0};
    Tccp__PerimeterBundle *bundle =
        tccp__perimeter_bundle__unpack(NULL, bundle_bytes.size, bundle_bytes.data);
    struct bytes certificate;

    assert_non_null(bundle);
    assert_ok(cluster_trust_extension(bundle, &extension));
    assert_ok(certificate_make_authority(key, bytes_view(&extension), PERIMETER_TEST_NOW_S - 100,
                                         PERIMETER_TEST_NOW_S + 100, &certificate));
    tccp__perimeter_bundle__free_unpacked(bundle, NULL);
    return certificate;
}

static struct bytes grant_make(const struct perimeter_test *perimeter, uint64_t epoch,
                               const struct private_key *key)
{
    const struct scope scope = {perimeter->root.id, epoch};
    const struct run_grant grant = {.vm = vm,
                                    .generation = 3,
                                    .registration = REGISTRATION,
                                    .deadline_ms = 1000,
                                    .action = ON_LOST_LEASE_STOP};
    const struct signer signer = signer_of_key(key);
    struct bytes bytes;

    assert_ok(run_grant_make(&grant, &scope, &signer, &bytes));
    return bytes;
}

static void no_grant_holds_before_a_coordinator_is_trusted(void **state)
{
    OWN(perimeter_test) struct perimeter_test *perimeter = perimeter_test_new();
    OWN(bytes) struct bytes grant = grant_make(perimeter, EPOCH, perimeter->tc_sign);
    OWN(trust) struct trust trust;
    struct run_grant seen;
    struct refusal refusal;

    (void)state;
    trust_init(&trust, &perimeter->root.id);
    assert_refused(trust_verify(&trust, bytes_view(&grant), REGISTRATION, &seen, &refusal), refusal,
                   REFUSAL_NOT_READY);
}

static void a_coordinator_of_another_perimeter_is_not_trusted(void **state)
{
    OWN(perimeter_test) struct perimeter_test *perimeter = perimeter_test_new();
    OWN(bytes) struct bytes ca = ca_make(perimeter, EPOCH, perimeter->tc_sign);
    struct digest other = perimeter->root.id;
    OWN(trust) struct trust trust;
    struct refusal refusal;

    (void)state;
    other.bytes[0] ^= 1;
    trust_init(&trust, &other);
    assert_refused(trust_set(&trust, bytes_view(&ca), PERIMETER_TEST_NOW_S, &refusal), refusal,
                   REFUSAL_WRONG_PERIMETER);
    assert_null(trust.tc_sign);
}

static void a_key_that_is_not_endorsed_is_not_trusted(void **state)
{
    OWN(perimeter_test) struct perimeter_test *perimeter = perimeter_test_new();
    OWN(bytes) struct bytes ca = ca_make(perimeter, EPOCH, perimeter->tc_kem);
    OWN(trust) struct trust trust;
    struct refusal refusal;

    (void)state;
    trust_init(&trust, &perimeter->root.id);
    assert_refused(trust_set(&trust, bytes_view(&ca), PERIMETER_TEST_NOW_S, &refusal), refusal,
                   REFUSAL_CERTIFICATE_CHAIN);
}

static void an_older_epoch_or_an_expired_endorsement_changes_nothing(void **state)
{
    OWN(perimeter_test) struct perimeter_test *perimeter = perimeter_test_new();
    OWN(bytes) struct bytes old = ca_make(perimeter, EPOCH - 1, perimeter->tc_sign);
    OWN(bytes) struct bytes ca = ca_make(perimeter, EPOCH, perimeter->tc_sign);
    OWN(bytes) struct bytes grant = grant_make(perimeter, EPOCH, perimeter->tc_sign);
    OWN(trust) struct trust trust;
    struct run_grant seen;
    struct refusal refusal;

    (void)state;
    trust_init(&trust, &perimeter->root.id);
    assert_ok(trust_set(&trust, bytes_view(&ca), PERIMETER_TEST_NOW_S, &refusal));
    assert_refused(trust_set(&trust, bytes_view(&old), PERIMETER_TEST_NOW_S, &refusal), refusal,
                   REFUSAL_OLD_EPOCH);
    assert_int_equal(trust_set(&trust, bytes_view(&ca), PERIMETER_TEST_NOW_S + 40 * 86400, NULL),
                     STATUS_REFUSED);
    assert_ok(trust_verify(&trust, bytes_view(&grant), REGISTRATION, &seen, &refusal));
}

static void a_grant_by_another_key_epoch_or_for_another_registration_is_refused(void **state)
{
    OWN(perimeter_test) struct perimeter_test *perimeter = perimeter_test_new();
    OWN(bytes) struct bytes ca = ca_make(perimeter, EPOCH, perimeter->tc_sign);
    OWN(bytes) struct bytes good = grant_make(perimeter, EPOCH, perimeter->tc_sign);
    OWN(bytes) struct bytes forged = grant_make(perimeter, EPOCH, perimeter->tc_kem);
    OWN(bytes) struct bytes old = grant_make(perimeter, EPOCH - 1, perimeter->tc_sign);
    OWN(trust) struct trust trust;
    struct run_grant seen;
    struct refusal refusal;

    (void)state;
    trust_init(&trust, &perimeter->root.id);
    assert_ok(trust_set(&trust, bytes_view(&ca), PERIMETER_TEST_NOW_S, &refusal));
    assert_refused(trust_verify(&trust, bytes_view(&forged), REGISTRATION, &seen, &refusal),
                   refusal, REFUSAL_BAD_SIGNATURE);
    assert_refused(trust_verify(&trust, bytes_view(&old), REGISTRATION, &seen, &refusal), refusal,
                   REFUSAL_BAD_SIGNATURE);
    assert_refused(trust_verify(&trust, bytes_view(&good), REGISTRATION + 1, &seen, &refusal),
                   refusal, REFUSAL_REGISTRATION);
    for (size_t size = 0; size < good.size; size++) {
        assert_int_equal(
            trust_verify(&trust, (struct view){good.data, size}, REGISTRATION, &seen, &refusal),
            STATUS_REFUSED);
    }
    assert_ok(trust_verify(&trust, bytes_view(&good), REGISTRATION, &seen, &refusal));
    assert_true(digest_equal(&seen.vm, &vm));
    assert_int_equal(seen.generation, 3);
    assert_int_equal(seen.action, ON_LOST_LEASE_STOP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_grant_holds_before_a_coordinator_is_trusted),
        cmocka_unit_test(a_coordinator_of_another_perimeter_is_not_trusted),
        cmocka_unit_test(a_key_that_is_not_endorsed_is_not_trusted),
        cmocka_unit_test(an_older_epoch_or_an_expired_endorsement_changes_nothing),
        cmocka_unit_test(a_grant_by_another_key_epoch_or_for_another_registration_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
