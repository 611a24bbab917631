#include "lib/base/text.h"

#include "tests/support/test.h"

#include <string.h>

static void hex_round_trips(void **state)
{
    const uint8_t data[] = {0x00, 0x7f, 0x80, 0xff};
    uint8_t back[sizeof data];
    char text[HEX_SIZE(sizeof data)];

    (void)state;
    hex_encode(VIEW_OF_ARRAY(data), text);
    assert_string_equal(text, "007f80ff");
    assert_ok(hex_decode("007F80fF", back, sizeof back));
    assert_memory_equal(back, data, sizeof data);
}

static void hex_of_another_length_or_alphabet_is_refused(void **state)
{
    uint8_t back[2];

    (void)state;
    assert_status(hex_decode("00", back, 2), STATUS_MALFORMED);
    assert_status(hex_decode("000000", back, 2), STATUS_MALFORMED);
    assert_status(hex_decode("00g0", back, 2), STATUS_MALFORMED);
}

/* RFC 4648, section 10. */
static void base32_matches_the_rfc(void **state)
{
    static const char *const vectors[][2] = {{"", ""},
                                             {"f", "my"},
                                             {"fo", "mzxq"},
                                             {"foo", "mzxw6"},
                                             {"foob", "mzxw6yq"},
                                             {"fooba", "mzxw6ytb"},
                                             {"foobar", "mzxw6ytboi"}};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
        char text[BASE32_SIZE(6)];
        uint8_t back[6];
        size_t size = strlen(vectors[i][0]);

        base32_encode(view_string(vectors[i][0]), text);
        assert_string_equal(text, vectors[i][1]);
        assert_ok(base32_decode(vectors[i][1], back, size));
        assert_memory_equal(back, vectors[i][0], size);
    }
}

static void base32_with_stray_padding_bits_is_refused(void **state)
{
    uint8_t back[1];

    (void)state;
    assert_status(base32_decode("mz", back, 1), STATUS_MALFORMED);
}

/* RFC 4648, section 10. */
static void base64_matches_the_rfc(void **state)
{
    static const char *const vectors[][2] = {{"", ""},
                                             {"f", "Zg=="},
                                             {"fo", "Zm8="},
                                             {"foo", "Zm9v"},
                                             {"foob", "Zm9vYg=="},
                                             {"fooba", "Zm9vYmE="},
                                             {"foobar", "Zm9vYmFy"}};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
        OWN(bytes) struct bytes back = {0};
        char text[BASE64_SIZE(6)];

        base64_encode(view_string(vectors[i][0]), text);
        assert_string_equal(text, vectors[i][1]);
        assert_ok(base64_decode(view_string(text), 6, &back));
        assert_true(view_equal(bytes_view(&back), view_string(vectors[i][0])));
    }
}

static void base64_with_another_encoding_of_the_same_bytes_is_refused(void **state)
{
    static const char *const wrong[] = {
        "Zh==", "Zm9=", "Zg=", "Zg", "Zg==Zg==", "====", "Z===", "=Zg=", "Zg= ", "Zm9v\n", "Zm-_"};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        struct bytes back;

        assert_status(base64_decode(view_string(wrong[i]), 100, &back), STATUS_MALFORMED);
    }
}

static void base64_beyond_the_limit_is_refused(void **state)
{
    struct bytes back;

    (void)state;
    assert_status(base64_decode(view_string("Zm9vYg=="), 3, &back), STATUS_TOO_LARGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hex_round_trips),
        cmocka_unit_test(hex_of_another_length_or_alphabet_is_refused),
        cmocka_unit_test(base32_matches_the_rfc),
        cmocka_unit_test(base32_with_stray_padding_bits_is_refused),
        cmocka_unit_test(base64_matches_the_rfc),
        cmocka_unit_test(base64_with_another_encoding_of_the_same_bytes_is_refused),
        cmocka_unit_test(base64_beyond_the_limit_is_refused),
    };
    return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
