#include "lib/attest/objections.h"

#include "lib/base/text.h"

#include "tests/unit/lib/attest/learned.h"
#include "tests/unit/lib/attest/log_writer.h"

enum { NOTED_MAX = 64 };

struct noted {
    size_t count;
    struct refusal refusals[NOTED_MAX];
};

static void note(void *context, const struct refusal *objection)
{
    struct noted *noted = context;

    if (noted->count < NOTED_MAX) {
        noted->refusals[noted->count] = *objection;
    }
    noted->count++;
}

/* A boot of a folder, and what a set that was learned from another has against it. */
struct hearing {
    struct evidence_files files;
    struct pcr_bank pcrs;
    struct learned learned;
    struct reference_set *set; /* what was learned */
    struct noted noted;
};

static void hearing_free(struct hearing *hearing)
{
    evidence_files_free(&hearing->files);
    learned_free(&hearing->learned);
    free(hearing);
}
DEFINE_OWN_POINTER(hearing, hearing_free)

static struct hearing *hearing_new(const char *folder, const char *learned_from)
{
    struct hearing *hearing = calloc(1, sizeof *hearing);

    assert_non_null(hearing);
    hearing->files = evidence_load(folder);
    assert_ok(
        pcr_bank_of_view(bytes_view(&hearing->files.pcr_values), EVIDENCE_MASK, &hearing->pcrs));
    hearing->learned = learn(learned_from, FIRMWARE_AND_KERNEL);
    hearing->set = hearing->learned.set;
    return hearing;
}

static size_t hear(struct hearing *hearing)
{
    struct quoted_boot boot = {
        .firmware = 7,
        .pcrs = &hearing->pcrs,
        .event_log = bytes_view(&hearing->files.event_log),
        .ima_log = bytes_view(&hearing->files.ima_log),
    };

    hearing->noted = (struct noted){0};
    return reference_set_objections(hearing->set, &boot, note, &hearing->noted);
}

static void assert_objection(const struct hearing *hearing, size_t at, enum refusal_code code,
                             const char *subject)
{
    const struct refusal *refusal = &hearing->noted.refusals[at];

    assert_true(at < hearing->noted.count);
    assert_string_equal(refusal_name(refusal->code), refusal_name(code));
    if (!strstr(refusal->finding.subject, subject)) {
        fail_msg("%s lacks %s", refusal->finding.subject, subject);
    }
}

/* Everything comes, in the order of the checks, not only what an appraisal would stop at. */
static void all_that_is_wrong_is_named(void **state)
{
    OWN(hearing) struct hearing *hearing = hearing_new("cmdline", "good");
    OWN(hearing) struct hearing *violation = hearing_new("violation", "good");
    struct digest other = {{0xee}};

    (void)state;
    assert_int_equal(hear(hearing), 1);
    assert_objection(hearing, 0, REFUSAL_EVENT_UNEXPECTED, "PCR 9");

    hearing->set->firmware[hearing->set->firmware_count++] = 6;
    hearing->set->events.steps[0].digests[0] = other; /* the first event of PCR 0 */
    assert_ok(pcr_policy_allow(&hearing->set->pcrs, 1, &other));
    assert_ok(pcr_policy_allow(&hearing->set->pcrs, 5, &other));
    hearing->set->has_secure_boot = true;
    hearing->set->files.files.count = 0;
    assert_int_equal(hear(hearing), 6 + 20); /* of 21 quoted entries, boot_aggregate is no file */
    assert_objection(hearing, 0, REFUSAL_FIRMWARE, "firmware");
    assert_objection(hearing, 1, REFUSAL_SECURE_BOOT, "SecureBoot");
    assert_objection(hearing, 2, REFUSAL_EVENT_UNEXPECTED, "PCR 0");
    assert_objection(hearing, 3, REFUSAL_EVENT_UNEXPECTED, "PCR 9");
    assert_objection(hearing, 4, REFUSAL_PCR_NOT_ALLOWED, "PCR 1");
    assert_objection(hearing, 5, REFUSAL_PCR_NOT_ALLOWED, "PCR 5");
    assert_objection(hearing, 6, REFUSAL_FILE_NOT_ALLOWED, "/");

    assert_int_equal(hear(violation), 4);
    assert_objection(violation, 0, REFUSAL_FILE_NOT_ALLOWED, "/payload/run.sh");
    assert_objection(violation, 1, REFUSAL_IMA_VIOLATION, "/payload/conf");
    assert_objection(violation, 2, REFUSAL_FILE_NOT_ALLOWED, "/payload/conf");
    assert_objection(violation, 3, REFUSAL_IMA_VIOLATION, "/payload/conf");
}

/* Each value of Secure Boot, so that whoever mends the policy need not come again and again. */
static void every_value_of_secure_boot_is_named(void **state)
{
    static const char *const subjects[] = {"PK", "KEK", "db", "dbx",
                                           "what an image was verified with"};
    static const struct digest revoked = {{0xdb}};
    OWN(learned) struct learned uki = learn("uki-sb", WITH_STUB);
    OWN(bytes) struct bytes log = vector_load("evidence/uki-sb/eventlog.bin");
    OWN(bytes) struct bytes bypass = vector_load("evidence/secureboot/eventlog.bin");
    struct secure_boot_policy *policy = &uki.set->secure_boot;
    struct noted noted = {0};
    struct refusal refusal;

    (void)state;
    assert_ok(secure_boot_check_all(policy, bytes_view(&log), note, &noted, &refusal));
    assert_int_equal(noted.count, 0);
    /* What no value can mend ends it. */
    assert_refused(secure_boot_check_all(policy, bytes_view(&bypass), note, &noted, &refusal),
                   refusal, REFUSAL_SECURE_BOOT);
    assert_int_equal(noted.count, 0);
    for (unsigned pin = 0; pin < SECURE_BOOT_PIN_COUNT; pin++) {
        digest_set_free(&policy->pins[pin]);
    }
    assert_ok(digest_set_add(&policy->dbx_required, &revoked));
    assert_ok(secure_boot_check_all(policy, bytes_view(&log), note, &noted, &refusal));
    assert_int_equal(noted.count, ARRAY_SIZE(subjects));
    for (size_t i = 0; i < ARRAY_SIZE(subjects); i++) {
        assert_string_equal(noted.refusals[i].finding.subject, subjects[i]);
    }
    assert_refused(secure_boot_check(policy, bytes_view(&log), &refusal), refusal,
                   REFUSAL_SECURE_BOOT);
    assert_string_equal(refusal.finding.subject, "PK");
}

static void policy_without_a_kernel_is_named(void **state)
{
    OWN(hearing) struct hearing *hearing = hearing_new("good", "good");

    (void)state;
    for (size_t i = 0; i < hearing->set->events.step_count; i++) {
        hearing->set->events.steps[i].role = EVENT_ROLE_NONE;
    }
    assert_int_equal(hear(hearing), 1);
    assert_string_equal(refusal_name(hearing->noted.refusals[0].code), "policy-missing");
}

/* Entries beyond the quoted prefix accuse nobody. */
static void file_that_the_quote_does_not_cover_is_not_named(void **state)
{
    OWN(hearing) struct hearing *hearing = hearing_new("good", "good");
    OWN(writer) struct writer log = writer_new(LOG_SIZE_MAX);
    static const struct digest evil = {{0xee}};

    (void)state;
    writer_view(&log, bytes_view(&hearing->files.ima_log));
    ima_write(&log, PCR_IMA, &evil, "/usr/bin/evil", NULL, false);
    bytes_free(&hearing->files.ima_log);
    assert_ok(writer_take(&log, &hearing->files.ima_log));
    assert_int_equal(hear(hearing), 0);
}

static void no_more_than_the_limit_are_visited(void **state)
{
    OWN(hearing) struct hearing *hearing = hearing_new("good", "good");
    OWN(writer) struct writer log = writer_new(LOG_SIZE_MAX);
    static const struct digest evil = {{0xee}};

    (void)state;
    ima_write(&log, PCR_IMA, &evil, "boot_aggregate", NULL, false);
    for (unsigned i = 0; i < OBJECTION_COUNT_MAX + 5; i++) {
        ima_write(&log, PCR_IMA, &evil, "/usr/bin/evil", NULL, false);
    }
    hearing->pcrs.values[PCR_IMA] = ima_value(written(&log));
    bytes_free(&hearing->files.ima_log);
    assert_ok(writer_take(&log, &hearing->files.ima_log));
    assert_int_equal(hear(hearing), OBJECTION_COUNT_MAX + 5);
    assert_int_equal(hearing->noted.count, OBJECTION_COUNT_MAX);
}

static void good_boot_has_no_objections(void **state)
{
    static const char *const folders[] = {"good", "good-reboot", "other-node"};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
        OWN(hearing) struct hearing *hearing = hearing_new(folders[i], "good");

        assert_int_equal(hear(hearing), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_that_is_wrong_is_named),
        cmocka_unit_test(every_value_of_secure_boot_is_named),
        cmocka_unit_test(policy_without_a_kernel_is_named),
        cmocka_unit_test(file_that_the_quote_does_not_cover_is_not_named),
        cmocka_unit_test(no_more_than_the_limit_are_visited),
        cmocka_unit_test(good_boot_has_no_objections),
    };
    return cmocka_run_group_tests_name("objections", tests, NULL, NULL);
}
