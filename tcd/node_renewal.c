/* Renewals: a fresh quote each third of a lease, committed many at a time. */
#include "lib/base/log.h"
#include "lib/crypto/entropy.h"
#include "lib/net/timer.h"
#include "lib/protocol/node_message.h"
#include "tcd/boot_record.h"
#include "tcd/node_session.h"
#include "tcd/proposals.h"
#include "tcd/staged_verdicts.h"
#include "tcd/vm_orders.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* In one command: far below what a command may be long. */
enum { BATCH_RENEWAL_COUNT_MAX = 2048 };

/* --- which registration the connection speaks for --- */

static uint64_t lease_ms(const struct tcd *tcd)
{
    return (uint64_t)registry_perimeter(tcd_registry(tcd))->lease_s * 1000;
}

/* No more than the state has noted: a manifest may have taken effect since the commit. */
static uint64_t lease_given_ms(const struct node_session *session)
{
    const struct tcd *tcd = session->server->tcd;
    const struct node *node =
        registry_node_by_registration(tcd_registry(tcd), session->registration_id);
    uint64_t noted_ms = node ? (uint64_t)node->registration.lease_s * 1000 : 0;

    return noted_ms < lease_ms(tcd) ? noted_ms : lease_ms(tcd);
}

/* A third of the lease from now, a tenth of it less or more, so that nodes that came together
 * spread. */
static uint64_t next_challenge_ms(const struct tcd *tcd)
{
    uint64_t third = lease_ms(tcd) / 3, jitter;

    entropy_fill(&jitter, sizeof jitter);
    return time_boot_ms() + third - third / 10 + jitter % (third / 5 + 1);
}

void node_renewal_live(struct node_session *session)
{
    session->state = NODE_SESSION_LIVE;
    node_session_registered(session);
    session->challenge_due_ms = next_challenge_ms(session->server->tcd);
    session->is_whole = false;
    node_task_end(session);
}

static struct key_pair_view trusted_key_of(const struct registration *registered)
{
    return (struct key_pair_view){{registered->tk_sign, registered->tk_sign_size},
                                  VIEW_OF_ARRAY(registered->tk_kem)};
}

/* Only the key that was registered may go on with the registration. */
static enum status check_resume(struct node_session *session, uint64_t registration_id)
{
    const struct node *node =
        registry_node_by_registration(tcd_registry(session->server->tcd), registration_id);
    const struct node_identity *identity = &session->identity;
    struct digest key_id;

    if (identity->role != ROLE_NODE) {
        return refuse(&session->refusal, REFUSAL_CERTIFICATE_ROLE, "a %s, expected a node",
                      certificate_role_name(identity->role));
    }
    if (node) {
        key_id = sha256(trusted_key_of(&node->registration).sign);
    }
    if (!node || identity->registration_id != registration_id ||
        !digest_equal(&identity->key_id, &key_id)) {
        return refuse(&session->refusal, REFUSAL_REGISTRATION, "%llu is not its registration",
                      (unsigned long long)registration_id);
    }
    if (!node->registration.live) {
        return refuse(&session->refusal, REFUSAL_NO_LEASE, "registration %llu has expired",
                      (unsigned long long)registration_id);
    }
    return STATUS_OK;
}

static void keep_or_challenge(struct node_session *session)
{
    const struct node *node =
        registry_node_by_registration(tcd_registry(session->server->tcd), session->registration_id);

    if (node && node->standing != NODE_GOOD) {
        node_session_keep(session, node);
    } else {
        /* It lost its connection: how much of its lease is left is not known here. */
        node_renewal_challenge(session);
    }
}

void node_renewal_resume(struct node_session *session, struct bytes *payload)
{
    Tccp__Resume *message = (Tccp__Resume *)protobuf_unpack(
        &tccp__resume__descriptor, bytes_view(payload), NODE_MESSAGE_SIZE_MAX);
    enum status status = message ? check_resume(session, message->registration_id)
                                 : refuse(&session->refusal, REFUSAL_MALFORMED, "Resume");

    if (status != STATUS_OK) {
        node_session_refuse(session, &session->refusal);
    } else {
        connection_set_frame_size_max(session->connection, NODE_FRAME_SIZE_MAX);
        node_session_bind(session, message->registration_id);
        node_renewal_live(session);
        session->is_resumed = true;
        keep_or_challenge(session);
    }
    if (message) {
        tccp__resume__free_unpacked(message, NULL);
    }
}

/* --- challenge and evidence --- */

static struct renewal_binding binding_of(const struct node_session *session)
{
    const struct node_task *task = session->task;
    struct renewal_binding binding = {
        .scope = bundle_scope(task->in_force->bundle),
        .registration_id = session->registration_id,
        .trusted_key = trusted_key_of(&task->registered),
        .channel = session->channel,
    };

    memcpy(binding.nonce, session->nonce, NONCE_SIZE);
    return binding;
}

/* The node's policy as it is in force now: what it is asked for is what it is appraised by. */
static enum status use_policy(struct node_session *session, const struct node *node)
{
    struct in_force *in_force = machine_in_force(session->server->tcd->machine);
    const struct manifest_node *entry =
        manifest_node_by_ek(in_force->bundle->manifest, tpm_name_view(&node->ek_name));

    if (!entry) {
        return STATUS_NOT_FOUND; /* The next look at all sessions ends it. */
    }
    TRY(node_task_begin(session, in_force));
    session->task->registered = node->registration;
    session->task->policy = entry->policy;
    TRY(node_task_use_references(session, entry->policy));
    /* A new leader does not know what the old one was told by staged sets. */
    session->is_whole |= !staged_verdicts_are_complete(
        session->server->tcd->staged_verdicts, entry->name, &session->task->references.staged);
    return STATUS_OK;
}

/* After a change of policy everything is appraised again; else only what is new. */
static struct evidence_demand demand_of(struct node_session *session)
{
    const struct node_task *task = session->task;
    const struct registration *registered = &task->registered;
    struct digest references = reference_list_digest(&task->references.enforced);
    struct evidence_demand demand = appraisal_demand(&task->policy->pcrs, &task->references);

    session->is_whole |= !digest_equal(&registered->policy, &task->policy->digest) ||
                         !digest_equal(&registered->progress.references, &references);
    if (!session->is_whole) {
        demand.event_log = false;
        demand.ima_entries_known = registered->progress.ima_count;
    }
    return demand;
}

void node_renewal_challenge(struct node_session *session)
{
    const struct node *node =
        registry_node_by_registration(tcd_registry(session->server->tcd), session->registration_id);
    struct evidence_demand demand;
    struct renewal_binding binding;
    OWN(bytes) struct bytes message = {0};
    enum status status;

    if (!node || !node->registration.live) {
        return; /* The next look at all sessions ends it. */
    }
    status = use_policy(session, node);
    if (status == STATUS_EXPIRED) {
        session->refusal = node_policy_ended(session->task->policy);
        node_session_refuse(session, &session->refusal);
        return;
    }
    if (status != STATUS_OK) {
        node_task_end(session); /* It is asked again when the policy is there. */
        return;
    }
    demand = demand_of(session);
    entropy_fill(session->nonce, sizeof session->nonce);
    binding = binding_of(session);
    if (renewal_challenge(&binding, &demand, &message) != STATUS_OK) {
        return;
    }
    session->state = NODE_SESSION_RENEWING;
    node_session_send(session, TCCP__NODE_MESSAGE_KIND__RENEW_CHALLENGE, bytes_view(&message));
}

static void work_renewal(void *argument)
{
    struct node_session *session = argument;
    struct node_task *task = session->task;
    const struct registration *registered = &task->registered;
    struct renewal_binding binding = binding_of(session);
    struct boot_state previous = boot_of_registration(registered);
    const struct renewal_appraiser appraiser = {
        .policy = &task->policy->pcrs,
        .references = task->references,
        .is_whole = session->is_whole,
        .ak_name = &registered->ak_name,
        .previous = &previous,
        .now_s = time_wall_s(),
    };

    task->status = renewal_appraise(&binding, bytes_view(&task->input), &appraiser,
                                    &task->appraisal, &session->refusal);
    if (task->is_tapped) {
        struct digest qualifying = renewal_quote_input(&binding);

        node_tap_renewal(session, &qualifying);
    }
}

static void quarantined(void *argument, enum status status, const struct outcome *outcome)
{
    struct node_session *session = argument;
    const struct node *node;

    if (status != STATUS_OK || outcome->verdict != REFUSAL_NONE) {
        log_event(LOG_WARNING, "quarantine-not-committed", "registration=%llu reason=\"%s\"",
                  (unsigned long long)session->registration_id,
                  outcome ? refusal_name(outcome->verdict) : status_text(status));
    }
    if (!node_session_job_ended(session)) {
        return;
    }
    node =
        registry_node_by_registration(tcd_registry(session->server->tcd), session->registration_id);
    if (status == STATUS_OK && node && node->standing != NODE_GOOD) {
        node_session_keep(session, node);
    } else {
        node_session_refuse(session, &session->refusal);
    }
}

/* Evidence that is not acceptable any more: the node keeps what is left of its lease, and gets
 * nothing new. */
static void quarantine(struct node_session *session)
{
    struct command command = {.kind = COMMAND_NODE_QUARANTINED,
                              .rests = {.registration = session->registration_id}};

    (void)snprintf(command.node_quarantined.reason, sizeof command.node_quarantined.reason, "%s",
                   refusal_name(session->refusal.code));
    (void)snprintf(command.node_quarantined.detail, sizeof command.node_quarantined.detail, "%s",
                   session->refusal.detail);
    command.node_quarantined.finding = session->refusal.finding;
    session->has_job = true;
    propose(session->server->tcd->replica, &command, quarantined, session);
}

static enum status batch_add(struct node_server *server, const struct renewal *item,
                             struct node_session *session)
{
    struct renewal_batch *batch = server->batch;

    if (!batch) {
        batch = server->batch = calloc(1, sizeof *batch);
        if (!batch) {
            return STATUS_NO_MEMORY;
        }
    }
    if (batch->count == batch->capacity) {
        size_t capacity = batch->capacity ? 2 * batch->capacity : 64;
        struct renewal *items = realloc(batch->items, capacity * sizeof *items);
        struct node_session **sessions;

        if (!items) {
            return STATUS_NO_MEMORY;
        }
        batch->items = items;
        sessions = realloc(batch->sessions, capacity * sizeof(struct node_session *));
        if (!sessions) {
            return STATUS_NO_MEMORY;
        }
        batch->sessions = sessions;
        batch->capacity = capacity;
    }
    batch->items[batch->count] = *item;
    batch->sessions[batch->count] = session;
    batch->count++;
    return STATUS_OK;
}

static void staged_note(const struct node_session *session)
{
    const struct tcd *tcd = session->server->tcd;
    const struct node *node =
        registry_node_by_registration(tcd_registry(tcd), session->registration_id);

    if (node) {
        staged_verdicts_note(tcd->staged_verdicts, node->name.text, &session->task->references,
                             session->is_whole, time_wall_s());
    }
}

static void done_renewal(struct node_session *session)
{
    const struct node_task *task = session->task;
    const struct boot_state *boot = &task->appraisal.boot;
    struct renewal item = {
        .registration = session->registration_id,
        .number = task->registered.renewal + 1,
        .policy = task->policy->digest,
        .boot = counters_of_boot(boot),
        .progress = progress_of_boot(boot),
    };

    if (task->status == STATUS_OK || task->status == STATUS_REFUSED) {
        staged_note(session);
    }
    node_tap_end(session);
    if (task->status == STATUS_REFUSED) {
        quarantine(session);
        return;
    }
    if (task->status == STATUS_CONFLICT && !session->is_whole) {
        session->is_whole = true;
        node_renewal_challenge(session);
        return;
    }
    session->has_job = true; /* First: a flush may answer at once. */
    if (task->status != STATUS_OK || batch_add(session->server, &item, session)) {
        session->has_job = false;
        log_event(LOG_ERROR, "renewal-failed", "registration=%llu reason=\"%s\"",
                  (unsigned long long)session->registration_id, status_text(task->status));
        connection_close(session->connection);
        return;
    }
    if (session->server->batch->count >= BATCH_RENEWAL_COUNT_MAX) {
        node_renewal_flush(session->server);
    }
}

void node_renewal_evidence(struct node_session *session, struct bytes *payload)
{
    const struct node *node =
        registry_node_by_registration(tcd_registry(session->server->tcd), session->registration_id);

    if (!node || !node->registration.live) {
        session->refusal = refusal_make(REFUSAL_REGISTRATION, "the registration has ended");
        node_session_refuse(session, &session->refusal);
        return;
    }
    session->task->input = TAKE(*payload);
    node_tap_begin(session, session->is_whole);
    node_session_work(session, work_renewal, done_renewal);
}

/* --- commit --- */

static void renewed(struct node_session *session, uint64_t renewal)
{
    Tccp__RenewAccepted message = TCCP__RENEW_ACCEPTED__INIT;
    OWN(bytes) struct bytes bytes = {0};
    const struct tcd *tcd = session->server->tcd;
    uint64_t registration_id = session->registration_id;
    const struct node *node;

    message.registration_id = registration_id;
    message.renewal = renewal;
    message.lease_ms = lease_given_ms(session);
    if (protobuf_pack(&message.base, NODE_MESSAGE_SIZE_MAX, &bytes) != STATUS_OK) {
        connection_close(session->connection);
        return;
    }
    node_renewal_live(session);
    node_session_send(session, TCCP__NODE_MESSAGE_KIND__RENEW_ACCEPTED, bytes_view(&bytes));
    node = registry_node_by_registration(tcd_registry(tcd), registration_id);
    if (session->is_resumed && node) {
        session->is_resumed = false;
        vm_orders_resumed(tcd->vm_orders, node);
    }
}

static void not_renewed(struct node_session *session, enum refusal_code verdict)
{
    const struct node *node =
        registry_node_by_registration(tcd_registry(session->server->tcd), session->registration_id);

    if (node && node->registration.live && node->standing != NODE_GOOD) {
        node_session_keep(session, node);
        return;
    }
    session->refusal = refusal_make(verdict, "renewal of registration %llu",
                                    (unsigned long long)session->registration_id);
    node_session_refuse(session, &session->refusal);
}

static void batch_free(struct renewal_batch *batch)
{
    free(batch->items);
    free(batch->sessions);
    free(batch);
}

static void batch_done(void *argument, enum status status, const struct outcome *outcome)
{
    struct renewal_batch *batch = argument;
    bool applied = status == STATUS_OK && outcome->verdict == REFUSAL_NONE;

    for (size_t i = 0; i < batch->count; i++) {
        struct node_session *session = batch->sessions[i];

        if (!node_session_job_ended(session)) {
            continue;
        }
        if (applied && outcome->items[i] == REFUSAL_NONE) {
            renewed(session, batch->items[i].number);
        } else if (status != STATUS_OK) {
            node_session_redirect(session);
        } else {
            not_renewed(session, applied ? outcome->items[i] : outcome->verdict);
        }
    }
    batch_free(batch);
}

void node_renewal_flush(struct node_server *server)
{
    struct renewal_batch *batch = server->batch;
    struct command command = {.kind = COMMAND_RENEWAL_BATCH};

    if (!batch) {
        return;
    }
    server->batch = NULL;
    registry_rest(tcd_registry(server->tcd), &command.rests);
    command.renewal_batch.count = batch->count;
    command.renewal_batch.items = batch->items;
    propose(server->tcd->replica, &command, batch_done, batch);
}

void node_renewal_drop(struct node_server *server)
{
    struct renewal_batch *batch = server->batch;

    if (batch) {
        server->batch = NULL;
        for (size_t i = 0; i < batch->count; i++) {
            (void)node_session_job_ended(batch->sessions[i]);
        }
        batch_free(batch);
    }
}
