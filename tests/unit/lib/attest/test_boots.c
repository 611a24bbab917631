/*
 * Boots of tests/vectors/boots: one machine, booted as it should be and in ways that its policy has
 * not seen. By the reference that is learned from `baseline` each gets the verdict of their README,
 * for its reason.
 */
#include "tests/unit/lib/attest/learned.h"

/* Firmware, kernel, stub; IMA's PCR is judged by its log. */
enum { COVERED = 0x7fff & ~(1 << PCR_IMA) };

static struct bytes boot_file(const char *boot, const char *name)
{
    char path[128];

    (void)snprintf(path, sizeof path, "boots/%s/%s", boot, name);
    return vector_load(path);
}

static struct evidence_files boot_load(const char *boot)
{
    return (struct evidence_files){
        .ek_certificate = boot_file(boot, "quote/ek.crt"),
        .ek_public = boot_file(boot, "quote/ek.tpmt"),
        .ak_public = boot_file(boot, "quote/ak.tpmt"),
        .quote = boot_file(boot, "quote/quote.attest"),
        .signature = boot_file(boot, "quote/quote.sig"),
        .event_log = boot_file(boot, "eventlog.bin"),
        .ima_log = boot_file(boot, "ima.bin"),
        .pcr_values = boot_file(boot, "quote/pcrs_quoted.bin"),
        .qualifying = boot_file(boot, "quote/qualifying.bin"),
        .cas = {boot_file("ca", "root.der"), boot_file("ca", "issuer.der")},
    };
}

static void sequence_append(struct event_sequence *sequence, const struct event_sequence *more)
{
    for (size_t i = 0; i < more->step_count; i++) {
        const struct event_step *from = &more->steps[i];
        struct event_step *step;

        assert_ok(
            event_sequence_add(sequence, from->pcr, from->type, from->role, from->name, &step));
        assert_ok(event_step_allow(step, &from->digests[0]));
    }
    sequence->covered |= more->covered;
}

/* By what `baseline` shows; of the PCRs in `known` by what the boot itself shows. Secure Boot is
 * not looked at where PCR 7 is among them. */
static enum status boot_appraise(const char *boot, uint32_t known, struct refusal *refusal)
{
    OWN(evidence_files) struct evidence_files baseline = boot_load("baseline");
    OWN(evidence_files) struct evidence_files files = boot_load(boot);
    OWN(learned) struct learned learned = learned_of(&baseline, COVERED & ~known);
    OWN(event_sequence) struct event_sequence own = {0};

    assert_true(learned.set->has_secure_boot);
    learned.set->has_secure_boot = !(known >> 7 & 1);
    assert_ok(event_sequence_learn(bytes_view(&files.event_log), known, &own, NULL));
    sequence_append(&learned.set->events, &own);
    return references_appraise(&(struct references){.enforced = {1, {learned.set}}}, &files,
                               refusal);
}

struct expected {
    const char *boot;
    uint32_t known;
    enum refusal_code code;
    const char *details[2];
};

static void check(const struct expected *expected, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct refusal refusal;

        if (boot_appraise(expected[i].boot, expected[i].known, &refusal) != STATUS_REFUSED ||
            refusal.code != expected[i].code) {
            fail_msg("%s: %s %s", expected[i].boot, refusal_name(refusal.code), refusal.detail);
        }
        for (size_t j = 0; j < ARRAY_SIZE(expected->details) && expected[i].details[j]; j++) {
            if (!strstr(refusal.detail, expected[i].details[j])) {
                fail_msg("%s: \"%s\" does not say \"%s\"", expected[i].boot, refusal.detail,
                         expected[i].details[j]);
            }
        }
    }
}

static void files_that_no_boot_has_shown_are_refused_by_name(void **state)
{
    static const struct expected expected[] = {
        {"changed-file", 0, REFUSAL_FILE_NOT_ALLOWED, {"/usr/sbin/nodeagent"}},
        {"added-file", 0, REFUSAL_FILE_NOT_ALLOWED, {"/etc/rc.local"}},
    };

    (void)state;
    check(expected, ARRAY_SIZE(expected));
}

static void other_firmware_and_what_it_found_is_refused_naming_the_event(void **state)
{
    static const struct expected expected[] = {
        {"other-firmware", 0, REFUSAL_EVENT_UNEXPECTED, {"PCR 0", "FIRMWARE_BLOB"}},
        {"firmware-without-secure-boot", 1 << 7, REFUSAL_EVENT_UNEXPECTED, {"PCR 0"}},
        {"option-rom", 0, REFUSAL_EVENT_UNEXPECTED, {"PCR 2"}},
        {"second-option", 0, REFUSAL_EVENT_UNEXPECTED, {"PCR 1", "VARIABLE_BOOT"}},
        {"second-option", 1 << 1, REFUSAL_EVENT_UNEXPECTED, {"PCR 4", "EFI_ACTION"}},
    };

    (void)state;
    check(expected, ARRAY_SIZE(expected));
}

/* The image as a whole; and where nobody looks at that, what is in it. */
static void other_kernel_image_is_refused_naming_what_differs_in_it(void **state)
{
    static const struct expected expected[] = {
        {"other-initrd", 0, REFUSAL_EVENT_UNEXPECTED, {"PCR 4", "APPLICATION"}},
        {"other-initrd", 1 << 4, REFUSAL_EVENT_UNEXPECTED, {"PCR 11", "IPL"}},
        {"other-initrd", 1 << 4 | 1 << 11, REFUSAL_EVENT_UNEXPECTED, {"PCR 9", "initrd"}},
        {"other-load-options", 0, REFUSAL_EVENT_UNEXPECTED, {"PCR 4", "APPLICATION"}},
        {"other-load-options", 1 << 4, REFUSAL_EVENT_UNEXPECTED, {"PCR 11", "IPL"}},
        {"other-load-options", 1 << 4 | 1 << 11, REFUSAL_EVENT_UNEXPECTED, {"PCR 9", "options"}},
    };

    (void)state;
    check(expected, ARRAY_SIZE(expected));
}

/* A signature is no part of the image's digest: PCR 7 alone knows of another signer. */
static void other_secure_boot_is_refused_naming_the_variable(void **state)
{
    static const struct expected expected[] = {
        {"secure-boot-off", 0, REFUSAL_SECURE_BOOT, {"off"}},
        {"firmware-without-secure-boot", 0, REFUSAL_SECURE_BOOT, {"off"}},
        {"other-signer", 0, REFUSAL_SECURE_BOOT, {"db"}},
        {"larger-db", 0, REFUSAL_SECURE_BOOT, {"db"}},
    };

    (void)state;
    check(expected, ARRAY_SIZE(expected));
}

static void the_machine_as_it_was_is_accepted(void **state)
{
    struct refusal refusal;

    (void)state;
    assert_ok(boot_appraise("baseline", 0, &refusal));
    assert_ok(boot_appraise("baseline-reboot", 0, &refusal));
    assert_ok(boot_appraise("other-signer", 1 << 7, &refusal));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_that_no_boot_has_shown_are_refused_by_name),
        cmocka_unit_test(other_firmware_and_what_it_found_is_refused_naming_the_event),
        cmocka_unit_test(other_kernel_image_is_refused_naming_what_differs_in_it),
        cmocka_unit_test(other_secure_boot_is_refused_naming_the_variable),
        cmocka_unit_test(the_machine_as_it_was_is_accepted),
    };
    return cmocka_run_group_tests_name("boots", tests, NULL, NULL);
}
