#include "tcd/bootstrap.h"

#include "lib/attest/evidence_message.h"
#include "lib/base/log.h"
#include "lib/crypto/entropy.h"
#include "lib/net/timer.h"
#include "lib/perimeter/endorsement.h"
#include "tcd/joining.h"
#include "tcd/lifecycle.h"

#include <stdlib.h>

enum { FIRST_RAFT_ID = 1, REQUEST_FORMAT = 1 };

/* A seed that is being made: the TPM seals it and quotes its keys. */
struct founding {
    struct admin_call *call;
    struct tcd *tcd;
    const struct manifest_member *member;
    struct scope scope;
    struct authority *authority;
    struct host_evidence evidence;
    enum status status;
};

static void answer_refusal(struct admin_call *call, enum refusal_code code, const char *detail)
{
    struct refusal refusal = {0};

    refusal = refusal_make(code, "%s", detail);
    admin_refuse(call, &refusal);
}

static enum status make_seed(struct founding *founding)
{
    struct tcd *tcd = founding->tcd;
    uint8_t entropy[CLUSTER_SEED_SIZE];
    enum status status;

    entropy_fill(entropy, sizeof entropy);
    status = authority_create(&founding->scope, VIEW_OF_ARRAY(entropy), &founding->authority);
    secret_wipe(entropy, sizeof entropy);
    TRY(status);
    return authority_store(founding->authority, tcd->tpm, lifecycle_seal_mask(tcd),
                           tcd->config.state_directory);
}

static void work(void *argument)
{
    struct founding *founding = argument;
    struct tcd *tcd = founding->tcd;
    const struct authority *authority = tcd->authority;
    const struct pcr_policy *policy = &tcd->founding->bundle->manifest->member_policy->pcrs;

    founding->status = STATUS_OK;
    if (!authority) {
        founding->status = make_seed(founding);
        authority = founding->authority;
    }
    if (founding->status == STATUS_OK) {
        founding->status =
            host_evidence_collect(tcd->tpm, &tcd->identity,
                                  &(struct host_evidence_request){
                                      .qualifying = endorsement_request_qualifying(
                                          &founding->scope, authority_tc_sign_public(authority),
                                          authority_tc_kem_point(authority), founding->member),
                                      .demand = appraisal_demand(policy, NULL),
                                      .event_log_path = tcd->config.event_log_path,
                                      .ima_log_path = tcd->config.ima_log_path,
                                  },
                                  &founding->evidence);
    }
}

static void answer_request(struct founding *founding)
{
    struct tcd *tcd = founding->tcd;
    struct evidence_view view = host_evidence_view(&founding->evidence);
    Tccp__AdminResponse response = TCCP__ADMIN_RESPONSE__INIT;
    Tccp__EndorsementRequest request = TCCP__ENDORSEMENT_REQUEST__INIT;
    Tccp__Evidence evidence;

    view.ek_certificate = bytes_view(&tcd->identity.ek_certificate);
    view.ek_public = bytes_view(&tcd->identity.ek_public);
    evidence = evidence_view_to_message(&view);
    request.format = REQUEST_FORMAT;
    request.perimeter_id = protobuf_data(digest_view(&founding->scope.perimeter_id));
    request.epoch = founding->scope.epoch;
    request.tc_sign = protobuf_data(authority_tc_sign_public(tcd->authority));
    request.tc_kem = protobuf_data(authority_tc_kem_point(tcd->authority));
    request.member = protobuf_string(tcd->config.member);
    request.evidence = &evidence;
    response.kind_case = TCCP__ADMIN_RESPONSE__KIND_ENDORSEMENT_REQUEST;
    response.endorsement_request = &request;
    admin_answer(founding->call, &response);
}

static void done(void *argument)
{
    struct founding *founding = argument;
    struct tcd *tcd = founding->tcd;

    if (founding->status == STATUS_OK) {
        if (founding->authority) {
            ASSERT(!tcd->authority); /* One founding at a time. */
            tcd->authority = TAKE(founding->authority);
            if (tcd->phase != PHASE_STOPPING) {
                tcd->phase = PHASE_AWAITING_ENDORSEMENT;
            }
            log_event(LOG_NOTICE, "seed-made", "epoch=%llu",
                      (unsigned long long)founding->scope.epoch);
        }
        answer_request(founding);
    } else {
        admin_fail(founding->call, founding->status);
    }
    tcd->is_founding = false;
    if (founding->authority) {
        authority_free(founding->authority);
    }
    host_evidence_free(&founding->evidence);
    free(founding);
}

void admin_bootstrap_begin(struct admin_call *call)
{
    struct tcd *tcd = call->session->tcd;
    const struct manifest *manifest = tcd->founding->bundle->manifest;
    const struct manifest_member *member = manifest_member_by_name(manifest, tcd->config.member);
    struct founding *founding;

    if (tcd->phase == PHASE_RUNNING || tcd->phase == PHASE_STOPPING || tcd->is_founding) {
        answer_refusal(call, tcd->phase == PHASE_RUNNING ? REFUSAL_ALREADY_EXISTS : REFUSAL_RATE,
                       tcd->phase == PHASE_RUNNING ? "this member belongs to a cluster already"
                                                   : "it is being done");
        return;
    }
    if (!member ||
        !view_equal(tpm_name_view(&member->ek_name), bytes_view(&tcd->identity.ek_name)) ||
        !view_equal(tpm_name_view(&member->ak_name), bytes_view(&tcd->identity.ak_name))) {
        answer_refusal(call, REFUSAL_EK_NOT_IN_MANIFEST,
                       "the manifest does not name this member with this TPM");
        return;
    }
    founding = calloc(1, sizeof *founding);
    if (!founding) {
        admin_fail(call, STATUS_NO_MEMORY);
        return;
    }
    founding->call = call;
    founding->tcd = tcd;
    founding->status = STATUS_CLOSED; /* if the TPM's worker ends before it comes to it */
    founding->member = member;
    founding->scope = bundle_scope(tcd->founding->bundle);
    tcd->is_founding = true;
    joining_stop(tcd);
    if (worker_submit(tcd->tpm_worker, work, done, founding) != STATUS_OK) {
        founding->status = STATUS_BUSY;
        done(founding);
    }
}

void admin_bootstrap_complete(struct admin_call *call)
{
    struct tcd *tcd = call->session->tcd;
    OWN(in_force) struct in_force *in_force = NULL;
    Tccp__AdminResponse response = TCCP__ADMIN_RESPONSE__INIT;
    Tccp__Done answer = TCCP__DONE__INIT;
    struct refusal refusal = {0};
    enum status status;

    if (tcd->phase != PHASE_RUNNING) {
        if (tcd->phase != PHASE_AWAITING_ENDORSEMENT ||
            !call->request->bootstrap_complete->endorsement) {
            answer_refusal(call, REFUSAL_WRONG_STATE,
                           "no seed awaits an endorsement: begin with `tccpctl cluster bootstrap`");
            return;
        }
        status = lifecycle_with_endorsement(tcd, call->request->bootstrap_complete->endorsement,
                                            &in_force, &refusal);
        if (status == STATUS_OK) {
            status = lifecycle_run(tcd, in_force, FIRST_RAFT_ID, true, &refusal);
        }
        if (status == STATUS_REFUSED) {
            admin_refuse(call, &refusal);
            return;
        }
        if (status != STATUS_OK) {
            admin_fail(call, status);
            return;
        }
    }
    answer.name = protobuf_string(tcd->config.member);
    response.kind_case = TCCP__ADMIN_RESPONSE__KIND_DONE;
    response.done = &answer;
    admin_answer(call, &response);
}
