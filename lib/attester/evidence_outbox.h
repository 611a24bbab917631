/*
 * Evidence on its way to the coordinator: at once, or announced and then sent in parts as fast as
 * the connection takes them (lib/protocol/evidence_transfer.h).
 */
#ifndef TCCP_ATTESTER_EVIDENCE_OUTBOX_H
#define TCCP_ATTESTER_EVIDENCE_OUTBOX_H

#include "lib/net/client.h"
#include "lib/protocol/evidence_transfer.h"

/* All zero: empty. */
struct evidence_outbox {
    struct evidence_sender sender;
};

/*
 * Sends the evidence as a message of announcement->kind, or announces it and keeps it (it is
 * TAKEn). As client_send() otherwise; STATUS_TOO_LARGE above EVIDENCE_MESSAGE_SIZE_MAX.
 */
WARN_UNUSED enum status evidence_outbox_send(struct evidence_outbox *outbox, struct client *client,
                                             const struct evidence_announcement *announcement,
                                             struct bytes *evidence);
/* EvidenceGo came. STATUS_CONFLICT when nothing waits for it; otherwise as client_send(). */
WARN_UNUSED enum status evidence_outbox_go(struct evidence_outbox *outbox, struct client *client);
/* The connection takes more: for the client's on_drain, whether or not anything is under way. */
WARN_UNUSED enum status evidence_outbox_drained(struct evidence_outbox *outbox,
                                                struct client *client);
/* The connection is over, or what was sent is not wanted any more. */
void evidence_outbox_clear(struct evidence_outbox *outbox);

#endif
