#include "tests/support/test.h"

#include "lib/crypto/sign.h"
#include "tests/support/hex.h"

#define RFC6979_KEY                                                                                \
    "3059301306072a8648ce3d020106082a8648ce3d030107034200"                                         \
    "0460fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"                           \
    "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299"
#define RFC6979_R "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"
#define RFC6979_S "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8"

static enum status check_hex(const char *key_hex, const char *message, const char *signature_hex)
{
    OWN_HEX(spki, key_hex);
    OWN_HEX(signature, signature_hex);
    OWN(public_key) struct public_key *key = NULL;

    TRY(public_key_parse(bytes_view(&spki), &key));
    return signature_check(key, view_string(message), bytes_view(&signature));
}

static void ecdsa_signatures_in_other_encodings_are_untrusted(void **state)
{
    static const char *const signatures[] = {
        /* a trailing byte after, and inside */
        "3046022100" RFC6979_R "022100" RFC6979_S "00",
        "3047022100" RFC6979_R "022100" RFC6979_S "00",
        /* long form of a length; indefinite length */
        "308146022100" RFC6979_R "022100" RFC6979_S,
        "3080022100" RFC6979_R "022100" RFC6979_S "0000",
        /* a number padded, and a negative one */
        "304702220000" RFC6979_R "022100" RFC6979_S,
        "30450220" RFC6979_R "022100" RFC6979_S,
        /* raw, as a TPM gives it; nothing; zeroes */
        RFC6979_R RFC6979_S,
        "",
        "3006020100020100",
        "30060201010201ff",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(signatures); i++) {
        assert_status(check_hex(RFC6979_KEY, "sample", signatures[i]), STATUS_UNTRUSTED);
    }
    assert_ok(check_hex(RFC6979_KEY, "sample", "3046022100" RFC6979_R "022100" RFC6979_S));
    assert_status(check_hex(RFC6979_KEY, "Sample", "3046022100" RFC6979_R "022100" RFC6979_S),
                  STATUS_UNTRUSTED);
}

/* RFC 8032, 7.1, TEST 1 and 2. */
static void ed25519_signatures_of_the_rfc_hold(void **state)
{
    (void)state;
    assert_ok(check_hex("302a300506032b6570032100"
                        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
                        "",
                        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
                        "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"));
    assert_ok(check_hex("302a300506032b6570032100"
                        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
                        "r",
                        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
                        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"));
}

static void no_changed_byte_leaves_a_signature_standing(void **state)
{
    (void)state;
    for (enum key_algorithm algorithm = KEY_ECDSA_P256; algorithm <= KEY_ED25519; algorithm++) {
        OWN(private_key) struct private_key *key = NULL;
        OWN(private_key) struct private_key *stranger = NULL;
        OWN(public_key) struct public_key *public = NULL;
        OWN(public_key) struct public_key *stranger_public = NULL;
        OWN(bytes) struct bytes signature = {0};
        uint8_t message[] = "the message";

        assert_ok(private_key_generate(algorithm, &key));
        assert_ok(private_key_generate(algorithm, &stranger));
        assert_ok(private_key_public(key, &public));
        assert_ok(private_key_public(stranger, &stranger_public));
        assert_ok(sign_message(key, VIEW_OF_ARRAY(message), &signature));
        assert_true(signature.size <= SIGNATURE_SIZE_MAX);
        assert_ok(signature_check(public, VIEW_OF_ARRAY(message), bytes_view(&signature)));

        assert_status(
            signature_check(stranger_public, VIEW_OF_ARRAY(message), bytes_view(&signature)),
            STATUS_UNTRUSTED);
        for (size_t i = 0; i < signature.size; i++) {
            signature.data[i] ^= 0x01;
            assert_status(signature_check(public, VIEW_OF_ARRAY(message), bytes_view(&signature)),
                          STATUS_UNTRUSTED);
            signature.data[i] ^= 0x01;
            assert_status(
                signature_check(public, VIEW_OF_ARRAY(message), (struct view){signature.data, i}),
                STATUS_UNTRUSTED);
        }
        for (size_t i = 0; i < sizeof message; i++) {
            message[i] ^= 0x80;
            assert_status(signature_check(public, VIEW_OF_ARRAY(message), bytes_view(&signature)),
                          STATUS_UNTRUSTED);
            message[i] ^= 0x80;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ecdsa_signatures_in_other_encodings_are_untrusted),
        cmocka_unit_test(ed25519_signatures_of_the_rfc_hold),
        cmocka_unit_test(no_changed_byte_leaves_a_signature_standing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
