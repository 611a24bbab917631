#include "tests/support/test.h"

#include "lib/crypto/keys.h"
#include "tests/support/hex.h"

#include <openssl/crypto.h>

/* RFC 6979, A.2.5: a P-256 key. */
#define P256_X "60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"
#define P256_Y "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299"
#define P256_SPKI "3059301306072a8648ce3d020106082a8648ce3d030107034200"
#define ED25519_SPKI "302a300506032b6570032100"
/* RFC 8032, 7.1, TEST 2. */
#define ED25519_KEY "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"

static void assert_parse(const char *hex, enum status expected)
{
    OWN_HEX(spki, hex);
    OWN(public_key) struct public_key *key = NULL;

    assert_status(public_key_parse(bytes_view(&spki), &key), expected);
    if (expected == STATUS_OK) {
        struct digest id = public_key_id(key), hash = sha256(bytes_view(&spki));

        assert_true(view_equal(public_key_spki(key), bytes_view(&spki)));
        assert_true(digest_equal(&id, &hash));
    }
}

static void other_encodings_of_a_key_are_malformed(void **state)
{
    (void)state;
    /* trailing byte; length in BER's long form; compressed and hybrid points */
    assert_parse(P256_SPKI "04" P256_X P256_Y "00", STATUS_MALFORMED);
    assert_parse("308159301306072a8648ce3d020106082a8648ce3d030107034200"
                 "04" P256_X P256_Y,
                 STATUS_MALFORMED);
    assert_parse("3039301306072a8648ce3d020106082a8648ce3d030107032200"
                 "03" P256_X,
                 STATUS_MALFORMED);
    assert_parse(P256_SPKI "07" P256_X P256_Y, STATUS_MALFORMED);
    /* NULL parameters where RFC 8410 has none; a trailing byte */
    assert_parse("302c300706032b65700500032100" ED25519_KEY, STATUS_MALFORMED);
    assert_parse(ED25519_SPKI ED25519_KEY "00", STATUS_MALFORMED);
}

static void keys_of_other_kinds_are_malformed(void **state)
{
    (void)state;
    assert_parse("", STATUS_MALFORMED);
    /* secp256k1's curve; X25519 */
    assert_parse("3056301006072a8648ce3d020106052b8104000a034200"
                 "04" P256_X P256_Y,
                 STATUS_MALFORMED);
    assert_parse("302a300506032b656e032100" ED25519_KEY, STATUS_MALFORMED);
}

static void a_point_off_the_curve_is_malformed(void **state)
{
    (void)state;
    assert_parse(P256_SPKI "04" P256_X P256_X, STATUS_MALFORMED);
    /* x at and above the field's prime */
    assert_parse(P256_SPKI
                 "04"
                 "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff" P256_Y,
                 STATUS_MALFORMED);
    assert_parse(P256_SPKI "04"
                           "0000000000000000000000000000000000000000000000000000000000000000"
                           "0000000000000000000000000000000000000000000000000000000000000000",
                 STATUS_MALFORMED);
}

static void an_ed25519_key_of_small_order_is_malformed(void **state)
{
    static const char *const points[] = {
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(points); i++) {
        char hex[128] = ED25519_SPKI;

        strcat(hex, points[i]);
        assert_parse(hex, STATUS_MALFORMED);
    }
}

static void an_ed25519_key_not_below_the_prime_is_malformed(void **state)
{
    (void)state;
    assert_parse(ED25519_SPKI "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
                 STATUS_MALFORMED);
    assert_parse(ED25519_SPKI "f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
                 STATUS_MALFORMED);
}

static void a_good_key_keeps_its_bytes(void **state)
{
    OWN_HEX(point, "04" P256_X P256_Y);
    OWN_HEX(spki, P256_SPKI "04" P256_X P256_Y);
    OWN(public_key) struct public_key *key = NULL;
    OWN(public_key) struct public_key *same = NULL;

    (void)state;
    assert_parse(P256_SPKI "04" P256_X P256_Y, STATUS_OK);
    assert_parse(ED25519_SPKI ED25519_KEY, STATUS_OK);
    assert_ok(public_key_parse_point(bytes_view(&point), &key));
    assert_ok(public_key_parse(bytes_view(&spki), &same));
    assert_int_equal(public_key_algorithm(key), KEY_ECDSA_P256);
    assert_true(public_key_equal(key, same));
}

static void a_point_of_another_size_or_form_is_malformed(void **state)
{
    OWN_HEX(point, "07" P256_X P256_Y "00");
    OWN(public_key) struct public_key *key = NULL;

    (void)state;
    assert_status(public_key_parse_point((struct view){point.data, 65}, &key), STATUS_MALFORMED);
    point.data[0] = 0x04;
    assert_status(public_key_parse_point((struct view){point.data, 66}, &key), STATUS_MALFORMED);
    assert_status(public_key_parse_point((struct view){point.data, 64}, &key), STATUS_MALFORMED);
    assert_status(public_key_parse_point((struct view){0}, &key), STATUS_MALFORMED);
}

/* RFC 9180, A.3.1: ikmE and pkEm. */
static void derives_the_key_of_the_rfc(void **state)
{
    OWN_HEX(ikm, "4270e54ffd08d79d5928020af4686d8f6b7d35dbe470265f1f5aa22816ce860e");
    OWN(private_key) struct private_key *key = NULL;
    uint8_t point[P256_POINT_SIZE];

    (void)state;
    assert_ok(private_key_derive_p256(bytes_view(&ikm), &key));
    private_key_point(key, point);
    assert_view_hex(VIEW_OF_ARRAY(point),
                    "04a92719c6195d5085104f469a8b9814d5838ff72b60501e2c4466e5e67b325ac9"
                    "8536d7b61a1af4b78e5b7f951c0900be863c403ce65c9bfcb9382657222d18c4");
}

static void generated_keys_differ_and_know_their_public_half(void **state)
{
    (void)state;
    for (enum key_algorithm algorithm = KEY_ECDSA_P256; algorithm <= KEY_ED25519; algorithm++) {
        OWN(private_key) struct private_key *first = NULL;
        OWN(private_key) struct private_key *second = NULL;
        OWN(public_key) struct public_key *public = NULL;

        assert_ok(private_key_generate(algorithm, &first));
        assert_ok(private_key_generate(algorithm, &second));
        assert_false(view_equal(private_key_spki(first), private_key_spki(second)));
        assert_ok(private_key_public(first, &public));
        assert_int_equal(public_key_algorithm(public), algorithm);
        assert_int_equal(private_key_algorithm(first), algorithm);
        assert_true(view_equal(private_key_spki(first), public_key_spki(public)));
    }
}

static void both_sides_agree_on_one_secret(void **state)
{
    OWN(private_key) struct private_key *left = NULL;
    OWN(private_key) struct private_key *right = NULL;
    OWN(public_key) struct public_key *left_public = NULL;
    OWN(public_key) struct public_key *right_public = NULL;
    OWN(secret) struct secret from_left = {0};
    OWN(secret) struct secret from_right = {0};

    (void)state;
    assert_ok(private_key_generate(KEY_ECDSA_P256, &left));
    assert_ok(private_key_generate(KEY_ECDSA_P256, &right));
    assert_ok(private_key_public(left, &left_public));
    assert_ok(private_key_public(right, &right_public));
    assert_ok(private_key_agree(left, right_public, &from_left));
    assert_ok(private_key_agree(right, left_public, &from_right));
    assert_true(secret_equal(secret_view(&from_left), secret_view(&from_right)));
    assert_int_equal(from_left.size, 32);
}

/* Last, since the heap stays. */
static void private_keys_lie_in_the_secure_heap(void **state)
{
    (void)state;
    if (secret_heap_start(32 * 1024) != STATUS_OK) {
        skip(); /* this user may not lock memory */
    }
    for (enum key_algorithm algorithm = KEY_ECDSA_P256; algorithm <= KEY_ED25519; algorithm++) {
        size_t before = CRYPTO_secure_used();
        OWN(private_key) struct private_key *key = NULL;

        assert_ok(private_key_generate(algorithm, &key));
        assert_true(CRYPTO_secure_used() >= before + 32);
    }
    {
        size_t before = CRYPTO_secure_used();
        OWN(private_key) struct private_key *key = NULL;

        assert_ok(private_key_derive_p256(view_string("thirty-two bytes of key material"), &key));
        assert_true(CRYPTO_secure_used() >= before + 32);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(other_encodings_of_a_key_are_malformed),
        cmocka_unit_test(keys_of_other_kinds_are_malformed),
        cmocka_unit_test(a_point_off_the_curve_is_malformed),
        cmocka_unit_test(an_ed25519_key_of_small_order_is_malformed),
        cmocka_unit_test(an_ed25519_key_not_below_the_prime_is_malformed),
        cmocka_unit_test(a_good_key_keeps_its_bytes),
        cmocka_unit_test(a_point_of_another_size_or_form_is_malformed),
        cmocka_unit_test(derives_the_key_of_the_rfc),
        cmocka_unit_test(generated_keys_differ_and_know_their_public_half),
        cmocka_unit_test(both_sides_agree_on_one_secret),
        cmocka_unit_test(private_keys_lie_in_the_secure_heap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
