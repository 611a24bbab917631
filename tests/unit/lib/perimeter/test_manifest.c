#include "lib/perimeter/manifest.h"

#include "lib/base/protobuf.h"

#include "tests/support/perimeter.h"
#include "tests/support/test.h"

#include <stdlib.h>
#include <string.h>

/* A good manifest as a message; a test changes one thing and sees what becomes of it. */
struct sample {
    struct perimeter_test *perimeter;
    Tccp__PerimeterManifest *message;
};

static struct sample sample_new(void)
{
    struct sample test = {.perimeter = perimeter_test_new()};
    OWN(bytes) struct bytes bytes = perimeter_test_manifest(test.perimeter, 3, 2);

    test.message = tccp__perimeter_manifest__unpack(NULL, bytes.size, bytes.data);
    assert_non_null(test.message);
    return test;
}

static void sample_free(struct sample *test)
{
    tccp__perimeter_manifest__free_unpacked(test->message, NULL);
    perimeter_test_free(test->perimeter);
}
DEFINE_OWN_VALUE(sample, sample_free)

static enum status parse(const struct sample *test, struct refusal *refusal)
{
    OWN(bytes) struct bytes bytes = {0};
    OWN(manifest) struct manifest *manifest = NULL;

    assert_ok(protobuf_pack(&test->message->base, 64 << 20, &bytes));
    return manifest_parse(bytes_view(&bytes), &manifest, refusal);
}

#define assert_parse_refused(test, expected)                                                       \
    do {                                                                                           \
        struct refusal refusal_ = {0};                                                             \
        assert_refused(parse(&(test), &refusal_), refusal_, expected);                             \
    } while (0)

/* Puts another value in place, sees the refusal, and puts the old one back. */
#define assert_refused_with(test, place, value, expected)                                          \
    do {                                                                                           \
        __typeof__(place) kept_ = (place);                                                         \
        (place) = (value);                                                                         \
        assert_parse_refused(test, expected);                                                      \
        (place) = kept_;                                                                           \
    } while (0)

/* Where the kept value is a pointer into the message that is freed later. */
#define SWAP(left, right)                                                                          \
    do {                                                                                           \
        __typeof__(left) swap_ = (left);                                                           \
        (left) = (right);                                                                          \
        (right) = swap_;                                                                           \
    } while (0)

static void a_wrong_header_is_refused(void **state)
{
    OWN(sample) struct sample test = sample_new();

    (void)state;
    assert_refused_with(test, test.message->format, 2, REFUSAL_VERSION);
    assert_refused_with(test, test.message->perimeter_id.len, 31, REFUSAL_MALFORMED);
    assert_refused_with(test, test.message->version, 0, REFUSAL_MALFORMED);
    assert_refused_with(test, test.message->epoch, 0, REFUSAL_MALFORMED);
    assert_refused_with(test, test.message->not_before_s, test.message->not_after_s,
                        REFUSAL_MALFORMED);
    assert_refused_with(test, test.message->not_after_s, UINT64_MAX, REFUSAL_MALFORMED);
    assert_refused_with(test, test.message->lease_s, LEASE_MIN_S - 1, REFUSAL_MALFORMED);
    assert_refused_with(test, test.message->lease_s, LEASE_MAX_S + 1, REFUSAL_MALFORMED);
    assert_refused_with(test, test.message->member_policy, (char[]){"compute2"},
                        REFUSAL_POLICY_MISSING);
    assert_refused_with(test, test.message->n_members, 0, REFUSAL_MALFORMED);
    assert_int_equal(parse(&test, NULL), STATUS_OK);
}

static void wrong_names_are_refused(void **state)
{
    char longest[MANIFEST_NAME_LENGTH_MAX + 2] = "";
    char *const wrong[] = {(char[]){""},    (char[]){"-a"},       (char[]){"a b"}, (char[]){"a\n"},
                           (char[]){"a/b"}, (char[]){"\xc3\xa9"}, longest};
    OWN(sample) struct sample test = sample_new();

    (void)state;
    memset(longest, 'a', MANIFEST_NAME_LENGTH_MAX);
    assert_true(manifest_name_is_valid(longest));
    longest[MANIFEST_NAME_LENGTH_MAX] = 'a';
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        assert_false(manifest_name_is_valid(wrong[i]));
        assert_refused_with(test, test.message->members[0]->name, wrong[i], REFUSAL_MALFORMED);
        assert_refused_with(test, test.message->nodes[0]->name, wrong[i], REFUSAL_MALFORMED);
        assert_refused_with(test, test.message->operators[0]->name, wrong[i], REFUSAL_MALFORMED);
        assert_refused_with(test, test.message->policies[0]->name, wrong[i], REFUSAL_MALFORMED);
    }
}

static void a_name_twice_is_refused(void **state)
{
    OWN(sample) struct sample test = sample_new();
    Tccp__PerimeterManifest *message = test.message;

    (void)state;
    assert_refused_with(test, message->members[1]->name, message->members[0]->name,
                        REFUSAL_MALFORMED);
    assert_refused_with(test, message->nodes[1]->name, message->nodes[0]->name, REFUSAL_MALFORMED);
    assert_refused_with(test, message->policies[1]->name, message->policies[0]->name,
                        REFUSAL_MALFORMED);
    /* A node with a member's name. */
    assert_refused_with(test, message->nodes[1]->name, message->members[2]->name,
                        REFUSAL_MALFORMED);
}

static void entries_that_are_not_sorted_are_refused(void **state)
{
    OWN(sample) struct sample test = sample_new();
    Tccp__PerimeterManifest *message = test.message;

    (void)state;
    SWAP(message->members[0], message->members[1]);
    assert_parse_refused(test, REFUSAL_MALFORMED);
    SWAP(message->members[0], message->members[1]);
    SWAP(message->nodes[0], message->nodes[1]);
    assert_parse_refused(test, REFUSAL_MALFORMED);
    SWAP(message->nodes[0], message->nodes[1]);
    SWAP(message->policies[0], message->policies[1]);
    assert_parse_refused(test, REFUSAL_MALFORMED);
    SWAP(message->policies[0], message->policies[1]);
    SWAP(message->policies[0]->pcrs[0], message->policies[0]->pcrs[1]);
    assert_parse_refused(test, REFUSAL_MALFORMED);
}

static void one_tpm_in_two_places_is_refused(void **state)
{
    OWN(sample) struct sample test = sample_new();
    Tccp__PerimeterManifest *message = test.message;

    (void)state;
    assert_refused_with(test, message->nodes[1]->ek_name, message->nodes[0]->ek_name,
                        REFUSAL_MALFORMED);
    assert_refused_with(test, message->members[1]->ek_name, message->members[0]->ek_name,
                        REFUSAL_MALFORMED);
    assert_refused_with(test, message->nodes[1]->ek_name, message->members[0]->ek_name,
                        REFUSAL_MALFORMED);
    assert_refused_with(test, message->members[1]->ak_name, message->members[0]->ak_name,
                        REFUSAL_MALFORMED);
}

static void what_is_no_tpm_name_is_refused(void **state)
{
    OWN(sample) struct sample test = sample_new();
    Tccp__PerimeterManifest *message = test.message;

    (void)state;
    assert_refused_with(test, message->nodes[0]->ek_name.len, 33, REFUSAL_MALFORMED);
    assert_refused_with(test, message->members[0]->ek_name.len, 0, REFUSAL_MALFORMED);
    message->members[0]->ak_name.data[1] = 0x04; /* SHA-1 */
    assert_parse_refused(test, REFUSAL_MALFORMED);
}

static void wrong_addresses_are_refused(void **state)
{
    char *const wrong[] = {
        (char[]){""},         (char[]){"host"},       (char[]){":1"},       (char[]){"host:"},
        (char[]){"host:0"},   (char[]){"host:65536"}, (char[]){"host:1x"},  (char[]){"::1:80"},
        (char[]){"[::1:80"},  (char[]){"[]:80"},      (char[]){"ho st:80"}, (char[]){"unix:/a:80"},
        (char[]){"host:080"}, (char[]){"a/b:80"},
    };
    OWN(sample) struct sample test = sample_new();
    Tccp__MemberEntry *member = test.message->members[0];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        assert_refused_with(test, member->address, wrong[i], REFUSAL_MALFORMED);
        assert_refused_with(test, member->raft_address, wrong[i], REFUSAL_MALFORMED);
    }
    assert_refused_with(test, member->address, test.message->members[1]->address,
                        REFUSAL_MALFORMED);
    {
        char *kept = member->address;

        member->address = (char[]){"[2001:db8::1]:443"};
        assert_ok(parse(&test, NULL));
        member->address = kept;
    }
}

static void wrong_policies_are_refused(void **state)
{
    OWN(sample) struct sample test = sample_new();
    Tccp__PcrPolicy *policy = test.message->policies[0];

    (void)state;
    assert_refused_with(test, policy->pcrs[7]->pcr, 24, REFUSAL_MALFORMED);
    assert_refused_with(test, policy->pcrs[1]->pcr, policy->pcrs[0]->pcr, REFUSAL_MALFORMED);
    assert_refused_with(test, policy->pcrs[0]->values[0].len, 31, REFUSAL_MALFORMED);
    assert_refused_with(test, policy->pcrs[0]->n_values, 0, REFUSAL_MALFORMED);
    assert_refused_with(test, policy->n_pcrs, 0, REFUSAL_MALFORMED);
    assert_refused_with(test, test.message->nodes[0]->policy, (char[]){"none"},
                        REFUSAL_POLICY_MISSING);
}

/* A policy with three references beside its PCRs, which a test then spoils. */
struct named_sets {
    Tccp__PolicyReference references[MANIFEST_REFERENCE_COUNT_MAX + 1];
    Tccp__PolicyReference *places[MANIFEST_REFERENCE_COUNT_MAX + 1];
    struct digest digests[MANIFEST_REFERENCE_COUNT_MAX + 1];
};

static void references_make(Tccp__PcrPolicy *policy, struct named_sets *made)
{
    for (unsigned i = 0; i < ARRAY_SIZE(made->references); i++) {
        tccp__policy_reference__init(&made->references[i]);
        memset(made->digests[i].bytes, (int)i, SHA256_SIZE);
        made->references[i].digest = protobuf_data(digest_view(&made->digests[i]));
        made->places[i] = &made->references[i];
    }
    policy->references = made->places;
    policy->n_references = 3;
}

static void wrong_references_are_refused(void **state)
{
    OWN(sample) struct sample test = sample_new();
    Tccp__PcrPolicy *policy = test.message->policies[0];
    struct named_sets made;

    (void)state;
    assert_string_not_equal(policy->name, test.message->member_policy);
    references_make(policy, &made);
    assert_ok(parse(&test, NULL));
    assert_refused_with(test, made.references[1].digest.len, 31, REFUSAL_MALFORMED);
    assert_refused_with(test, made.places[1], made.places[0], REFUSAL_MALFORMED);
    assert_refused_with(test, made.digests[0].bytes[0], 9, REFUSAL_MALFORMED); /* not sorted */
    assert_refused_with(test, made.references[0].not_after_s, UINT64_MAX, REFUSAL_MALFORMED);
    made.references[0].staged = true;
    assert_ok(parse(&test, NULL));
    assert_refused_with(test, made.references[0].not_after_s, 1, REFUSAL_MALFORMED);
    policy->n_references = MANIFEST_REFERENCE_COUNT_MAX;
    assert_ok(parse(&test, NULL));
    assert_refused_with(test, policy->n_references, MANIFEST_REFERENCE_COUNT_MAX + 1,
                        REFUSAL_TOO_LARGE);
    policy->n_references = 0;
    policy->references = NULL;
}

static void a_policy_that_judges_nothing_is_refused(void **state)
{
    OWN(sample) struct sample test = sample_new();
    Tccp__PcrPolicy *policy = test.message->policies[0];
    size_t pcr_count = policy->n_pcrs;
    struct named_sets made;

    (void)state;
    references_make(policy, &made);
    policy->n_pcrs = 0;
    assert_ok(parse(&test, NULL));
    for (size_t i = 0; i < 3; i++) {
        made.references[i].staged = true;
    }
    assert_parse_refused(test, REFUSAL_MALFORMED);
    policy->n_pcrs = pcr_count;
    assert_ok(parse(&test, NULL));
    policy->n_references = 0;
    policy->references = NULL;
}

/* Nodes and key holders appraise members, and have no reference sets. */
static void references_for_members_are_refused(void **state)
{
    OWN(sample) struct sample test = sample_new();
    Tccp__PcrPolicy *policy = test.message->policies[1];
    struct named_sets made;

    (void)state;
    assert_string_equal(policy->name, test.message->member_policy);
    references_make(policy, &made);
    assert_parse_refused(test, REFUSAL_MALFORMED);
    policy->n_references = 0;
    policy->references = NULL;
    assert_ok(parse(&test, NULL));
}

/* What is appraised with the policy is under its digest. */
static void references_change_the_digest_of_their_policy(void **state)
{
    OWN(sample) struct sample test = sample_new();
    Tccp__PcrPolicy *policy = test.message->policies[0];
    struct digest digests[4];
    struct named_sets made;

    (void)state;
    references_make(policy, &made);
    policy->n_references = 1;
    for (size_t i = 0; i < ARRAY_SIZE(digests); i++) {
        OWN(bytes) struct bytes bytes = {0};
        OWN(manifest) struct manifest *manifest = NULL;

        policy->n_references = i == 0 ? 0 : 1;
        made.references[0].staged = i == 2;
        made.references[0].not_after_s = i == 3 ? 1 : 0;
        assert_ok(manifest_build(test.message, &bytes, NULL));
        assert_ok(manifest_parse(bytes_view(&bytes), &manifest, NULL));
        digests[i] = manifest->policies[0].digest;
        for (size_t other = 0; other < i; other++) {
            assert_false(digest_equal(&digests[i], &digests[other]));
        }
    }
    policy->n_references = 0;
    policy->references = NULL;
}

static void wrong_operators_are_refused(void **state)
{
    OWN(sample) struct sample test = sample_new();
    Tccp__OperatorEntry *alice = test.message->operators[0];
    Tccp__OperatorEntry bob = *alice, *both[] = {alice, &bob};

    (void)state;
    assert_refused_with(test, alice->role, (char[]){"customer"}, REFUSAL_MALFORMED);
    assert_refused_with(test, alice->key.len, alice->key.len - 1, REFUSAL_MALFORMED);
    /* Two people with one key. */
    bob.name = (char[]){"bob"};
    {
        Tccp__OperatorEntry **kept = test.message->operators;

        test.message->operators = both;
        test.message->n_operators = 2;
        assert_parse_refused(test, REFUSAL_MALFORMED);
        test.message->operators = kept;
        test.message->n_operators = 1;
    }
}

static void wrong_attributes_are_refused(void **state)
{
    OWN(sample) struct sample test = sample_new();
    Tccp__Attribute *zone = test.message->nodes[0]->attributes[0];
    char *const wrong[] = {(char[]){""}, (char[]){"a b"}, (char[]){"a#b"}, (char[]){"\x7f"}};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        assert_refused_with(test, zone->value, wrong[i], REFUSAL_MALFORMED);
        assert_refused_with(test, zone->key, wrong[i], REFUSAL_MALFORMED);
    }
}

static void what_is_no_certificate_is_refused(void **state)
{
    static uint8_t certificate[] = {0x30, 0x02, 0x05, 0x00}, other[] = {0x30, 0x02, 0x06, 0x00};
    static uint8_t wrong[][4] = {{0x31, 0x02, 0x05, 0x00},
                                 {0x30, 0x01, 0x05, 0x00},
                                 {0x30, 0x03, 0x05, 0x00},
                                 {0x30, 0x81, 0x01, 0x00},
                                 {0x30, 0x80, 0x00, 0x00}};
    OWN(sample) struct sample test = sample_new();
    ProtobufCBinaryData cas[2] = {{4, certificate}, {4, other}};

    (void)state;
    test.message->manufacturer_cas = cas;
    test.message->n_manufacturer_cas = 2;
    assert_ok(parse(&test, NULL));
    cas[1] = cas[0];
    assert_parse_refused(test, REFUSAL_MALFORMED);
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        cas[1] = (ProtobufCBinaryData){4, wrong[i]};
        test.message->n_manufacturer_cas = 1;
        cas[0] = cas[1];
        assert_parse_refused(test, REFUSAL_MALFORMED);
    }
    test.message->manufacturer_cas = NULL;
    test.message->n_manufacturer_cas = 0;
}

static void more_than_the_limits_is_refused(void **state)
{
    OWN(sample) struct sample test = sample_new();
    Tccp__PerimeterManifest *message = test.message;
    struct {
        void **list;
        size_t *count;
        size_t max;
    } lists[] = {
        {(void **)&message->members, &message->n_members, MANIFEST_MEMBER_COUNT_MAX},
        {(void **)&message->operators, &message->n_operators, MANIFEST_OPERATOR_COUNT_MAX},
        {(void **)&message->policies, &message->n_policies, MANIFEST_POLICY_COUNT_MAX},
        {(void **)&message->nodes[0]->attributes, &message->nodes[0]->n_attributes,
         MANIFEST_ATTRIBUTE_COUNT_MAX},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
        void *kept = *lists[i].list, **many = calloc(lists[i].max + 1, sizeof *many);
        size_t kept_count = *lists[i].count;

        assert_non_null(many);
        for (size_t entry = 0; entry <= lists[i].max; entry++) {
            many[entry] = *(void **)kept;
        }
        *lists[i].list = many;
        *lists[i].count = lists[i].max + 1;
        assert_parse_refused(test, REFUSAL_TOO_LARGE);
        *lists[i].list = kept;
        *lists[i].count = kept_count;
        free(many);
    }
    {
        static const uint8_t zeroes[MANIFEST_SIZE_MAX + 1];
        struct manifest *manifest;
        struct refusal refusal;

        assert_refused(manifest_parse(VIEW_OF_ARRAY(zeroes), &manifest, &refusal), refusal,
                       REFUSAL_TOO_LARGE);
    }
}

static void building_sorts_what_was_given_in_any_order(void **state)
{
    OWN(sample) struct sample test = sample_new();
    OWN(bytes) struct bytes sorted = {0}, again = {0};
    Tccp__PcrPolicy *policy = test.message->policies[0];
    struct named_sets made;

    (void)state;
    references_make(policy, &made);
    assert_ok(protobuf_pack(&test.message->base, MANIFEST_SIZE_MAX, &sorted));
    SWAP(test.message->members[0], test.message->members[2]);
    SWAP(test.message->nodes[0], test.message->nodes[1]);
    SWAP(test.message->policies[0], test.message->policies[1]);
    SWAP(test.message->policies[0]->pcrs[0], test.message->policies[0]->pcrs[7]);
    SWAP(made.places[0], made.places[2]);
    assert_ok(manifest_build(test.message, &again, NULL));
    assert_true(view_equal(bytes_view(&sorted), bytes_view(&again)));
    policy->n_references = 0;
    policy->references = NULL;
}

static void everything_is_found_by_its_names(void **state)
{
    OWN(perimeter_test) struct perimeter_test *perimeter = perimeter_test_new();
    OWN(bytes) struct bytes bytes = perimeter_test_manifest(perimeter, 3, 2);
    OWN(manifest) struct manifest *manifest = NULL;
    struct digest key_id = sha256(private_key_spki(perimeter->tc_kem));
    const struct manifest_member *member;
    const struct manifest_node *node;

    (void)state;
    assert_ok(manifest_parse(bytes_view(&bytes), &manifest, NULL));
    assert_int_equal(manifest->version, 3);
    assert_int_equal(manifest->epoch, 2);
    assert_int_equal(manifest->lease_s, LEASE_DEFAULT_S);
    assert_int_equal(manifest->member_count, 3);
    assert_int_equal(manifest->node_count, 2);
    member = manifest_member_by_name(manifest, "tc2");
    assert_string_equal(member->name, "tc2");
    assert_ptr_equal(manifest_member_by_ek(manifest, tpm_name_view(&member->ek_name)), member);
    assert_ptr_equal(manifest_member_by_ak(manifest, tpm_name_view(&member->ak_name)), member);
    assert_null(manifest_node_by_ek(manifest, tpm_name_view(&member->ek_name)));
    assert_null(manifest_member_by_ek(manifest, tpm_name_view(&member->ak_name)));
    node = manifest_node_by_name(manifest, "n2");
    assert_ptr_equal(manifest_node_by_ek(manifest, tpm_name_view(&node->ek_name)), node);
    assert_string_equal(node->policy->name, "compute");
    assert_string_equal(manifest_node_attribute(node, "zone"), "b");
    assert_null(manifest_node_attribute(node, "country"));
    assert_null(manifest_node_by_name(manifest, "n3"));
    assert_string_equal(manifest_operator_by_key(manifest, &key_id)->name, "alice");
    assert_string_equal(manifest->member_policy->name, "members");
    assert_int_equal(pcr_policy_mask(&manifest->member_policy->pcrs), 0xff);
    assert_false(digest_equal(&manifest->policies[0].digest, &manifest->policies[1].digest));
}

/* --- manifest_check --- */

static enum status check(const struct perimeter_test *perimeter, uint64_t signed_epoch,
                         struct view bytes, unsigned signers,
                         const struct manifest_expectation *expectation, struct refusal *refusal)
{
    OWN(signed_document)
    Tccp__SignedDocument *document =
        perimeter_test_signed(perimeter, DOCUMENT_MANIFEST, signed_epoch, bytes, signers);
    OWN(manifest) struct manifest *manifest = NULL;

    return manifest_check(document, expectation, &manifest, refusal);
}

static void manifests_that_must_not_come_into_force_are_refused(void **state)
{
    OWN(perimeter_test) struct perimeter_test *perimeter = perimeter_test_new();
    OWN(perimeter_test) struct perimeter_test *other = perimeter_test_new();
    OWN(bytes) struct bytes bytes = perimeter_test_manifest(perimeter, 3, 2);
    struct manifest_expectation expectation = {
        .root = &perimeter->root, .version = 2, .epoch = 2, .now_s = PERIMETER_TEST_NOW_S};
    struct view view = bytes_view(&bytes);
    struct refusal refusal;

    (void)state;
    assert_ok(check(perimeter, 2, view, 3, &expectation, &refusal));
    assert_refused(check(perimeter, 2, view, 1, &expectation, &refusal), refusal,
                   REFUSAL_TOO_FEW_SIGNATURES);
    assert_refused(check(perimeter, 3, view, 3, &expectation, &refusal), refusal,
                   REFUSAL_BAD_SIGNATURE);
    expectation.version = 3;
    assert_refused(check(perimeter, 2, view, 3, &expectation, &refusal), refusal,
                   REFUSAL_OLD_VERSION);
    expectation.may_be_same = true;
    assert_ok(check(perimeter, 2, view, 3, &expectation, &refusal));
    expectation.version = 4;
    assert_refused(check(perimeter, 2, view, 3, &expectation, &refusal), refusal,
                   REFUSAL_OLD_VERSION);
    expectation.version = 2;
    expectation.epoch = 3;
    assert_refused(check(perimeter, 2, view, 3, &expectation, &refusal), refusal,
                   REFUSAL_OLD_EPOCH);
    expectation.epoch = 2;
    expectation.now_s = UINT64_C(1767225599); /* one second before 2026 */
    assert_refused(check(perimeter, 2, view, 3, &expectation, &refusal), refusal,
                   REFUSAL_NOT_YET_VALID);
    expectation.now_s = UINT64_C(1798761600); /* 2027-01-01, the last valid second */
    assert_ok(check(perimeter, 2, view, 3, &expectation, &refusal));
    expectation.now_s++;
    assert_refused(check(perimeter, 2, view, 3, &expectation, &refusal), refusal,
                   REFUSAL_MANIFEST_EXPIRED);
    expectation.tolerate_expired = true;
    assert_ok(check(perimeter, 2, view, 3, &expectation, &refusal));
    expectation.root = &other->root;
    assert_refused(check(perimeter, 2, view, 3, &expectation, &refusal), refusal,
                   REFUSAL_WRONG_PERIMETER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wrong_header_is_refused),
        cmocka_unit_test(wrong_names_are_refused),
        cmocka_unit_test(a_name_twice_is_refused),
        cmocka_unit_test(entries_that_are_not_sorted_are_refused),
        cmocka_unit_test(one_tpm_in_two_places_is_refused),
        cmocka_unit_test(what_is_no_tpm_name_is_refused),
        cmocka_unit_test(wrong_addresses_are_refused),
        cmocka_unit_test(wrong_policies_are_refused),
        cmocka_unit_test(wrong_references_are_refused),
        cmocka_unit_test(a_policy_that_judges_nothing_is_refused),
        cmocka_unit_test(references_for_members_are_refused),
        cmocka_unit_test(references_change_the_digest_of_their_policy),
        cmocka_unit_test(wrong_operators_are_refused),
        cmocka_unit_test(wrong_attributes_are_refused),
        cmocka_unit_test(what_is_no_certificate_is_refused),
        cmocka_unit_test(more_than_the_limits_is_refused),
        cmocka_unit_test(building_sorts_what_was_given_in_any_order),
        cmocka_unit_test(everything_is_found_by_its_names),
        cmocka_unit_test(manifests_that_must_not_come_into_force_are_refused),
    };
    return cmocka_run_group_tests_name("manifest", tests, NULL, NULL);
}
