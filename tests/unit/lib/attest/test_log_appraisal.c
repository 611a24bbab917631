/* Whole boots under the reference of a good one: every captured folder gets the verdict that it
 * must get, for the right reason. */
#include "lib/attest/appraisal.h"

#include "tests/unit/lib/attest/learned.h"
#include "tests/unit/lib/attest/log_writer.h"

static void other_command_line_is_refused_naming_the_event(void **state)
{
    OWN(learned) struct learned good = learn("good", FIRMWARE_AND_KERNEL);
    struct refusal refusal;

    (void)state;
    assert_refused(appraise("cmdline", &good, &refusal), refusal, REFUSAL_EVENT_UNEXPECTED);
    assert_non_null(strstr(refusal.detail, "PCR 9"));
    assert_non_null(strstr(refusal.detail, "load options"));
}

static void changed_program_is_refused_naming_the_file(void **state)
{
    OWN(learned) struct learned good = learn("good", FIRMWARE_AND_KERNEL);
    struct refusal refusal;

    (void)state;
    assert_refused(appraise("tampered", &good, &refusal), refusal, REFUSAL_FILE_NOT_ALLOWED);
    assert_non_null(strstr(refusal.detail, "/payload/agent"));
    assert_non_null(strstr(refusal.detail, "known is 8539b81d"));
}

static void violation_is_refused_naming_the_path_unless_excepted(void **state)
{
    OWN(learned) struct learned boot = learn("violation", FIRMWARE_AND_KERNEL);
    struct refusal refusal;
    unsigned exceptions = 0;

    (void)state;
    while (appraise("violation", &boot, &refusal) != STATUS_OK) {
        char path[REFUSAL_DETAIL_SIZE];

        assert_string_equal(refusal_name(refusal.code), "ima-violation");
        assert_int_equal(sscanf(refusal.detail, "%255s", path), 1);
        assert_true(path[0] == '/' && exceptions++ < 2);
        assert_ok(ima_policy_except(&boot.set->files, IMA_EXCEPTION_VIOLATION, view_string(path)));
    }
    assert_true(exceptions > 0);
}

static void kernel_past_secure_boot_is_refused(void **state)
{
    OWN(learned) struct learned uki = learn("uki-sb", WITH_STUB);
    OWN(learned) struct learned good = learn("good", FIRMWARE_AND_KERNEL);
    struct refusal refusal;

    (void)state;
    assert_refused(appraise("secureboot", &good, &refusal), refusal, REFUSAL_EVENT_UNEXPECTED);
    /* The capture quotes fewer PCRs than the other policy covers: look at PCRs 0 to 9. */
    uki.set->events.covered &= FIRMWARE_AND_KERNEL;
    for (size_t i = 0; i < uki.set->events.step_count; i++) {
        uki.set->events.steps[i].optional =
            !(uki.set->events.covered >> uki.set->events.steps[i].pcr & 1);
    }
    assert_refused(appraise("secureboot", &uki, &refusal), refusal, REFUSAL_SECURE_BOOT);
    assert_non_null(strstr(refusal.detail, "no image was verified"));
}

static void boot_without_secure_boot_is_refused_where_it_is_wanted(void **state)
{
    OWN(learned) struct learned good = learn("good", FIRMWARE_AND_KERNEL);
    OWN(learned) struct learned uki = learn("uki-sb", WITH_STUB);
    struct refusal refusal;

    (void)state;
    good.set->secure_boot = TAKE(uki.set->secure_boot);
    good.set->has_secure_boot = true;
    assert_refused(appraise("good", &good, &refusal), refusal, REFUSAL_SECURE_BOOT);
    assert_non_null(strstr(refusal.detail, "off"));
}

/* The events of the log are believed for a PCR only if they lead to its quoted value, be there no
 * events at all. */
static void covered_pcr_that_the_log_does_not_explain_is_refused(void **state)
{
    OWN(bytes) struct bytes log = vector_load("evidence/good/eventlog.bin");
    struct pcr_bank quoted;

    (void)state;
    assert_ok(event_log_replay(bytes_view(&log), &quoted, NULL));
    quoted.mask = 0xffff;
    quoted.values[12].bytes[0] = 1;
    assert_ok(event_log_appraise(bytes_view(&log), &quoted, FIRMWARE_AND_KERNEL, NULL));
    assert_status(event_log_appraise(bytes_view(&log), &quoted, 1u << 12, NULL), STATUS_REFUSED);
}

/* A log that does not lead to the quote accuses no file. */
static void file_that_the_quote_does_not_cover_is_not_named(void **state)
{
    OWN(evidence_files) struct evidence_files files = evidence_load("good");
    OWN(learned) struct learned good = learn("good", FIRMWARE_AND_KERNEL);
    OWN(bytes) struct bytes tampered = vector_load("evidence/tampered/ima.bin");
    struct file_judge judge = {.references = {1, {good.set}}};
    struct ima_state ima = {0};
    struct pcr_bank quoted;
    struct refusal refusal;

    (void)state;
    assert_ok(pcr_bank_of_view(bytes_view(&files.pcr_values), EVIDENCE_MASK, &quoted));
    assert_refused(ima_log_appraise(bytes_view(&tampered), &quoted, &judge, 1, &ima, &refusal),
                   refusal, REFUSAL_IMA_LOG);
    assert_int_equal(ima.count, 0);
}

/* During an upgrade: a boot of either version is good, and files of both. */
static void sets_valid_side_by_side_accept_what_one_of_them_accepts(void **state)
{
    OWN(learned) struct learned good = learn("good", FIRMWARE_AND_KERNEL);
    OWN(learned) struct learned cmdline = learn("cmdline", FIRMWARE_AND_KERNEL);
    struct references references = {.enforced = {2, {cmdline.set, good.set}}};
    struct refusal refusal;

    (void)state;
    assert_ok(appraise_by("good", &references, &refusal));
    assert_ok(appraise_by("cmdline", &references, &refusal));
    assert_refused(appraise_by("tampered", &references, &refusal), refusal,
                   REFUSAL_FILE_NOT_ALLOWED);
    references.enforced = (struct reference_list){1, {good.set}};
    assert_refused(appraise_by("cmdline", &references, &refusal), refusal,
                   REFUSAL_EVENT_UNEXPECTED);
}

static void staged_set_is_reported_and_not_enforced(void **state)
{
    OWN(learned) struct learned good = learn("good", FIRMWARE_AND_KERNEL);
    OWN(learned) struct learned tampered = learn("tampered", FIRMWARE_AND_KERNEL);
    OWN(learned) struct learned cmdline = learn("cmdline", FIRMWARE_AND_KERNEL);
    struct refusal staged[2] = {{0}}, refusal;
    struct references references = {.enforced = {1, {tampered.set}},
                                    .staged = {2, {good.set, tampered.set}},
                                    .staged_refusals = staged};

    (void)state;
    assert_ok(appraise_by("tampered", &references, &refusal));
    assert_int_equal(staged[0].code, REFUSAL_FILE_NOT_ALLOWED);
    assert_string_equal(staged[0].finding.subject, "/payload/agent");
    assert_int_equal(staged[1].code, REFUSAL_NONE);
    /* A boot that no other accepts is shown to it in full. */
    references.enforced = (struct reference_list){1, {cmdline.set}};
    memset(staged, 0, sizeof staged);
    assert_refused(appraise_by("tampered", &references, &refusal), refusal,
                   REFUSAL_EVENT_UNEXPECTED);
    assert_int_equal(staged[0].code, REFUSAL_FILE_NOT_ALLOWED);
    assert_int_equal(staged[1].code, REFUSAL_NONE);
    /* It does not make anything acceptable either. */
    references.enforced = (struct reference_list){1, {good.set}};
    assert_refused(appraise_by("tampered", &references, &refusal), refusal,
                   REFUSAL_FILE_NOT_ALLOWED);
}

/* Hosts have no such log yet, or none that holds, when a set that wants one is staged. */
static void staged_set_that_wants_a_log_refuses_nobody(void **state)
{
    static const struct view none = {0};
    OWN(evidence_files) struct evidence_files files = evidence_load("violation");
    OWN(learned) struct learned good = learn("good", FIRMWARE_AND_KERNEL);
    OWN(learned) struct learned cmdline = learn("cmdline", FIRMWARE_AND_KERNEL);
    OWN(bytes) struct bytes cmdline_log = vector_load("evidence/cmdline/eventlog.bin");
    struct reference_set values = {.name = "values"};
    struct refusal staged = {0}, refusal;
    struct references references = {
        .enforced = {1, {&values}}, .staged = {1, {good.set}}, .staged_refusals = &staged};
    struct pcr_bank bank;

    (void)state;
    assert_ok(pcr_bank_of_view(bytes_view(&files.pcr_values), EVIDENCE_MASK, &bank));
    assert_ok(pcr_policy_allow(&values.pcrs, 0, &bank.values[0]));
    assert_ok(appraise_logs(&files, none, none, &references, &refusal));
    assert_int_equal(staged.code, REFUSAL_EVENT_LOG);
    staged = (struct refusal){0};
    assert_ok(appraise_logs(&files, bytes_view(&files.event_log), none, &references, &refusal));
    assert_int_equal(staged.code, REFUSAL_IMA_LOG);
    staged = (struct refusal){0};
    assert_ok(appraise_by("violation", &references, &refusal));
    assert_int_equal(staged.code, REFUSAL_FILE_NOT_ALLOWED);
    staged = (struct refusal){0};
    good.set->has_events = false;
    good.set->files.files.count = 0;
    assert_ok(ima_policy_except(&good.set->files, IMA_EXCEPTION_FILE, view_string("/")));
    assert_ok(appraise_by("violation", &references, &refusal));
    assert_int_equal(staged.code, REFUSAL_IMA_VIOLATION);
    /* A log of another boot, which the set would like, is not believed either. */
    staged = (struct refusal){0};
    references.staged = (struct reference_list){1, {cmdline.set}};
    assert_ok(appraise_logs(&files, bytes_view(&cmdline_log), bytes_view(&files.ima_log),
                            &references, &refusal));
    assert_int_equal(staged.code, REFUSAL_QUOTE_DIGEST);
    references.staged = (struct reference_list){1, {good.set}};
    /* Where it is enforced, all of that refuses. */
    good.set->has_events = true;
    references.enforced = (struct reference_list){1, {good.set}};
    assert_refused(appraise_logs(&files, none, none, &references, &refusal), refusal,
                   REFUSAL_EVENT_LOG);
    assert_refused(appraise_logs(&files, bytes_view(&files.event_log), none, &references, &refusal),
                   refusal, REFUSAL_IMA_LOG);
    assert_refused(appraise_by("violation", &references, &refusal), refusal, REFUSAL_IMA_VIOLATION);
    pcr_policy_free(&values.pcrs);
}

static void good_boots_are_accepted(void **state)
{
    OWN(learned) struct learned good = learn("good", FIRMWARE_AND_KERNEL);
    struct refusal refusal;

    (void)state;
    assert_ok(appraise("good", &good, &refusal));
    assert_ok(appraise("good-reboot", &good, &refusal));
    assert_ok(appraise("other-node", &good, &refusal));
}

static void signed_unified_kernel_image_is_accepted(void **state)
{
    OWN(learned) struct learned uki = learn("uki-sb", WITH_STUB);
    struct refusal refusal;

    (void)state;
    assert_true(uki.set->has_secure_boot);
    assert_ok(appraise("uki-sb", &uki, &refusal));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(other_command_line_is_refused_naming_the_event),
        cmocka_unit_test(changed_program_is_refused_naming_the_file),
        cmocka_unit_test(violation_is_refused_naming_the_path_unless_excepted),
        cmocka_unit_test(kernel_past_secure_boot_is_refused),
        cmocka_unit_test(boot_without_secure_boot_is_refused_where_it_is_wanted),
        cmocka_unit_test(covered_pcr_that_the_log_does_not_explain_is_refused),
        cmocka_unit_test(file_that_the_quote_does_not_cover_is_not_named),
        cmocka_unit_test(sets_valid_side_by_side_accept_what_one_of_them_accepts),
        cmocka_unit_test(staged_set_is_reported_and_not_enforced),
        cmocka_unit_test(staged_set_that_wants_a_log_refuses_nobody),
        cmocka_unit_test(good_boots_are_accepted),
        cmocka_unit_test(signed_unified_kernel_image_is_accepted),
    };
    return cmocka_run_group_tests_name("log_appraisal", tests, NULL, NULL);
}
