#include "tcd/refusals.h"

#include "tests/support/core_fixture.h"
#include "tests/support/test.h"

#include <string.h>

static void note(struct refusals *refusals, const char *node, enum refusal_code code,
                 bool is_proven, uint64_t now_s)
{
    const struct refusal refusal = refusal_make(code, "as it was seen");

    refusals_note(refusals, node, &refusal, is_proven, "192.0.2.7:1234", now_s);
}

static void nothing_is_known_before_somebody_was_refused(void **state)
{
    OWN(refusals) struct refusals *refusals = NULL;

    (void)state;
    assert_ok(refusals_new(&refusals));
    assert_null(refusals_find(refusals, "n1"));
}

static void the_last_refusal_of_a_host_is_kept_and_counted(void **state)
{
    OWN(refusals) struct refusals *refusals = NULL;
    const struct refusal_record *record;

    (void)state;
    assert_ok(refusals_new(&refusals));
    note(refusals, "n1", REFUSAL_RESET, true, 10);
    note(refusals, "n1", REFUSAL_PCR_NOT_ALLOWED, true, 20);
    note(refusals, "n2", REFUSAL_CREDENTIAL, false, 30);
    record = refusals_find(refusals, "n1");
    assert_non_null(record);
    assert_int_equal(record->refusal.code, REFUSAL_PCR_NOT_ALLOWED);
    assert_int_equal(record->at_s, 20);
    assert_int_equal(record->count, 2);
    assert_true(record->is_proven);
    assert_string_equal(record->address, "192.0.2.7:1234");
    assert_string_equal(record->refusal.detail, "as it was seen");
    assert_int_equal(refusals_find(refusals, "n2")->count, 1);
}

/* Anybody knows the public half of a host's EK. */
static void who_has_not_shown_the_tpm_hides_no_fresh_refusal_of_who_has(void **state)
{
    OWN(refusals) struct refusals *refusals = NULL;

    (void)state;
    assert_ok(refusals_new(&refusals));
    note(refusals, "n1", REFUSAL_PCR_NOT_ALLOWED, true, 100);
    note(refusals, "n1", REFUSAL_CREDENTIAL, false, 100 + REFUSAL_FRESH_S - 1);
    assert_int_equal(refusals_find(refusals, "n1")->refusal.code, REFUSAL_PCR_NOT_ALLOWED);
    assert_int_equal(refusals_find(refusals, "n1")->count, 1);
    note(refusals, "n1", REFUSAL_EK_CERTIFICATE, false, 100 + REFUSAL_FRESH_S);
    assert_int_equal(refusals_find(refusals, "n1")->refusal.code, REFUSAL_EK_CERTIFICATE);
    note(refusals, "n1", REFUSAL_RESET, true, 101 + REFUSAL_FRESH_S);
    assert_int_equal(refusals_find(refusals, "n1")->refusal.code, REFUSAL_RESET);
}

static void a_registration_ends_it_and_a_refused_one_does_not(void **state)
{
    OWN(refusals) struct refusals *refusals = NULL;
    struct fixture fixture;
    struct command command;

    (void)state;
    assert_ok(refusals_new(&refusals));
    fixture_start(&fixture, 2);
    note(refusals, "node-0", REFUSAL_RESET, true, 1);
    note(refusals, "node-1", REFUSAL_RESET, true, 1);
    command = fixture_registration(&fixture, 0);
    command.rests.manifest_version++;
    (void)fixture_do(&fixture, &command);
    refusals_applied(refusals, fixture.registry, &command, &fixture.outcome);
    assert_non_null(refusals_find(refusals, "node-0"));
    command = fixture_registration(&fixture, 0);
    assert_int_equal(fixture_do(&fixture, &command), REFUSAL_NONE);
    refusals_applied(refusals, fixture.registry, &command, &fixture.outcome);
    assert_null(refusals_find(refusals, "node-0"));
    assert_non_null(refusals_find(refusals, "node-1"));
    fixture_stop(&fixture);
}

static void who_leaves_the_manifest_is_forgotten(void **state)
{
    OWN(refusals) struct refusals *refusals = NULL;
    struct fixture fixture;
    struct fixture_manifest manifest;
    struct command command;
    struct bytes document;

    (void)state;
    assert_ok(refusals_new(&refusals));
    fixture_start(&fixture, 2);
    note(refusals, "node-0", REFUSAL_RESET, true, 1);
    note(refusals, "node-1", REFUSAL_RESET, true, 1);
    manifest = fixture.manifest;
    manifest.version++;
    manifest.nodes = 1;
    document = fixture_manifest_document(&manifest);
    command = fixture_command(&fixture, COMMAND_MANIFEST_APPLIED);
    command.manifest_applied.manifest = bytes_view(&document);
    assert_int_equal(fixture_do(&fixture, &command), REFUSAL_NONE);
    refusals_applied(refusals, fixture.registry, &command, &fixture.outcome);
    assert_non_null(refusals_find(refusals, "node-0"));
    assert_null(refusals_find(refusals, "node-1"));
    bytes_free(&document);
    fixture_stop(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_known_before_somebody_was_refused),
        cmocka_unit_test(who_has_not_shown_the_tpm_hides_no_fresh_refusal_of_who_has),
        cmocka_unit_test(the_last_refusal_of_a_host_is_kept_and_counted),
        cmocka_unit_test(a_registration_ends_it_and_a_refused_one_does_not),
        cmocka_unit_test(who_leaves_the_manifest_is_forgotten),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
