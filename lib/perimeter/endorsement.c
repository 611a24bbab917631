#include "lib/perimeter/endorsement.h"

#include "lib/attest/evidence_message.h"
#include "lib/base/protobuf.h"
#include "lib/base/time_text.h"

#include <inttypes.h>
#include <string.h>

enum { ENDORSEMENT_FORMAT = 1, ENDORSEMENT_REQUEST_FORMAT = 1 };

/* The cluster's two public keys, into *endorsement. */
static enum status keys_read(ProtobufCBinaryData tc_sign, ProtobufCBinaryData tc_kem,
                             struct endorsement *endorsement, struct refusal *ret_refusal)
{
    OWN(public_key) struct public_key *sign_key = NULL;
    OWN(public_key) struct public_key *kem_key = NULL;
    enum status status = public_key_parse(protobuf_view(tc_sign), &sign_key);

    if (status == STATUS_MALFORMED ||
        (status == STATUS_OK && public_key_algorithm(sign_key) != KEY_ECDSA_P256)) {
        return refuse(ret_refusal, REFUSAL_MALFORMED, "tc_sign is no ECDSA P-256 key");
    }
    TRY(status);
    status = public_key_parse_point(protobuf_view(tc_kem), &kem_key);
    if (status == STATUS_MALFORMED) {
        return refuse(ret_refusal, REFUSAL_MALFORMED, "tc_kem is no point of P-256");
    }
    TRY(status);
    endorsement->tc_sign.id = public_key_id(sign_key);
    endorsement->tc_sign.size = tc_sign.len;
    memcpy(endorsement->tc_sign.spki, tc_sign.data, tc_sign.len);
    memcpy(endorsement->tc_kem, tc_kem.data, sizeof endorsement->tc_kem);
    return STATUS_OK;
}

static enum status endorsement_read(const Tccp__ClusterEndorsement *message,
                                    struct endorsement *ret_endorsement,
                                    struct refusal *ret_refusal)
{
    if (message->format != ENDORSEMENT_FORMAT) {
        return refuse(ret_refusal, REFUSAL_VERSION, "endorsement of format %" PRIu32,
                      message->format);
    }
    if (digest_of_view(protobuf_view(message->perimeter_id), &ret_endorsement->perimeter_id) !=
        STATUS_OK) {
        return refuse(ret_refusal, REFUSAL_MALFORMED, "a perimeter id of %zu bytes",
                      message->perimeter_id.len);
    }
    if (message->epoch == 0) {
        return refuse(ret_refusal, REFUSAL_MALFORMED, "epochs begin at 1");
    }
    if (message->not_before_s >= message->not_after_s || message->not_after_s > TIME_TEXT_MAX_S ||
        message->not_after_s - message->not_before_s > ENDORSEMENT_VALIDITY_MAX_S) {
        return refuse(ret_refusal, REFUSAL_MALFORMED,
                      "the endorsement's validity is empty, or longer than %d days",
                      ENDORSEMENT_VALIDITY_MAX_S / 86400);
    }
    ret_endorsement->epoch = message->epoch;
    ret_endorsement->not_before_s = message->not_before_s;
    ret_endorsement->not_after_s = message->not_after_s;
    return keys_read(message->tc_sign, message->tc_kem, ret_endorsement, ret_refusal);
}

enum status endorsement_parse(struct view document, struct endorsement *ret_endorsement,
                              struct refusal *ret_refusal)
{
    struct endorsement endorsement = {.epoch = 0};
    Tccp__ClusterEndorsement *message;
    enum status status;

    message = (Tccp__ClusterEndorsement *)protobuf_unpack_strict(
        &tccp__cluster_endorsement__descriptor, document, ENDORSEMENT_SIZE_MAX);
    if (!message) {
        return refuse(ret_refusal, REFUSAL_MALFORMED, "not an endorsement");
    }
    status = endorsement_read(message, &endorsement, ret_refusal);
    tccp__cluster_endorsement__free_unpacked(message, NULL);
    TRY(status);
    *ret_endorsement = endorsement;
    return STATUS_OK;
}

enum status endorsement_check(const Tccp__SignedDocument *document,
                              const struct perimeter_root *root, uint64_t now_s,
                              struct endorsement *ret_endorsement, struct refusal *ret_refusal)
{
    struct endorsement endorsement;
    struct scope scope;

    TRY(endorsement_parse(protobuf_view(document->document), &endorsement, ret_refusal));
    if (!digest_equal(&endorsement.perimeter_id, &root->id)) {
        return refuse(ret_refusal, REFUSAL_WRONG_PERIMETER, "endorsement of epoch %" PRIu64,
                      endorsement.epoch);
    }
    scope = (struct scope){root->id, endorsement.epoch};
    TRY(signed_document_check(document, DOCUMENT_ENDORSEMENT, &scope, root, ret_refusal));
    if (now_s < endorsement.not_before_s) {
        return refuse(ret_refusal, REFUSAL_NOT_YET_VALID,
                      "the endorsement of epoch %" PRIu64 " begins %" PRIu64 " s from now",
                      endorsement.epoch, endorsement.not_before_s - now_s);
    }
    if (now_s > endorsement.not_after_s) {
        return refuse(ret_refusal, REFUSAL_ENDORSEMENT_EXPIRED,
                      "the endorsement of epoch %" PRIu64 " ended %" PRIu64 " s ago",
                      endorsement.epoch, now_s - endorsement.not_after_s);
    }
    *ret_endorsement = endorsement;
    return STATUS_OK;
}

enum status endorsement_build(const struct endorsement *endorsement, struct bytes *ret_document)
{
    Tccp__ClusterEndorsement message = TCCP__CLUSTER_ENDORSEMENT__INIT;
    OWN(bytes) struct bytes bytes = {0};
    struct endorsement again;

    message.format = ENDORSEMENT_FORMAT;
    message.perimeter_id = protobuf_data(digest_view(&endorsement->perimeter_id));
    message.epoch = endorsement->epoch;
    message.tc_sign = protobuf_data(perimeter_key_view(&endorsement->tc_sign));
    message.tc_kem = protobuf_data(VIEW_OF_ARRAY(endorsement->tc_kem));
    message.not_before_s = endorsement->not_before_s;
    message.not_after_s = endorsement->not_after_s;
    TRY(protobuf_pack(&message.base, ENDORSEMENT_SIZE_MAX, &bytes));
    if (endorsement_parse(bytes_view(&bytes), &again, NULL) != STATUS_OK) {
        return STATUS_MALFORMED;
    }
    *ret_document = TAKE(bytes);
    return STATUS_OK;
}

struct digest endorsement_request_qualifying(const struct scope *scope, struct view tc_sign,
                                             struct view tc_kem,
                                             const struct manifest_member *member)
{
    struct canonical canonical = canonical_begin("tccp-endorsement-request", scope);

    canonical_field(&canonical, tc_sign);
    canonical_field(&canonical, tc_kem);
    canonical_field(&canonical, view_string(member->name));
    canonical_field(&canonical, tpm_name_view(&member->ek_name));
    canonical_field(&canonical, tpm_name_view(&member->ak_name));
    return canonical_hash(&canonical);
}

static enum status request_read(const Tccp__EndorsementRequest *message,
                                const struct manifest *manifest,
                                struct endorsement_request *ret_request,
                                struct refusal *ret_refusal)
{
    const struct scope scope = {manifest->perimeter_id, manifest->epoch};
    struct endorsement *endorsement = &ret_request->endorsement;
    struct appraisal_inputs inputs;
    struct evidence_view evidence;
    struct digest qualifying;

    if (message->format != ENDORSEMENT_REQUEST_FORMAT) {
        return refuse(ret_refusal, REFUSAL_VERSION, "endorsement request of format %" PRIu32,
                      message->format);
    }
    if (!view_equal(protobuf_view(message->perimeter_id), digest_view(&manifest->perimeter_id))) {
        return refuse(ret_refusal, REFUSAL_WRONG_PERIMETER, "endorsement request");
    }
    if (message->epoch != manifest->epoch) {
        return refuse(ret_refusal, REFUSAL_EPOCH_MISMATCH,
                      "the request is for epoch %" PRIu64 ", the manifest for %" PRIu64,
                      message->epoch, manifest->epoch);
    }
    TRY(keys_read(message->tc_sign, message->tc_kem, endorsement, ret_refusal));
    ret_request->member = manifest_member_by_name(manifest, message->member);
    if (!ret_request->member) {
        return refuse(ret_refusal, REFUSAL_NOT_FOUND,
                      "the manifest has no member of the name that the request gives");
    }
    if (!message->evidence) {
        return refuse(ret_refusal, REFUSAL_MALFORMED, "the request carries no evidence");
    }
    endorsement->perimeter_id = manifest->perimeter_id;
    endorsement->epoch = manifest->epoch;
    evidence = evidence_view_of_message(message->evidence);
    qualifying =
        endorsement_request_qualifying(&scope, perimeter_key_view(&endorsement->tc_sign),
                                       VIEW_OF_ARRAY(endorsement->tc_kem), ret_request->member);
    /* The manifest, which the ETE signed, names this very AK: no EK certificate is needed. */
    inputs = (struct appraisal_inputs){
        .policy = &manifest->member_policy->pcrs,
        .qualifying = digest_view(&qualifying),
        .ak_trust = AK_TRUST_BY_NAME,
        .expected_ak = &ret_request->member->ak_name,
    };
    return appraisal_run(&evidence, &inputs, &ret_request->appraisal, ret_refusal);
}

enum status endorsement_request_check(struct view request, const struct manifest *manifest,
                                      struct endorsement_request *ret_request,
                                      struct refusal *ret_refusal)
{
    struct endorsement_request result = {.member = NULL};
    Tccp__EndorsementRequest *message;
    enum status status;

    if (request.size > ENDORSEMENT_REQUEST_SIZE_MAX) {
        return refuse(ret_refusal, REFUSAL_TOO_LARGE, "an endorsement request of %zu bytes",
                      request.size);
    }
    message = (Tccp__EndorsementRequest *)protobuf_unpack(&tccp__endorsement_request__descriptor,
                                                          request, ENDORSEMENT_REQUEST_SIZE_MAX);
    if (!message) {
        return refuse(ret_refusal, REFUSAL_MALFORMED, "not an endorsement request");
    }
    status = request_read(message, manifest, &result, ret_refusal);
    tccp__endorsement_request__free_unpacked(message, NULL);
    TRY(status);
    *ret_request = result;
    return STATUS_OK;
}
