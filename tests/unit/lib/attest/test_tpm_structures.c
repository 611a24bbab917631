#include "lib/attest/tpm_structures.h"

#include "tests/unit/lib/attest/evidence_files.h"

#include "tests/support/soft_tpm.h"

/* Every proper prefix, and the whole with one byte more, is refused by the parser. */
#define assert_exact_length_matters(whole, parse, type)                                            \
    do {                                                                                           \
        OWN(bytes) struct bytes longer_ = {malloc((whole).size + 1), (whole).size + 1};            \
        type result_;                                                                              \
        memcpy(longer_.data, (whole).data, (whole).size);                                          \
        longer_.data[(whole).size] = 0;                                                            \
        for (size_t size_ = 0; size_ <= longer_.size; size_++) {                                   \
            if (size_ != (whole).size) {                                                           \
                assert_int_not_equal(parse((struct view){longer_.data, size_}, &result_),          \
                                     STATUS_OK);                                                   \
            }                                                                                      \
        }                                                                                          \
        assert_ok(parse(bytes_view(&(whole)), &result_));                                          \
    } while (0)

static void truncated_or_longer_structures_are_refused(void **state)
{
    OWN(evidence_files) struct evidence_files files = evidence_load("good");

    (void)state;
    assert_exact_length_matters(files.ak_public, tpm_public_parse, struct tpm_public);
    assert_exact_length_matters(files.ek_public, tpm_public_parse, struct tpm_public);
    assert_exact_length_matters(files.quote, tpm_quote_info_parse, struct tpm_quote_info);
    assert_exact_length_matters(files.signature, tpm_signature_parse, struct tpm_signature);
}

static void attestation_of_another_type_is_not_a_quote(void **state)
{
    OWN(evidence_files) struct evidence_files files = evidence_load("good");
    struct tpm_quote_info info;

    (void)state;
    files.quote.data[5] = 0x17; /* TPM_ST_ATTEST_CERTIFY */
    assert_status(tpm_quote_info_parse(bytes_view(&files.quote), &info), STATUS_UNSUPPORTED);
    files.quote.data[0] = 0xfe;
    assert_status(tpm_quote_info_parse(bytes_view(&files.quote), &info), STATUS_MALFORMED);
}

static void selection_of_a_pcr_above_23_is_refused(void **state)
{
    const struct digest digest = {{0}};
    struct soft_quote quote = soft_quote_new(VIEW_OF_ARRAY(digest.bytes), 0x7ff, &digest);
    OWN(bytes) struct bytes bytes = soft_quote_bytes(&quote);
    OWN(writer) struct writer writer = writer_new(1024);
    struct tpm_quote_info info;
    /* The selection lies before the digest: count, hash, size, three octets. */
    size_t at = bytes.size - 34 - 4;

    (void)state;
    assert_ok(tpm_quote_info_parse(bytes_view(&bytes), &info));
    writer_view(&writer, (struct view){bytes.data, at});
    writer_u8(&writer, 4);
    writer_view(&writer, (struct view){bytes.data + at + 1, 3});
    writer_u8(&writer, 1); /* PCR 24 */
    writer_view(&writer, (struct view){bytes.data + at + 4, 34});
    assert_status(tpm_quote_info_parse((struct view){writer.data, writer.size}, &info),
                  STATUS_MALFORMED);
    writer.data[at + 4] = 0;
    assert_ok(tpm_quote_info_parse((struct view){writer.data, writer.size}, &info));
    assert_int_equal(info.selections[0].pcr_mask, 0x7ff);
}

static void rsa_modulus_of_another_length_than_it_says_is_refused(void **state)
{
    OWN(evidence_files) struct evidence_files files = evidence_load("good");
    struct tpm_public public_area;

    (void)state;
    /* keyBits lies 6 bytes (exponent, size) before the modulus. */
    files.ek_public.data[files.ek_public.size - 256 - 8] = 0x04;
    assert_status(tpm_public_parse(bytes_view(&files.ek_public), &public_area), STATUS_MALFORMED);
}

static void unknown_algorithms_are_not_guessed_at(void **state)
{
    OWN(evidence_files) struct evidence_files files = evidence_load("good");
    struct tpm_public public_area;
    struct tpm_signature signature;

    (void)state;
    files.ak_public.data[1] = 0x08; /* KEYEDHASH */
    assert_status(tpm_public_parse(bytes_view(&files.ak_public), &public_area), STATUS_UNSUPPORTED);
    files.ek_public.data[3] = 0x04; /* name algorithm SHA-1 */
    assert_status(tpm_public_parse(bytes_view(&files.ek_public), &public_area), STATUS_UNSUPPORTED);
    files.signature.data[1] = 0x05; /* HMAC */
    assert_status(tpm_signature_parse(bytes_view(&files.signature), &signature),
                  STATUS_UNSUPPORTED);
}

static void name_of_another_size_or_algorithm_is_refused(void **state)
{
    OWN(bytes) struct bytes name = vector_load("evidence/good/ak.name");
    struct tpm_name parsed;

    (void)state;
    assert_ok(tpm_name_of_view(bytes_view(&name), &parsed));
    assert_status(tpm_name_of_view((struct view){name.data, name.size - 1}, &parsed),
                  STATUS_MALFORMED);
    assert_status(tpm_name_of_view((struct view){0}, &parsed), STATUS_MALFORMED);
    name.data[1] = 0x04;
    assert_status(tpm_name_of_view(bytes_view(&name), &parsed), STATUS_MALFORMED);
}

static void computed_name_is_the_one_the_tpm_gave(void **state)
{
    OWN(evidence_files) struct evidence_files files = evidence_load("good");
    OWN(bytes) struct bytes name = vector_load("evidence/good/ak.name");
    struct tpm_public ak;

    (void)state;
    assert_ok(tpm_public_parse(bytes_view(&files.ak_public), &ak));
    assert_true(view_equal(tpm_name_view(&ak.name), bytes_view(&name)));
    assert_int_equal(ak.scheme, TPM_ALGORITHM_ECDSA);
    assert_int_equal(ak.ecc.curve, TPM_CURVE_P256);
    files.ak_public.data[files.ak_public.size - 1] ^= 1;
    assert_ok(tpm_public_parse(bytes_view(&files.ak_public), &ak));
    assert_false(view_equal(tpm_name_view(&ak.name), bytes_view(&name)));
}

static void quote_says_what_was_captured(void **state)
{
    OWN(evidence_files) struct evidence_files files = evidence_load("good");
    struct tpm_quote_info info;

    (void)state;
    assert_ok(tpm_quote_info_parse(bytes_view(&files.quote), &info));
    assert_true(view_equal((struct view){info.extra_data.bytes, info.extra_data.size},
                           bytes_view(&files.qualifying)));
    assert_int_equal(info.selection_count, 1);
    assert_int_equal(info.selections[0].hash, TPM_ALGORITHM_SHA256);
    assert_int_equal(info.selections[0].pcr_mask, EVIDENCE_MASK);
    assert_int_equal(info.pcr_digest.size, SHA256_SIZE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(truncated_or_longer_structures_are_refused),
        cmocka_unit_test(attestation_of_another_type_is_not_a_quote),
        cmocka_unit_test(selection_of_a_pcr_above_23_is_refused),
        cmocka_unit_test(rsa_modulus_of_another_length_than_it_says_is_refused),
        cmocka_unit_test(unknown_algorithms_are_not_guessed_at),
        cmocka_unit_test(name_of_another_size_or_algorithm_is_refused),
        cmocka_unit_test(computed_name_is_the_one_the_tpm_gave),
        cmocka_unit_test(quote_says_what_was_captured),
    };
    return cmocka_run_group_tests_name("tpm_structures", tests, NULL, NULL);
}
