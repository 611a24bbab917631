/* The envelope of what nodes and the coordinator say to each other, and the refusal that can stand
 * in the place of any answer. */
#include "lib/protocol/node_message.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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
    node_message_free(message);
    return 0;
}
