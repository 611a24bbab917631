/* What a configuration may call a TPM, and that nothing else is touched. */
#include "lib/tpm/tcti.h"
#include "lib/tpm/tpm.h"

#include "tests/support/swtpm.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void what_is_no_tpm_is_refused_with_what_to_write(void **state)
{
    static const char *const names[] = {
        "",
        "device",
        "device:",
        "device:/dev/tpm0",
        "device:/dev/tpmrm",
        "device:/dev/tpmrm0x",
        "device:/dev/tpmrm00000",
        "device:/dev/../etc/shadow",
        "device:/dev/tpmrm0/../null",
        "device:/dev/null",
        "/dev/tpmrm0",
        "tpmrm0",
        "tabrmd",
        "tabrmd:bus_type=session",
        "cmd:cat /etc/shadow",
        "pcap:device:/dev/tpmrm0",
        "libtss2-tcti-swtpm.so.0:path=/run/x",
        "/tmp/mine.so",
        "swtpm",
        "swtpm:",
        "swtpm:path=",
        "swtpm:path=/",
        "swtpm:path=relative/sock",
        "swtpm:path=/run/a b",
        "swtpm:path=/run/a,port=1",
        "swtpm:host=",
        "swtpm:host=a b",
        "swtpm:host=a,host=b",
        "swtpm:port=1,port=2",
        "swtpm:port=x",
        "swtpm:port=123456",
        "swtpm:host=a,",
        "swtpm:user=root",
        "mssim:path=/run/x",
        " swtpm:path=/run/x",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        const char *why = NULL;

        if (tcti_check(names[i], &why) != STATUS_MALFORMED) {
            fail_msg("\"%s\" is taken", names[i]);
        }
        assert_non_null(strstr(why, "device:/dev/tpmrm0"));
    }
}

static void a_name_that_is_too_long_is_refused(void **state)
{
    char name[TCTI_SIZE_MAX + 2] = "swtpm:path=/";
    const char *why;

    (void)state;
    memset(name + strlen(name), 'x', sizeof name - strlen(name) - 1);
    assert_status(tcti_check(name, &why), STATUS_MALFORMED);
    name[TCTI_SIZE_MAX] = '\0';
    assert_ok(tcti_check(name, &why));
}

/* tss2 would run it. */
static void a_command_is_not_run_for_a_tpm(void **state)
{
    char folder[SWTPM_PATH_SIZE], path[SWTPM_PATH_SIZE + 8], name[2 * SWTPM_PATH_SIZE];
    struct stat about;
    struct tpm *tpm;

    (void)state;
    folder_make(folder);
    (void)snprintf(path, sizeof path, "%s/ran", folder);
    (void)snprintf(name, sizeof name, "cmd:touch %s", path);
    assert_status(tpm_open(name, &tpm), STATUS_MALFORMED);
    assert_status(tpm_new(name, &tpm), STATUS_MALFORMED);
    assert_int_not_equal(stat(path, &about), 0);
    folder_remove(folder);
}

static void kinds_are_told_apart(void **state)
{
    static const struct {
        const char *name, *device;
    } names[] = {
        {"device:/dev/tpmrm0", "/dev/tpmrm0"},
        {"device:/dev/tpmrm12", "/dev/tpmrm12"},
        {"swtpm:path=/run/tpm/sock", NULL},
        {"swtpm:host=localhost,port=2321", NULL},
        {"swtpm:host=::1", NULL},
        {"swtpm:port=2321", NULL},
        {"mssim:host=10.0.0.1,port=2321", NULL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        const char *why;

        assert_ok(tcti_check(names[i].name, &why));
        assert_int_equal(tcti_is_raw(names[i].name), names[i].device == NULL);
        if (names[i].device) {
            assert_string_equal(tcti_device(names[i].name), names[i].device);
        } else {
            assert_null(tcti_device(names[i].name));
        }
    }
}

static void a_device_that_is_missing_is_told_in_one_line(void **state)
{
    OWN(tpm) struct tpm *tpm = NULL;

    (void)state;
    assert_ok(tpm_new("device:/dev/tpmrm9999", &tpm));
    assert_status(tpm_connect(tpm), STATUS_NOT_FOUND);
    assert_false(tpm_is_connected(tpm));
    assert_string_equal(tpm_failure(tpm), "there is no device /dev/tpmrm9999");
    assert_true(tpm_failure_hint(tpm)[0] != '\0');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_no_tpm_is_refused_with_what_to_write),
        cmocka_unit_test(a_name_that_is_too_long_is_refused),
        cmocka_unit_test(a_command_is_not_run_for_a_tpm),
        cmocka_unit_test(a_device_that_is_missing_is_told_in_one_line),
        cmocka_unit_test(kinds_are_told_apart),
    };

    return cmocka_run_group_tests_name("names of TPMs", tests, NULL, NULL);
}
