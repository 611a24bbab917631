#include "lib/protocol/renewal.h"

#include "lib/attest/evidence_message.h"
#include "lib/protocol/evidence_transfer.h"

#include "proto/node.pb-c.h"

#include <string.h>

enum { RENEWAL_MESSAGE_SIZE_MAX = REGISTRATION_MESSAGE_SIZE_MAX };

unsigned renewal_return_spread_ms(size_t node_count, uint64_t lease_ms)
{
    uint64_t most_ms = lease_ms / 3;

    return (unsigned)(node_count < most_ms ? node_count : most_ms);
}

enum status renewal_challenge(const struct renewal_binding *binding,
                              const struct evidence_demand *demand, struct bytes *ret_challenge)
{
    Tccp__RenewChallenge message = TCCP__RENEW_CHALLENGE__INIT;
    Tccp__EvidenceDemand inner = evidence_demand_to_message(demand);

    message.nonce = protobuf_data(VIEW_OF_ARRAY(binding->nonce));
    message.registration_id = binding->registration_id;
    message.demand = &inner;
    return protobuf_pack(&message.base, RENEWAL_MESSAGE_SIZE_MAX, ret_challenge);
}

enum status renewal_read_challenge(struct view challenge, uint64_t registration_id,
                                   uint8_t ret_nonce[NONCE_SIZE],
                                   struct evidence_demand *ret_demand, struct refusal *ret_refusal)
{
    Tccp__RenewChallenge *message = (Tccp__RenewChallenge *)protobuf_unpack(
        &tccp__renew_challenge__descriptor, challenge, RENEWAL_MESSAGE_SIZE_MAX);
    enum status status = STATUS_OK;

    if (!message || message->nonce.len != NONCE_SIZE ||
        evidence_demand_of_message(message->demand, ret_demand) != STATUS_OK) {
        status = refuse(ret_refusal, REFUSAL_MALFORMED, "RenewChallenge");
    } else if (message->registration_id != registration_id) {
        status = refuse(ret_refusal, REFUSAL_REGISTRATION, "asked for %llu, we are %llu",
                        (unsigned long long)message->registration_id,
                        (unsigned long long)registration_id);
    } else {
        memcpy(ret_nonce, message->nonce.data, NONCE_SIZE);
    }
    if (message) {
        tccp__renew_challenge__free_unpacked(message, NULL);
    }
    return status;
}

struct digest renewal_quote_input(const struct renewal_binding *binding)
{
    return renewal_qualifying(&binding->scope, binding->nonce, binding->registration_id,
                              binding->trusted_key, &binding->channel);
}

enum status renewal_evidence(const struct evidence_view *evidence, struct bytes *ret_evidence)
{
    Tccp__RenewEvidence message = TCCP__RENEW_EVIDENCE__INIT;
    Tccp__Evidence inner = evidence_view_to_message(evidence);

    message.evidence = &inner;
    return protobuf_pack(&message.base, EVIDENCE_MESSAGE_SIZE_MAX, ret_evidence);
}

enum status renewal_appraise(const struct renewal_binding *binding, struct view evidence,
                             const struct renewal_appraiser *appraiser,
                             struct appraisal *ret_appraisal, struct refusal *ret_refusal)
{
    Tccp__RenewEvidence *message = (Tccp__RenewEvidence *)protobuf_unpack_within(
        &tccp__renew_evidence__descriptor, evidence, EVIDENCE_MESSAGE_SIZE_MAX,
        evidence.size + EVIDENCE_OVERHEAD_MAX);
    struct digest qualifying = renewal_quote_input(binding);
    struct evidence_view view;
    enum status status;

    if (!message || !message->evidence) {
        status = refuse(ret_refusal, REFUSAL_MALFORMED, "RenewEvidence");
    } else {
        view = evidence_view_of_message(message->evidence);
        status = appraisal_run(&view,
                               &(struct appraisal_inputs){
                                   .policy = appraiser->policy,
                                   .references = appraiser->references,
                                   .qualifying = digest_view(&qualifying),
                                   .ak_trust = AK_TRUST_BY_NAME,
                                   .expected_ak = appraiser->ak_name,
                                   .ak = appraiser->ak,
                                   .previous = appraiser->previous,
                                   .is_whole = appraiser->is_whole,
                                   .now_s = appraiser->now_s,
                               },
                               ret_appraisal, ret_refusal);
    }
    if (message) {
        tccp__renew_evidence__free_unpacked(message, NULL);
    }
    return status;
}
