#include "tests/support/test.h"

#include "lib/crypto/kdf.h"
#include "tests/support/hex.h"

static void hmac_gives_the_values_of_rfc_4231(void **state)
{
    OWN_HEX(short_key, "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b");
    uint8_t long_key[131];
    struct digest mac = hmac_sha256(bytes_view(&short_key), view_string("Hi There"));

    (void)state;
    assert_view_hex(digest_view(&mac),
                    "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    memset(long_key, 0xaa, sizeof long_key);
    mac = hmac_sha256(VIEW_OF_ARRAY(long_key),
                      view_string("Test Using Larger Than Block-Size Key - Hash Key First"));
    assert_view_hex(digest_view(&mac),
                    "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

static void hmac_of_pieces_is_the_hmac_of_their_whole(void **state)
{
    struct view key = view_string("key");
    struct digest whole = hmac_sha256(key, view_string("one two"));
    struct digest pieces =
        hmac_sha256_list(key, (struct view[]){view_string("one"), {0}, view_string(" two")}, 3);

    (void)state;
    assert_true(digest_equal(&whole, &pieces));
}

static void hkdf_gives_the_values_of_rfc_5869(void **state)
{
    static const struct {
        const char *ikm, *salt, *info, *prk, *okm;
    } vectors[] = {
        {"0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "000102030405060708090a0b0c",
         "f0f1f2f3f4f5f6f7f8f9", "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5",
         "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"},
        {"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b"
         "2c2d2e2f303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f",
         "606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f808182838485868788898a8b"
         "8c8d8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeaf",
         "b0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadb"
         "dcdddedfe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
         "06a6b88c5853361a06104c9ceb35b45cef760014904671014a193f40c15fc244",
         "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c6"
         "5e590e09da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87"},
        {"0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "", "",
         "19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04",
         "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
        OWN_HEX(ikm, vectors[i].ikm);
        OWN_HEX(salt, vectors[i].salt);
        OWN_HEX(info, vectors[i].info);
        OWN(secret) struct secret okm = {0};
        struct digest prk = hkdf_extract(bytes_view(&salt), bytes_view(&ikm));

        assert_view_hex(digest_view(&prk), vectors[i].prk);
        assert_ok(hkdf_secret(bytes_view(&ikm), bytes_view(&salt), bytes_view(&info),
                              strlen(vectors[i].okm) / 2, &okm));
        assert_view_hex(secret_view(&okm), vectors[i].okm);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hmac_gives_the_values_of_rfc_4231),
        cmocka_unit_test(hmac_of_pieces_is_the_hmac_of_their_whole),
        cmocka_unit_test(hkdf_gives_the_values_of_rfc_5869),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
