#include "lib/perimeter/member_chain.h"

enum { CHAIN_COUNT = 2 };

enum status member_chain_check(const struct view *chain, size_t count,
                               const struct bundle_expectation *expectation,
                               struct cluster_trust *ret_trust, struct certificate *ret_certificate,
                               struct refusal *ret_refusal)
{
    OWN(public_key) struct public_key *tc_sign = NULL;
    struct cluster_trust trust;
    struct scope scope;

    if (count != CHAIN_COUNT) {
        return refuse(ret_refusal, REFUSAL_CERTIFICATE_CHAIN,
                      "%zu certificates were shown; a member shows its own and the cluster's",
                      count);
    }
    TRY(cluster_trust_check(chain[1], expectation, &trust, ret_refusal));
    TRY(public_key_parse(perimeter_key_view(&trust.endorsement.tc_sign), &tc_sign));
    scope = (struct scope){trust.root.id, trust.endorsement.epoch};
    TRY(certificate_check(chain[0], tc_sign, &scope, expectation->now_s, ret_certificate,
                          ret_refusal));
    TRY(certificate_require_role(ret_certificate, ROLE_MEMBER, ret_refusal));
    *ret_trust = trust;
    return STATUS_OK;
}
