#include "lib/base/time_text.h"

#include "tests/support/test.h"

#include <time.h>

static uint64_t parsed(const char *text)
{
    uint64_t time_s = 1;

    assert_ok(time_parse(view_string(text), &time_s));
    return time_s;
}

static void dates_that_do_not_exist_are_refused(void **state)
{
    static const char *const wrong[] = {
        "",
        "2026",
        "2026-13-01",
        "2026-00-01",
        "2026-01-00",
        "2026-01-32",
        "2025-02-29",
        "1900-02-28",
        "2026-01-01T24:00:00Z",
        "2026-01-01T00:60:00Z",
        "2026-01-01T00:00:60Z",
        "2026-01-01T00:00:00",
        "2026-01-01T00:00:00Zz",
        "2026-01-01 00:00:00Z",
        "2026-1-1",
        "-026-01-01",
        "2026-01-01T00:00:00+00:00",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        uint64_t time_s;

        assert_status(time_parse(view_string(wrong[i]), &time_s), STATUS_MALFORMED);
    }
}

static void known_dates_have_their_seconds(void **state)
{
    (void)state;
    assert_int_equal(parsed("1970-01-01"), 0);
    assert_int_equal(parsed("2000-02-29T12:34:56Z"), 951827696);
    assert_int_equal(parsed("9999-12-31T23:59:59Z"), TIME_TEXT_MAX_S);
}

static void printing_agrees_with_the_c_library(void **state)
{
    (void)state;
    for (uint64_t time_s = 0; time_s < UINT64_C(253402300799); time_s += 86400 * 29 + 3607) {
        char mine[TIME_TEXT_SIZE], theirs[64];
        time_t time = (time_t)time_s;
        struct tm parts;

        time_print(time_s, mine);
        assert_non_null(gmtime_r(&time, &parts));
        (void)strftime(theirs, sizeof theirs, "%Y-%m-%dT%H:%M:%SZ", &parts);
        assert_string_equal(mine, theirs);
        assert_int_equal(parsed(mine), time_s);
    }
}

static void durations_need_a_number_and_a_unit(void **state)
{
    static const char *const wrong[] = {"", "s", "30", "30x", "-1s", "1 s", "99999999999s"};
    uint64_t seconds;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        assert_status(duration_parse(view_string(wrong[i]), &seconds), STATUS_MALFORMED);
    }
    assert_ok(duration_parse(view_string("5m"), &seconds));
    assert_int_equal(seconds, 300);
    assert_ok(duration_parse(view_string("7d"), &seconds));
    assert_int_equal(seconds, 7 * 86400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dates_that_do_not_exist_are_refused),
        cmocka_unit_test(known_dates_have_their_seconds),
        cmocka_unit_test(printing_agrees_with_the_c_library),
        cmocka_unit_test(durations_need_a_number_and_a_unit),
    };
    return cmocka_run_group_tests_name("time_text", tests, NULL, NULL);
}
