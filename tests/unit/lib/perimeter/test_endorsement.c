#include "lib/perimeter/endorsement.h"

#include "lib/attest/evidence_message.h"
#include "lib/base/protobuf.h"

#include "tests/support/perimeter.h"
#include "tests/support/soft_tpm.h"
#include "tests/support/test.h"

#include <stdlib.h>
#include <string.h>

/* --- the endorsement --- */

static enum status check(const struct perimeter_test *perimeter, struct view document,
                         uint64_t signed_epoch, unsigned signers, uint64_t now_s,
                         struct refusal *refusal)
{
    OWN(signed_document)
    Tccp__SignedDocument *message =
        perimeter_test_signed(perimeter, DOCUMENT_ENDORSEMENT, signed_epoch, document, signers);
    struct endorsement endorsement;

    return endorsement_check(message, &perimeter->root, now_s, &endorsement, refusal);
}

static void an_endorsement_that_does_not_hold_is_refused(void **state)
{
    OWN(perimeter_test) struct perimeter_test *perimeter = perimeter_test_new();
    OWN(perimeter_test) struct perimeter_test *other = perimeter_test_new();
    OWN(bytes) struct bytes bytes = perimeter_test_endorsement(perimeter, 2);
    OWN(bytes) struct bytes foreign = perimeter_test_endorsement(other, 2);
    struct view view = bytes_view(&bytes);
    const uint64_t now_s = PERIMETER_TEST_NOW_S;
    struct refusal refusal;

    (void)state;
    assert_ok(check(perimeter, view, 2, 3, now_s, &refusal));
    assert_refused(check(perimeter, view, 2, 2, now_s, &refusal), refusal,
                   REFUSAL_TOO_FEW_SIGNATURES);
    assert_refused(check(perimeter, view, 1, 3, now_s, &refusal), refusal, REFUSAL_BAD_SIGNATURE);
    assert_refused(check(perimeter, bytes_view(&foreign), 2, 3, now_s, &refusal), refusal,
                   REFUSAL_WRONG_PERIMETER);
    assert_refused(check(perimeter, view, 2, 3, now_s - 10 * 86400 - 1, &refusal), refusal,
                   REFUSAL_NOT_YET_VALID);
    assert_ok(check(perimeter, view, 2, 3, now_s + 10 * 86400, &refusal));
    assert_refused(check(perimeter, view, 2, 3, now_s + 10 * 86400 + 1, &refusal), refusal,
                   REFUSAL_ENDORSEMENT_EXPIRED);
}

static enum status parse_message(const Tccp__ClusterEndorsement *message, struct refusal *refusal)
{
    OWN(bytes) struct bytes bytes = {0};
    struct endorsement endorsement;

    assert_ok(protobuf_pack(&message->base, ENDORSEMENT_SIZE_MAX, &bytes));
    return endorsement_parse(bytes_view(&bytes), &endorsement, refusal);
}

static void a_malformed_endorsement_is_refused(void **state)
{
    OWN(perimeter_test) struct perimeter_test *perimeter = perimeter_test_new();
    OWN(bytes) struct bytes bytes = perimeter_test_endorsement(perimeter, 2);
    Tccp__ClusterEndorsement *message =
        tccp__cluster_endorsement__unpack(NULL, bytes.size, bytes.data);
    struct view ed25519 = private_key_spki(perimeter->keys[2]);
    ProtobufCBinaryData tc_sign = message->tc_sign;
    uint64_t not_after_s = message->not_after_s;
    struct refusal refusal;

    (void)state;
    assert_ok(parse_message(message, &refusal));
    message->not_after_s = message->not_before_s + ENDORSEMENT_VALIDITY_MAX_S + 1;
    assert_refused(parse_message(message, &refusal), refusal, REFUSAL_MALFORMED);
    message->not_after_s = message->not_before_s;
    assert_refused(parse_message(message, &refusal), refusal, REFUSAL_MALFORMED);
    message->not_after_s = not_after_s;
    message->epoch = 0;
    assert_refused(parse_message(message, &refusal), refusal, REFUSAL_MALFORMED);
    message->epoch = 2;
    message->format = 0;
    assert_refused(parse_message(message, &refusal), refusal, REFUSAL_VERSION);
    message->format = 1;
    message->tc_sign = protobuf_data(ed25519);
    assert_refused(parse_message(message, &refusal), refusal, REFUSAL_MALFORMED);
    message->tc_sign = tc_sign;
    message->tc_kem.data[40] ^= 1; /* off the curve */
    assert_refused(parse_message(message, &refusal), refusal, REFUSAL_MALFORMED);
    message->tc_kem.data[40] ^= 1;
    message->perimeter_id.len = 0;
    assert_refused(parse_message(message, &refusal), refusal, REFUSAL_MALFORMED);
    tccp__cluster_endorsement__free_unpacked(message, NULL);
}

/* --- the request --- */

enum { PCR_MASK = 0xff };

/* What a member would send; a test changes one thing before it is quoted, signed or packed. */
struct request {
    struct perimeter_test *perimeter;
    struct manifest *manifest;
    struct soft_key ak;
    uint64_t epoch;
    struct digest perimeter_id;
    char member[8];
    uint8_t tc_kem[P256_POINT_SIZE];
    struct digest values[8];
    /* Of what the quote speaks, where it differs. */
    struct scope quoted_scope;
    const struct private_key *quoted_tc_sign;
    const struct soft_key *signer;
};

static struct request *request_new(void)
{
    struct request *request = calloc(1, sizeof *request);
    OWN(bytes) struct bytes bytes = {0};
    struct tpm_public public_area;
    Tccp__PerimeterManifest *message;
    OWN(bytes) struct bytes built = {0};

    assert_non_null(request);
    request->perimeter = perimeter_test_new();
    request->ak = soft_ak_new(SOFT_P256);
    request->signer = &request->ak;
    assert_ok(tpm_public_parse(soft_key_public(&request->ak), &public_area));
    bytes = perimeter_test_manifest(request->perimeter, 3, 2);
    message = tccp__perimeter_manifest__unpack(NULL, bytes.size, bytes.data);
    memcpy(message->members[1]->ak_name.data, public_area.name.bytes, public_area.name.size);
    assert_ok(manifest_build(message, &built, NULL));
    tccp__perimeter_manifest__free_unpacked(message, NULL);
    assert_ok(manifest_parse(bytes_view(&built), &request->manifest, NULL));
    request->epoch = 2;
    request->perimeter_id = request->perimeter->root.id;
    request->quoted_scope = (struct scope){request->perimeter_id, 2};
    request->quoted_tc_sign = request->perimeter->tc_sign;
    memcpy(request->member, "tc2", 4);
    private_key_point(request->perimeter->tc_kem, request->tc_kem);
    for (unsigned pcr = 0; pcr < 8; pcr++) {
        request->values[pcr] = perimeter_test_pcr(pcr);
    }
    return request;
}

static void request_free(struct request *request)
{
    manifest_free(request->manifest);
    perimeter_test_free(request->perimeter);
    soft_key_free(&request->ak);
    free(request);
}
DEFINE_OWN_POINTER(request, request_free)

static struct bytes request_bytes(const struct request *request)
{
    const struct manifest_member *member = manifest_member_by_name(request->manifest, "tc2");
    struct digest qualifying = endorsement_request_qualifying(
        &request->quoted_scope, private_key_spki(request->quoted_tc_sign),
        VIEW_OF_ARRAY(request->tc_kem), member);
    struct digest pcr_digest = sha256(VIEW_OF_ARRAY(request->values));
    struct soft_quote soft_quote = soft_quote_new(digest_view(&qualifying), PCR_MASK, &pcr_digest);
    OWN(bytes) struct bytes quote = soft_quote_bytes(&soft_quote);
    OWN(bytes) struct bytes signature = soft_sign(request->signer, bytes_view(&quote));
    const struct evidence_view view = {
        .ak_public = soft_key_public(request->signer),
        .quote = bytes_view(&quote),
        .signature = bytes_view(&signature),
        .pcr_values = VIEW_OF_ARRAY(request->values),
    };
    Tccp__Evidence evidence = evidence_view_to_message(&view);
    Tccp__EndorsementRequest message;
    struct bytes bytes;

    tccp__endorsement_request__init(&message);
    message.format = 1;
    message.perimeter_id = protobuf_data(digest_view(&request->perimeter_id));
    message.epoch = request->epoch;
    message.tc_sign = protobuf_data(private_key_spki(request->perimeter->tc_sign));
    message.tc_kem = protobuf_data(VIEW_OF_ARRAY(request->tc_kem));
    message.member = (char *)(uintptr_t)request->member;
    message.evidence = &evidence;
    assert_ok(protobuf_pack(&message.base, ENDORSEMENT_REQUEST_SIZE_MAX, &bytes));
    return bytes;
}

static enum status request_check(const struct request *request, struct refusal *refusal)
{
    OWN(bytes) struct bytes bytes = request_bytes(request);
    struct endorsement_request result;

    TRY(endorsement_request_check(bytes_view(&bytes), request->manifest, &result, refusal));
    assert_string_equal(result.member->name, "tc2");
    assert_int_equal(result.endorsement.epoch, 2);
    assert_true(view_equal(perimeter_key_view(&result.endorsement.tc_sign),
                           private_key_spki(request->perimeter->tc_sign)));
    return STATUS_OK;
}

static void a_good_request_is_accepted(void **state)
{
    OWN(request) struct request *request = request_new();
    struct refusal refusal = {.code = REFUSAL_NONE};

    (void)state;
    if (request_check(request, &refusal) != STATUS_OK) {
        fail_msg("%s: %s", refusal_name(refusal.code), refusal.detail);
    }
}

static void a_request_for_another_perimeter_or_epoch_is_refused(void **state)
{
    OWN(request) struct request *request = request_new();
    struct refusal refusal;

    (void)state;
    request->epoch = 3;
    assert_refused(request_check(request, &refusal), refusal, REFUSAL_EPOCH_MISMATCH);
    request->epoch = 2;
    request->perimeter_id.bytes[0] ^= 1;
    assert_refused(request_check(request, &refusal), refusal, REFUSAL_WRONG_PERIMETER);
}

static void a_request_whose_quote_speaks_of_something_else_is_refused(void **state)
{
    OWN(request) struct request *request = request_new();
    struct refusal refusal;

    (void)state;
    request->quoted_tc_sign = request->perimeter->keys[0];
    assert_refused(request_check(request, &refusal), refusal, REFUSAL_QUOTE_BINDING);
    request->quoted_tc_sign = request->perimeter->tc_sign;
    request->quoted_scope.epoch = 1;
    assert_refused(request_check(request, &refusal), refusal, REFUSAL_QUOTE_BINDING);
    request->quoted_scope.epoch = 2;
    request->quoted_scope.perimeter_id.bytes[9] ^= 1;
    assert_refused(request_check(request, &refusal), refusal, REFUSAL_QUOTE_BINDING);
}

static void a_request_of_a_member_that_is_not_in_the_manifest_is_refused(void **state)
{
    OWN(request) struct request *request = request_new();
    struct refusal refusal;

    (void)state;
    request->member[2] = '9';
    assert_refused(request_check(request, &refusal), refusal, REFUSAL_NOT_FOUND);
    /* A member, but the AK of another one. */
    request->member[2] = '1';
    assert_refused(request_check(request, &refusal), refusal, REFUSAL_AK_NAME);
}

static void a_request_by_another_tpm_is_refused(void **state)
{
    OWN(request) struct request *request = request_new();
    OWN(soft_key) struct soft_key other = soft_ak_new(SOFT_P256);
    struct refusal refusal;

    (void)state;
    request->signer = &other;
    assert_refused(request_check(request, &refusal), refusal, REFUSAL_AK_NAME);
}

static void a_request_of_a_host_with_other_software_is_refused(void **state)
{
    OWN(request) struct request *request = request_new();
    struct refusal refusal;

    (void)state;
    request->values[4].bytes[0] ^= 1;
    assert_refused(request_check(request, &refusal), refusal, REFUSAL_PCR_NOT_ALLOWED);
}

static void a_request_that_is_too_long_is_refused_unread(void **state)
{
    static const uint8_t bytes[ENDORSEMENT_REQUEST_SIZE_MAX + 1];
    const struct manifest manifest = {.version = 1};
    struct endorsement_request request;
    struct refusal refusal;

    (void)state;
    assert_refused(endorsement_request_check(VIEW_OF_ARRAY(bytes), &manifest, &request, &refusal),
                   refusal, REFUSAL_TOO_LARGE);
}

static void a_request_without_evidence_is_refused(void **state)
{
    OWN(request) struct request *request = request_new();
    OWN(bytes) struct bytes bytes = request_bytes(request), bare = {0};
    Tccp__EndorsementRequest *message =
        tccp__endorsement_request__unpack(NULL, bytes.size, bytes.data);
    Tccp__Evidence *evidence = message->evidence;
    struct endorsement_request result;
    struct refusal refusal;

    (void)state;
    message->evidence = NULL;
    assert_ok(protobuf_pack(&message->base, ENDORSEMENT_REQUEST_SIZE_MAX, &bare));
    assert_refused(
        endorsement_request_check(bytes_view(&bare), request->manifest, &result, &refusal), refusal,
        REFUSAL_MALFORMED);
    message->evidence = evidence;
    tccp__endorsement_request__free_unpacked(message, NULL);
    assert_refused(endorsement_request_check((struct view){bytes.data, bytes.size / 2},
                                             request->manifest, &result, &refusal),
                   refusal, REFUSAL_MALFORMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_endorsement_that_does_not_hold_is_refused),
        cmocka_unit_test(a_malformed_endorsement_is_refused),
        cmocka_unit_test(a_good_request_is_accepted),
        cmocka_unit_test(a_request_for_another_perimeter_or_epoch_is_refused),
        cmocka_unit_test(a_request_whose_quote_speaks_of_something_else_is_refused),
        cmocka_unit_test(a_request_of_a_member_that_is_not_in_the_manifest_is_refused),
        cmocka_unit_test(a_request_by_another_tpm_is_refused),
        cmocka_unit_test(a_request_of_a_host_with_other_software_is_refused),
        cmocka_unit_test(a_request_that_is_too_long_is_refused_unread),
        cmocka_unit_test(a_request_without_evidence_is_refused),
    };
    return cmocka_run_group_tests_name("endorsement", tests, NULL, NULL);
}
