#include "nodeagent/registrant_internal.h"

#include "lib/base/log.h"
#include "lib/base/protobuf.h"
#include "lib/protocol/renewal.h"

#include <limits.h>

void registrant_renewal_resume(struct registrant *registrant)
{
    Tccp__Resume message = TCCP__RESUME__INIT;
    OWN(bytes) struct bytes payload = {0};

    message.registration_id = registrant->own.id;
    if (protobuf_pack(&message.base, REGISTRATION_HELLO_SIZE_MAX, &payload) != STATUS_OK) {
        registrant_fail(registrant, STATUS_NO_MEMORY, "the registration could not be resumed");
        return;
    }
    registrant->state = REGISTRANT_LIVE;
    registrant_send(registrant, TCCP__NODE_MESSAGE_KIND__RESUME, bytes_view(&payload));
}

static void quoted(struct registrant *registrant, const struct host_report *report)
{
    const struct evidence_view evidence = host_evidence_view(&report->evidence);
    const struct own_registration *own = &registrant->own;
    OWN(bytes) struct bytes payload = {0};

    if (report->status == STATUS_TIMEOUT) {
        /* The host reported the trouble. Nothing is left to be said in this lease. */
        registrant->state = REGISTRANT_LIVE;
        return;
    }
    if (report->status != STATUS_OK) {
        registrant_fail(registrant, report->status, "this host could not attest: %s",
                        registrant_attest_error(report->status));
        return;
    }
    /* What was registered is the boot before: the coordinator would refuse this quote, and be
     * right.
     */
    if (report->evidence.reset_count != own->reset_count ||
        report->evidence.restart_count != own->restart_count) {
        registrant_forget_registration(registrant, "the TPM was reset");
        registrant_fail(registrant, STATUS_CONFLICT, "the TPM was reset: the node registers again");
        return;
    }
    if (renewal_evidence(&evidence, &payload) != STATUS_OK) {
        registrant_fail(registrant, STATUS_TOO_LARGE, "the evidence could not be put together");
        return;
    }
    registrant->state = REGISTRANT_SENT_RENEWAL;
    registrant_send_evidence(
        registrant,
        &(struct evidence_announcement){.kind = TCCP__NODE_MESSAGE_KIND__RENEW_EVIDENCE,
                                        .size = payload.size},
        &payload);
}

void registrant_renewal_challenge(struct registrant *registrant, struct view payload)
{
    const struct own_registration *own = &registrant->own;
    struct renewal_binding binding = {.scope = own->scope,
                                      .registration_id = own->id,
                                      .trusted_key = trusted_key_public(&own->key),
                                      .channel = registrant->channel};
    struct refusal refusal = {0};
    struct evidence_demand demand;

    if (renewal_read_challenge(payload, own->id, binding.nonce, &demand, &refusal) != STATUS_OK) {
        registrant_refused(registrant, &refusal, true);
        return;
    }
    registrant->state = REGISTRANT_RENEWING;
    /* It is our turn: how long it takes is bounded by the lease, not by the coordinator's silence.
     */
    connection_set_idle_timeout(client_connection(registrant->client), UINT_MAX);
    registrant_attest(registrant,
                      &(struct host_task){.qualifying = renewal_quote_input(&binding),
                                          .demand = demand,
                                          .deadline_ms = own->lease.deadline_ms},
                      quoted);
}

void registrant_renewal_accepted(struct registrant *registrant, struct view payload)
{
    Tccp__RenewAccepted *accepted = (Tccp__RenewAccepted *)protobuf_unpack(
        &tccp__renew_accepted__descriptor, payload, REGISTRATION_MESSAGE_SIZE_MAX);
    bool is_new_connection = registrant->known_connection != registrant->connection_number;
    uint64_t lease_ms;

    if (!accepted || accepted->registration_id != registrant->own.id ||
        accepted->renewal <= registrant->own.renewal) {
        if (accepted) {
            tccp__renew_accepted__free_unpacked(accepted, NULL);
        }
        registrant_fail(registrant, STATUS_MALFORMED, "a renewal that is not ours");
        return;
    }
    registrant->own.renewal = accepted->renewal;
    lease_ms = accepted->lease_ms;
    tccp__renew_accepted__free_unpacked(accepted, NULL);
    log_event(LOG_DEBUG, "renewed", "registration=%llu renewal=%llu",
              (unsigned long long)registrant->own.id, (unsigned long long)registrant->own.renewal);
    registrant_lease_given(registrant, lease_ms);
    if (registrant_id(registrant) == 0) {
        return;
    }
    registrant->known_connection = registrant->connection_number;
    if (registrant->config.callbacks.on_renewed) {
        registrant->config.callbacks.on_renewed(registrant->config.argument,
                                                registrant->own.renewed_ms, is_new_connection);
    }
}
