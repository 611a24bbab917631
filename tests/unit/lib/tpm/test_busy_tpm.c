/* A TPM that puts commands off, or goes away in the middle of one: a relay between tss2 and the
 * emulator answers in its place. */
#include "lib/tpm/tpm.h"

#include "tests/support/test.h"
#include "tests/support/tpm_relay.h"

#include <stdlib.h>
#include <string.h>

struct fixture {
    char folder[SWTPM_PATH_SIZE];
    struct tpm_relay *relay;
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);

    folder_make(fixture->folder);
    fixture->relay = tpm_relay_new(fixture->folder);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    tpm_relay_free(fixture->relay);
    folder_remove(fixture->folder);
    free(fixture);
    return 0;
}

static enum status quote(struct tpm *tpm)
{
    struct digest nonce = {0};
    OWN(bytes) struct bytes attest = {0};
    OWN(bytes) struct bytes signature = {0};

    return tpm_quote(tpm, &nonce, 1, &attest, &signature);
}

static void a_command_that_is_put_off_is_asked_again(void **state)
{
    struct fixture *fixture = *state;
    struct tpm_relay *relay = fixture->relay;
    static const enum relay_code codes[] = {RELAY_RETRY, RELAY_YIELDED, RELAY_TESTING,
                                            RELAY_NV_RATE};
    OWN(tpm) struct tpm *tpm = NULL;

    tpm_relay_disturb(relay, RELAY_CREATE_PRIMARY, RELAY_ANSWERS, RELAY_TESTING, 0, 12);
    assert_ok(tpm_open(tpm_relay_tcti(relay), &tpm));
    assert_int_equal(tpm_relay_disturbed(relay), 12);
    for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
        /* More often than tss2 asks by itself. */
        unsigned times = codes[i] == RELAY_NV_RATE ? 6 : 16;

        tpm_relay_disturb(relay, RELAY_QUOTE, RELAY_ANSWERS, codes[i], 0, times);
        assert_ok(quote(tpm));
        assert_int_equal(tpm_relay_disturbed(relay), times);
    }
    assert_string_equal(tpm_failure(tpm), "");
}

static void a_failure_is_not_asked_again(void **state)
{
    struct fixture *fixture = *state;
    struct tpm_relay *relay = fixture->relay;
    OWN(tpm) struct tpm *tpm = NULL;

    assert_ok(tpm_open(tpm_relay_tcti(relay), &tpm));
    tpm_relay_disturb(relay, RELAY_QUOTE, RELAY_ANSWERS, RELAY_FAILURE, 0, 100);
    assert_status(quote(tpm), STATUS_TPM);
    assert_int_equal(tpm_relay_disturbed(relay), 1);
    tpm_relay_disturb(relay, RELAY_QUOTE, RELAY_ANSWERS, RELAY_FAILURE, 0, 0);
    assert_ok(quote(tpm));
}

static void what_failed_first_is_told_with_what_to_do(void **state)
{
    static const struct {
        enum relay_code code;
        const char *text, *hint;
    } answers[] = {
        {RELAY_FAILURE, "failure", "power the host off"},
        {RELAY_INITIALIZE, "TPM", "reboot the host"},
        {RELAY_LOCKOUT, "", "clear the lockout"},
        {RELAY_OBJECT_MEMORY, "memory", "resource manager"},
    };
    struct fixture *fixture = *state;
    struct tpm_relay *relay = fixture->relay;
    OWN(tpm) struct tpm *tpm = NULL;

    assert_ok(tpm_new(tpm_relay_tcti(relay), &tpm));
    for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
        assert_ok(tpm_connect(tpm));
        assert_string_equal(tpm_failure(tpm), "");
        assert_string_equal(tpm_failure_hint(tpm), "");
        tpm_relay_disturb(relay, RELAY_QUOTE, RELAY_ANSWERS, answers[i].code, 0, 1);
        assert_status(quote(tpm), STATUS_TPM);
        assert_int_equal(strncmp(tpm_failure(tpm), "Quote: ", 7), 0);
        assert_non_null(strstr(tpm_failure(tpm), answers[i].text));
        assert_non_null(strstr(tpm_failure_hint(tpm), answers[i].hint));
        tpm_relay_disturb(relay, RELAY_QUOTE, RELAY_HANGS_UP, 0, 0, 1);
        assert_status(quote(tpm), STATUS_TPM);
        assert_non_null(strstr(tpm_failure_hint(tpm), answers[i].hint));
        tpm_disconnect(tpm);
    }
}

/* The quote is made, what was loaded for it is not put away: nobody may believe that all is well.
 */
static void a_failure_to_tidy_up_is_no_secret(void **state)
{
    struct fixture *fixture = *state;
    struct tpm_relay *relay = fixture->relay;
    OWN(tpm_identity) struct tpm_identity identity = {0};
    OWN(tpm) struct tpm *tpm = NULL;

    assert_ok(tpm_open(tpm_relay_tcti(relay), &tpm));
    tpm_relay_disturb(relay, RELAY_FLUSH_CONTEXT, RELAY_ANSWERS, RELAY_LOCKOUT, 0, 1);
    assert_ok(tpm_identity(tpm, &identity));
    assert_int_equal(strncmp(tpm_failure(tpm), "FlushContext: ", 14), 0);
}

static void nothing_is_left_by_a_tpm_whose_answer_was_lost(void **state)
{
    struct fixture *fixture = *state;
    struct tpm_relay *relay = fixture->relay;
    struct tpm_content content;
    struct tpm *tpm;

    tpm_relay_disturb(relay, RELAY_CREATE_PRIMARY, RELAY_ASKS_THEN_LIES, RELAY_LOCKOUT, 0, 1);
    assert_status(tpm_open(tpm_relay_tcti(relay), &tpm), STATUS_TPM);
    content = tpm_relay_content(relay);
    assert_int_equal(content.objects, 0);
    /* There the connection is gone at once: the next one puts it right. */
    tpm_relay_disturb(relay, RELAY_CREATE_PRIMARY, RELAY_ASKS_THEN_HANGS_UP, 0, 0, 1);
    assert_status(tpm_open(tpm_relay_tcti(relay), &tpm), STATUS_TPM);
    content = tpm_relay_content(relay);
    assert_int_equal(content.objects, 1);
    assert_ok(tpm_open(tpm_relay_tcti(relay), &tpm));
    tpm_relay_look(relay);
    assert_ok(quote(tpm));
    assert_int_equal(tpm_relay_seen(relay).objects, 1);
    tpm_close(tpm);
    content = tpm_relay_content(relay);
    assert_int_equal(content.objects, 0);
    assert_int_equal(content.sessions, 0);
}

static void a_tpm_that_goes_away_in_a_command_can_be_opened_again(void **state)
{
    struct fixture *fixture = *state;
    struct tpm_relay *relay = fixture->relay;
    struct tpm *tpm;

    assert_ok(tpm_open(tpm_relay_tcti(relay), &tpm));
    tpm_relay_disturb(relay, RELAY_QUOTE, RELAY_HANGS_UP, 0, 0, 1);
    assert_status(quote(tpm), STATUS_TPM);
    tpm_close(tpm);
    assert_ok(tpm_open(tpm_relay_tcti(relay), &tpm));
    assert_ok(quote(tpm));
    tpm_close(tpm);
}

int main(void)
{
#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        WITH(a_failure_is_not_asked_again),
        WITH(what_failed_first_is_told_with_what_to_do),
        WITH(a_failure_to_tidy_up_is_no_secret),
        WITH(nothing_is_left_by_a_tpm_whose_answer_was_lost),
        WITH(a_tpm_that_goes_away_in_a_command_can_be_opened_again),
        WITH(a_command_that_is_put_off_is_asked_again),
    };

    return cmocka_run_group_tests_name("a busy TPM", tests, NULL, NULL);
}
