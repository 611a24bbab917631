#include "lib/policy/policy_lint.h"

#include "tests/unit/lib/policy/policy_helper.h"

/* What was found: how often each, and all texts, one a line. */
struct report {
    unsigned counts[LINT_CODE_COUNT];
    char texts[8192];
};

static void note(void *context, enum lint_code code, const char *text)
{
    struct report *report = context;
    size_t used = strlen(report->texts);

    report->counts[code]++;
    (void)snprintf(report->texts + used, sizeof report->texts - used, "%s: %s\n", lint_name(code),
                   text);
}

static struct report lint(const struct reference_set *set)
{
    struct report report = {.texts = ""};
    size_t count = reference_set_lint(set, note, &report), noted = 0;

    for (unsigned code = 0; code < LINT_CODE_COUNT; code++) {
        noted += report.counts[code];
    }
    assert_int_equal(count, noted);
    return report;
}

/* A policy that leaves nothing open, but what is in `lines` or missing by `without`. */
static struct report lint_with(const char *lines, const char *without)
{
    static const char *const closed[] = {
        "firmware = 2016051100162800\n",
        "pcr 0 = " A64 "\n",
        "pcr 2 = " A64 "\n",
        "events = 4,9\n",
        "event 4 EFI_BOOT_SERVICES_APPLICATION kernel = " A64 "\n",
        "event 9 EVENT_TAG load-options = " A64 "\n",
        "event 9 EVENT_TAG initrd = " A64 "\n",
        "secure_boot = required\n",
        "pk = " A64 "\n",
        "kek = " A64 "\n",
        "db = " A64 "\n",
        "authority = " A64 "\n",
        "dbx = " A64 "\n",
        "files = listed\n",
        "file " A64 " = /usr/bin/true\n",
    };
    char text[8192] = "policy p {\n";
    OWN(reference_set) struct reference_set *set = NULL;

    for (size_t i = 0; i < ARRAY_SIZE(closed); i++) {
        if (!without || strncmp(closed[i], without, strlen(without)) != 0) {
            (void)strcat(text, closed[i]);
        }
    }
    (void)strcat(text, lines);
    (void)strcat(text, "\n}\n");
    set = set_of_text(text);
    return lint(set);
}

static void assert_found(struct report report, enum lint_code code, const char *text)
{
    if (report.counts[code] != 1 || !strstr(report.texts, text)) {
        fail_msg("%s and \"%s\" are expected once in:\n%s", lint_name(code), text, report.texts);
    }
}

static void policy_that_is_closed_has_no_findings(void **state)
{
    struct report report = lint_with("", NULL);

    (void)state;
    assert_string_equal(report.texts, "");
}

static void each_thing_that_is_left_open_is_named(void **state)
{
    static const struct {
        const char *lines, *without;
        enum lint_code code;
        const char *text;
    } cases[] = {
        {"pcr 14 = none", NULL, LINT_ACCEPTS_NOTHING, "PCR 14 is listed without a value"},
        {"event 4 SEPARATOR = none", NULL, LINT_ACCEPTS_NOTHING, "PCR 4, SEPARATOR has no digest"},
        {"", "file ", LINT_ACCEPTS_NOTHING, "neither a file nor a signer is listed"},
        {"", "event 4", LINT_ROLE_MISSING, "kernel or boot loader"},
        {"", "event 9 EVENT_TAG load-options", LINT_ROLE_MISSING, "load options"},
        {"", "event 9 EVENT_TAG initrd", LINT_ROLE_MISSING, "initrd"},
        {"", "pk", LINT_SECURE_BOOT_UNPINNED, "for PK"},
        {"", "kek", LINT_SECURE_BOOT_UNPINNED, "for KEK"},
        {"", "db =", LINT_SECURE_BOOT_UNPINNED, "for db"},
        {"", "authority", LINT_SECURE_BOOT_UNPINNED, "what images were verified with"},
        {"", "dbx", LINT_NO_DBX, "dbx need not revoke anything"},
        {"", "pcr 0", LINT_PCR_NOT_COVERED, "PCR 0 (the firmware)"},
        {"", "pcr 2", LINT_PCR_NOT_COVERED, "PCR 2 (option ROMs)"},
        {"", "firmware", LINT_ANY_FIRMWARE, "may be of any version"},
        {"except_file = /etc/app/", NULL, LINT_EXCEPTED_FILES, "any content: /etc/app/"},
        {"except_violation = /var/log/", NULL, LINT_EXCEPTED_VIOLATIONS, "measured: /var/log/"},
        {"except_file = /usr/bin/true", NULL, LINT_EXCEPTED_EXECUTABLES, "content: /usr/bin/true"},
        {"except_file = /lib/modules/", NULL, LINT_EXCEPTED_EXECUTABLES, "content: /lib/modules/"},
        {"except_violation = /opt/x", NULL, LINT_EXCEPTED_EXECUTABLES, "measured: /opt/x"},
        /* Folders that hold such folders. */
        {"except_file = /", NULL, LINT_EXCEPTED_EXECUTABLES, "content: /\n"},
        {"except_file = /usr/", NULL, LINT_EXCEPTED_EXECUTABLES, "content: /usr/"},
        {"except_violation = /var/", NULL, LINT_EXCEPTED_EXECUTABLES, "measured: /var/"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_found(lint_with(cases[i].lines, cases[i].without), cases[i].code, cases[i].text);
    }
}

static void policy_without_whole_parts_is_told_so(void **state)
{
    OWN(reference_set) struct reference_set *nothing = set_of_text("policy p {\n}\n");
    OWN(reference_set)
    struct reference_set *kernel_alone =
        set_of_text("policy p {\npcr 4 = " A64 "\npcr 8 = " A64 "\n}\n");
    struct report report = lint(nothing);

    (void)state;
    assert_found(report, LINT_ACCEPTS_NOTHING, "It asks for nothing");
    assert_found(report, LINT_NO_SECURE_BOOT, "Secure Boot is not required");
    assert_found(report, LINT_NO_FILES, "Files are not judged");
    assert_int_equal(report.counts[LINT_PCR_NOT_COVERED], 5);
    assert_non_null(strstr(report.texts, "PCR 4 (boot loader and kernel)"));
    assert_non_null(strstr(report.texts, "PCR 7 (the Secure Boot state)"));
    assert_non_null(strstr(report.texts, "None of PCRs 8, 9, 11 and 12"));
    report = lint(kernel_alone);
    assert_int_equal(report.counts[LINT_PCR_NOT_COVERED], 3);
    assert_null(strstr(report.texts, "PCR 4 "));
    assert_null(strstr(report.texts, "None of PCRs"));
}

/* A set comes from whoever compiled it: its paths must not drive the terminal of who looks. */
static void what_is_found_is_printable(void **state)
{
    struct report report =
        lint_with("except_file = /etc/%1b[2J%07%0a%ff\nexcept_violation = /opt/%1b[1A", NULL);

    (void)state;
    assert_non_null(strstr(report.texts, "/etc/?[2J???\n"));
    assert_non_null(strstr(report.texts, "/opt/?[1A\n"));
    for (const char *at = report.texts; *at; at++) {
        assert_true(*at == '\n' || (*at >= ' ' && *at < 0x7f));
    }
}

static void learned_policies_are_told_what_their_boot_lacks(void **state)
{
    OWN(policy) struct policy *good = policy_learned("good");
    OWN(policy) struct policy *uki = policy_learned("uki-sb");
    OWN(reference_set) struct reference_set *good_set = set_of(good), *uki_set = set_of(uki);
    struct report report = lint(good_set);

    (void)state;
    assert_string_equal(report.texts,
                        "no-secure-boot: Secure Boot is not required: whoever reaches the machine "
                        "can start anything that measures as expected.\n"
                        "any-firmware: The TPM's firmware may be of any version.\n");
    report = lint(uki_set);
    assert_int_equal(report.counts[LINT_NO_SECURE_BOOT], 0);
    assert_int_equal(report.counts[LINT_SECURE_BOOT_UNPINNED], 0);
    assert_int_equal(report.counts[LINT_ACCEPTS_NOTHING], 0);
    assert_int_equal(report.counts[LINT_ROLE_MISSING], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_thing_that_is_left_open_is_named),
        cmocka_unit_test(policy_without_whole_parts_is_told_so),
        cmocka_unit_test(what_is_found_is_printable),
        cmocka_unit_test(learned_policies_are_told_what_their_boot_lacks),
        cmocka_unit_test(policy_that_is_closed_has_no_findings),
    };
    return cmocka_run_group_tests_name("policy_lint", tests, NULL, NULL);
}
