#include "nodeagent/launcher/trust.h"

void trust_init(struct trust *trust, const struct digest *perimeter_id)
{
    *trust = (struct trust){.perimeter_id = *perimeter_id};
}

void trust_free(struct trust *trust)
{
    public_key_free(trust->tc_sign);
    *trust = (struct trust){0};
}

enum status trust_set(struct trust *trust, struct view ca_certificate, uint64_t now_s,
                      struct refusal *ret_refusal)
{
    const struct bundle_expectation expectation = {
        .perimeter_id = trust->perimeter_id,
        .memory = trust->memory,
        .now_s = now_s,
    };
    OWN(public_key) struct public_key *key = NULL;
    struct cluster_trust found;

    TRY(cluster_trust_check(ca_certificate, &expectation, &found, ret_refusal));
    TRY(public_key_parse(perimeter_key_view(&found.endorsement.tc_sign), &key));
    (void)perimeter_memory_raise(&trust->memory, &found.seen);
    public_key_free(trust->tc_sign);
    trust->tc_sign = TAKE(key);
    trust->scope = (struct scope){found.root.id, found.endorsement.epoch};
    return STATUS_OK;
}

enum status trust_verify(const struct trust *trust, struct view signed_grant, uint64_t registration,
                         struct run_grant *ret_grant, struct refusal *ret_refusal)
{
    struct run_grant_expectation expectation = {
        .scope = trust->scope, .tc_sign = trust->tc_sign, .registration = registration,
        /* The generation is grant_check()'s to compare: it knows the VM. */
    };

    if (!trust->tc_sign) {
        return refuse(ret_refusal, REFUSAL_NOT_READY, "no coordinator is trusted yet");
    }
    TRY(run_grant_peek(signed_grant, &expectation.vm, ret_refusal));
    return run_grant_check(signed_grant, &expectation, ret_grant, ret_refusal);
}
