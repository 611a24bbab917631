/* Registration, from the Hello to the committed answer. See lib/protocol/registration.h for what is
 * checked. */
#include "lib/crypto/entropy.h"
#include "lib/net/timer.h"
#include "lib/protocol/node_message.h"
#include "lib/protocol/sealing.h"
#include "tcd/boot_record.h"
#include "tcd/node_session.h"
#include "tcd/proposals.h"
#include "tcd/staged_verdicts.h"

#include "lib/base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Our own trouble, not the peer's: nothing was decided, it may come again. */
static void fail(struct node_session *session, const char *what, enum status status)
{
    log_event(LOG_ERROR, "registration-failed", "peer=%s step=%s reason=\"%s\"",
              node_session_address(session), what, status_text(status));
    session->refusal = refusal_make(REFUSAL_NOT_READY, "%s: %s", what, status_text(status));
    node_session_refuse(session, &session->refusal);
}

static void refuse_or_fail(struct node_session *session, const char *what)
{
    if (session->task->status == STATUS_REFUSED) {
        node_session_refuse(session, &session->refusal);
    } else {
        fail(session, what, session->task->status);
    }
}

/* --- message 1: RegisterHello --- */

static void work_hello(void *argument)
{
    struct node_session *session = argument;

    session->task->status =
        verifier_hello(session->task->verifier, bytes_view(&session->task->input),
                       &session->task->leaf, &session->refusal);
}

/* The challenge carries the manifest: to make one takes a millisecond where there are thousands of
 * nodes, and one quote is waited for by many. */
static void work_challenge(void *argument)
{
    struct node_session *session = argument;
    struct node_task *task = session->task;
    OWN(bytes) struct bytes message = {0};

    task->status = verifier_challenge(task->verifier, &task->evidence, &message);
    if (task->status == STATUS_OK) {
        task->status = node_message_pack(TCCP__NODE_MESSAGE_KIND__REGISTER_CHALLENGE,
                                         bytes_view(&message), &task->challenge);
    }
}

static void done_challenge(struct node_session *session)
{
    struct node_task *task = session->task;

    if (task->status != STATUS_OK) {
        fail(session, "challenge", task->status);
        return;
    }
    session->state = NODE_SESSION_CHALLENGED;
    /* Its TPM is in the manifest: it may send logs now. */
    connection_set_frame_size_max(session->connection, NODE_FRAME_SIZE_MAX);
    node_session_send_frame(session, bytes_view(&task->challenge));
    bytes_free(&task->challenge);
    quote_release(TAKE(task->quote));
}

static void quoted(void *argument, enum status status, const struct coordinator_evidence *evidence,
                   struct quote *quote)
{
    struct node_session *session = argument;

    if (!node_session_job_ended(session)) {
        return;
    }
    if (status != STATUS_OK) {
        fail(session, "challenge", status);
        return;
    }
    session->task->evidence = *evidence;
    session->task->quote = quote_hold(quote);
    node_session_work(session, work_challenge, done_challenge);
}

static void done_hello(struct node_session *session)
{
    struct node_task *task = session->task;
    const struct bundle *bundle = task->in_force->bundle;
    struct scope scope = bundle_scope(bundle);
    enum status status;

    if (task->status != STATUS_OK) {
        refuse_or_fail(session, "hello");
        return;
    }
    status = node_task_use_references(session, verifier_policy(task->verifier));
    if (status == STATUS_EXPIRED) {
        session->refusal = node_policy_ended(verifier_policy(task->verifier));
        node_session_refuse(session, &session->refusal);
        return;
    }
    if (status != STATUS_OK) {
        fail(session, "reference sets", status);
        return;
    }
    verifier_use_references(task->verifier, &task->references);
    session->has_job = true;
    status = quoter_request(session->server->tcd->quoter, &scope,
                            &bundle->manifest->member_policy->pcrs, &task->leaf, quoted, session);
    if (status != STATUS_OK) {
        session->has_job = false;
        fail(session, "quote", status);
    }
}

void node_registration_hello(struct node_session *session, struct bytes *payload)
{
    struct tcd *tcd = session->server->tcd;
    struct in_force *in_force = machine_in_force(tcd->machine);
    struct verifier_config config;
    enum status status;
    size_t cursor = 0;

    if (!in_force || !in_force->bundle->endorsed) {
        fail(session, "no endorsed perimeter is in force", STATUS_NOT_READY);
        return;
    }
    /* The first raft id is the founder's: nobody joins before that is committed. */
    if (!registry_member_next(tcd_registry(tcd), &cursor)) {
        fail(session, "the cluster is being founded", STATUS_NOT_READY);
        return;
    }
    if (!node_session_admit(session)) {
        session->refusal = refusal_make(REFUSAL_RATE, "too many register at once: come again");
        node_session_refuse(session, &session->refusal);
        return;
    }
    status = node_task_begin(session, in_force);
    if (status != STATUS_OK) {
        fail(session, "hello", status);
        return;
    }
    config = (struct verifier_config){
        .bundle = in_force->bundle,
        .bundle_bytes = bytes_view(&in_force->bundle_bytes),
        .authorities = in_force->authorities,
        .channel = session->channel,
        .now_s = time_wall_s(),
    };
    entropy_fill(config.nonce, sizeof config.nonce);
    entropy_fill(config.credential_secret, sizeof config.credential_secret);
    entropy_fill(config.credential_entropy, sizeof config.credential_entropy);
    status = verifier_new(&config, &session->task->verifier);
    secret_wipe(&config, sizeof config);
    if (status != STATUS_OK) {
        fail(session, "hello", status);
        return;
    }
    session->task->input = TAKE(*payload);
    node_session_work(session, work_hello, done_hello);
}

/* --- message 3: RegisterEvidence --- */

static void work_evidence(void *argument)
{
    struct node_session *session = argument;

    session->task->status =
        verifier_evidence(session->task->verifier, bytes_view(&session->task->input),
                          &session->task->facts, &session->refusal);
    node_tap_registration(session);
    verifier_drop_evidence(session->task->verifier);
    session->task->evidence_digest = sha256(bytes_view(&session->task->input));
}

/* Message 4: what was committed, for the keys that it was committed for. */
static enum status accept(struct node_session *session, uint64_t id)
{
    const struct registration_facts *facts = &session->task->facts;
    struct tcd *tcd = session->server->tcd;
    bool is_member = facts->role == ATTESTER_MEMBER;
    OWN(admission)
    struct admission admission = {
        .registration_id = id,
        .lease_ms = (uint64_t)session->task->in_force->bundle->manifest->lease_s * 1000,
    };
    OWN(bytes) struct bytes message = {0};

    TRY(credentials_issue(tcd->authority, session->task->in_force,
                          is_member ? ROLE_MEMBER : ROLE_NODE, facts->name, facts->trusted_key.sign,
                          facts->trusted_key.kem, id, time_wall_s(), &admission.certificate));
    TRY(bytes_copy(bytes_view(&tcd->credentials->ca_certificate), &admission.ca_certificate));
    if (is_member) {
        uint8_t entropy[HPKE_ENTROPY_SIZE];
        OWN(bytes) struct bytes aad = {0};
        enum status status;

        admission.raft_id = id;
        TRY(seed_aad(authority_scope(tcd->authority), facts->name, id, facts->trusted_key, &aad));
        entropy_fill(entropy, sizeof entropy);
        status = authority_seal_seed_for(tcd->authority, facts->trusted_key.kem, bytes_view(&aad),
                                         VIEW_OF_ARRAY(entropy), &admission.sealed_seed);
        secret_wipe(entropy, sizeof entropy);
        TRY(status);
    }
    TRY(verifier_accept(session->task->verifier, &admission, &message));
    node_session_send(session, TCCP__NODE_MESSAGE_KIND__REGISTER_ACCEPTED, bytes_view(&message));
    return STATUS_OK;
}

static void committed(void *argument, enum status status, const struct outcome *outcome)
{
    struct node_session *session = argument;
    uint64_t id = outcome ? outcome->id : 0;

    if (outcome && outcome->verdict != REFUSAL_NONE) {
        status = refuse(&session->refusal, outcome->verdict, "%s",
                        outcome->detail ? outcome->detail : "");
    }
    session->task->status = status;
    if (!node_session_job_ended(session)) {
        return;
    }
    if (status == STATUS_NOT_LEADER) {
        node_session_redirect(session);
        return;
    }
    if (status != STATUS_OK) {
        refuse_or_fail(session, "commit");
        return;
    }
    status = accept(session, id);
    if (status != STATUS_OK) {
        fail(session, "accept", status);
        return;
    }
    log_event(LOG_NOTICE, "registered", "role=%s name=%s id=%llu peer=%s",
              session->task->facts.role == ATTESTER_MEMBER ? "member" : "node",
              session->task->facts.name, (unsigned long long)id, node_session_address(session));
    if (session->task->facts.role == ATTESTER_NODE) {
        node_session_bind(session, id);
        node_renewal_live(session);
    } else {
        /* A member needs the connection for this answer only. */
        session->state = NODE_SESSION_ENDING;
        connection_close(session->connection);
    }
}

/* What the verdict rests on: if any of it moves before the commit, the commit refuses it. */
static struct rests rests_of(const struct node_session *session)
{
    const struct bundle *bundle = session->task->in_force->bundle;

    return (struct rests){
        .manifest_version = bundle->manifest->version,
        .succession = bundle->root.succession,
        .epoch = bundle->manifest->epoch,
        .policy = session->task->facts.policy->digest,
    };
}

static struct command node_registered(const struct node_session *session)
{
    const struct registration_facts *facts = &session->task->facts;
    const struct boot_state *boot = &facts->appraisal.boot;
    struct command command = {.kind = COMMAND_NODE_REGISTERED, .rests = rests_of(session)};

    (void)snprintf(command.node_registered.node.text, sizeof command.node_registered.node.text,
                   "%s", facts->name);
    command.node_registered.ek_name = facts->ek_name;
    command.node_registered.ak_name = facts->ak_name;
    command.node_registered.tk_sign = facts->trusted_key.sign;
    command.node_registered.tk_kem = facts->trusted_key.kem;
    memcpy(command.node_registered.nonce.bytes, facts->nonce, NONCE_SIZE);
    command.node_registered.boot = counters_of_boot(boot);
    command.node_registered.firmware_version = boot->firmware;
    command.node_registered.progress = progress_of_boot(boot);
    command.node_registered.evidence = session->task->evidence_digest;
    return command;
}

static struct command member_joined(const struct node_session *session)
{
    const struct registration_facts *facts = &session->task->facts;
    struct scope scope = bundle_scope(session->task->in_force->bundle);
    struct command command = {.kind = COMMAND_MEMBER_JOINED, .rests = rests_of(session)};

    (void)snprintf(command.member_joined.name.text, sizeof command.member_joined.name.text, "%s",
                   facts->name);
    command.member_joined.ek_name = facts->ek_name;
    command.member_joined.ak_name = facts->ak_name;
    command.member_joined.key = key_pair_digest(&scope, facts->trusted_key);
    memcpy(command.member_joined.nonce.bytes, facts->nonce, NONCE_SIZE);
    command.member_joined.boot = counters_of_boot(&facts->appraisal.boot);
    return command;
}

static void done_evidence(struct node_session *session)
{
    const struct verifier_sight sight = verifier_sight(session->task->verifier);
    struct command command;

    if (sight.is_proven && sight.role == ATTESTER_NODE &&
        (session->task->status == STATUS_OK || session->task->status == STATUS_REFUSED)) {
        staged_verdicts_note(session->server->tcd->staged_verdicts, sight.name,
                             &session->task->references, true, time_wall_s());
    }
    node_tap_end(session);
    if (session->task->status != STATUS_OK) {
        refuse_or_fail(session, "evidence");
        return;
    }
    command = session->task->facts.role == ATTESTER_MEMBER ? member_joined(session)
                                                           : node_registered(session);
    session->has_job = true;
    propose(session->server->tcd->replica, &command, committed, session);
}

void node_registration_evidence(struct node_session *session, struct bytes *payload)
{
    bytes_free(&session->task->input);
    session->task->input = TAKE(*payload);
    node_tap_begin(session, true);
    node_session_work(session, work_evidence, done_evidence);
}
