#include "lib/attest/quote.h"

#include "lib/attest/attestation_key.h"
#include "lib/attest/pcr_bank.h"

#include "tests/unit/lib/attest/evidence_files.h"

#include "tests/support/soft_tpm.h"

enum { MASK = 0x7ff };

static const struct digest qualifying = {{0x11, 0x22}};
static const struct digest pcr_digest = {{0x33}};

/* Signs the quote with the key and checks it: what a verifier would see. */
static enum status check_signed(const struct soft_key *key, const struct soft_quote *quote,
                                struct refusal *refusal)
{
    OWN(bytes) struct bytes attest = soft_quote_bytes(quote);
    OWN(bytes) struct bytes signature = soft_sign(key, bytes_view(&attest));
    struct tpm_quote_info info;
    struct tpm_public ak;

    assert_ok(tpm_public_parse(soft_key_public(key), &ak));
    return quote_check(&ak, bytes_view(&attest), bytes_view(&signature), digest_view(&qualifying),
                       MASK, &info, refusal);
}

static struct soft_quote good_quote(void)
{
    return soft_quote_new(digest_view(&qualifying), MASK, &pcr_digest);
}

static void key_that_is_not_a_restricted_signing_key_of_its_tpm_is_refused(void **state)
{
    static const uint32_t wrong[] = {
        SOFT_AK_ATTRIBUTES & ~(uint32_t)TPM_OBJECT_FIXED_TPM,
        SOFT_AK_ATTRIBUTES & ~(uint32_t)TPM_OBJECT_FIXED_PARENT,
        SOFT_AK_ATTRIBUTES & ~(uint32_t)TPM_OBJECT_SENSITIVE_DATA_ORIGIN,
        SOFT_AK_ATTRIBUTES & ~(uint32_t)TPM_OBJECT_RESTRICTED,
        SOFT_AK_ATTRIBUTES & ~(uint32_t)TPM_OBJECT_SIGN,
        SOFT_AK_ATTRIBUTES | TPM_OBJECT_DECRYPT,
        SOFT_AK_ATTRIBUTES | TPM_OBJECT_X509_SIGN,
        SOFT_AK_ATTRIBUTES | 1u << 31,
    };
    OWN(soft_key) struct soft_key key = soft_ak_new(SOFT_P256);
    struct refusal refusal;
    struct tpm_public ak;

    (void)state;
    assert_ok(tpm_public_parse(soft_key_public(&key), &ak));
    assert_ok(attestation_key_check(&ak, &refusal));
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        soft_ak_describe(&key, wrong[i], TPM_ALGORITHM_ECDSA, TPM_ALGORITHM_SHA256);
        assert_ok(tpm_public_parse(soft_key_public(&key), &ak));
        assert_refused(attestation_key_check(&ak, &refusal), refusal, REFUSAL_AK_ATTRIBUTES);
        assert_true((wrong[i] & TPM_OBJECT_DECRYPT) == 0 || strstr(refusal.detail, "decrypt"));
    }
}

static void key_without_a_scheme_or_with_another_hash_is_refused(void **state)
{
    OWN(soft_key) struct soft_key key = soft_ak_new(SOFT_P256);
    struct refusal refusal;
    struct tpm_public ak;

    (void)state;
    soft_ak_describe(&key, SOFT_AK_ATTRIBUTES, TPM_ALGORITHM_NULL, 0);
    assert_ok(tpm_public_parse(soft_key_public(&key), &ak));
    assert_refused(attestation_key_check(&ak, &refusal), refusal, REFUSAL_AK_ATTRIBUTES);
    assert_non_null(strstr(refusal.detail, "no signature scheme"));
    soft_ak_describe(&key, SOFT_AK_ATTRIBUTES, TPM_ALGORITHM_ECDSA, TPM_ALGORITHM_SHA1);
    assert_ok(tpm_public_parse(soft_key_public(&key), &ak));
    assert_refused(attestation_key_check(&ak, &refusal), refusal, REFUSAL_AK_ATTRIBUTES);
}

static void short_rsa_key_or_weak_exponent_is_refused(void **state)
{
    OWN(soft_key) struct soft_key key = soft_ak_new(SOFT_RSA);
    struct refusal refusal;
    struct tpm_public ak;

    (void)state;
    assert_ok(tpm_public_parse(soft_key_public(&key), &ak));
    assert_ok(attestation_key_check(&ak, &refusal));
    ak.rsa.exponent = 3;
    assert_refused(attestation_key_check(&ak, &refusal), refusal, REFUSAL_AK_ATTRIBUTES);
    ak.rsa.exponent = 65537;
    ak.rsa.bits = 1024;
    assert_refused(attestation_key_check(&ak, &refusal), refusal, REFUSAL_AK_ATTRIBUTES);
}

static void output_of_tpm2_sign_is_not_a_quote(void **state)
{
    OWN(soft_key) struct soft_key key = soft_ak_new(SOFT_P256);
    struct soft_quote quote = good_quote();
    struct refusal refusal;

    (void)state;
    /* TPM2_Sign signs no digest of something that begins with the magic; an unrestricted key would
     * sign everything else. */
    quote.magic = 0x11111111;
    assert_refused(check_signed(&key, &quote, &refusal), refusal, REFUSAL_QUOTE_NOT_A_QUOTE);
}

static void attestation_of_another_type_is_refused(void **state)
{
    OWN(soft_key) struct soft_key key = soft_ak_new(SOFT_P256);
    struct soft_quote quote = good_quote();
    struct refusal refusal;

    (void)state;
    quote.type = 0x8017; /* TPM_ST_ATTEST_CERTIFY */
    assert_refused(check_signed(&key, &quote, &refusal), refusal, REFUSAL_QUOTE_NOT_A_QUOTE);
}

static void quote_with_trailing_bytes_is_refused(void **state)
{
    OWN(soft_key) struct soft_key key = soft_ak_new(SOFT_P256);
    struct soft_quote quote = good_quote();
    OWN(bytes) struct bytes attest = soft_quote_bytes(&quote);
    OWN(bytes) struct bytes longer = {calloc(1, attest.size + 1), attest.size + 1};
    OWN(bytes) struct bytes signature = {0};
    struct tpm_quote_info info;
    struct refusal refusal;
    struct tpm_public ak;

    (void)state;
    memcpy(longer.data, attest.data, attest.size);
    signature = soft_sign(&key, bytes_view(&longer));
    assert_ok(tpm_public_parse(soft_key_public(&key), &ak));
    assert_refused(quote_check(&ak, bytes_view(&longer), bytes_view(&signature),
                               digest_view(&qualifying), MASK, &info, &refusal),
                   refusal, REFUSAL_QUOTE_NOT_A_QUOTE);
}

static void quote_for_another_nonce_is_refused(void **state)
{
    OWN(soft_key) struct soft_key key = soft_ak_new(SOFT_P256);
    struct soft_quote quote = good_quote();
    struct digest other = qualifying;
    struct refusal refusal;

    (void)state;
    other.bytes[31] ^= 1;
    quote.extra_data = digest_view(&other);
    assert_refused(check_signed(&key, &quote, &refusal), refusal, REFUSAL_QUOTE_BINDING);
    quote.extra_data = (struct view){qualifying.bytes, 31};
    assert_refused(check_signed(&key, &quote, &refusal), refusal, REFUSAL_QUOTE_BINDING);
    quote.extra_data = (struct view){0};
    assert_refused(check_signed(&key, &quote, &refusal), refusal, REFUSAL_QUOTE_BINDING);
}

static void quote_of_the_sha1_bank_is_refused(void **state)
{
    OWN(soft_key) struct soft_key key = soft_ak_new(SOFT_P256);
    struct soft_quote quote = good_quote();
    struct refusal refusal;

    (void)state;
    quote.selections[0].hash = TPM_ALGORITHM_SHA1;
    assert_refused(check_signed(&key, &quote, &refusal), refusal, REFUSAL_QUOTE_BANK);
}

static void quote_over_fewer_more_or_no_pcrs_is_refused(void **state)
{
    static const uint32_t masks[] = {0x3ff, 0x7fe, 0xfff, 0x8007ff, 0};
    OWN(soft_key) struct soft_key key = soft_ak_new(SOFT_P256);
    struct soft_quote quote = good_quote();
    struct refusal refusal;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(masks); i++) {
        quote.selections[0].pcr_mask = masks[i];
        assert_refused(check_signed(&key, &quote, &refusal), refusal, REFUSAL_QUOTE_SELECTION);
    }
    quote.selection_count = 0;
    assert_refused(check_signed(&key, &quote, &refusal), refusal, REFUSAL_QUOTE_SELECTION);
}

static void quote_of_two_banks_is_refused(void **state)
{
    OWN(soft_key) struct soft_key key = soft_ak_new(SOFT_P256);
    struct soft_quote quote = good_quote();
    struct refusal refusal;

    (void)state;
    quote.selections[1] = (struct tpm_selection){TPM_ALGORITHM_SHA1, 0};
    quote.selection_count = 2;
    assert_refused(check_signed(&key, &quote, &refusal), refusal, REFUSAL_QUOTE_SELECTION);
}

static void quote_with_a_digest_of_another_size_is_refused(void **state)
{
    OWN(soft_key) struct soft_key key = soft_ak_new(SOFT_P256);
    struct soft_quote quote = good_quote();
    struct refusal refusal;

    (void)state;
    quote.pcr_digest = (struct view){pcr_digest.bytes, 20};
    assert_refused(check_signed(&key, &quote, &refusal), refusal, REFUSAL_QUOTE_DIGEST);
}

static void signature_of_another_key_is_refused(void **state)
{
    OWN(soft_key) struct soft_key key = soft_ak_new(SOFT_P256);
    OWN(soft_key) struct soft_key other = soft_ak_new(SOFT_P256);
    struct soft_quote quote = good_quote();
    struct refusal refusal;

    (void)state;
    memcpy(other.public_area, key.public_area, key.public_size);
    assert_refused(check_signed(&other, &quote, &refusal), refusal, REFUSAL_QUOTE_SIGNATURE);
}

static void scheme_that_the_key_does_not_fix_is_refused(void **state)
{
    OWN(soft_key) struct soft_key key = soft_ak_new(SOFT_RSA);
    struct soft_quote quote = good_quote();
    OWN(bytes) struct bytes attest = soft_quote_bytes(&quote);
    OWN(bytes)
    struct bytes pss =
        soft_sign_as(&key, TPM_ALGORITHM_RSAPSS, TPM_ALGORITHM_SHA256, bytes_view(&attest));
    OWN(bytes)
    struct bytes sha384 =
        soft_sign_as(&key, TPM_ALGORITHM_RSASSA, TPM_ALGORITHM_SHA384, bytes_view(&attest));
    struct tpm_quote_info info;
    struct refusal refusal;
    struct tpm_public ak;

    (void)state;
    assert_ok(tpm_public_parse(soft_key_public(&key), &ak));
    assert_refused(quote_check(&ak, bytes_view(&attest), bytes_view(&pss), digest_view(&qualifying),
                               MASK, &info, &refusal),
                   refusal, REFUSAL_QUOTE_SCHEME);
    assert_refused(quote_check(&ak, bytes_view(&attest), bytes_view(&sha384),
                               digest_view(&qualifying), MASK, &info, &refusal),
                   refusal, REFUSAL_QUOTE_SCHEME);
    soft_ak_describe(&key, SOFT_AK_ATTRIBUTES, TPM_ALGORITHM_RSAPSS, TPM_ALGORITHM_SHA256);
    assert_ok(tpm_public_parse(soft_key_public(&key), &ak));
    assert_ok(quote_check(&ak, bytes_view(&attest), bytes_view(&pss), digest_view(&qualifying),
                          MASK, &info, &refusal));
}

static void any_flipped_bit_of_quote_or_signature_is_refused(void **state)
{
    OWN(evidence_files) struct evidence_files files = evidence_load("good");
    struct tpm_quote_info info;
    struct tpm_public ak;

    (void)state;
    assert_ok(tpm_public_parse(bytes_view(&files.ak_public), &ak));
    for (size_t i = 0; i < files.quote.size + files.signature.size; i++) {
        uint8_t *octet = i < files.quote.size ? &files.quote.data[i]
                                              : &files.signature.data[i - files.quote.size];

        *octet ^= 1 << (i % 8);
        assert_status(quote_check(&ak, bytes_view(&files.quote), bytes_view(&files.signature),
                                  bytes_view(&files.qualifying), EVIDENCE_MASK, &info, NULL),
                      STATUS_REFUSED);
        *octet ^= 1 << (i % 8);
    }
    assert_ok(quote_check(&ak, bytes_view(&files.quote), bytes_view(&files.signature),
                          bytes_view(&files.qualifying), EVIDENCE_MASK, &info, NULL));
}

static void point_that_is_not_on_its_curve_is_refused(void **state)
{
    OWN(evidence_files) struct evidence_files files = evidence_load("good");
    struct tpm_quote_info info;
    struct refusal refusal;
    struct tpm_public ak;

    (void)state;
    assert_ok(tpm_public_parse(bytes_view(&files.ak_public), &ak));
    ak.ecc.y[31] ^= 1;
    assert_refused(quote_check(&ak, bytes_view(&files.quote), bytes_view(&files.signature),
                               bytes_view(&files.qualifying), EVIDENCE_MASK, &info, &refusal),
                   refusal, REFUSAL_AK_ATTRIBUTES);
}

static void quotes_of_every_kind_of_key_are_accepted(void **state)
{
    static const enum soft_kind kinds[] = {SOFT_P256, SOFT_P384, SOFT_RSA};
    struct refusal refusal;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        OWN(soft_key) struct soft_key key = soft_ak_new(kinds[i]);
        struct soft_quote quote = good_quote();

        assert_ok(check_signed(&key, &quote, &refusal));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(key_that_is_not_a_restricted_signing_key_of_its_tpm_is_refused),
        cmocka_unit_test(key_without_a_scheme_or_with_another_hash_is_refused),
        cmocka_unit_test(short_rsa_key_or_weak_exponent_is_refused),
        cmocka_unit_test(output_of_tpm2_sign_is_not_a_quote),
        cmocka_unit_test(attestation_of_another_type_is_refused),
        cmocka_unit_test(quote_with_trailing_bytes_is_refused),
        cmocka_unit_test(quote_for_another_nonce_is_refused),
        cmocka_unit_test(quote_of_the_sha1_bank_is_refused),
        cmocka_unit_test(quote_over_fewer_more_or_no_pcrs_is_refused),
        cmocka_unit_test(quote_of_two_banks_is_refused),
        cmocka_unit_test(quote_with_a_digest_of_another_size_is_refused),
        cmocka_unit_test(signature_of_another_key_is_refused),
        cmocka_unit_test(scheme_that_the_key_does_not_fix_is_refused),
        cmocka_unit_test(any_flipped_bit_of_quote_or_signature_is_refused),
        cmocka_unit_test(point_that_is_not_on_its_curve_is_refused),
        cmocka_unit_test(quotes_of_every_kind_of_key_are_accepted),
    };
    return cmocka_run_group_tests_name("quote", tests, NULL, NULL);
}
