/* What a node shows, for people: asked for, and read piece by piece (tcd/evidence_tap.h). */
#include "lib/base/log.h"
#include "lib/base/protobuf.h"
#include "lib/base/text.h"
#include "lib/crypto/entropy.h"
#include "lib/net/timer.h"
#include "tcd/admin_call.h"
#include "tcd/evidence_tap.h"
#include "tcd/node_server.h"
#include "tcd/refusals.h"

/* A host that was refused comes again within this long; who did not is not there any more. */
enum { ATTEMPT_RECENT_S = 300, EVIDENCE_PIECE_SIZE = 256 * 1024 };

/* Will it show anything by itself? A host that is refused has no registration, and tries again. */
static bool is_there(const struct tcd *tcd, const struct node *node)
{
    const struct refusal_record *record = refusals_find(tcd->refusals, node->name.text);

    return (node->registration.live &&
            node_server_reaches(tcd->node_server, node->registration.id)) ||
           (record && time_wall_s() - record->at_s < ATTEMPT_RECENT_S);
}

static enum status tap_open(struct tcd *tcd, const char *name, struct view *ret_token,
                            struct refusal *ret_refusal)
{
    const struct node *node = registry_node_by_name(tcd_registry(tcd), name);
    uint8_t fresh[EVIDENCE_TOKEN_SIZE];

    if (!node) {
        return refuse(ret_refusal, REFUSAL_NOT_FOUND, "no node %.100s", name);
    }
    if (!is_there(tcd, node)) {
        return refuse(ret_refusal, REFUSAL_NODE_ABSENT, "node %s", node->name.text);
    }
    entropy_fill(fresh, sizeof fresh);
    return evidence_tap_open(tcd->evidence_tap, node->name.text, VIEW_OF_ARRAY(fresh),
                             time_boot_ms(), ret_token, ret_refusal);
}

void admin_evidence_get(struct admin_call *call)
{
    const char *name = call->request->evidence_get->node;
    Tccp__AdminResponse response = TCCP__ADMIN_RESPONSE__INIT;
    Tccp__EvidenceTap reply = TCCP__EVIDENCE_TAP__INIT;
    struct refusal refusal = {0};
    struct view token;

    if (tap_open(call->session->tcd, name, &token, &refusal) != STATUS_OK) {
        admin_refuse(call, &refusal);
        return;
    }
    log_event(LOG_NOTICE, "evidence-asked", "node=%s peer=%s key=%s", name, call->session->address,
              hex_short(digest_view(&call->session->key_id)).text);
    reply.token = protobuf_data(token);
    response.kind_case = TCCP__ADMIN_RESPONSE__KIND_EVIDENCE_TAP;
    response.evidence_tap = &reply;
    admin_answer(call, &response);
}

void admin_evidence_part(struct admin_call *call)
{
    const Tccp__EvidencePart *request = call->request->evidence_part;
    struct tcd *tcd = call->session->tcd;
    Tccp__AdminResponse response = TCCP__ADMIN_RESPONSE__INIT;
    Tccp__EvidencePiece reply = TCCP__EVIDENCE_PIECE__INIT;
    struct refusal refusal;
    struct view piece = {0};
    uint64_t size = 0;
    enum status status;

    if (!tcd_leads(tcd)) {
        admin_fail(call, STATUS_NOT_LEADER);
        return;
    }
    status = evidence_tap_read(tcd->evidence_tap, protobuf_view(request->token), request->offset,
                               EVIDENCE_PIECE_SIZE, time_boot_ms(), &piece, &size);
    if (status != STATUS_OK && status != STATUS_NOT_READY) {
        refusal = status == STATUS_NOT_FOUND
                      ? refusal_make(REFUSAL_NOT_READY, "that evidence is not here any more")
                      : refusal_make(REFUSAL_MALFORMED, "the evidence ends before that");
        admin_refuse(call, &refusal);
        return;
    }
    reply.size = size;
    reply.data = protobuf_data(piece);
    response.kind_case = TCCP__ADMIN_RESPONSE__KIND_EVIDENCE_PIECE;
    response.evidence_piece = &reply;
    admin_answer(call, &response);
}
