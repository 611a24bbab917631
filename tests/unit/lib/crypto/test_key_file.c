#include "tests/support/test.h"

#include "lib/crypto/keys.h"
#include "tests/support/hex.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

static const struct view passphrase = {(const uint8_t *)"correct horse", 13};
static const struct view nothing = {0};

static struct secret pem_of(const struct private_key *key, struct view phrase)
{
    struct secret pem = {0};

    assert_ok(private_key_to_pem(key, phrase, &pem));
    return pem;
}

static void a_wrong_or_missing_passphrase_is_denied(void **state)
{
    OWN(private_key) struct private_key *key = NULL;
    OWN(private_key) struct private_key *read = NULL;
    OWN(secret) struct secret pem = {0};

    (void)state;
    assert_ok(private_key_generate(KEY_ECDSA_P256, &key));
    pem = pem_of(key, passphrase);
    assert_status(private_key_of_pem(secret_view(&pem), nothing, &read), STATUS_DENIED);
    assert_status(private_key_of_pem(secret_view(&pem), view_string("Correct horse"), &read),
                  STATUS_DENIED);
    assert_null(read);
}

static void what_is_no_key_file_is_malformed(void **state)
{
    static const char *const texts[] = {
        "",
        "hello",
        "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n",
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
    };
    OWN(private_key) struct private_key *read = NULL;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        assert_status(private_key_of_pem(view_string(texts[i]), passphrase, &read),
                      STATUS_MALFORMED);
        assert_status(private_key_of_pem(view_string(texts[i]), nothing, &read), STATUS_MALFORMED);
    }
}

static void text_after_the_key_is_malformed(void **state)
{
    OWN(private_key) struct private_key *key = NULL;
    OWN(private_key) struct private_key *read = NULL;
    OWN(secret) struct secret pem = {0};
    char text[2048];

    (void)state;
    assert_ok(private_key_generate(KEY_ED25519, &key));
    pem = pem_of(key, nothing);
    (void)snprintf(text, sizeof text, "%.*s%s", (int)pem.size, (const char *)pem.data, "x");
    assert_status(private_key_of_pem(view_string(text), nothing, &read), STATUS_MALFORMED);
    (void)snprintf(text, sizeof text, "%.*s%s", (int)pem.size, (const char *)pem.data, " \n\n");
    assert_ok(private_key_of_pem(view_string(text), nothing, &read));
}

/* The text of a key that is not ours to have, made by OpenSSL's own tools. */
static struct bytes foreign_pem(EVP_PKEY *pkey, const EVP_CIPHER *cipher)
{
    BIO *bio = BIO_new(BIO_s_mem());
    struct bytes pem = {0};
    char *text = NULL;
    long size;

    assert_int_equal(PEM_write_bio_PKCS8PrivateKey(bio, pkey, cipher, "correct horse",
                                                   cipher ? 13 : 0, NULL, NULL),
                     1);
    size = BIO_get_mem_data(bio, &text);
    assert_ok(bytes_copy((struct view){(uint8_t *)text, (size_t)size}, &pem));
    BIO_free(bio);
    return pem;
}

static void keys_of_other_kinds_are_malformed(void **state)
{
    EVP_PKEY *pkeys[] = {EVP_EC_gen("secp384r1"), EVP_PKEY_Q_keygen(NULL, NULL, "X25519")};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(pkeys); i++) {
        OWN(private_key) struct private_key *read = NULL;
        OWN(bytes) struct bytes pem = foreign_pem(pkeys[i], NULL);

        assert_status(private_key_of_pem(bytes_view(&pem), nothing, &read), STATUS_MALFORMED);
        EVP_PKEY_free(pkeys[i]);
    }
}

static void weaker_encryption_is_malformed(void **state)
{
    EVP_PKEY *pkey = EVP_EC_gen("prime256v1");
    OWN(private_key) struct private_key *read = NULL;
    /* PBKDF2 with 2,048 rounds, which is what OpenSSL writes unless told otherwise */
    OWN(bytes) struct bytes pem = foreign_pem(pkey, EVP_aes_256_cbc());

    (void)state;
    assert_status(private_key_of_pem(bytes_view(&pem), passphrase, &read), STATUS_MALFORMED);
    EVP_PKEY_free(pkey);
}

static void a_public_half_of_another_key_is_malformed(void **state)
{
    OWN(private_key) struct private_key *key = NULL;
    OWN(private_key) struct private_key *read = NULL;
    OWN(secret) struct secret pem = {0};
    uint8_t *der = NULL;
    int size;
    EVP_PKEY *pkey;
    BIO *bio = BIO_new(BIO_s_mem());
    uint8_t other[P256_POINT_SIZE];
    OWN(private_key) struct private_key *stranger = NULL;
    char *text = NULL;
    long text_size;
    PKCS8_PRIV_KEY_INFO *info;

    (void)state;
    assert_ok(private_key_generate(KEY_ECDSA_P256, &key));
    assert_ok(private_key_generate(KEY_ECDSA_P256, &stranger));
    private_key_point(stranger, other);
    pkey = private_key_handle(key);
    info = EVP_PKEY2PKCS8(pkey);
    size = i2d_PKCS8_PRIV_KEY_INFO(info, &der);
    assert_true(size > P256_POINT_SIZE);
    /* The point is what the structure ends with. */
    memcpy(der + size - P256_POINT_SIZE, other, P256_POINT_SIZE);
    assert_true(PEM_write_bio(bio, "PRIVATE KEY", "", der, size) > 0);
    text_size = BIO_get_mem_data(bio, &text);
    assert_status(
        private_key_of_pem((struct view){(uint8_t *)text, (size_t)text_size}, nothing, &read),
        STATUS_MALFORMED);
    BIO_free(bio);
    OPENSSL_free(der);
    PKCS8_PRIV_KEY_INFO_free(info);
}

static void a_key_comes_back_from_its_file(void **state)
{
    (void)state;
    for (enum key_algorithm algorithm = KEY_ECDSA_P256; algorithm <= KEY_ED25519; algorithm++) {
        for (unsigned encrypted = 0; encrypted <= 1; encrypted++) {
            OWN(private_key) struct private_key *key = NULL;
            OWN(private_key) struct private_key *read = NULL;
            OWN(secret) struct secret pem = {0};

            assert_ok(private_key_generate(algorithm, &key));
            pem = pem_of(key, encrypted ? passphrase : nothing);
            assert_int_equal(memmem(pem.data, pem.size, "BEGIN ENCRYPTED", 15) != NULL, encrypted);
            assert_ok(private_key_of_pem(secret_view(&pem), passphrase, &read));
            assert_int_equal(private_key_algorithm(read), algorithm);
            assert_true(view_equal(private_key_spki(read), private_key_spki(key)));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wrong_or_missing_passphrase_is_denied),
        cmocka_unit_test(what_is_no_key_file_is_malformed),
        cmocka_unit_test(text_after_the_key_is_malformed),
        cmocka_unit_test(keys_of_other_kinds_are_malformed),
        cmocka_unit_test(weaker_encryption_is_malformed),
        cmocka_unit_test(a_public_half_of_another_key_is_malformed),
        cmocka_unit_test(a_key_comes_back_from_its_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
