/* The envelope of what nodes and the coordinator say to each other, the refusal that can stand in
 * the place of any answer, and the announcement that makes a coordinator give away memory. */
#include "lib/protocol/evidence_transfer.h"
#include "lib/protocol/node_message.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void announcement(struct view payload, Tccp__NodeMessageKind kind)
{
    struct evidence_announcement read;
    struct refusal refusal = {0};
    enum status status = evidence_read_announcement(payload, kind, &read, &refusal);

    ASSERT(status == STATUS_OK || (status == STATUS_REFUSED && refusal.code != REFUSAL_NONE));
    ASSERT(status != STATUS_OK || (read.kind == kind && !evidence_is_direct((size_t)read.size) &&
                                   read.size <= EVIDENCE_MESSAGE_SIZE_MAX));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Tccp__NodeMessage *message = node_message_unpack((struct view){data, size});
    struct refusal refusal;

    if (!message) {
        return 0;
    }
    if (message->kind == TCCP__NODE_MESSAGE_KIND__REFUSED) {
        refusal = node_message_read_refused(protobuf_view(message->payload));
        ASSERT(refusal.code < REFUSAL_CODE_COUNT);
        ASSERT(strnlen(refusal.detail, sizeof refusal.detail) < sizeof refusal.detail);
    }
    if (message->kind == TCCP__NODE_MESSAGE_KIND__EVIDENCE_ANNOUNCE) {
        announcement(protobuf_view(message->payload), TCCP__NODE_MESSAGE_KIND__REGISTER_EVIDENCE);
        announcement(protobuf_view(message->payload), TCCP__NODE_MESSAGE_KIND__RENEW_EVIDENCE);
    }
    node_message_free(message);
    return 0;
}
