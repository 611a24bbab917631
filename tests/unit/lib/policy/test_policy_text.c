#include "lib/policy/policy.h"

#include "tests/unit/lib/policy/policy_helper.h"

#include "lib/base/text.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

/* The text is refused at this place, for this reason. */
static void assert_text_refused(struct view text, unsigned line, unsigned column,
                                const char *message)
{
    OWN(policy) struct policy *policy = NULL;
    struct text_error error;

    if (policy_text_parse(text, &policy, &error) != STATUS_MALFORMED || policy) {
        fail_msg("not refused: %.*s", (int)text.size, text.data);
    }
    if (error.line != line || error.column != column || !strstr(error.message, message)) {
        fail_msg("%.*s\nline %u, column %u: %s\nexpected %u, %u: %s", (int)text.size, text.data,
                 error.line, error.column, error.message, line, column, message);
    }
}

/* The lines of a section, the first of which is line 2. */
static void assert_lines_refused(const char *lines, unsigned line, unsigned column,
                                 const char *message)
{
    OWN(writer) struct writer writer = writer_new(POLICY_TEXT_SIZE_MAX);

    writer_format(&writer, "policy p {\n%s\n}\n", lines);
    assert_int_equal(writer.status, STATUS_OK);
    assert_text_refused((struct view){writer.data, writer.size}, line, column, message);
}

#define Z64 "zaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

struct wrong {
    const char *text;
    unsigned line, column;
    const char *message;
};

static void text_without_exactly_one_closed_section_is_refused(void **state)
{
    static const struct wrong cases[] = {
        {"", 0, 0, "there is no section"},
        {"# only a comment\n\n", 0, 0, "there is no section"},
        {"pcr 0 = " A64 "\n", 1, 1, "outside of the section"},
        {"}\n", 1, 1, "outside of the section"},
        {"policy p {\n", 1, 1, "is not closed"},
        {"policy p {\n  # and nothing more\n", 2, 1, "is not closed"},
        {"policy p {\n}\n  pcr 0 = " A64 "\n", 3, 3, "outside of the section"},
        {"policy p {\n}\n}\n", 3, 1, "outside of the section"},
        {"policy p {\n}\npolicy q {\n}\n", 3, 1, "one policy"},
        {"policy p {\npolicy q {\n}\n", 2, 1, "one policy"},
        {"policy p {\n node n {\n}\n", 2, 2, "a section `policy NAME {`"},
        {"policy {\n}\n", 1, 1, "a section `policy NAME {`"},
        {"policy a b {\n}\n", 1, 1, "a section `policy NAME {`"},
        {"policy a/b {\n}\n", 1, 8, "a name has 1 to 63"},
        {"policy " A64 " {\n}\n", 1, 8, "a name has 1 to 63"},
        {"policy p { pcr 0 = " A64 " }\n", 1, 12, "nothing may follow"},
        {"{\n}\n", 1, 1, "a section's name is missing"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_text_refused(view_string(cases[i].text), cases[i].line, cases[i].column,
                            cases[i].message);
    }
}

static void syntax_errors_are_refused_where_they_stand(void **state)
{
    static const struct wrong cases[] = {
        {"pcr 0", 2, 1, "'=' or '{' is missing"},
        {"    pcr 0 =", 2, 12, "a value is missing"},
        {"= " A64, 2, 1, "a key is missing"},
        {"pcr 0 = " A64 " " B64, 2, 74, "more than one value"},
        {"pcr 0 }", 2, 7, "a line of its own"},
        {"files = listed\npcr\x01 0 = " A64, 3, 4, "not printable"},
        {"files = listed\nfile " A64 " = /caf\xc3\xa9", 3, 77, "not printable"},
        {"events = 4\nevent 4 IPL kernel optional = " A64, 3, 20, "too many words"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_lines_refused(cases[i].text, cases[i].line, cases[i].column, cases[i].message);
    }
}

static void unknown_keys_and_forms_are_refused(void **state)
{
    static const struct wrong cases[] = {
        {"colour = red", 2, 1, "unknown key"},
        {"    colour = red", 2, 5, "unknown key"},
        {"PCR 0 = " A64, 2, 1, "unknown key"},
        {"pcr = " A64, 2, 1, "the form is `pcr N ="},
        {"pcr 0 1 = " A64, 2, 1, "the form is `pcr N ="},
        {"firmware 1 = 0011223344556677", 2, 1, "the form is `firmware"},
        {"events 1 = 4", 2, 1, "the form is `events"},
        {"events = 4\nevent 4 = " A64, 3, 1, "the form is `event PCR TYPE"},
        {"events = 4\nevent 4 IPL = " A64 "\nor 4 = " B64, 4, 1, "the form is `or"},
        {"secure_boot x = required", 2, 1, "the form is `secure_boot"},
        {"secure_boot = required\npk x = " A64, 3, 1, "the form is `pk"},
        {"secure_boot = required\nkek x = " A64, 3, 1, "the form is `kek"},
        {"secure_boot = required\ndb x = " A64, 3, 1, "the form is `db"},
        {"secure_boot = required\nauthority x = " A64, 3, 1, "the form is `authority"},
        {"secure_boot = required\ndbx x = " A64, 3, 1, "the form is `dbx"},
        {"files x = listed", 2, 1, "the form is `files"},
        {"files = listed\nfile = /x", 3, 1, "the form is `file <digest>"},
        {"files = listed\nsigner x = AAAA", 3, 1, "the form is `signer"},
        {"files = listed\nexcept_file x = /x", 3, 1, "the form is `except_file"},
        {"files = listed\nexcept_violation x = /x", 3, 1, "the form is `except_violation"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_lines_refused(cases[i].text, cases[i].line, cases[i].column, cases[i].message);
    }
}

static void values_that_are_none_are_refused(void **state)
{
    static const struct wrong cases[] = {
        {"pcr 24 = " A64, 2, 5, "at most 23"},
        {"pcr -1 = " A64, 2, 5, "at most 23"},
        {"pcr x = " A64, 2, 5, "at most 23"},
        {"pcr : = " A64, 2, 5, "at most 23"}, /* the mark after 9 */
        {"pcr 1: = " A64, 2, 5, "at most 23"},
        {"pcr 4294967296 = " A64, 2, 5, "at most 23"},
        {"pcr 0 = 12", 2, 9, "2 hexadecimal digits; 64 are expected"},
        {"pcr 0 = " A64 "0", 2, 9, "65 hexadecimal digits; 64 are expected"},
        {"pcr 0 = " Z64, 2, 9, "not hexadecimal digits"},
        {"pcr 0 = None", 2, 9, "64 are expected"},
        {"firmware = 12", 2, 12, "16 are expected"},
        {"firmware = 00112233445566zz", 2, 12, "not hexadecimal digits"},
        {"secure_boot = wanted", 2, 15, "`required` is expected"},
        {"secure_boot = required\npk = 12", 3, 6, "64 are expected"},
        {"secure_boot = required\ndbx = 12", 3, 7, "64 are expected"},
        {"files = all", 2, 9, "`listed` is expected"},
        {"files = listed\nfile 12 = /x", 3, 6, "64 are expected"},
        {"files = listed\nsigner = !!!", 3, 10, "not the base64 form of a public key"},
        {"files = listed\nsigner = AAAA", 3, 10, "not the base64 form of a public key"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_lines_refused(cases[i].text, cases[i].line, cases[i].column, cases[i].message);
    }
}

static void lists_of_pcrs_that_are_none_are_refused(void **state)
{
    static const struct wrong cases[] = {
        {"events = x", 2, 10, "not PCRs"},
        {"events = ,", 2, 10, "not PCRs"},
        {"events = ,1", 2, 10, "not PCRs"},
        {"events = 1,", 2, 10, "not PCRs"},
        {"events = 1,,2", 2, 12, "not PCRs"},
        {"events = -5", 2, 10, "not PCRs"},
        {"events = 5-", 2, 10, "not PCRs"},
        {"events = 0,3--5", 2, 12, "not PCRs"},
        {"events = 1-2-3", 2, 10, "not PCRs"},
        {"events = 0,5-3", 2, 12, "not PCRs"},
        {"events = 24", 2, 10, "the highest is 23"},
        {"events = 0-24", 2, 10, "the highest is 23"},
        {"events = 100", 2, 10, "not PCRs"},
        {"events = 001", 2, 10, "not PCRs"},
        {"events = 4294967300", 2, 10, "not PCRs"},
        {"events = 10", 2, 10, "PCR 10 has no events of the firmware"},
        {"events = 0-23", 2, 10, "PCR 10 has no events of the firmware"},
        {"events = 1\nevents = 2", 3, 1, "`events` is there twice"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_lines_refused(cases[i].text, cases[i].line, cases[i].column, cases[i].message);
    }
}

static void events_that_say_too_little_are_refused(void **state)
{
    static const struct wrong cases[] = {
        {"event 4 IPL = " A64, 2, 7, "PCR 4 is not among those of `events =`"},
        {"events = 4\nevent 5 IPL = " A64, 3, 7, "PCR 5 is not among"},
        {"events = 4\nevent 24 IPL = " A64, 3, 7, "at most 23"},
        {"events = 4\nevent 4 NO_SUCH_TYPE = " A64, 3, 9, "an unknown type of event"},
        {"events = 4\nevent 4 0x123 = " A64, 3, 9, "an unknown type of event"},
        {"events = 4\nevent 4 0xzzzzzzzz = " A64, 3, 9, "an unknown type of event"},
        {"events = 4\nevent 4 IPL Kernel = " A64, 3, 13, "what is said of an event"},
        {"events = 4\nevent 4 IPL = 12", 3, 15, "64 are expected"},
        {"or = " A64, 2, 1, "`or` follows an event"},
        {"events = 4\nor = " A64, 3, 1, "`or` follows an event"},
        {"events = 4\nevent 4 IPL = " A64 "\nor = 12", 4, 6, "64 are expected"},
        {"events = 4\nevent 4 IPL = " A64 "\nfirmware = 0011223344556677\nor = " A64, 5, 1,
         "`or` follows an event"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_lines_refused(cases[i].text, cases[i].line, cases[i].column, cases[i].message);
    }
}

/* A pin without Secure Boot, or a file without a judge of files, would say nothing at all. */
static void lines_that_would_have_no_effect_are_refused(void **state)
{
    static const struct wrong cases[] = {
        {"pk = " A64, 2, 1, "`secure_boot = required` comes before it"},
        {"kek = " A64, 2, 1, "`secure_boot = required` comes before it"},
        {"db = " A64, 2, 1, "`secure_boot = required` comes before it"},
        {"authority = " A64, 2, 1, "`secure_boot = required` comes before it"},
        {"dbx = " A64 "\nsecure_boot = required", 2, 1, "`secure_boot = required` comes before it"},
        {"file " A64 " = /x\nfiles = listed", 2, 1, "`files = listed` comes before it"},
        {"signer = AAAA", 2, 1, "`files = listed` comes before it"},
        {"except_file = /x", 2, 1, "`files = listed` comes before it"},
        {"except_violation = /x", 2, 1, "`files = listed` comes before it"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_lines_refused(cases[i].text, cases[i].line, cases[i].column, cases[i].message);
    }
}

static void paths_that_are_none_are_refused(void **state)
{
    static const struct wrong cases[] = {
        {"files = listed\nfile " A64 " = usr/bin/true", 3, 73, "a path begins with '/'"},
        {"files = listed\nexcept_file = relative", 3, 15, "a path begins with '/'"},
        {"files = listed\nexcept_violation = relative", 3, 20, "a path begins with '/'"},
        {"files = listed\nfile " A64 " = /a%", 3, 75, "two hexadecimal digits, not 00"},
        {"files = listed\nfile " A64 " = /a%4", 3, 75, "two hexadecimal digits, not 00"},
        {"files = listed\nfile " A64 " = /a%zz", 3, 75, "two hexadecimal digits, not 00"},
        {"files = listed\nfile " A64 " = /a%4z", 3, 75, "two hexadecimal digits, not 00"},
        {"files = listed\nfile " A64 " = /a%00", 3, 75, "two hexadecimal digits, not 00"},
        {"files = listed\nexcept_file = /a%00b", 3, 17, "two hexadecimal digits, not 00"},
    };
    OWN(writer) struct writer writer = writer_new(POLICY_TEXT_SIZE_MAX);
    OWN(policy) struct policy *policy = NULL;
    struct text_error error;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_lines_refused(cases[i].text, cases[i].line, cases[i].column, cases[i].message);
    }
    /* One byte above the longest path, and the longest. */
    for (int size = IMA_PATH_SIZE_MAX + 1; size >= IMA_PATH_SIZE_MAX; size--) {
        writer_free(&writer);
        writer_format(&writer, "policy p {\nfiles = listed\nexcept_file = /");
        for (int i = 1; i < size; i++) {
            writer_u8(&writer, 'x');
        }
        writer_format(&writer, "\n}\n");
        if (size > IMA_PATH_SIZE_MAX) {
            assert_text_refused((struct view){writer.data, writer.size}, 3, 15, "a path of more");
        }
    }
    assert_ok(policy_text_parse((struct view){writer.data, writer.size}, &policy, &error));
}

static void weak_signer_is_refused(void **state)
{
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)1024);
    uint8_t *spki = NULL;
    int size = i2d_PUBKEY(key, &spki);
    char base64[BASE64_SIZE(IMA_SIGNER_KEY_SIZE_MAX)], lines[2048];

    (void)state;
    assert_true(size > 0);
    base64_encode((struct view){spki, (size_t)size}, base64);
    (void)snprintf(lines, sizeof lines, "files = listed\nsigner = %s", base64);
    assert_lines_refused(lines, 3, 10, "a key of another kind");
    OPENSSL_free(spki);
    EVP_PKEY_free(key);
}

/* `head`, then as many lines as are allowed and one more, each with a digest of its own. */
static void assert_limit_kept(const char *head, unsigned head_lines, const char *line,
                              unsigned count, const char *tail)
{
    for (unsigned more = 0; more < 2; more++) {
        OWN(writer) struct writer writer = writer_new(POLICY_TEXT_SIZE_MAX);
        OWN(policy) struct policy *policy = NULL;
        struct text_error error;
        struct view text;

        writer_format(&writer, "policy p {\n%s", head);
        for (unsigned i = 0; i < count + more; i++) {
            writer_format(&writer, "%s%08x%s\n", line, i, tail);
        }
        writer_format(&writer, "}\n");
        text = (struct view){writer.data, writer.size};
        if (more) {
            assert_text_refused(text, 2 + head_lines + count, 1, "too many of these");
        } else if (policy_text_parse(text, &policy, &error) != STATUS_OK) {
            fail_msg("line %u: %s", error.line, error.message);
        }
    }
}

#define C56 "cccccccccccccccccccccccccccccccccccccccccccccccccccccccc"

static void more_of_anything_than_its_limit_is_refused(void **state)
{
    OWN(policy) struct policy *policy = policy_new();
    static const struct digest digest;

    (void)state;
    assert_limit_kept("", 0, "pcr 7 = ", PCR_POLICY_VALUE_COUNT_MAX, C56);
    assert_limit_kept("", 0, "firmware = ", REFERENCE_SET_FIRMWARE_COUNT_MAX, "00000000");
    assert_limit_kept("events = 4\n", 1, "event 4 IPL = ", EVENT_STEP_COUNT_MAX, C56);
    assert_limit_kept("events = 4\nevent 4 IPL = none\n", 2, "or = ", EVENT_STEP_DIGEST_COUNT_MAX,
                      C56);
    assert_limit_kept("secure_boot = required\n", 1, "dbx = ", DIGEST_SET_COUNT_MAX, C56);
    assert_limit_kept("files = listed\n", 1, "except_file = /", IMA_EXCEPTION_COUNT_MAX, "");
    assert_limit_kept("files = listed\n", 1, "except_violation = /", IMA_EXCEPTION_COUNT_MAX, "");
    /* A million files take longer to write down than a test may. */
    policy->file_count = POLICY_FILE_COUNT_MAX;
    assert_status(policy_add_file(policy, view_string("/x"), &digest), STATUS_TOO_LARGE);
    policy->file_count = 0;
}

static void more_signers_than_their_limit_are_refused(void **state)
{
    OWN(writer) struct writer writer = writer_new(POLICY_TEXT_SIZE_MAX);

    (void)state;
    writer_format(&writer, "policy p {\nfiles = listed\n");
    for (unsigned i = 0; i <= IMA_SIGNER_COUNT_MAX; i++) {
        EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
        char base64[BASE64_SIZE(IMA_SIGNER_KEY_SIZE_MAX)];
        uint8_t *spki = NULL;
        int size = i2d_PUBKEY(key, &spki);

        assert_true(size > 0);
        base64_encode((struct view){spki, (size_t)size}, base64);
        writer_format(&writer, "signer = %s\n", base64);
        OPENSSL_free(spki);
        EVP_PKEY_free(key);
    }
    writer_format(&writer, "}\n");
    assert_text_refused((struct view){writer.data, writer.size}, 3 + IMA_SIGNER_COUNT_MAX, 1,
                        "too many of these");
}

static void text_above_its_limit_is_refused(void **state)
{
    OWN(policy) struct policy *policy = NULL;
    struct text_error error;
    uint8_t byte = '\n';

    (void)state;
    /* Not a byte of it may be read: there is only one. */
    assert_status(
        policy_text_parse((struct view){&byte, (size_t)POLICY_TEXT_SIZE_MAX + 1}, &policy, &error),
        STATUS_MALFORMED);
    assert_int_equal(error.line, 0);
    assert_non_null(strstr(error.message, "more than"));
}

static const char everything[] =
    "# what is said of hosts of one kind\n"
    "policy compute-2.1_x {\n"
    "\tpcr 0 = " A64 " # a comment\n"
    "    pcr 0 = " B64 "\n"
    "    pcr 14 = none\n"
    "    firmware = 2016051100162800\n"
    "    firmware = 0000000000000001\n"
    "    events = 0-2,4,7,9,11-12\n"
    "    event 4 EFI_BOOT_SERVICES_APPLICATION kernel = " A64 "\n"
    "    or = " B64 "\n"
    "    event 4 SEPARATOR = " C64 "\n"
    "    event 9 EVENT_TAG load-options = none\n"
    "    or = " C64 "\n"
    "    event 9 0x00000006 initrd = " C64 "\n"
    "    event 9 0x12345678 optional = " C64 "\n"
    "    event 12 IPL = none\n"
    "    secure_boot = required\n"
    "    pk = " A64 "\n"
    "    kek = " A64 "\n"
    "    kek = " B64 "\n"
    "    db = " B64 "\n"
    "    authority = " C64 "\n"
    "    dbx = " C64 "\n"
    "    files = listed\n"
    "    file " A64 " = /usr/bin/a%20b%23%25=%ff\n"
    "    file " B64 " = memfd:systemd\n"
    "    except_file = /var/log/\n"
    "    except_violation = /var/log/\n"
    "    except_violation = /run/x\n"
    "    signer = MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEKBECEZdrewcqPSAiz6ozOJOlaqj9QGD7hCTAWvvedxau"
    "ta30quRB6HTloqRS592qYoTT37qpEDo3YU1cibE0UQ==\n"
    "}\n";

static void every_statement_is_read(void **state)
{
    OWN(policy) struct policy *policy = policy_of(view_string(everything));
    const struct event_step *steps = policy->events.steps;

    (void)state;
    assert_string_equal(policy->name, "compute-2.1_x");
    assert_int_equal(policy->pcrs.listed, 0x4001);
    assert_int_equal(policy->pcrs.allowed[0].count, 2);
    assert_int_equal(policy->pcrs.allowed[14].count, 0);
    assert_int_equal(policy->firmware_count, 2);
    assert_int_equal(policy->firmware[0], 0x2016051100162800);
    assert_int_equal(policy->events.covered, 0x1a97);
    assert_int_equal(policy->events.step_count, 6);
    assert_int_equal(steps[0].role, EVENT_ROLE_KERNEL);
    assert_int_equal(steps[0].digest_count, 2);
    assert_int_equal(steps[2].role, EVENT_ROLE_LOAD_OPTIONS);
    assert_int_equal(steps[2].digest_count, 1);
    assert_int_equal(steps[3].role, EVENT_ROLE_INITRD);
    assert_int_equal(steps[3].type, EVENT_TAG);
    assert_true(steps[4].optional);
    assert_int_equal(steps[4].type, 0x12345678);
    assert_int_equal(steps[5].digest_count, 0);
    assert_true(policy->wants_secure_boot);
    for (unsigned pin = 0; pin < SECURE_BOOT_PIN_COUNT; pin++) {
        assert_int_equal(policy->secure_boot.pins[pin].count, pin == SECURE_BOOT_KEK ? 2 : 1);
    }
    assert_int_equal(policy->secure_boot.pins[SECURE_BOOT_PK].digests[0].bytes[0], 0xaa);
    assert_int_equal(policy->secure_boot.pins[SECURE_BOOT_DB].digests[0].bytes[0], 0xbb);
    assert_int_equal(policy->secure_boot.pins[SECURE_BOOT_AUTHORITY].digests[0].bytes[0], 0xcc);
    assert_int_equal(policy->secure_boot.dbx_required.count, 1);
    assert_true(policy->judges_files);
    assert_int_equal(policy->file_count, 2);
    assert_true(view_is(bytes_view(&policy->files[0].path), "/usr/bin/a b#%=\xff"));
    assert_true(view_is(bytes_view(&policy->files[1].path), "memfd:systemd"));
    assert_int_equal(policy->exceptions[IMA_EXCEPTION_FILE].count, 1);
    assert_int_equal(policy->exceptions[IMA_EXCEPTION_VIOLATION].count, 2);
    assert_int_equal(policy->signers.count, 1);
}

/* Printed and read again it is the same policy, and the text is settled after one turn. */
static void assert_round_trip(const struct policy *policy)
{
    OWN(bytes) struct bytes first = {0}, second = {0};
    OWN(bytes) struct bytes set = set_bytes_of(policy), again_set = {0};
    OWN(policy) struct policy *again = NULL;

    assert_ok(policy_text_print(policy, &first));
    again = policy_of(bytes_view(&first));
    assert_ok(policy_text_print(again, &second));
    assert_true(view_equal(bytes_view(&first), bytes_view(&second)));
    again_set = set_bytes_of(again);
    assert_true(view_equal(bytes_view(&set), bytes_view(&again_set)));
}

static void printed_policy_reads_as_the_same(void **state)
{
    static const char *const folders[] = {"good", "cmdline", "tampered", "violation", "uki-sb"};
    OWN(policy) struct policy *policy = policy_of(view_string(everything));
    OWN(policy) struct policy *empty = policy_of(view_string("policy p {\n}\n"));

    (void)state;
    assert_round_trip(policy);
    assert_round_trip(empty);
    for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
        OWN(policy) struct policy *learned = policy_learned(folders[i]);

        assert_round_trip(learned);
    }
}

/* Whatever IMA calls a file, the text can say it. */
static void every_byte_of_a_path_survives_the_text(void **state)
{
    OWN(policy) struct policy *policy = policy_new();
    static const struct digest digest;
    uint8_t path[256] = {'/'};

    (void)state;
    assert_ok(policy_set_name(policy, view_string("p")));
    policy->judges_files = true;
    for (unsigned byte = 1; byte < 256; byte++) {
        path[byte] = (uint8_t)byte;
    }
    assert_ok(policy_add_file(policy, VIEW_OF_ARRAY(path), &digest));
    assert_ok(policy_add_file(policy, view_string("memfd:x"), &digest));
    assert_ok(policy_add_exception(policy, IMA_EXCEPTION_FILE, VIEW_OF_ARRAY(path)));
    assert_round_trip(policy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_without_exactly_one_closed_section_is_refused),
        cmocka_unit_test(syntax_errors_are_refused_where_they_stand),
        cmocka_unit_test(unknown_keys_and_forms_are_refused),
        cmocka_unit_test(values_that_are_none_are_refused),
        cmocka_unit_test(lists_of_pcrs_that_are_none_are_refused),
        cmocka_unit_test(events_that_say_too_little_are_refused),
        cmocka_unit_test(lines_that_would_have_no_effect_are_refused),
        cmocka_unit_test(paths_that_are_none_are_refused),
        cmocka_unit_test(weak_signer_is_refused),
        cmocka_unit_test(more_of_anything_than_its_limit_is_refused),
        cmocka_unit_test(more_signers_than_their_limit_are_refused),
        cmocka_unit_test(text_above_its_limit_is_refused),
        cmocka_unit_test(every_statement_is_read),
        cmocka_unit_test(printed_policy_reads_as_the_same),
        cmocka_unit_test(every_byte_of_a_path_survives_the_text),
    };
    return cmocka_run_group_tests_name("policy_text", tests, NULL, NULL);
}
