#include "tests/support/test.h"

#include "lib/crypto/aead.h"
#include "tests/support/hex.h"

static const uint8_t key[AEAD_KEY_SIZE] = "an AES key of exactly 32 bytes..";
static const uint8_t nonce[AEAD_NONCE_SIZE] = "twelve bytes";

static void anything_changed_is_refused(void **state)
{
    struct view aad = view_string("context");
    OWN(bytes) struct bytes sealed = {0};
    OWN(bytes) struct bytes opened = {0};
    OWN(secret) struct secret secret = {0};
    uint8_t other_key[AEAD_KEY_SIZE], other_nonce[AEAD_NONCE_SIZE];

    (void)state;
    assert_ok(aead_seal(VIEW_OF_ARRAY(key), nonce, aad, view_string("plaintext"), &sealed));
    for (size_t i = 0; i < sealed.size; i++) {
        sealed.data[i] ^= 0x01;
        assert_status(aead_open(VIEW_OF_ARRAY(key), nonce, aad, bytes_view(&sealed), &opened),
                      STATUS_UNTRUSTED);
        assert_status(
            aead_open_secret(VIEW_OF_ARRAY(key), nonce, aad, bytes_view(&sealed), &secret),
            STATUS_UNTRUSTED);
        sealed.data[i] ^= 0x01;
    }
    assert_status(
        aead_open(VIEW_OF_ARRAY(key), nonce, view_string("Context"), bytes_view(&sealed), &opened),
        STATUS_UNTRUSTED);
    memcpy(other_key, key, sizeof other_key);
    other_key[31] ^= 0x80;
    assert_status(aead_open(VIEW_OF_ARRAY(other_key), nonce, aad, bytes_view(&sealed), &opened),
                  STATUS_UNTRUSTED);
    memcpy(other_nonce, nonce, sizeof other_nonce);
    other_nonce[0] ^= 0x80;
    assert_status(aead_open(VIEW_OF_ARRAY(key), other_nonce, aad, bytes_view(&sealed), &opened),
                  STATUS_UNTRUSTED);
    for (size_t size = AEAD_TAG_SIZE; size < sealed.size; size++) {
        assert_status(
            aead_open(VIEW_OF_ARRAY(key), nonce, aad, (struct view){sealed.data, size}, &opened),
            STATUS_UNTRUSTED);
    }
    assert_status(aead_open(VIEW_OF_ARRAY(key), nonce, aad,
                            (struct view){sealed.data, AEAD_TAG_SIZE - 1}, &opened),
                  STATUS_MALFORMED);
    assert_null(opened.data);
    assert_null(secret.data);
}

static void secrets_are_neither_empty_nor_large(void **state)
{
    static const uint8_t large[SECRET_SIZE_MAX + 1];
    OWN(secret) struct secret secret = {0};

    (void)state;
    for (size_t size = 0; size <= sizeof large; size += sizeof large) {
        OWN(bytes) struct bytes sealed = {0};

        assert_ok(aead_seal(VIEW_OF_ARRAY(key), nonce, (struct view){0}, (struct view){large, size},
                            &sealed));
        assert_status(aead_open_secret(VIEW_OF_ARRAY(key), nonce, (struct view){0},
                                       bytes_view(&sealed), &secret),
                      size == 0 ? STATUS_MALFORMED : STATUS_TOO_LARGE);
    }
}

/* McGrew and Viega, "The Galois/Counter Mode of Operation", test case 16. */
static void seals_as_the_published_vector(void **state)
{
    OWN_HEX(vector_key, "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308");
    OWN_HEX(vector_nonce, "cafebabefacedbaddecaf888");
    OWN_HEX(aad, "feedfacedeadbeeffeedfacedeadbeefabaddad2");
    OWN_HEX(plaintext, "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
                       "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39");
    OWN(bytes) struct bytes sealed = {0};
    OWN(bytes) struct bytes opened = {0};
    OWN(secret) struct secret secret = {0};

    (void)state;
    assert_ok(aead_seal(bytes_view(&vector_key), vector_nonce.data, bytes_view(&aad),
                        bytes_view(&plaintext), &sealed));
    assert_view_hex(bytes_view(&sealed),
                    "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
                    "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
                    "76fc6ece0f4e1768cddf8853bb2d551b");
    assert_ok(aead_open(bytes_view(&vector_key), vector_nonce.data, bytes_view(&aad),
                        bytes_view(&sealed), &opened));
    assert_true(view_equal(bytes_view(&opened), bytes_view(&plaintext)));
    assert_ok(aead_open_secret(bytes_view(&vector_key), vector_nonce.data, bytes_view(&aad),
                               bytes_view(&sealed), &secret));
    assert_true(view_equal(secret_view(&secret), bytes_view(&plaintext)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(anything_changed_is_refused),
        cmocka_unit_test(secrets_are_neither_empty_nor_large),
        cmocka_unit_test(seals_as_the_published_vector),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
