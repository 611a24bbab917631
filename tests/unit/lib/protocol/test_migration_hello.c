#include "lib/protocol/migration_hello.h"

#include "tests/support/test.h"

#include <string.h>

#define SESSION "0123456789abcdef0123456789abcdef"

static const struct migration_hello hello = {9, {SESSION}};

static void what_is_no_hello_is_malformed(void **state)
{
#define CASE(text)                                                                                 \
    {                                                                                              \
        (const uint8_t *)(text), sizeof(text) - 1                                                  \
    }
    const struct view cases[] = {
        CASE(""),
        CASE("\x08\x09"),                 /* without a session */
        CASE("\x12\x20" SESSION),         /* without a migration */
        CASE("\x08\x00\x12\x20" SESSION), /* of none */
        CASE("\x08\x09\x12\x1f"
             "123456789abcdef0123456789abcdef"),             /* one byte short */
        CASE("\x08\x09\x12\x21" SESSION "x"),                /* one too many */
        CASE("\x08\x09\x12\x20" SESSION "x"),                /* something after it */
        CASE("\x08\x09\x12\x20" SESSION "\x18\x01"),         /* a field we do not know */
        CASE("\x08\x89\x00\x12\x20" SESSION),                /* another encoding of 9 */
        CASE("\x12\x20" SESSION "\x08\x09"),                 /* another order */
        CASE("\x08\x09\x12\x20" SESSION "\x12\x20" SESSION), /* twice */
        CASE("\x08\x09\x12\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
    };
#undef CASE
    struct migration_hello seen = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_status(migration_hello_parse(cases[i], &seen), STATUS_MALFORMED);
        assert_int_equal(seen.migration, 0);
    }
}

static void a_cut_hello_is_malformed(void **state)
{
    OWN(bytes) struct bytes bytes = {0};
    struct migration_hello seen;

    (void)state;
    assert_ok(migration_hello_pack(&hello, &bytes));
    for (size_t size = 0; size < bytes.size; size++) {
        assert_status(migration_hello_parse((struct view){bytes.data, size}, &seen),
                      STATUS_MALFORMED);
    }
}

static void what_was_said_is_heard(void **state)
{
    const uint64_t migrations[] = {1, 9, UINT64_MAX};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(migrations); i++) {
        OWN(bytes) struct bytes bytes = {0};
        struct migration_hello said = hello, heard;

        said.migration = migrations[i];
        assert_ok(migration_hello_pack(&said, &bytes));
        assert_ok(migration_hello_parse(bytes_view(&bytes), &heard));
        assert_int_equal(heard.migration, migrations[i]);
        assert_true(digest_equal(&heard.session, &hello.session));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_no_hello_is_malformed),
        cmocka_unit_test(a_cut_hello_is_malformed),
        cmocka_unit_test(what_was_said_is_heard),
    };

    return cmocka_run_group_tests_name("migration_hello", tests, NULL, NULL);
}
