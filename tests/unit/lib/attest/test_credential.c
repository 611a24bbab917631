#include "lib/attest/credential.h"

#include "tests/unit/lib/attest/evidence_files.h"

#include "tests/support/soft_tpm.h"

static const uint8_t secret[CREDENTIAL_SECRET_SIZE] = "a secret that only one TPM opens";
static const uint8_t entropy[CREDENTIAL_ENTROPY_SIZE] = "not random at all, but long enough for it";
static const enum soft_kind kinds[] = {SOFT_P256, SOFT_P384, SOFT_RSA};

static struct tpm_name ak_name(void)
{
    OWN(bytes) struct bytes bytes = vector_load("evidence/good/ak.name");
    struct tpm_name name;

    assert_ok(tpm_name_of_view(bytes_view(&bytes), &name));
    return name;
}

struct credential {
    struct bytes blob, encrypted;
};
static void credential_free(struct credential *credential)
{
    bytes_free(&credential->blob);
    bytes_free(&credential->encrypted);
}
DEFINE_OWN_VALUE(credential, credential_free)

static struct credential make(const struct soft_key *key, struct view entropy_view)
{
    struct credential credential = {0};
    struct tpm_name name = ak_name();
    struct tpm_public ek;

    assert_ok(tpm_public_parse(soft_key_public(key), &ek));
    assert_ok(credential_make(&ek, &name, VIEW_OF_ARRAY(secret), entropy_view, &credential.blob,
                              &credential.encrypted));
    return credential;
}

static void every_kind_of_endorsement_key_opens_the_secret(void **state)
{
    struct tpm_name name = ak_name();

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        OWN(soft_key) struct soft_key key = soft_ek_new(kinds[i]);
        OWN(credential) struct credential credential = make(&key, VIEW_OF_ARRAY(entropy));
        OWN(bytes) struct bytes opened = {0};

        assert_ok(soft_activate(&key, &name, bytes_view(&credential.blob),
                                bytes_view(&credential.encrypted), &opened));
        assert_true(view_equal(bytes_view(&opened), VIEW_OF_ARRAY(secret)));
    }
}

static void another_attestation_key_does_not_open_it(void **state)
{
    struct tpm_name name = ak_name();

    (void)state;
    name.bytes[5] ^= 1;
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        OWN(soft_key) struct soft_key key = soft_ek_new(kinds[i]);
        OWN(credential) struct credential credential = make(&key, VIEW_OF_ARRAY(entropy));
        OWN(bytes) struct bytes opened = {0};

        assert_status(soft_activate(&key, &name, bytes_view(&credential.blob),
                                    bytes_view(&credential.encrypted), &opened),
                      STATUS_UNTRUSTED);
    }
}

static void another_endorsement_key_does_not_open_it(void **state)
{
    struct tpm_name name = ak_name();

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        OWN(soft_key) struct soft_key key = soft_ek_new(kinds[i]);
        OWN(soft_key) struct soft_key other = soft_ek_new(kinds[i]);
        OWN(credential) struct credential credential = make(&key, VIEW_OF_ARRAY(entropy));
        OWN(bytes) struct bytes opened = {0};

        assert_status(soft_activate(&other, &name, bytes_view(&credential.blob),
                                    bytes_view(&credential.encrypted), &opened),
                      STATUS_UNTRUSTED);
    }
}

static void entropy_decides_and_all_of_it_counts(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        OWN(soft_key) struct soft_key key = soft_ek_new(kinds[i]);
        OWN(credential) struct credential first = make(&key, VIEW_OF_ARRAY(entropy));
        OWN(credential) struct credential again = make(&key, VIEW_OF_ARRAY(entropy));
        OWN(credential) struct credential other = {0};
        uint8_t other_entropy[CREDENTIAL_ENTROPY_SIZE];

        assert_true(view_equal(bytes_view(&first.blob), bytes_view(&again.blob)));
        assert_true(view_equal(bytes_view(&first.encrypted), bytes_view(&again.encrypted)));
        memcpy(other_entropy, entropy, sizeof entropy);
        other_entropy[50] ^= 1; /* OAEP seed, or ephemeral key */
        other = make(&key, VIEW_OF_ARRAY(other_entropy));
        assert_false(view_equal(bytes_view(&first.encrypted), bytes_view(&other.encrypted)));
    }
}

static void secret_of_a_wrong_size_is_refused(void **state)
{
    static const uint8_t long_secret[CREDENTIAL_SECRET_SIZE + 1];
    OWN(soft_key) struct soft_key key = soft_ek_new(SOFT_P256);
    OWN(credential) struct credential credential = {0};
    struct tpm_name name = ak_name();
    struct tpm_public ek;

    (void)state;
    assert_ok(tpm_public_parse(soft_key_public(&key), &ek));
    assert_status(credential_make(&ek, &name, VIEW_OF_ARRAY(long_secret), VIEW_OF_ARRAY(entropy),
                                  &credential.blob, &credential.encrypted),
                  STATUS_MALFORMED);
    assert_status(credential_make(&ek, &name, (struct view){0}, VIEW_OF_ARRAY(entropy),
                                  &credential.blob, &credential.encrypted),
                  STATUS_MALFORMED);
}

static void point_that_is_not_on_its_curve_is_refused(void **state)
{
    OWN(soft_key) struct soft_key key = soft_ek_new(SOFT_P256);
    OWN(credential) struct credential credential = {0};
    struct tpm_name name = ak_name();
    struct tpm_public ek;

    (void)state;
    assert_ok(tpm_public_parse(soft_key_public(&key), &ek));
    ek.ecc.x[0] ^= 1;
    assert_status(credential_make(&ek, &name, VIEW_OF_ARRAY(secret), VIEW_OF_ARRAY(entropy),
                                  &credential.blob, &credential.encrypted),
                  STATUS_MALFORMED);
}

static void signing_key_is_no_endorsement_key(void **state)
{
    OWN(soft_key) struct soft_key key = soft_ak_new(SOFT_P256);
    OWN(credential) struct credential credential = {0};
    struct tpm_name name = ak_name();
    struct tpm_public ek;

    (void)state;
    assert_ok(tpm_public_parse(soft_key_public(&key), &ek));
    assert_status(credential_make(&ek, &name, VIEW_OF_ARRAY(secret), VIEW_OF_ARRAY(entropy),
                                  &credential.blob, &credential.encrypted),
                  STATUS_UNSUPPORTED);
}

/* A credential that a real TPM activated has the same shape: the layout is right to the byte. */
static void shape_is_that_of_the_captured_credential(void **state)
{
    OWN(bytes) struct bytes blob = vector_load("evidence/good/mc_credblob.bin");
    OWN(bytes) struct bytes encrypted = vector_load("evidence/good/mc_encsecret.bin");
    OWN(soft_key) struct soft_key key = soft_ek_new(SOFT_RSA);
    OWN(credential) struct credential credential = make(&key, VIEW_OF_ARRAY(entropy));

    (void)state;
    assert_int_equal(credential.blob.size, blob.size);
    assert_int_equal(credential.encrypted.size, encrypted.size);
    assert_memory_equal(credential.blob.data, blob.data, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(another_attestation_key_does_not_open_it),
        cmocka_unit_test(another_endorsement_key_does_not_open_it),
        cmocka_unit_test(secret_of_a_wrong_size_is_refused),
        cmocka_unit_test(point_that_is_not_on_its_curve_is_refused),
        cmocka_unit_test(signing_key_is_no_endorsement_key),
        cmocka_unit_test(entropy_decides_and_all_of_it_counts),
        cmocka_unit_test(every_kind_of_endorsement_key_opens_the_secret),
        cmocka_unit_test(shape_is_that_of_the_captured_credential),
    };
    return cmocka_run_group_tests_name("credential", tests, NULL, NULL);
}
