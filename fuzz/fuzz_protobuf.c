/* Messages of the wire and documents, as each side unpacks them. The first byte chooses which. */
#include "lib/base/protobuf.h"
#include "proto/admin.pb-c.h"
#include "proto/node.pb-c.h"
#include "proto/perimeter.pb-c.h"

enum { MESSAGE_SIZE_MAX = 64 * 1024 };

static const ProtobufCMessageDescriptor *const descriptors[] = {
    &tccp__perimeter_root__descriptor,      &tccp__root_succession__descriptor,
    &tccp__signed_document__descriptor,     &tccp__perimeter_manifest__descriptor,
    &tccp__cluster_endorsement__descriptor, &tccp__endorsement_request__descriptor,
    &tccp__perimeter_bundle__descriptor,    &tccp__evidence__descriptor,
    &tccp__register_hello__descriptor,      &tccp__register_challenge__descriptor,
    &tccp__register_evidence__descriptor,   &tccp__register_accepted__descriptor,
    &tccp__renew_challenge__descriptor,     &tccp__renew_evidence__descriptor,
    &tccp__node_message__descriptor,        &tccp__admin_request__descriptor,
    &tccp__admin_response__descriptor,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const ProtobufCMessageDescriptor *descriptor;
    ProtobufCMessage *message;
    struct view bytes;

    if (size < 1) {
        return 0;
    }
    descriptor = descriptors[data[0] % ARRAY_SIZE(descriptors)];
    bytes = (struct view){data + 1, size - 1};
    message = protobuf_unpack(descriptor, bytes, MESSAGE_SIZE_MAX);
    if (message) {
        protobuf_c_message_free_unpacked(message, NULL);
    }
    message = protobuf_unpack_within(descriptor, bytes, MESSAGE_SIZE_MAX, bytes.size);
    if (message) {
        protobuf_c_message_free_unpacked(message, NULL);
    }
    message = protobuf_unpack_strict(descriptor, bytes, MESSAGE_SIZE_MAX);
    if (message) {
        OWN(bytes) struct bytes again = {0};

        /* What the strict reader accepts has one encoding: these bytes. */
        ASSERT(protobuf_pack(message, MESSAGE_SIZE_MAX, &again) == STATUS_OK);
        ASSERT(view_equal(bytes_view(&again), bytes));
        protobuf_c_message_free_unpacked(message, NULL);
    }
    return 0;
}
