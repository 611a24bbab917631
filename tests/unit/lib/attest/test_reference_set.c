#include "lib/attest/reference_set.h"

#include "lib/base/protobuf.h"

#include "tests/unit/lib/attest/evidence_files.h"

#include "proto/policy.pb-c.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

static uint8_t a[32] = {0xaa}, b[32] = {0xbb}, ab[64] = {[0] = 0xaa, [32] = 0xbb};
static char name[] = "set";

/* A set with something in each of its lists; a test changes one thing of it. */
struct draft {
    Tccp__ReferenceSet message;
    Tccp__PcrValues pcrs[2], *pcr_list[2];
    ProtobufCBinaryData values[2], digests[2], signers[2], files[2], violations[2];
    Tccp__EventStep steps[3], *step_list[3];
    Tccp__SecureBoot secure_boot;
    Tccp__FilePolicy file_policy;
    struct bytes allowed, keys[2]; /* owned */
    uint64_t firmware[2];
};

static void draft_free(struct draft *draft)
{
    bytes_free(&draft->allowed);
    bytes_free(&draft->keys[0]);
    bytes_free(&draft->keys[1]);
    free(draft);
}
DEFINE_OWN_POINTER(draft, draft_free)

static ProtobufCBinaryData data_of(uint8_t *data, size_t size)
{
    return (ProtobufCBinaryData){.len = size, .data = data};
}

static ProtobufCBinaryData data_of_text(const char *text)
{
    return protobuf_data(view_string(text));
}

static struct bytes key_bytes(void)
{
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    uint8_t *spki = NULL;
    int size = i2d_PUBKEY(key, &spki);
    struct bytes bytes;

    assert_true(size > 0);
    assert_ok(bytes_copy((struct view){spki, (size_t)size}, &bytes));
    OPENSSL_free(spki);
    EVP_PKEY_free(key);
    return bytes;
}

static void draft_files(struct draft *draft)
{
    OWN(file_set_builder) struct file_set_builder builder = {0};
    static const struct digest digest = {{0xf1}};
    Tccp__FilePolicy *files = &draft->file_policy;

    assert_ok(file_set_builder_add(&builder, view_string("/usr/bin/true"), &digest));
    assert_ok(file_set_builder_take(&builder, &draft->allowed));
    draft->keys[0] = key_bytes();
    draft->keys[1] = key_bytes();
    if (view_compare(bytes_view(&draft->keys[0]), bytes_view(&draft->keys[1])) > 0) {
        struct bytes first = draft->keys[0];

        draft->keys[0] = draft->keys[1];
        draft->keys[1] = first;
    }
    tccp__file_policy__init(files);
    files->allowed = protobuf_data(bytes_view(&draft->allowed));
    for (unsigned i = 0; i < 2; i++) {
        draft->signers[i] = protobuf_data(bytes_view(&draft->keys[i]));
        draft->files[i] = data_of_text(i ? "/var/log/" : "/etc/x");
        draft->violations[i] = data_of_text(i ? "/var/" : "/run/");
    }
    files->n_signers = files->n_excepted_files = files->n_excepted_violations = 2;
    files->signers = draft->signers;
    files->excepted_files = draft->files;
    files->excepted_violations = draft->violations;
    draft->message.files = files;
}

static struct draft *draft_new(void)
{
    struct draft *draft = calloc(1, sizeof *draft);
    Tccp__ReferenceSet *message = &draft->message;

    assert_non_null(draft);
    tccp__reference_set__init(message);
    message->format = REFERENCE_SET_FORMAT;
    message->name = name;
    for (unsigned i = 0; i < 2; i++) {
        draft->values[i] = draft->digests[i] = data_of(i ? b : a, 32);
        tccp__pcr_values__init(&draft->pcrs[i]);
        draft->pcrs[i].pcr = i ? 14 : 1;
        draft->pcrs[i].n_values = 2;
        draft->pcrs[i].values = draft->values;
        draft->pcr_list[i] = &draft->pcrs[i];
    }
    message->n_pcrs = 2;
    message->pcrs = draft->pcr_list;
    message->judged_pcrs = 1u << 4 | 1u << 9;
    for (unsigned i = 0; i < 3; i++) {
        tccp__event_step__init(&draft->steps[i]);
        draft->steps[i].pcr = i ? 9 : 4;
        draft->steps[i].type = EVENT_TAG;
        draft->steps[i].role = (Tccp__EventRole)(i + 1);
        draft->steps[i].n_digests = 2;
        draft->steps[i].digests = draft->digests;
        draft->step_list[i] = &draft->steps[i];
    }
    message->n_events = 3;
    message->events = draft->step_list;
    tccp__secure_boot__init(&draft->secure_boot);
    draft->secure_boot.pk = draft->secure_boot.kek = draft->secure_boot.db = data_of(ab, 64);
    draft->secure_boot.authority = draft->secure_boot.dbx = data_of(ab, 64);
    message->secure_boot = &draft->secure_boot;
    draft_files(draft);
    draft->firmware[0] = 1;
    draft->firmware[1] = 2;
    message->n_firmware = 2;
    message->firmware = draft->firmware;
    return draft;
}

static struct bytes draft_pack(const struct draft *draft)
{
    struct bytes bytes;

    assert_ok(protobuf_pack(&draft->message.base, 2 * REFERENCE_SET_SIZE_MAX, &bytes));
    return bytes;
}

static enum status open(struct view bytes, struct refusal *refusal)
{
    OWN(reference_set) struct reference_set *set = NULL;

    return reference_set_open(bytes, &set, refusal);
}

static void assert_draft(const struct draft *draft, enum status expected, enum refusal_code code)
{
    OWN(bytes) struct bytes bytes = draft_pack(draft);
    struct refusal refusal = {0};
    enum status status = open(bytes_view(&bytes), &refusal);

    if (status != expected || refusal.code != code) {
        fail_msg("%s, expected %s: %s", status == STATUS_OK ? "accepted" : "refused",
                 refusal_name(code), refusal.detail);
    }
}

static void assert_malformed(const struct draft *draft)
{
    assert_draft(draft, STATUS_REFUSED, REFUSAL_MALFORMED);
}

/* Changes one thing, sees it refused, and changes it back. */
#define assert_malformed_with(draft, place, value)                                                 \
    do {                                                                                           \
        __typeof__(place) before_ = (place);                                                       \
        (place) = (value);                                                                         \
        assert_malformed(draft);                                                                   \
        (place) = before_;                                                                         \
    } while (0)

static void set_of_another_format_is_refused(void **state)
{
    OWN(draft) struct draft *draft = draft_new();

    (void)state;
    assert_draft(draft, STATUS_OK, REFUSAL_NONE);
    draft->message.format = 2;
    assert_draft(draft, STATUS_REFUSED, REFUSAL_VERSION);
    draft->message.format = 0;
    assert_draft(draft, STATUS_REFUSED, REFUSAL_VERSION);
}

static void any_truncation_and_any_trailing_byte_is_refused(void **state)
{
    OWN(draft) struct draft *draft = draft_new();
    OWN(bytes) struct bytes good = draft_pack(draft), longer = {0};
    struct refusal refusal;

    (void)state;
    for (size_t size = 0; size < good.size; size++) {
        OWN(bytes) struct bytes cut = copy_of((struct view){good.data, size});
        enum status status = open(bytes_view(&cut), &refusal);

        /* What is left may be a set itself, where whole fields are missing, but never this one. */
        assert_true(status == STATUS_REFUSED || status == STATUS_OK);
        if (status == STATUS_OK) {
            OWN(reference_set) struct reference_set *whole = NULL, *part = NULL;

            assert_ok(reference_set_open(bytes_view(&good), &whole, NULL));
            assert_ok(reference_set_open(bytes_view(&cut), &part, NULL));
            assert_false(digest_equal(&whole->digest, &part->digest));
        }
    }
    longer = (struct bytes){calloc(1, good.size + 1), good.size + 1};
    memcpy(longer.data, good.data, good.size);
    assert_refused(open(bytes_view(&longer), &refusal), refusal, REFUSAL_MALFORMED);
    assert_refused(open((struct view){0}, &refusal), refusal, REFUSAL_VERSION);
}

/* Two encodings of one set would be two names for it. */
static void other_encodings_of_the_same_set_are_refused(void **state)
{
    static const uint8_t unknown_field[] = {0x78, 0x01};     /* field 15 = 1 */
    static const uint8_t format_again[] = {0x08, 0x01};      /* field 1 = 1, once more */
    static const uint8_t long_format[] = {0x08, 0x81, 0x00}; /* 1 in two octets */
    static const uint8_t default_value[] = {0x20, 0x00};     /* judged_pcrs = 0 */
    OWN(draft) struct draft *draft = draft_new();
    OWN(bytes) struct bytes good = draft_pack(draft);
    const struct {
        size_t skip;
        struct view head, tail;
    } cases[] = {
        {0, {0}, VIEW_OF_ARRAY(unknown_field)}, {0, {0}, VIEW_OF_ARRAY(format_again)},
        {0, VIEW_OF_ARRAY(format_again), {0}},  {2, VIEW_OF_ARRAY(long_format), {0}},
        {2, {0}, VIEW_OF_ARRAY(format_again)}, /* fields in another order */
        {0, {0}, VIEW_OF_ARRAY(default_value)},
    };

    (void)state;
    assert_memory_equal(good.data, format_again, 2);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        OWN(writer) struct writer writer = writer_new(REFERENCE_SET_SIZE_MAX);
        struct refusal refusal;

        writer_view(&writer, cases[i].head);
        writer_view(&writer, (struct view){good.data + cases[i].skip, good.size - cases[i].skip});
        writer_view(&writer, cases[i].tail);
        assert_refused(open((struct view){writer.data, writer.size}, &refusal), refusal,
                       REFUSAL_MALFORMED);
    }
}

static void set_above_its_size_is_refused(void **state)
{
    uint8_t byte = 0;
    struct refusal refusal;

    (void)state;
    /* Not a byte of it may be read: there is only one. */
    assert_refused(open((struct view){&byte, REFERENCE_SET_SIZE_MAX + 1}, &refusal), refusal,
                   REFUSAL_TOO_LARGE);
}

static void name_that_is_none_is_refused(void **state)
{
    OWN(draft) struct draft *draft = draft_new();
    char longest[REFERENCE_SET_NAME_LENGTH_MAX + 2];
    char empty[] = "", blank[] = "a b", escape[] = "a\033[2J", umlaut[] = "\xc3\xa4";

    (void)state;
    memset(longest, 'x', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    assert_malformed_with(draft, draft->message.name, longest);
    longest[sizeof longest - 2] = '\0';
    draft->message.name = longest;
    assert_draft(draft, STATUS_OK, REFUSAL_NONE);
    assert_malformed_with(draft, draft->message.name, empty);
    assert_malformed_with(draft, draft->message.name, blank);
    assert_malformed_with(draft, draft->message.name, escape);
    assert_malformed_with(draft, draft->message.name, umlaut);
}

static void pcr_values_that_are_unsorted_or_repeated_are_refused(void **state)
{
    OWN(draft) struct draft *draft = draft_new();

    (void)state;
    assert_malformed_with(draft, draft->pcrs[1].pcr, 24);
    assert_malformed_with(draft, draft->pcrs[1].pcr, 1);            /* the same PCR */
    assert_malformed_with(draft, draft->pcrs[1].pcr, 0);            /* before the first */
    assert_malformed_with(draft, draft->values[0], data_of(b, 32)); /* twice */
    assert_malformed_with(draft, draft->values[1], data_of(a, 32));
    assert_malformed_with(draft, draft->values[0].len, 31);
    assert_malformed_with(draft, draft->values[1], data_of(ab, 33));
    draft->values[0] = data_of(b, 32);
    draft->values[1] = data_of(a, 32);
    assert_malformed(draft);
}

static void events_that_are_unsorted_or_not_judged_are_refused(void **state)
{
    OWN(draft) struct draft *draft = draft_new();

    (void)state;
    assert_malformed_with(draft, draft->message.judged_pcrs, 1u << 4);
    assert_malformed_with(draft, draft->message.judged_pcrs, 1u << 4 | 1u << 9 | 1u << 24);
    /* Nothing holds the events of PCR 10 against the quote. */
    assert_malformed_with(draft, draft->message.judged_pcrs, 1u << 4 | 1u << 9 | 1u << PCR_IMA);
    assert_malformed_with(draft, draft->steps[2].pcr, 4);
    assert_malformed_with(draft, draft->steps[2].pcr, 24);
    assert_malformed_with(draft, draft->steps[2].pcr, 36); /* 4, with the bits of a shift */
    assert_malformed_with(draft, draft->steps[1].role, (Tccp__EventRole)4);
    assert_malformed_with(draft, draft->steps[1].role, (Tccp__EventRole)-1);
    assert_malformed_with(draft, draft->digests[0], data_of(b, 32));
    assert_malformed_with(draft, draft->digests[1], data_of(a, 31));
}

static void secure_boot_lists_that_are_unsorted_or_cut_are_refused(void **state)
{
    static uint8_t ba[64] = {[0] = 0xbb, [32] = 0xaa}, aa[64] = {[0] = 0xaa, [32] = 0xaa};
    OWN(draft) struct draft *draft = draft_new();
    ProtobufCBinaryData *const lists[] = {&draft->secure_boot.pk, &draft->secure_boot.kek,
                                          &draft->secure_boot.db, &draft->secure_boot.authority,
                                          &draft->secure_boot.dbx};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
        assert_malformed_with(draft, *lists[i], data_of(ba, 64));
        assert_malformed_with(draft, *lists[i], data_of(aa, 64));
        assert_malformed_with(draft, *lists[i], data_of(ab, 63));
        assert_malformed_with(draft, *lists[i], data_of(ab, 31));
    }
}

static void files_that_are_malformed_are_refused(void **state)
{
    OWN(draft) struct draft *draft = draft_new();
    Tccp__FilePolicy *files = &draft->file_policy;

    (void)state;
    assert_malformed_with(draft, files->allowed.len, files->allowed.len - 1);
    assert_malformed_with(draft, files->allowed.len, 0);
    assert_malformed_with(draft, draft->signers[0].len, draft->signers[0].len - 1);
    assert_malformed_with(draft, draft->signers[0], draft->signers[1]);
    assert_malformed_with(draft, draft->signers[1], draft->signers[0]);
    assert_malformed_with(draft, draft->files[0], data_of_text("relative"));
    assert_malformed_with(draft, draft->files[0], data_of_text(""));
    assert_malformed_with(draft, draft->files[0], data_of_text("/z"));
    assert_malformed_with(draft, draft->files[0], data_of_text("/var/log/"));
    assert_malformed_with(draft, draft->violations[0], data_of_text("relative"));
    assert_malformed_with(draft, draft->violations[0], data_of_text("/var/"));
    assert_malformed_with(draft, draft->violations[0], data_of_text("/z"));
}

static void firmware_versions_that_are_unsorted_or_repeated_are_refused(void **state)
{
    OWN(draft) struct draft *draft = draft_new();

    (void)state;
    assert_malformed_with(draft, draft->firmware[1], 1);
    assert_malformed_with(draft, draft->firmware[1], 0);
}

/* `count` digests, ascending. */
static ProtobufCBinaryData *many(size_t count, uint8_t (**ret_bytes)[32])
{
    ProtobufCBinaryData *list = calloc(count, sizeof *list);
    uint8_t(*bytes)[32] = calloc(count, sizeof *bytes);

    assert_true(list && bytes);
    for (size_t i = 0; i < count; i++) {
        bytes[i][0] = (uint8_t)(i >> 8);
        bytes[i][1] = (uint8_t)i;
        list[i] = data_of(bytes[i], 32);
    }
    *ret_bytes = bytes;
    return list;
}

static void more_of_anything_than_its_limit_is_refused(void **state)
{
    enum { MANY = DIGEST_SET_COUNT_MAX + 1 };
    OWN(draft) struct draft *draft = draft_new();
    uint8_t(*bytes)[32];
    ProtobufCBinaryData *list = many(MANY, &bytes);
    ProtobufCBinaryData *paths = calloc(IMA_EXCEPTION_COUNT_MAX + 1, sizeof *paths);
    char(*texts)[8] = calloc(IMA_EXCEPTION_COUNT_MAX + 1, sizeof *texts);
    Tccp__EventStep **steps = calloc(EVENT_STEP_COUNT_MAX + 1, sizeof(void *));
    uint64_t firmware[REFERENCE_SET_FIRMWARE_COUNT_MAX + 1];
    struct {
        size_t *count;
        size_t limit;
    } limits[] = {
        {&draft->pcrs[0].n_values, PCR_POLICY_VALUE_COUNT_MAX},
        {&draft->steps[0].n_digests, EVENT_STEP_DIGEST_COUNT_MAX},
        {&draft->secure_boot.dbx.len, (size_t)DIGEST_SET_COUNT_MAX * 32},
        {&draft->secure_boot.pk.len, (size_t)DIGEST_SET_COUNT_MAX * 32},
        {&draft->file_policy.n_excepted_files, IMA_EXCEPTION_COUNT_MAX},
        {&draft->file_policy.n_excepted_violations, IMA_EXCEPTION_COUNT_MAX},
        {&draft->message.n_events, EVENT_STEP_COUNT_MAX},
        {&draft->message.n_firmware, REFERENCE_SET_FIRMWARE_COUNT_MAX},
    };

    (void)state;
    assert_true(paths && texts && steps);
    for (unsigned i = 0; i <= IMA_EXCEPTION_COUNT_MAX; i++) {
        (void)snprintf(texts[i], sizeof texts[i], "/%04x", i);
        paths[i] = data_of_text(texts[i]);
    }
    for (unsigned i = 0; i <= EVENT_STEP_COUNT_MAX; i++) {
        steps[i] = &draft->steps[0];
    }
    for (unsigned i = 0; i < ARRAY_SIZE(firmware); i++) {
        firmware[i] = i;
    }
    draft->pcrs[0].values = draft->steps[0].digests = list;
    draft->secure_boot.dbx.data = draft->secure_boot.pk.data = bytes[0];
    draft->file_policy.excepted_files = draft->file_policy.excepted_violations = paths;
    draft->message.events = steps;
    draft->message.firmware = firmware;
    for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
        size_t before = *limits[i].count;
        size_t one = i == 2 || i == 3 ? 32 : 1;

        *limits[i].count = limits[i].limit;
        assert_draft(draft, STATUS_OK, REFUSAL_NONE);
        *limits[i].count += one;
        assert_draft(draft, STATUS_REFUSED, REFUSAL_TOO_LARGE);
        *limits[i].count = before;
    }
    free(steps);
    free(texts);
    free(paths);
    free(bytes);
    free(list);
}

static void weak_signer_is_refused(void **state)
{
    OWN(draft) struct draft *draft = draft_new();
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)1024);
    uint8_t *spki = NULL;
    int size = i2d_PUBKEY(key, &spki);

    (void)state;
    assert_true(size > 0);
    draft->file_policy.n_signers = 1;
    assert_malformed_with(draft, draft->signers[0], data_of(spki, (size_t)size));
    OPENSSL_free(spki);
    EVP_PKEY_free(key);
}

static void firmware_that_is_not_listed_is_refused_and_named(void **state)
{
    OWN(draft) struct draft *draft = draft_new();
    OWN(bytes) struct bytes bytes = draft_pack(draft);
    OWN(reference_set) struct reference_set *set = NULL;
    struct refusal refusal;

    (void)state;
    assert_ok(reference_set_open(bytes_view(&bytes), &set, NULL));
    assert_ok(reference_set_check_firmware(set, 1, &refusal));
    assert_ok(reference_set_check_firmware(set, 2, &refusal));
    assert_refused(reference_set_check_firmware(set, 3, &refusal), refusal, REFUSAL_FIRMWARE);
    assert_string_equal(refusal.finding.seen, "0000000000000003");
    assert_string_equal(refusal.finding.expected, "0000000000000001 or others");
    set->firmware_count = 0; /* any */
    assert_ok(reference_set_check_firmware(set, 3, &refusal));
}

static void good_set_holds_what_it_says_under_the_digest_of_its_bytes(void **state)
{
    OWN(draft) struct draft *draft = draft_new();
    OWN(bytes) struct bytes bytes = draft_pack(draft);
    OWN(reference_set) struct reference_set *set = NULL;
    struct digest digest = sha256(bytes_view(&bytes));

    (void)state;
    assert_ok(reference_set_open(bytes_view(&bytes), &set, NULL));
    memset(bytes.data, 0xff, bytes.size); /* it does not lie there any more */
    assert_true(digest_equal(&set->digest, &digest));
    assert_string_equal(set->name, "set");
    assert_int_equal(reference_set_mask(set),
                     1u << 1 | 1u << 4 | 1u << 7 | 1u << 9 | 1u << 10 | 1u << 14);
    assert_int_equal(reference_set_judged_pcrs(set), 1u << 4 | 1u << 7 | 1u << 9);
    assert_int_equal(set->events.step_count, 3);
    assert_int_equal(set->events.steps[2].role, EVENT_ROLE_INITRD);
    assert_int_equal(set->secure_boot.dbx_required.count, 2);
    assert_int_equal(set->files.signer_count, 2);
    assert_int_equal(set->files.exceptions[IMA_EXCEPTION_FILE].count, 2);
    assert_int_equal(file_set_find(&set->files.files, view_string("/usr/bin/true"),
                                   &(struct digest){{0xf1}}, NULL),
                     FILE_ALLOWED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(set_of_another_format_is_refused),
        cmocka_unit_test(any_truncation_and_any_trailing_byte_is_refused),
        cmocka_unit_test(other_encodings_of_the_same_set_are_refused),
        cmocka_unit_test(set_above_its_size_is_refused),
        cmocka_unit_test(name_that_is_none_is_refused),
        cmocka_unit_test(pcr_values_that_are_unsorted_or_repeated_are_refused),
        cmocka_unit_test(events_that_are_unsorted_or_not_judged_are_refused),
        cmocka_unit_test(secure_boot_lists_that_are_unsorted_or_cut_are_refused),
        cmocka_unit_test(files_that_are_malformed_are_refused),
        cmocka_unit_test(firmware_versions_that_are_unsorted_or_repeated_are_refused),
        cmocka_unit_test(more_of_anything_than_its_limit_is_refused),
        cmocka_unit_test(weak_signer_is_refused),
        cmocka_unit_test(firmware_that_is_not_listed_is_refused_and_named),
        cmocka_unit_test(good_set_holds_what_it_says_under_the_digest_of_its_bytes),
    };
    return cmocka_run_group_tests_name("reference_set", tests, NULL, NULL);
}
