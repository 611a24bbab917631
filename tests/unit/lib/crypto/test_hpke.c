#include "tests/support/test.h"

#include "tests/support/hex.h"
#include "tests/vectors/hpke_vectors.h"

static const uint8_t entropy[HPKE_ENTROPY_SIZE] = "not random at all, but enough...";

struct fixture {
    struct private_key *key, *other;
    uint8_t point[P256_POINT_SIZE];
    struct bytes sealed;
};

static int set_up(void **state)
{
    static struct fixture fixture;

    assert_ok(
        private_key_derive_p256(view_string("the recipient's keying material."), &fixture.key));
    assert_ok(
        private_key_derive_p256(view_string("somebody else's keying material."), &fixture.other));
    private_key_point(fixture.key, fixture.point);
    assert_ok(hpke_seal(VIEW_OF_ARRAY(fixture.point), view_string("info"), view_string("aad"),
                        view_string("a secret"), entropy, &fixture.sealed));
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    private_key_free(fixture->key);
    private_key_free(fixture->other);
    bytes_free(&fixture->sealed);
    return 0;
}

static void another_key_info_or_aad_does_not_open(void **state)
{
    struct fixture *fixture = *state;
    OWN(secret) struct secret opened = {0};
    struct view sealed = bytes_view(&fixture->sealed);

    assert_status(
        hpke_open(fixture->other, view_string("info"), view_string("aad"), sealed, &opened),
        STATUS_UNTRUSTED);
    assert_status(hpke_open(fixture->key, view_string("inf0"), view_string("aad"), sealed, &opened),
                  STATUS_UNTRUSTED);
    assert_status(hpke_open(fixture->key, view_string("info"), view_string("aae"), sealed, &opened),
                  STATUS_UNTRUSTED);
    /* Bytes do not move between info and aad. */
    assert_status(hpke_open(fixture->key, view_string("infoa"), view_string("ad"), sealed, &opened),
                  STATUS_UNTRUSTED);
    assert_null(opened.data);
}

static void no_changed_byte_opens(void **state)
{
    struct fixture *fixture = *state;
    OWN(secret) struct secret opened = {0};

    for (size_t i = 0; i < fixture->sealed.size; i++) {
        enum status status;

        fixture->sealed.data[i] ^= 0x01;
        status = hpke_open(fixture->key, view_string("info"), view_string("aad"),
                           bytes_view(&fixture->sealed), &opened);
        /* A changed enc is mostly no point of the curve. */
        assert_true(status == STATUS_UNTRUSTED ||
                    (i < HPKE_ENC_SIZE && status == STATUS_MALFORMED));
        fixture->sealed.data[i] ^= 0x01;
    }
    for (size_t size = 0; size < fixture->sealed.size; size++) {
        assert_status(hpke_open(fixture->key, view_string("info"), view_string("aad"),
                                (struct view){fixture->sealed.data, size}, &opened),
                      size <= HPKE_OVERHEAD ? STATUS_MALFORMED : STATUS_UNTRUSTED);
    }
    assert_null(opened.data);
}

static void secrets_are_neither_empty_nor_large(void **state)
{
    static uint8_t large[HPKE_SEALED_SIZE_MAX + 1];
    struct fixture *fixture = *state;
    struct view point = VIEW_OF_ARRAY(fixture->point), none = {0};
    OWN(bytes) struct bytes sealed = {0};
    OWN(secret) struct secret opened = {0};

    assert_status(hpke_seal(point, none, none, none, entropy, &sealed), STATUS_MALFORMED);
    assert_status(
        hpke_seal(point, none, none, (struct view){large, SECRET_SIZE_MAX + 1}, entropy, &sealed),
        STATUS_TOO_LARGE);
    assert_status(hpke_open(fixture->key, none, none, VIEW_OF_ARRAY(large), &opened),
                  STATUS_TOO_LARGE);
    assert_ok(
        hpke_seal(point, none, none, (struct view){large, SECRET_SIZE_MAX}, entropy, &sealed));
    assert_int_equal(sealed.size, HPKE_SEALED_SIZE_MAX);
    assert_ok(hpke_open(fixture->key, none, none, bytes_view(&sealed), &opened));
    assert_int_equal(opened.size, SECRET_SIZE_MAX);
}

static void nothing_is_sealed_to_what_is_no_point(void **state)
{
    struct fixture *fixture = *state;
    OWN(bytes) struct bytes sealed = {0};
    uint8_t point[P256_POINT_SIZE];

    memcpy(point, fixture->point, sizeof point);
    point[64] ^= 0x01;
    assert_status(hpke_seal(VIEW_OF_ARRAY(point), (struct view){0}, (struct view){0},
                            view_string("secret"), entropy, &sealed),
                  STATUS_MALFORMED);
    assert_status(hpke_seal((struct view){fixture->point, 64}, (struct view){0}, (struct view){0},
                            view_string("secret"), entropy, &sealed),
                  STATUS_MALFORMED);
}

static void what_was_sealed_opens(void **state)
{
    struct fixture *fixture = *state;
    OWN(secret) struct secret opened = {0};

    assert_ok(hpke_open(fixture->key, view_string("info"), view_string("aad"),
                        bytes_view(&fixture->sealed), &opened));
    assert_true(view_equal(secret_view(&opened), view_string("a secret")));
}

static void seals_and_opens_as_the_published_vectors(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(hpke_vectors); i++) {
        const struct hpke_vector *vector = &hpke_vectors[i];
        OWN_HEX(info, vector->info);
        OWN_HEX(aad, vector->aad);
        OWN_HEX(plaintext, vector->plaintext);
        OWN_HEX(ikm, vector->recipient_ikm);
        OWN_HEX(vector_entropy, vector->entropy);
        OWN(private_key) struct private_key *key = NULL;
        OWN(bytes) struct bytes sealed = {0};
        OWN(secret) struct secret opened = {0};
        uint8_t point[P256_POINT_SIZE];

        assert_ok(private_key_derive_p256(bytes_view(&ikm), &key));
        private_key_point(key, point);
        assert_view_hex(VIEW_OF_ARRAY(point), vector->recipient_point);
        assert_ok(hpke_seal_with(vector->aead, VIEW_OF_ARRAY(point), bytes_view(&info),
                                 bytes_view(&aad), bytes_view(&plaintext), vector_entropy.data,
                                 &sealed));
        assert_view_hex(bytes_view(&sealed), vector->sealed);
        assert_ok(hpke_open_with(vector->aead, key, bytes_view(&info), bytes_view(&aad),
                                 bytes_view(&sealed), &opened));
        assert_true(view_equal(secret_view(&opened), bytes_view(&plaintext)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(another_key_info_or_aad_does_not_open),
        cmocka_unit_test(no_changed_byte_opens),
        cmocka_unit_test(secrets_are_neither_empty_nor_large),
        cmocka_unit_test(nothing_is_sealed_to_what_is_no_point),
        cmocka_unit_test(what_was_sealed_opens),
        cmocka_unit_test(seals_and_opens_as_the_published_vectors),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
