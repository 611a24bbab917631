/* Evidence: in one message; or, if it is larger than that, announced, waited for and received in
 * parts, and what came whole is taken as if it had come in one. */
#include "lib/base/log.h"
#include "lib/net/timer.h"
#include "tcd/node_session.h"

#include <string.h>

enum {
    /* The next part has this long; and all of them together, which is 5 Mbit/s for the largest. */
    PART_TIMEOUT_MS = 10 * 1000,
    TRANSFER_TIMEOUT_MS = 60 * 1000,
};

static struct node_session *session_of(struct evidence_place *place)
{
    return ((struct node_transfer *)place)->session;
}

static bool is_registration(const struct node_session *session)
{
    return session->registration_id == 0;
}

/* --- room --- */

/* Those who are next in line, as far as there is room. */
static void grant(struct node_server *server)
{
    struct evidence_place *place;

    while ((place = evidence_budget_grant(&server->evidence_budget)) != NULL) {
        struct node_session *session = session_of(place);
        struct node_transfer *transfer = &session->task->transfer;
        uint64_t now_ms = time_boot_ms();

        if (session->state != NODE_SESSION_ANNOUNCED ||
            evidence_receiver_open(&transfer->receiver, place->size) != STATUS_OK) {
            evidence_budget_release(&server->evidence_budget, place);
            if (session->state == NODE_SESSION_ANNOUNCED) {
                session->refusal = refusal_make(REFUSAL_RATE, "no memory for evidence");
                node_session_refuse(session, &session->refusal);
            }
            continue;
        }
        session->state = NODE_SESSION_RECEIVING;
        transfer->part_until_ms = now_ms + PART_TIMEOUT_MS;
        transfer->until_ms = now_ms + TRANSFER_TIMEOUT_MS;
        /* How long it waited was up to the others. */
        session->register_until_ms = transfer->until_ms;
        node_session_send(session, TCCP__NODE_MESSAGE_KIND__EVIDENCE_GO, (struct view){0});
    }
}

void node_transfer_drop(struct node_session *session)
{
    struct node_transfer *transfer = session->task ? &session->task->transfer : NULL;

    if (transfer && transfer->place.state != EVIDENCE_PLACE_NONE) {
        evidence_budget_release(&session->server->evidence_budget, &transfer->place);
        evidence_receiver_free(&transfer->receiver);
        grant(session->server);
    }
}

/* --- announcement --- */

/* A host that registers has one place: with many connections it would have all the room. */
static bool has_place(const struct evidence_line *line, const char *name)
{
    for (struct evidence_place *place = line->first; place; place = place->next) {
        const char *other = session_of(place)->task->transfer.name;

        if (other && strcmp(other, name) == 0) {
            return true;
        }
    }
    return false;
}

static enum status check_announcement(struct node_session *session,
                                      const struct evidence_announcement *announcement)
{
    const struct evidence_budget *budget = &session->server->evidence_budget;
    const char *name;

    if (!is_registration(session)) {
        return STATUS_OK; /* Its connection says who it is. */
    }
    TRY(verifier_announced(session->task->verifier, announcement, &session->refusal));
    name = verifier_sight(session->task->verifier).name;
    if (has_place(&budget->waiting, name) || has_place(&budget->granted, name)) {
        return refuse(&session->refusal, REFUSAL_RATE,
                      "another connection of this host sends evidence already");
    }
    session->task->transfer.name = name;
    return STATUS_OK;
}

void node_transfer_announce(struct node_session *session, struct bytes *payload)
{
    struct node_server *server = session->server;
    struct evidence_announcement announcement;
    enum status status = evidence_read_announcement(bytes_view(payload),
                                                    is_registration(session)
                                                        ? TCCP__NODE_MESSAGE_KIND__REGISTER_EVIDENCE
                                                        : TCCP__NODE_MESSAGE_KIND__RENEW_EVIDENCE,
                                                    &announcement, &session->refusal);

    if (status == STATUS_OK) {
        status = check_announcement(session, &announcement);
    }
    if (status != STATUS_OK) {
        node_session_refuse(session, &session->refusal);
        return;
    }
    session->state = NODE_SESSION_ANNOUNCED;
    session->task->transfer.session = session;
    evidence_budget_ask(&server->evidence_budget, &session->task->transfer.place,
                        (size_t)announcement.size);
    grant(server);
}

/* --- what came --- */

static void take(struct node_session *session, struct bytes *evidence)
{
    if (is_registration(session)) {
        node_registration_evidence(session, evidence);
    } else {
        node_renewal_evidence(session, evidence);
    }
}

void node_transfer_direct(struct node_session *session, struct bytes *payload)
{
    if (evidence_is_direct(payload->size)) {
        take(session, payload);
    } else {
        session->refusal = refusal_make(REFUSAL_TOO_LARGE,
                                        "evidence of %zu bytes that was not announced, at most %d",
                                        payload->size, EVIDENCE_DIRECT_SIZE_MAX);
        node_session_refuse(session, &session->refusal);
    }
}

void node_transfer_part(struct node_session *session, struct bytes *payload)
{
    struct node_transfer *transfer = &session->task->transfer;
    struct bytes evidence;

    if (evidence_receiver_take(&transfer->receiver, bytes_view(payload), &session->refusal) !=
        STATUS_OK) {
        node_transfer_drop(session);
        node_session_refuse(session, &session->refusal);
        return;
    }
    transfer->part_until_ms = time_boot_ms() + PART_TIMEOUT_MS;
    if (!evidence_receiver_is_whole(&transfer->receiver)) {
        return;
    }
    /* Its room stays taken until it was appraised. */
    evidence = evidence_receiver_finish(&transfer->receiver);
    if (is_registration(session)) {
        session->register_until_ms = time_boot_ms() + REGISTRATION_TIMEOUT_MS;
    }
    take(session, &evidence);
    bytes_free(&evidence);
}

void node_transfer_expire(struct node_server *server, uint64_t now_ms)
{
    struct evidence_place *next;

    for (struct evidence_place *place = server->evidence_budget.granted.first; place;
         place = next) {
        struct node_session *session = session_of(place);
        const struct node_transfer *transfer = &session->task->transfer;

        next = place->next;
        if (session->connection && session->state == NODE_SESSION_RECEIVING &&
            (now_ms >= transfer->part_until_ms || now_ms >= transfer->until_ms)) {
            log_event(LOG_NOTICE, "evidence-too-slow", "peer=%s received=%zu size=%zu",
                      node_session_address(session), transfer->receiver.received, place->size);
            session->state = NODE_SESSION_ENDING;
            connection_abort(session->connection, STATUS_TIMEOUT, "evidence came too slowly");
        }
    }
}
