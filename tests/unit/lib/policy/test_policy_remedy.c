#include "lib/policy/policy_remedy.h"

#include "lib/attest/objections.h"

#include "tests/unit/lib/policy/policy_helper.h"

static struct finding finding_of(const char *subject, const char *expected, const char *seen)
{
    struct finding finding;

    (void)snprintf(finding.subject, sizeof finding.subject, "%s", subject);
    (void)snprintf(finding.expected, sizeof finding.expected, "%s", expected);
    (void)snprintf(finding.seen, sizeof finding.seen, "%s", seen);
    return finding;
}

static void what_no_statement_can_accept_has_no_remedy(void **state)
{
    static const struct {
        enum refusal_code code;
        const char *subject, *expected, *seen;
    } cases[] = {
        {REFUSAL_QUOTE_SIGNATURE, "", "", ""},
        {REFUSAL_QUOTE_DIGEST, "PCR 4", A64, B64},
        {REFUSAL_RESET, "", "", ""},
        {REFUSAL_EVENT_MISSING, "PCR 4, kernel or boot loader", A64, "nothing"},
        {REFUSAL_SECURE_BOOT, "SecureBoot", "on", "off"},
        {REFUSAL_SECURE_BOOT, "dbx", A64, "nothing"},
        {REFUSAL_SECURE_BOOT, "something else", A64, B64},
        {REFUSAL_IMA_VIOLATION, "memfd:x", "no violation", "a violation"},
        {REFUSAL_FILE_NOT_ALLOWED, "/x", "nothing", "aa"}, /* hashed otherwise than by SHA-256 */
        /* Its digest would be allowed where another kind of event belongs. */
        {REFUSAL_EVENT_UNEXPECTED, "event 3, PCR 4, IPL", A64, B64 ", another kind of event"},
        {REFUSAL_EVENT_UNEXPECTED, "event 3, PCR 4, unknown event", "nothing", B64},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct finding finding = finding_of(cases[i].subject, cases[i].expected, cases[i].seen);
        char line[REMEDY_SIZE];

        if (policy_remedy(cases[i].code, &finding, line)) {
            fail_msg("case %zu has the remedy %s", i, line);
        }
    }
}

static void each_finding_has_its_statement(void **state)
{
    static const struct {
        enum refusal_code code;
        const char *subject, *expected, *seen, *line;
    } cases[] = {
        {REFUSAL_FILE_NOT_ALLOWED, "/usr/bin/a b%#", B64, A64,
         "file " A64 " = /usr/bin/a%20b%25%23"},
        {REFUSAL_IMA_VIOLATION, "/var/log/x y", "no violation", "a violation",
         "except_violation = /var/log/x%20y"},
        {REFUSAL_EVENT_UNEXPECTED, "event 3, PCR 9, EVENT_TAG", A64, B64, "or = " B64},
        {REFUSAL_EVENT_UNEXPECTED, "event 3, PCR 9, EVENT_TAG", A64 " or 2 others", B64,
         "or = " B64},
        {REFUSAL_EVENT_UNEXPECTED, "event 31, PCR 12, IPL", "nothing", B64, "event 12 IPL = " B64},
        {REFUSAL_SECURE_BOOT, "PK", A64, B64, "pk = " B64},
        {REFUSAL_SECURE_BOOT, "KEK", A64, B64, "kek = " B64},
        {REFUSAL_SECURE_BOOT, "db", "nothing", B64, "db = " B64},
        {REFUSAL_SECURE_BOOT, "what an image was verified with", A64, B64, "authority = " B64},
        {REFUSAL_PCR_NOT_ALLOWED, "PCR 14", "nothing", B64, "pcr 14 = " B64},
        {REFUSAL_FIRMWARE, "firmware of the TPM", "0000000000000001", "2016051100162800",
         "firmware = 2016051100162800"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct finding finding = finding_of(cases[i].subject, cases[i].expected, cases[i].seen);
        char line[REMEDY_SIZE];

        assert_true(policy_remedy(cases[i].code, &finding, line));
        assert_string_equal(line, cases[i].line);
    }
}

/* The text with the line added: `or` after the event of that PCR with the digest that was expected,
 * everything else at the end. */
static struct bytes text_mend(struct view text, const struct finding *finding, const char *line)
{
    OWN(writer) struct writer writer = writer_new(POLICY_TEXT_SIZE_MAX);
    const char *start = (const char *)text.data, *at = start + text.size - 2; /* before "}\n" */
    struct bytes mended;

    if (strncmp(line, "or = ", 5) == 0) {
        char event[32], expected[65];
        unsigned pcr = 0;
        const char *number = strstr(finding->subject, "PCR ");

        assert_non_null(number);
        pcr = (unsigned)strtoul(number + 4, NULL, 10);
        (void)snprintf(event, sizeof event, "    event %u ", pcr);
        (void)snprintf(expected, sizeof expected, "%.64s", finding->expected);
        for (at = start;; at++) {
            const char *end = memchr(at, '\n', text.size - (size_t)(at - start));

            assert_non_null(end);
            if (strncmp(at, event, strlen(event)) == 0 &&
                memmem(at, (size_t)(end - at), expected, 64)) {
                at = end + 1;
                break;
            }
            at = end;
        }
    }
    writer_view(&writer, (struct view){text.data, (size_t)(at - start)});
    writer_view(&writer, view_string(line));
    writer_u8(&writer, '\n');
    writer_view(&writer, (struct view){(const uint8_t *)at, text.size - (size_t)(at - start)});
    assert_ok(writer_take(&writer, &mended));
    return mended;
}

/* Each refusal's remedy makes it go away, until the evidence is accepted. */
static void remedies_lead_from_refused_to_accepted(void **state)
{
    static const struct {
        const char *policy, *folder;
        unsigned turns;
    } cases[] = {
        {"good", "cmdline", 1},
        {"good", "tampered", 1},
        {"good", "violation", 3},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        OWN(policy) struct policy *policy = policy_learned(cases[i].policy);
        OWN(bytes) struct bytes text = {0};
        unsigned turns = 0;

        assert_ok(policy_text_print(policy, &text));
        for (;;) {
            OWN(policy) struct policy *now = policy_of(bytes_view(&text));
            OWN(reference_set) struct reference_set *set = set_of(now);
            struct refusal refusal;
            char line[REMEDY_SIZE];
            struct bytes mended;

            if (appraise_by_set(cases[i].folder, set, &refusal) == STATUS_OK) {
                break;
            }
            if (turns++ == 16 || !policy_remedy(refusal.code, &refusal.finding, line)) {
                fail_msg("%s: %s: %s", cases[i].folder, refusal_name(refusal.code), refusal.detail);
            }
            mended = text_mend(bytes_view(&text), &refusal.finding, line);
            bytes_free(&text);
            text = mended;
        }
        assert_int_equal(turns, cases[i].turns);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_no_statement_can_accept_has_no_remedy),
        cmocka_unit_test(each_finding_has_its_statement),
        cmocka_unit_test(remedies_lead_from_refused_to_accepted),
    };
    return cmocka_run_group_tests_name("policy_remedy", tests, NULL, NULL);
}
