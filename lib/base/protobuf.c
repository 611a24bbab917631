#include "lib/base/protobuf.h"

#include <stdlib.h>

enum status protobuf_pack(const ProtobufCMessage *message, size_t size_max, struct bytes *ret_bytes)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *data;

    if (size > size_max) {
        return STATUS_TOO_LARGE;
    }
    data = malloc(size ? size : 1);
    if (!data) {
        return STATUS_NO_MEMORY;
    }
    *ret_bytes = (struct bytes){data, protobuf_c_message_pack(message, data)};
    return STATUS_OK;
}

ProtobufCMessage *protobuf_unpack(const ProtobufCMessageDescriptor *descriptor, struct view bytes,
                                  size_t size_max)
{
    if (bytes.size > size_max) {
        return NULL;
    }
    return protobuf_c_message_unpack(descriptor, NULL, bytes.size, bytes.data);
}
