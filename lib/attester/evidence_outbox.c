#include "lib/attester/evidence_outbox.h"

#include "lib/protocol/node_message.h"

static enum status send(struct client *client, Tccp__NodeMessageKind kind, struct view payload)
{
    OWN(bytes) struct bytes frame = {0};

    TRY(node_message_pack(kind, payload, &frame));
    return client_send(client, bytes_view(&frame));
}

enum status evidence_outbox_send(struct evidence_outbox *outbox, struct client *client,
                                 const struct evidence_announcement *announcement,
                                 struct bytes *evidence)
{
    OWN(bytes) struct bytes message = {0};

    evidence_outbox_clear(outbox);
    if (evidence_is_direct(evidence->size)) {
        return send(client, announcement->kind, bytes_view(evidence));
    }
    if (evidence->size > EVIDENCE_MESSAGE_SIZE_MAX) {
        return STATUS_TOO_LARGE;
    }
    TRY(evidence_announce(announcement, &message));
    TRY(send(client, TCCP__NODE_MESSAGE_KIND__EVIDENCE_ANNOUNCE, bytes_view(&message)));
    evidence_sender_begin(&outbox->sender, evidence);
    return STATUS_OK;
}

enum status evidence_outbox_go(struct evidence_outbox *outbox, struct client *client)
{
    TRY(evidence_sender_go(&outbox->sender));
    return evidence_outbox_drained(outbox, client);
}

enum status evidence_outbox_drained(struct evidence_outbox *outbox, struct client *client)
{
    struct view part;

    while (client_connection(client) && !connection_is_congested(client_connection(client)) &&
           evidence_sender_next(&outbox->sender, &part)) {
        TRY(send(client, TCCP__NODE_MESSAGE_KIND__EVIDENCE_PART, part));
    }
    return STATUS_OK;
}

void evidence_outbox_clear(struct evidence_outbox *outbox)
{
    evidence_sender_free(&outbox->sender);
}
