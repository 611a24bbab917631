#include "tcd/node_server.h"

#include "lib/base/log.h"
#include "lib/net/timer.h"
#include "lib/protocol/node_message.h"
#include "tcd/node_session.h"
#include "tcd/refusals.h"
#include "tcd/vm_orders.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A node is asked for nothing between renewals; a dead one is found by its lease, this only frees
 * the memory. */
enum { NODE_IDLE_TIMEOUT_MS = 10 * 60 * 1000 };

enum {
    /* Each costs us a check of certificates, a credential made for its TPM and a place in a quote,
     * and nothing the peer. A host that is refused comes again after a while. */
    REGISTRATION_COUNT_MAX = 1024,
    /* Whoever sends more, logs that is, must not keep waiting those who send a quote. */
    LONG_INPUT_MIN = 64 * 1024,
    /* Of evidence that is too large for one message: on its way or being appraised, which takes
     * twice as much. */
    EVIDENCE_BUDGET_SIZE = 128 << 20,
};

enum status node_server_new(struct tcd *tcd, struct node_server **ret_server)
{
    struct node_server *server = calloc(1, sizeof *server);

    if (!server) {
        return STATUS_NO_MEMORY;
    }
    server->tcd = tcd;
    evidence_budget_init(&server->evidence_budget, EVIDENCE_BUDGET_SIZE);
    TABLE_INIT(&server->by_registration, struct node_session, registration_id);
    *ret_server = server;
    return STATUS_OK;
}

void node_server_free(struct node_server *server)
{
    if (server) {
        node_renewal_drop(server);
        ASSERT(!server->sessions);
        table_free(&server->by_registration);
        free(server);
    }
}

/* --- sessions --- */

const char *node_session_address(const struct node_session *session)
{
    return connection_peer(session->connection)->address;
}

enum status node_task_begin(struct node_session *session, struct in_force *in_force)
{
    node_task_end(session);
    session->task = calloc(1, sizeof *session->task);
    if (!session->task) {
        return STATUS_NO_MEMORY;
    }
    session->task->in_force = in_force_hold(in_force);
    return STATUS_OK;
}

void node_task_end(struct node_session *session)
{
    struct node_task *task = session->task;

    if (task) {
        node_transfer_drop(session);
        session->task = NULL;
        verifier_free(task->verifier);
        quote_release(task->quote);
        bytes_free(&task->challenge);
        in_force_release(task->in_force);
        bytes_free(&task->input);
        free(task->staged_refusals);
        bytes_free(&task->shown);
        free(task);
    }
}

struct refusal node_policy_ended(const struct manifest_policy *policy)
{
    return refusal_make(REFUSAL_POLICY_MISSING,
                        "every reference set that policy %s enforces has ended", policy->name);
}

enum status node_task_use_references(struct node_session *session,
                                     const struct manifest_policy *policy)
{
    struct node_task *task = session->task;
    struct references *references = &task->references;

    TRY(in_force_references(task->in_force, policy, time_wall_s(), references));
    if (references->staged.count > 0) {
        free(task->staged_refusals);
        task->staged_refusals = calloc(references->staged.count, sizeof *task->staged_refusals);
        if (!task->staged_refusals) {
            return STATUS_NO_MEMORY;
        }
        references->staged_refusals = task->staged_refusals;
    }
    return STATUS_OK;
}

void node_session_bind(struct node_session *session, uint64_t registration_id)
{
    struct node_server *server = session->server;
    struct node_session *other = table_remove(&server->by_registration, &registration_id);

    ASSERT(registration_id != 0 && session->registration_id == 0);
    if (other) {
        other->is_bound = false;
        if (other->connection && other->state != NODE_SESSION_ENDING) {
            other->state = NODE_SESSION_ENDING;
            connection_close(other->connection);
        }
    }
    session->registration_id = registration_id;
    session->is_bound = true;
    server->unregistered_count--;
    table_insert(&server->by_registration, session);
}

static void session_free(struct node_session *session)
{
    if (session->next) {
        session->next->previous = session->previous;
    }
    if (session->previous) {
        session->previous->next = session->next;
    } else {
        session->server->sessions = session->next;
    }
    node_session_registered(session);
    if (session->is_bound) {
        (void)table_remove(&session->server->by_registration, &session->registration_id);
    }
    session->server->unregistered_count -= session->registration_id == 0;
    node_task_end(session);
    free(session);
}

static void on_close(struct api_session *api, enum status reason, const char *detail)
{
    struct node_session *session = (struct node_session *)api;

    log_event(LOG_DEBUG, "node-disconnected",
              "peer=%s registration=%llu reason=\"%s\" detail=\"%s\"",
              node_session_address(session), (unsigned long long)session->registration_id,
              status_text(reason), detail);
    connection_release(session->connection);
    session->connection = NULL;
    /* What the quoter forgets ends no job: nothing else would free the session then. */
    if (!session->has_job || quoter_cancel(session->server->tcd->quoter, session)) {
        session_free(session);
    }
}

bool node_session_job_ended(struct node_session *session)
{
    session->has_job = false;
    if (!session->connection) {
        session_free(session);
        return false;
    }
    return session->state != NODE_SESSION_ENDING;
}

void node_session_send(struct node_session *session, Tccp__NodeMessageKind kind,
                       struct view payload)
{
    OWN(bytes) struct bytes frame = {0};

    if (node_message_pack(kind, payload, &frame) == STATUS_OK) {
        node_session_send_frame(session, bytes_view(&frame));
    } else {
        connection_abort(session->connection, STATUS_NO_MEMORY, "an answer could not be packed");
    }
}

void node_session_send_frame(struct node_session *session, struct view frame)
{
    if (connection_send(session->connection, frame) != STATUS_OK) {
        connection_abort(session->connection, STATUS_IO, "an answer could not be sent");
    }
}

static void end_with(struct node_session *session, struct bytes *frame)
{
    session->state = NODE_SESSION_ENDING;
    if (connection_send(session->connection, bytes_view(frame)) == STATUS_OK) {
        connection_close(session->connection); /* It flushes first. */
    }
    bytes_free(frame);
}

/* Our own trouble, or too much of it: says nothing about the host. */
static bool says_nothing(enum refusal_code code)
{
    return code == REFUSAL_RATE || code == REFUSAL_NOT_READY || code == REFUSAL_LIMIT ||
           code == REFUSAL_STALE_VERSION;
}

void node_session_refuse(struct node_session *session, const struct refusal *refusal)
{
    const struct verifier_sight sight = session->task && session->task->verifier
                                            ? verifier_sight(session->task->verifier)
                                            : (struct verifier_sight){0};
    struct bytes frame = {0};

    if (sight.name && sight.role == ATTESTER_NODE && !says_nothing(refusal->code)) {
        refusals_note(session->server->tcd->refusals, sight.name, refusal, sight.is_proven,
                      node_session_address(session), time_wall_s());
    }

    log_event(LOG_NOTICE, "node-refused", "peer=%s node=%s reason=%s detail=\"%s\"",
              node_session_address(session), sight.name ? sight.name : "-",
              refusal_name(refusal->code), refusal->detail);
    if (node_message_refused(refusal, &frame) == STATUS_OK) {
        end_with(session, &frame);
    } else {
        connection_close(session->connection);
    }
}

void node_session_keep(struct node_session *session, const struct node *node)
{
    enum refusal_code code = refusal_of_name(node->reason);

    /* What a worker has ends with its job. */
    if (!session->has_job) {
        node_transfer_drop(session);
    }
    session->state = NODE_SESSION_HELD;
    session->refusal = refusal_make(code == REFUSAL_CODE_COUNT ? REFUSAL_NODE_QUARANTINED : code,
                                    "%s", node->detail);
}

void node_session_redirect(struct node_session *session)
{
    struct bytes frame = {0};

    if (node_message_not_leader(tcd_leader_address(session->server->tcd), &frame) == STATUS_OK) {
        end_with(session, &frame);
    } else {
        connection_close(session->connection);
    }
}

struct job {
    struct node_session *session;
    void (*work)(void *session);
    void (*done)(struct node_session *session);
};

static void job_work(void *argument)
{
    struct job *job = argument;

    job->work(job->session);
    /* Here: to give back the memory of a long log takes the loop milliseconds. */
    bytes_free(&job->session->task->input);
}

static void job_done(void *argument)
{
    struct job job = *(struct job *)argument;

    free(argument);
    if (node_session_job_ended(job.session)) {
        node_transfer_drop(job.session);
        job.done(job.session);
    }
}

void node_session_work(struct node_session *session, void (*work)(void *session),
                       void (*done)(struct node_session *session))
{
    struct job *job = malloc(sizeof *job);

    session->state = NODE_SESSION_BUSY;
    if (job) {
        *job = (struct job){.session = session, .work = work, .done = done};
        session->has_job = true;
        if ((session->task->input.size > LONG_INPUT_MIN ? worker_submit_long : worker_submit)(
                session->server->tcd->verifiers, job_work, job_done, job) == STATUS_OK) {
            return;
        }
        session->has_job = false;
        free(job);
    }
    session->refusal = refusal_make(REFUSAL_RATE, "the coordinator is overloaded");
    node_session_refuse(session, &session->refusal);
}

/* --- frames --- */

static void out_of_order(struct node_session *session, Tccp__NodeMessageKind kind)
{
    session->refusal = refusal_make(REFUSAL_OUT_OF_ORDER, "message %d in state %d", (int)kind,
                                    (int)session->state);
    node_session_refuse(session, &session->refusal);
}

/* Messages about VMs come at any time while the registration is live. False: it is none, or out of
 * place. */
static bool take_vm_message(struct node_session *session, const Tccp__NodeMessage *message)
{
    static const struct {
        Tccp__NodeMessageKind kind;
        void (*take)(struct vm_orders *orders, const struct node *node, struct view message);
    } takers[] = {
        {TCCP__NODE_MESSAGE_KIND__LAUNCHED, vm_orders_launched},
        {TCCP__NODE_MESSAGE_KIND__VM_REPORT, vm_orders_report},
        {TCCP__NODE_MESSAGE_KIND__VM_INVENTORY, vm_orders_inventory},
        {TCCP__NODE_MESSAGE_KIND__MIGRATION_REPORT, vm_orders_migration_report},
        {TCCP__NODE_MESSAGE_KIND__MIGRATION_READY, vm_orders_migration_ready},
    };
    const struct tcd *tcd = session->server->tcd;
    const struct node *node =
        session->registration_id == 0
            ? NULL
            : registry_node_by_registration(tcd_registry(tcd), session->registration_id);

    if (!node || !node->registration.live) {
        return false;
    }
    for (size_t i = 0; i < ARRAY_SIZE(takers); i++) {
        if (takers[i].kind == message->kind) {
            takers[i].take(tcd->vm_orders, node, protobuf_view(message->payload));
            return true;
        }
    }
    return false;
}

/* What a node may still send whom the challenge reached before it was found bad. */
static bool is_renewal(Tccp__NodeMessageKind kind)
{
    return kind == TCCP__NODE_MESSAGE_KIND__RENEW_EVIDENCE ||
           kind == TCCP__NODE_MESSAGE_KIND__EVIDENCE_ANNOUNCE ||
           kind == TCCP__NODE_MESSAGE_KIND__EVIDENCE_PART;
}

static void on_frame(struct api_session *api, struct view frame)
{
    /* Which message belongs to which state, and what takes it. */
    static const struct {
        Tccp__NodeMessageKind kind;
        enum node_session_state state;
        void (*take)(struct node_session *session, struct bytes *payload);
    } steps[] = {
        {TCCP__NODE_MESSAGE_KIND__REGISTER_HELLO, NODE_SESSION_NEW, node_registration_hello},
        {TCCP__NODE_MESSAGE_KIND__REGISTER_EVIDENCE, NODE_SESSION_CHALLENGED, node_transfer_direct},
        {TCCP__NODE_MESSAGE_KIND__EVIDENCE_ANNOUNCE, NODE_SESSION_CHALLENGED,
         node_transfer_announce},
        {TCCP__NODE_MESSAGE_KIND__EVIDENCE_ANNOUNCE, NODE_SESSION_RENEWING, node_transfer_announce},
        {TCCP__NODE_MESSAGE_KIND__EVIDENCE_PART, NODE_SESSION_RECEIVING, node_transfer_part},
        {TCCP__NODE_MESSAGE_KIND__RESUME, NODE_SESSION_NEW, node_renewal_resume},
        {TCCP__NODE_MESSAGE_KIND__RENEW_EVIDENCE, NODE_SESSION_RENEWING, node_transfer_direct},
    };
    struct node_session *session = (struct node_session *)api;
    Tccp__NodeMessage *message;

    if (session->state == NODE_SESSION_ENDING) {
        return;
    }
    message = node_message_unpack(frame);
    if (!message) {
        session->refusal = refusal_make(REFUSAL_MALFORMED, "a frame that is no NodeMessage");
        node_session_refuse(session, &session->refusal);
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
        if (steps[i].kind == message->kind && steps[i].state == session->state) {
            if (tcd_leads(session->server->tcd)) {
                OWN(bytes) struct bytes payload = protobuf_take(&message->payload);

                steps[i].take(session, &payload);
            } else {
                node_session_redirect(session);
            }
            node_message_free(message);
            return;
        }
    }
    if (!take_vm_message(session, message) &&
        !(session->state == NODE_SESSION_HELD && is_renewal(message->kind))) {
        out_of_order(session, message->kind);
    }
    node_message_free(message);
}

struct node_session *node_session_find(const struct node_server *server, uint64_t registration_id)
{
    struct node_session *session = table_find(&server->by_registration, &registration_id);

    return session && session->connection && session->state != NODE_SESSION_ENDING ? session : NULL;
}

bool node_server_reaches(const struct node_server *server, uint64_t registration_id)
{
    return node_session_find(server, registration_id) != NULL;
}

enum status node_server_send(struct node_server *server, uint64_t registration_id,
                             Tccp__NodeMessageKind kind, struct view payload)
{
    const struct node_session *session = node_session_find(server, registration_id);
    OWN(bytes) struct bytes frame = {0};

    if (!session) {
        return STATUS_NOT_FOUND;
    }
    TRY(node_message_pack(kind, payload, &frame));
    return connection_send(session->connection, bytes_view(&frame));
}

struct api_session *node_session_new(struct node_server *server, struct connection *connection,
                                     const struct connection_peer *peer)
{
    struct node_session *session = calloc(1, sizeof *session);
    struct certificate certificate;
    struct digest exporter;

    if (!session) {
        return NULL;
    }
    session->api = (struct api_session){.on_frame = on_frame, .on_close = on_close};
    session->server = server;
    session->connection = connection_hold(connection);
    session->next = server->sessions;
    if (session->next) {
        session->next->previous = session;
    }
    server->sessions = session;
    server->unregistered_count++;
    session->register_until_ms = time_boot_ms() + REGISTRATION_TIMEOUT_MS;

    /* The handshake judged the certificate already; here it is read. */
    if (credentials_identify(server->tcd->credentials, peer->certificate, time_wall_s(),
                             &certificate, NULL) != STATUS_OK ||
        tls_exporter(connection_tls(connection), EXPORTER_LABEL, (struct view){0}, &exporter) !=
            STATUS_OK) {
        session->state = NODE_SESSION_ENDING;
        connection_abort(connection, STATUS_CRYPTO, "the connection cannot be bound to");
        return &session->api;
    }
    session->identity = (struct node_identity){
        .role = certificate.role,
        .registration_id = certificate.registration_id,
        .key_id = sha256(certificate_spki(&certificate)),
    };
    memcpy(session->channel.exporter, exporter.bytes, EXPORTER_SIZE);
    session->channel.server_certificate = sha256(tls_own_certificate(connection_tls(connection)));
    connection_set_idle_timeout(connection, NODE_IDLE_TIMEOUT_MS);
    return &session->api;
}

void node_server_leadership(struct node_server *server, bool leads)
{
    if (leads) {
        return;
    }
    /* Nobody ticks while another one leads: what was collected is answered now. */
    node_renewal_flush(server);
    for (struct node_session *session = server->sessions, *next; session; session = next) {
        next = session->next;
        if (session->connection && session->state != NODE_SESSION_ENDING) {
            node_session_redirect(session);
        }
    }
}

void node_server_applied(struct node_server *server, const struct command *command,
                         const struct outcome *outcome)
{
    if (outcome->verdict == REFUSAL_NONE && command->kind != COMMAND_RENEWAL_BATCH &&
        command->kind != COMMAND_AUDIT_NOTE && command->kind != COMMAND_SESSION_OPENED &&
        command->kind != COMMAND_REFERENCE_CHUNK) {
        server->registrations_moved = true;
    }
}

/* A registration that ended in the state ends on its connection, so that the node learns of it;
 * that of a bad node when its VMs have been seen to. All are looked at, but once for whatever was
 * applied since the last time. */
static void end_what_ended(struct node_server *server)
{
    const struct registry *registry = tcd_registry(server->tcd);

    if (!server->registrations_moved) {
        return;
    }
    server->registrations_moved = false;
    for (struct node_session *session = server->sessions, *next; session; session = next) {
        const struct node *node;

        next = session->next;
        if (!session->connection || session->registration_id == 0 ||
            session->state == NODE_SESSION_ENDING) {
            continue;
        }
        node = registry_node_by_registration(registry, session->registration_id);
        if (node && node->registration.live && node->standing != NODE_GOOD) {
            node_session_keep(session, node);
        } else if (!node || !node->registration.live) {
            session->refusal = refusal_make(node ? REFUSAL_NO_LEASE : REFUSAL_REGISTRATION,
                                            "registration %llu has ended",
                                            (unsigned long long)session->registration_id);
            node_session_refuse(session, &session->refusal);
        }
    }
}

bool node_session_admit(struct node_session *session)
{
    struct node_server *server = session->server;

    if (server->registering_count >= REGISTRATION_COUNT_MAX) {
        return false;
    }
    server->registering_count++;
    session->is_registering = true;
    return true;
}

void node_session_registered(struct node_session *session)
{
    if (session->is_registering) {
        session->is_registering = false;
        session->server->registering_count--;
    }
}

void node_server_expire(struct node_server *server, uint64_t now_ms)
{
    node_transfer_expire(server, now_ms);
    if (server->unregistered_count == 0) {
        return;
    }
    for (struct node_session *session = server->sessions; session; session = session->next) {
        if (session->connection && session->registration_id == 0 && !session->is_expired &&
            now_ms >= session->register_until_ms) {
            session->is_expired = true;
            session->state = NODE_SESSION_ENDING;
            connection_abort(session->connection, STATUS_TIMEOUT, "no registration in time");
        }
    }
}

void node_server_tick(struct node_server *server, uint64_t now_ms)
{
    end_what_ended(server);
    node_tap_tick(server, now_ms);
    for (struct node_session *session = server->sessions, *next; session; session = next) {
        next = session->next;
        if (session->connection && session->state == NODE_SESSION_LIVE &&
            now_ms >= session->challenge_due_ms) {
            node_renewal_challenge(session);
        } else if (session->connection && session->state == NODE_SESSION_HELD &&
                   !session->has_job &&
                   !vm_orders_obliges(server->tcd->vm_orders, session->registration_id)) {
            node_session_refuse(session, &session->refusal);
        }
    }
    node_renewal_flush(server);
}
