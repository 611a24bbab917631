#include "lib/attest/reference_list.h"

#include "lib/base/text.h"

#include "tests/unit/lib/attest/evidence_files.h"
#include "tests/unit/lib/attest/log_writer.h"

static const struct digest first = {{0xf1}}, second = {{0xf2}}, unknown = {{0xee}};

/* A set that wants one value of PCR 0, and judges files where there are some. */
static struct reference_set *set_new(const char *name, const struct digest *value,
                                     struct bytes *files, const struct digest *file)
{
    struct reference_set *set = calloc(1, sizeof *set);

    assert_non_null(set);
    (void)snprintf(set->name, sizeof set->name, "%s", name);
    set->digest = sha256(view_string(name));
    assert_ok(pcr_policy_allow(&set->pcrs, 0, value));
    if (files) {
        OWN(file_set_builder) struct file_set_builder builder = {0};

        assert_ok(file_set_builder_add(&builder, view_string("/bin/x"), file));
        assert_ok(file_set_builder_take(&builder, files));
        assert_ok(file_set_open(bytes_view(files), &set->files.files));
        set->has_files = true;
    }
    return set;
}

/* Two versions side by side. */
struct versions {
    struct bytes files[2];
    struct reference_set *sets[2];
    struct reference_list list;
};

static void versions_free(struct versions *versions)
{
    reference_set_free(versions->sets[0]);
    reference_set_free(versions->sets[1]);
    bytes_free(&versions->files[0]);
    bytes_free(&versions->files[1]);
    free(versions);
}
DEFINE_OWN_POINTER(versions, versions_free)

static struct versions *versions_new(void)
{
    struct versions *versions = calloc(1, sizeof *versions);

    assert_non_null(versions);
    versions->sets[0] = set_new("old", &first, &versions->files[0], &first);
    versions->sets[1] = set_new("new", &second, &versions->files[1], &second);
    versions->list = (struct reference_list){2, {versions->sets[0], versions->sets[1]}};
    return versions;
}

static enum status check_boot(const struct reference_list *list, const struct digest *value,
                              const struct reference_set **set, struct refusal *refusal)
{
    struct pcr_bank bank = {.mask = 1, .values = {*value}};

    return reference_list_check_boot(list, 7, (struct view){0}, &bank, set, refusal);
}

static enum status check_file(const struct reference_list *list, const struct digest *digest,
                              bool violation, struct refusal *refusal)
{
    static const struct digest zero;
    OWN(writer) struct writer writer = writer_new(LOG_SIZE_MAX);
    struct ima_entry entry;
    struct reader reader;

    ima_write(&writer, PCR_IMA, violation ? &zero : digest, "/bin/x", NULL, violation);
    reader = reader_of(written(&writer));
    assert_ok(ima_entry_read(&reader, &entry));
    return reference_list_check_file(list, 2, &entry, refusal);
}

/* What a person mends is the newest version: its objection is the one that is told. */
static void boot_that_no_set_accepts_is_refused_for_the_last_ones_reason(void **state)
{
    OWN(versions) struct versions *versions = versions_new();
    const struct reference_set *set = NULL;
    struct refusal refusal;

    (void)state;
    assert_refused(check_boot(&versions->list, &unknown, &set, &refusal), refusal,
                   REFUSAL_PCR_NOT_ALLOWED);
    assert_null(set);
    assert_string_equal(refusal.finding.expected, hex_digest(&second).text);
    versions->list.count = 1;
    assert_refused(check_boot(&versions->list, &second, &set, &refusal), refusal,
                   REFUSAL_PCR_NOT_ALLOWED);
    assert_null(set);
}

static void file_that_no_set_knows_is_refused(void **state)
{
    OWN(versions) struct versions *versions = versions_new();
    struct refusal refusal;

    (void)state;
    assert_refused(check_file(&versions->list, &unknown, false, &refusal), refusal,
                   REFUSAL_FILE_NOT_ALLOWED);
    assert_string_equal(refusal.finding.expected, hex_digest(&second).text);
    assert_refused(check_file(&versions->list, &unknown, true, &refusal), refusal,
                   REFUSAL_IMA_VIOLATION);
    versions->list.count = 1;
    assert_refused(check_file(&versions->list, &second, false, &refusal), refusal,
                   REFUSAL_FILE_NOT_ALLOWED);
}

static void tpm_whose_firmware_no_set_allows_is_refused(void **state)
{
    OWN(versions) struct versions *versions = versions_new();
    const struct reference_set *set = NULL;
    struct refusal refusal;

    (void)state;
    versions->sets[0]->firmware[versions->sets[0]->firmware_count++] = 6;
    assert_refused(check_boot(&versions->list, &first, &set, &refusal), refusal,
                   REFUSAL_PCR_NOT_ALLOWED); /* of the new one */
    versions->list.count = 1;
    assert_refused(check_boot(&versions->list, &first, &set, &refusal), refusal, REFUSAL_FIRMWARE);
    versions->sets[0]->firmware[0] = 7;
    assert_ok(check_boot(&versions->list, &first, &set, &refusal));
}

/* Not even where another set has the quote brought along that it does not look at. */
static void set_that_judges_no_pcr_accepts_no_boot(void **state)
{
    OWN(versions) struct versions *versions = versions_new();
    struct reference_set empty = {.name = "empty"};
    struct refusal refusal;

    (void)state;
    versions->list.sets[0] = &empty;
    assert_refused(check_boot(&versions->list, &first, NULL, &refusal), refusal,
                   REFUSAL_PCR_NOT_ALLOWED);
    versions->list.count = 1;
    assert_refused(check_boot(&versions->list, &first, NULL, &refusal), refusal,
                   REFUSAL_POLICY_MISSING);
}

static void files_are_judged_where_every_set_judges_them(void **state)
{
    OWN(versions) struct versions *versions = versions_new();
    struct reference_list none = {0};

    (void)state;
    assert_true(reference_list_judges_files(&versions->list));
    assert_true(reference_list_needs_ima_log(&versions->list));
    assert_int_equal(reference_list_mask(&versions->list), 1u | 1u << PCR_IMA);
    versions->sets[0]->has_files = false;
    assert_false(reference_list_judges_files(&versions->list));
    assert_true(reference_list_needs_ima_log(&versions->list));
    assert_false(reference_list_judges_files(&none));
    assert_false(reference_list_needs_ima_log(&none));
    assert_int_equal(reference_list_mask(&none), 0);
}

/* A renewal rests on the sets by which the boot was accepted: on these, in this order. */
static void every_list_has_a_digest_of_its_own(void **state)
{
    static const struct digest zero;
    OWN(versions) struct versions *versions = versions_new();
    struct reference_list none = {0}, one = {1, {versions->sets[0]}},
                          swapped = {2, {versions->sets[1], versions->sets[0]}};
    struct digest digests[] = {
        reference_list_digest(&none),
        reference_list_digest(&one),
        reference_list_digest(&versions->list),
        reference_list_digest(&swapped),
    };

    (void)state;
    assert_true(digest_equal(&digests[0], &zero));
    for (size_t i = 0; i < ARRAY_SIZE(digests); i++) {
        for (size_t j = 0; j < i; j++) {
            assert_false(digest_equal(&digests[i], &digests[j]));
        }
    }
}

static void boot_and_files_of_either_version_are_accepted(void **state)
{
    OWN(versions) struct versions *versions = versions_new();
    const struct reference_set *set = NULL;
    struct refusal refusal;

    (void)state;
    assert_ok(check_boot(&versions->list, &first, &set, &refusal));
    assert_ptr_equal(set, versions->sets[0]);
    assert_ok(check_boot(&versions->list, &second, &set, &refusal));
    assert_ptr_equal(set, versions->sets[1]);
    assert_ok(check_file(&versions->list, &first, false, &refusal));
    assert_ok(check_file(&versions->list, &second, false, &refusal));
    assert_ok(ima_policy_except(&versions->sets[1]->files, IMA_EXCEPTION_VIOLATION,
                                view_string("/bin/")));
    assert_ok(check_file(&versions->list, &second, true, &refusal));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(boot_that_no_set_accepts_is_refused_for_the_last_ones_reason),
        cmocka_unit_test(file_that_no_set_knows_is_refused),
        cmocka_unit_test(tpm_whose_firmware_no_set_allows_is_refused),
        cmocka_unit_test(set_that_judges_no_pcr_accepts_no_boot),
        cmocka_unit_test(files_are_judged_where_every_set_judges_them),
        cmocka_unit_test(every_list_has_a_digest_of_its_own),
        cmocka_unit_test(boot_and_files_of_either_version_are_accepted),
    };
    return cmocka_run_group_tests_name("reference_list", tests, NULL, NULL);
}
