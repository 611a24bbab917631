#include "lib/net/address.h"

#include "tests/support/test.h"

#include <string.h>

static void what_is_not_an_address_is_refused(void **state)
{
    static const char *const bad[] = {
        "",        "host",        ":1",    "host:",    "host:65536", "host:-1",     "host:1x",
        "host: 1", "::1:80",      "[::1]", "[::1]80",  "[]:80",      "[host]:80",   "a/b:1",
        "a b:1",   "user@host:1", "unix:", "host:1:2", "host:+1",    "host:000001", "[::1:80",
    };
    struct address address;
    char long_host[ADDRESS_HOST_SIZE + 8];
    char long_path[200] = "unix:/";

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        if (address_parse(bad[i], &address) != STATUS_MALFORMED) {
            fail_msg("accepted: %s", bad[i]);
        }
    }
    memset(long_host, 'a', sizeof long_host);
    memcpy(long_host + ADDRESS_HOST_SIZE, ":1", 3);
    assert_status(address_parse(long_host, &address), STATUS_MALFORMED);
    memset(long_path + 6, 'a', 120);
    assert_status(address_parse(long_path, &address), STATUS_MALFORMED);
}

static void every_form_is_read_and_written_back(void **state)
{
    static const struct {
        const char *text, *host;
        uint16_t port;
        bool is_unix;
    } good[] = {
        {"127.0.0.1:0", "127.0.0.1", 0, false},
        {"member-1.example.org:65535", "member-1.example.org", 65535, false},
        {"[2001:db8::1]:7443", "2001:db8::1", 7443, false},
        {"[fe80::1%eth0]:1", "fe80::1%eth0", 1, false},
        {"unix:/run/tcd/admin.sock", "/run/tcd/admin.sock", 0, true},
    };
    char text[ADDRESS_TEXT_SIZE];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        struct address address;

        assert_ok(address_parse(good[i].text, &address));
        assert_string_equal(address.host, good[i].host);
        assert_int_equal(address.port, good[i].port);
        assert_int_equal(address.is_unix, good[i].is_unix);
        address_format(&address, text);
        assert_string_equal(text, good[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_an_address_is_refused),
        cmocka_unit_test(every_form_is_read_and_written_back),
    };
    return cmocka_run_group_tests_name("address", tests, NULL, NULL);
}
