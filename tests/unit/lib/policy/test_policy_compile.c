#include "lib/policy/policy.h"

#include "tests/unit/lib/policy/policy_helper.h"

static void assert_same_set(const char *text, const char *other, bool same)
{
    OWN(policy) struct policy *first = policy_of(view_string(text));
    OWN(policy) struct policy *second = policy_of(view_string(other));
    OWN(bytes) struct bytes first_set = set_bytes_of(first), second_set = set_bytes_of(second);

    assert_int_equal(view_equal(bytes_view(&first_set), bytes_view(&second_set)), same);
}

#define SIGNER_1                                                                                   \
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEKBECEZdrewcqPSAiz6ozOJOlaqj9QGD7hCTAWvvedxauta30quRB6HTl" \
    "o"                                                                                            \
    "qRS592qYoTT37qpEDo3YU1cibE0UQ=="
#define SIGNER_2                                                                                   \
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpZP40Li/hp/"     \
    "m47n6"                                                                                        \
    "0p8D54WK84zV2sxXs7LtkBoN79R9Q=="

/* The lines of one policy, in two orders, the second with some of them twice. */
static void order_of_lines_and_repetitions_do_not_matter(void **state)
{
    (void)state;
    assert_same_set("policy p {\n"
                    "pcr 0 = " A64 "\npcr 0 = " B64 "\npcr 14 = " C64 "\n"
                    "firmware = 0000000000000001\nfirmware = 0000000000000002\n"
                    "events = 4,9\n"
                    "event 4 IPL kernel = " A64 "\nor = " B64 "\n"
                    "event 4 SEPARATOR = " C64 "\n"
                    "event 9 EVENT_TAG load-options = " A64 "\n"
                    "event 9 EVENT_TAG initrd = " B64 "\n"
                    "secure_boot = required\npk = " A64 "\ndb = " A64 "\ndb = " B64 "\ndbx = " A64
                    "\ndbx = " C64 "\n"
                    "files = listed\n"
                    "file " A64 " = /a\nfile " B64 " = /a\nfile " C64 " = /c\n"
                    "except_file = /x\nexcept_file = /y\n"
                    "except_violation = /v\nexcept_violation = /w\n"
                    "signer = " SIGNER_1 "\nsigner = " SIGNER_2 "\n"
                    "}\n",
                    "# another day\n"
                    "policy p {\n"
                    "files = listed\n"
                    "signer = " SIGNER_2 "\nsigner = " SIGNER_1 "\nsigner = " SIGNER_2 "\n"
                    "except_violation = /w\nexcept_violation = /v\nexcept_violation = /w\n"
                    "except_file = /y\nexcept_file = /x\nexcept_file = /x\n"
                    "file " C64 " = /%63\nfile " B64 " = /a\nfile " A64 " = /a\nfile " B64 " = /a\n"
                    "secure_boot = required\nsecure_boot = required\n"
                    "dbx = " C64 "\ndbx = " A64 "\ndbx = " C64 "\n"
                    "db = " B64 "\ndb = " A64 "\ndb = " B64 "\npk = " A64 "\npk = " A64 "\n"
                    "events = 9,4\n"
                    "event 9 EVENT_TAG load-options = " A64 "\nor = " A64 "\n"
                    "event 4 IPL kernel = " B64 "\nor = " A64 "\nor = " B64 "\n"
                    "event 9 EVENT_TAG initrd = " B64 "\n"
                    "event 4 SEPARATOR = " C64 "\n"
                    "firmware = 0000000000000002\nfirmware = 0000000000000001\n"
                    "pcr 14 = " C64 "\npcr 0 = " B64 "\npcr 0 = " A64 "\npcr 14 = " C64 "\n"
                    "}\n",
                    true);
}

/* Within a PCR the order of events is what is required. */
static void what_differs_compiles_to_another_set(void **state)
{
    static const char *const pairs[][2] = {
        {"policy p {\n}\n", "policy q {\n}\n"},
        {"policy p {\npcr 0 = " A64 "\n}\n", "policy p {\npcr 1 = " A64 "\n}\n"},
        {"policy p {\npcr 0 = " A64 "\n}\n", "policy p {\npcr 0 = " B64 "\n}\n"},
        {"policy p {\npcr 0 = none\n}\n", "policy p {\n}\n"},
        {"policy p {\nfirmware = 0000000000000001\n}\n", "policy p {\n}\n"},
        {"policy p {\nevents = 4\nevent 4 IPL = " A64 "\nevent 4 IPL = " B64 "\n}\n",
         "policy p {\nevents = 4\nevent 4 IPL = " B64 "\nevent 4 IPL = " A64 "\n}\n"},
        {"policy p {\nevents = 4\nevent 4 IPL = " A64 "\n}\n",
         "policy p {\nevents = 4\nevent 4 IPL optional = " A64 "\n}\n"},
        {"policy p {\nevents = 4\nevent 4 IPL = " A64 "\n}\n",
         "policy p {\nevents = 4\nevent 4 IPL kernel = " A64 "\n}\n"},
        {"policy p {\nevents = 4\nevent 4 IPL = " A64 "\n}\n",
         "policy p {\nevents = 4\nevent 4 ACTION = " A64 "\n}\n"},
        {"policy p {\nevents = 4\n}\n", "policy p {\nevents = 4-5\n}\n"},
        {"policy p {\nsecure_boot = required\n}\n", "policy p {\n}\n"},
        {"policy p {\nsecure_boot = required\npk = " A64 "\n}\n",
         "policy p {\nsecure_boot = required\nkek = " A64 "\n}\n"},
        {"policy p {\nsecure_boot = required\ndb = " A64 "\n}\n",
         "policy p {\nsecure_boot = required\nauthority = " A64 "\n}\n"},
        {"policy p {\nsecure_boot = required\ndbx = " A64 "\n}\n",
         "policy p {\nsecure_boot = required\n}\n"},
        {"policy p {\nfiles = listed\n}\n", "policy p {\n}\n"},
        {"policy p {\nfiles = listed\nfile " A64 " = /a\n}\n",
         "policy p {\nfiles = listed\nfile " A64 " = /b\n}\n"},
        {"policy p {\nfiles = listed\nexcept_file = /a\n}\n",
         "policy p {\nfiles = listed\nexcept_violation = /a\n}\n"},
        {"policy p {\nfiles = listed\nsigner = " SIGNER_1 "\n}\n",
         "policy p {\nfiles = listed\n}\n"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
        assert_same_set(pairs[i][0], pairs[i][1], false);
    }
}

/* Appraises the good boot by its own policy with `from` changed to `to`. */
static enum status appraise_changed(const char *from, const char *to, struct refusal *refusal)
{
    OWN(policy) struct policy *learned = policy_learned("good"), *changed = NULL;
    OWN(reference_set) struct reference_set *set = NULL;
    OWN(writer) struct writer writer = writer_new(POLICY_TEXT_SIZE_MAX);
    OWN(bytes) struct bytes text = {0};
    const char *found;

    assert_ok(policy_text_print(learned, &text));
    found = memmem(text.data, text.size, from, strlen(from));
    assert_non_null(found);
    writer_view(&writer, (struct view){text.data, (size_t)(found - (const char *)text.data)});
    writer_view(&writer, view_string(to));
    found += strlen(from);
    writer_view(&writer, (struct view){(const uint8_t *)found,
                                       text.size - (size_t)(found - (const char *)text.data)});
    changed = policy_of((struct view){writer.data, writer.size});
    set = set_of(changed);
    return appraise_by_set("good", set, refusal);
}

/* An allow list without entries accepts nothing, whichever it is. */
static void empty_list_accepts_nothing(void **state)
{
    OWN(policy) struct policy *no_files = policy_learned("good");
    OWN(policy) struct policy *no_pins = policy_learned("uki-sb");
    OWN(reference_set) struct reference_set *nothing = set_of_text("policy p {\n}\n");
    OWN(reference_set)
    struct reference_set *firmware_alone =
        set_of_text("policy p {\nfirmware = 2016051100162800\n}\n");
    OWN(reference_set) struct reference_set *no_digests = NULL, *unlisted = NULL;
    struct refusal refusal;

    (void)state;
    assert_ok(appraise_changed("policy good", "policy good", &refusal));
    assert_refused(appraise_changed("files = listed", "pcr 0 = none\n    files = listed", &refusal),
                   refusal, REFUSAL_PCR_NOT_ALLOWED);
    assert_refused(
        appraise_changed("event 0 S_CRTM_VERSION = ", "event 0 S_CRTM_VERSION = none\n#", &refusal),
        refusal, REFUSAL_EVENT_UNEXPECTED);
    for (size_t i = 0; i < no_files->file_count; i++) {
        bytes_free(&no_files->files[i].path);
    }
    no_files->file_count = 0;
    unlisted = set_of(no_files);
    assert_refused(appraise_by_set("good", unlisted, &refusal), refusal, REFUSAL_FILE_NOT_ALLOWED);
    for (unsigned pin = 0; pin < SECURE_BOOT_PIN_COUNT; pin++) {
        struct digest_set kept = no_pins->secure_boot.pins[pin];
        OWN(reference_set) struct reference_set *set = NULL;

        no_pins->secure_boot.pins[pin] = (struct digest_set){0};
        set = set_of(no_pins);
        assert_refused(appraise_by_set("uki-sb", set, &refusal), refusal, REFUSAL_SECURE_BOOT);
        no_pins->secure_boot.pins[pin] = kept;
    }
    no_digests = set_of(no_pins);
    assert_ok(appraise_by_set("uki-sb", no_digests, &refusal));
    /* Nor does a policy that asks for nothing accept anything. */
    assert_refused(appraise_by_set("good", nothing, &refusal), refusal, REFUSAL_POLICY_MISSING);
    assert_refused(appraise_by_set("good", firmware_alone, &refusal), refusal,
                   REFUSAL_POLICY_MISSING);
}

static void set_knows_what_the_policy_says(void **state)
{
    OWN(policy) struct policy *policy = policy_learned("uki-sb");
    OWN(reference_set) struct reference_set *set = set_of(policy);

    (void)state;
    assert_string_equal(set->name, "uki-sb");
    assert_true(set->has_events && set->has_secure_boot && set->has_files);
    assert_int_equal(set->events.step_count, policy->events.step_count);
    assert_int_equal(set->events.covered, policy->events.covered);
    assert_int_equal(reference_set_mask(set), policy->events.covered | 1u << PCR_IMA);
    assert_true(set->files.files.count > 0 && set->files.files.count <= policy->file_count);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_list_accepts_nothing),
        cmocka_unit_test(what_differs_compiles_to_another_set),
        cmocka_unit_test(order_of_lines_and_repetitions_do_not_matter),
        cmocka_unit_test(set_knows_what_the_policy_says),
    };
    return cmocka_run_group_tests_name("policy_compile", tests, NULL, NULL);
}
