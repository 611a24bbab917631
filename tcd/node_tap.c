/* Evidence that somebody wants to see: the node is asked for it, and what it shows is kept for the
 * reader on its way through the appraisal, whatever comes of that. */
#include "lib/attest/evidence_message.h"
#include "lib/net/timer.h"
#include "tcd/evidence_tap.h"
#include "tcd/node_session.h"

#include "proto/admin.pb-c.h"

/* Whose evidence the session brings; NULL: not that of a node that is known. */
static const char *node_of(const struct node_session *session)
{
    const struct node *node;

    if (session->task->verifier) {
        const struct verifier_sight sight = verifier_sight(session->task->verifier);

        return sight.role == ATTESTER_NODE ? sight.name : NULL;
    }
    node =
        registry_node_by_registration(tcd_registry(session->server->tcd), session->registration_id);
    return node ? node->name.text : NULL;
}

void node_tap_begin(struct node_session *session, bool is_whole)
{
    const char *node = node_of(session);

    session->task->is_tapped =
        is_whole && node && evidence_tap_wants(session->server->tcd->evidence_tap, node);
}

/* What a reader is shown of it. Out of memory, it is not shown: the next evidence may be. */
static void show(struct node_session *session, const struct evidence_view *evidence,
                 const struct digest *qualifying)
{
    struct node_task *task = session->task;
    Tccp__NodeEvidence message = TCCP__NODE_EVIDENCE__INIT;
    Tccp__Evidence inner = evidence_view_to_message(evidence);
    bool is_refused = task->status == STATUS_REFUSED;

    message.evidence = &inner;
    message.qualifying = protobuf_data(digest_view(qualifying));
    message.at_s = time_wall_s();
    message.reason =
        protobuf_string(refusal_name(is_refused ? session->refusal.code : REFUSAL_NONE));
    message.detail = protobuf_string(is_refused ? session->refusal.detail : "");
    if (protobuf_pack(&message.base, EVIDENCE_SIZE_MAX, &task->shown) != STATUS_OK) {
        bytes_free(&task->shown);
    }
}

static bool has_verdict(const struct node_task *task)
{
    return task->status == STATUS_OK || task->status == STATUS_REFUSED;
}

void node_tap_registration(struct node_session *session)
{
    const struct node_task *task = session->task;
    struct evidence_view evidence;
    struct digest qualifying;

    /* Whoever has not shown that it holds the node's TPM shows nothing of the node. */
    if (task->is_tapped && has_verdict(task) &&
        verifier_shown(task->verifier, &evidence, &qualifying) == STATUS_OK) {
        show(session, &evidence, &qualifying);
    }
}

void node_tap_renewal(struct node_session *session, const struct digest *qualifying)
{
    const struct node_task *task = session->task;
    Tccp__RenewEvidence *message;
    struct evidence_view evidence;

    if (!has_verdict(task)) {
        return;
    }
    message = (Tccp__RenewEvidence *)protobuf_unpack_within(
        &tccp__renew_evidence__descriptor, bytes_view(&task->input), EVIDENCE_MESSAGE_SIZE_MAX,
        task->input.size + EVIDENCE_OVERHEAD_MAX);
    if (!message) {
        return;
    }
    if (message->evidence) {
        evidence = evidence_view_of_message(message->evidence);
        /* A renewal brings no EK, and nobody would have looked at it. */
        evidence.ek_certificate = evidence.ek_public = (struct view){0};
        show(session, &evidence, qualifying);
    }
    tccp__renew_evidence__free_unpacked(message, NULL);
}

void node_tap_end(struct node_session *session)
{
    struct node_task *task = session->task;
    const char *node = task->shown.size > 0 ? node_of(session) : NULL;

    task->is_tapped = false;
    if (node) {
        evidence_tap_put(session->server->tcd->evidence_tap, node, &task->shown, time_boot_ms());
    }
    bytes_free(&task->shown);
}

void node_tap_tick(struct node_server *server, uint64_t now_ms)
{
    const struct registry *registry = tcd_registry(server->tcd);
    const struct evidence_tap *tap = server->tcd->evidence_tap;
    uint64_t lease_ms = (uint64_t)registry_perimeter(registry)->lease_s * 1000;
    const char *name;
    size_t cursor = 0;

    evidence_tap_tick(server->tcd->evidence_tap, now_ms);
    while ((name = evidence_tap_next(tap, &cursor))) {
        const struct node *node = registry_node_by_name(registry, name);
        struct node_session *session =
            node ? node_session_find(server, node->registration.id) : NULL;

        if (session && session->state == NODE_SESSION_LIVE && now_ms >= session->tap_due_ms) {
            session->is_whole = true;
            session->tap_due_ms = now_ms + lease_ms / EVIDENCE_PAUSE_PARTS;
            node_renewal_challenge(session);
        }
    }
}
