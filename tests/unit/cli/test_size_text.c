#include "cli/size_text.h"

#include "tests/support/test.h"

static void what_is_no_size_is_refused(void **state)
{
    static const char *const bad[] = {
        "",    "M",   "-1",  " 1", "1 M", "1X",  "1Mi",       "1MiBs",
        "0x1", "1.5", "1MM", "1B", "+1",  "1e3", "16777216T", "18446744073709551616"};
    uint64_t size = 0;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_int_equal(size_parse(bad[i], &size), STATUS_MALFORMED);
    }
    assert_int_equal(number_parse("12M", &size), STATUS_MALFORMED);
    assert_int_equal(number_parse("", &size), STATUS_MALFORMED);
    assert_int_equal(number_parse("99999999999999999999", &size), STATUS_MALFORMED);
}

static void sizes_have_units_of_1024(void **state)
{
    static const struct {
        const char *text;
        uint64_t size;
    } good[] = {{"0", 0},
                {"7", 7},
                {"4K", 4096},
                {"512M", UINT64_C(512) << 20},
                {"4GiB", UINT64_C(4) << 30},
                {"2t", UINT64_C(2) << 40},
                {"18446744073709551615", UINT64_MAX}};
    uint64_t size;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        assert_int_equal(size_parse(good[i].text, &size), STATUS_OK);
        assert_int_equal(size, good[i].size);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_no_size_is_refused),
        cmocka_unit_test(sizes_have_units_of_1024),
    };

    return cmocka_run_group_tests_name("size_text", tests, NULL, NULL);
}
