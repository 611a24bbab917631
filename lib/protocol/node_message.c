#include "lib/protocol/node_message.h"

#include <stdint.h>
#include <stdio.h>

enum status node_message_pack(Tccp__NodeMessageKind kind, struct view payload,
                              struct bytes *ret_frame)
{
    Tccp__NodeMessage message = TCCP__NODE_MESSAGE__INIT;

    message.kind = kind;
    message.payload = protobuf_data(payload);
    return protobuf_pack(&message.base, NODE_MESSAGE_SIZE_MAX, ret_frame);
}

enum status node_message_pack_message(Tccp__NodeMessageKind kind, const ProtobufCMessage *payload,
                                      struct bytes *ret_frame)
{
    OWN(bytes) struct bytes bytes = {0};

    TRY(protobuf_pack(payload, NODE_MESSAGE_SIZE_MAX, &bytes));
    return node_message_pack(kind, bytes_view(&bytes), ret_frame);
}

Tccp__NodeMessage *node_message_unpack(struct view frame)
{
    return (Tccp__NodeMessage *)protobuf_unpack(&tccp__node_message__descriptor, frame,
                                                NODE_MESSAGE_SIZE_MAX);
}

void node_message_free(Tccp__NodeMessage *message)
{
    tccp__node_message__free_unpacked(message, NULL);
}

enum status node_message_refused(const struct refusal *refusal, struct bytes *ret_frame)
{
    Tccp__Refused message = TCCP__REFUSED__INIT;

    message.reason = protobuf_string(refusal_name(refusal->code));
    message.detail = protobuf_string(refusal->detail);
    return node_message_pack_message(TCCP__NODE_MESSAGE_KIND__REFUSED, &message.base, ret_frame);
}

enum status node_message_not_leader(const char *leader_address, struct bytes *ret_frame)
{
    Tccp__NotLeader message = TCCP__NOT_LEADER__INIT;

    message.address = protobuf_string(leader_address ? leader_address : "");
    return node_message_pack_message(TCCP__NODE_MESSAGE_KIND__NOT_LEADER, &message.base, ret_frame);
}

struct refusal node_message_read_refused(struct view payload)
{
    struct refusal refusal = {.code = REFUSAL_MALFORMED};
    Tccp__Refused *message = (Tccp__Refused *)protobuf_unpack(&tccp__refused__descriptor, payload,
                                                              NODE_MESSAGE_SIZE_MAX);

    if (!message) {
        (void)snprintf(refusal.detail, sizeof refusal.detail, "Refused");
        return refusal;
    }
    refusal.code = refusal_of_name(message->reason);
    if (refusal.code == REFUSAL_CODE_COUNT) {
        refusal.code = REFUSAL_MALFORMED;
        (void)snprintf(refusal.detail, sizeof refusal.detail, "refused for an unknown reason: %s",
                       message->reason);
    } else {
        (void)snprintf(refusal.detail, sizeof refusal.detail, "%s", message->detail);
    }
    tccp__refused__free_unpacked(message, NULL);
    return refusal;
}
