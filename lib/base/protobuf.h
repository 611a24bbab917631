/* Between protobuf-c's bytes and ours. */
#ifndef TCCP_BASE_PROTOBUF_H
#define TCCP_BASE_PROTOBUF_H

#include "lib/base/bytes.h"

#include <protobuf-c/protobuf-c.h>

static inline struct view protobuf_view(ProtobufCBinaryData data)
{
    return (struct view){data.data, data.len};
}

/* For filling a message that is packed next: protobuf-c does not write to it, but has no const. */
static inline ProtobufCBinaryData protobuf_data(struct view view)
{
    return (ProtobufCBinaryData){.len = view.size, .data = (uint8_t *)(uintptr_t)view.data};
}

/* Out of a message that was parsed, which is left without: the caller frees them. */
static inline struct bytes protobuf_take(ProtobufCBinaryData *data)
{
    struct bytes bytes = {data->data, data->len};

    *data = (ProtobufCBinaryData){0};
    return bytes;
}

static inline char *protobuf_string(const char *text)
{
    return (char *)(uintptr_t)text;
}

/* What stands before the bytes of a field that is a message, a string or bytes: its number (1 to
 * 15) and their size. So that large or signed bytes need not pass through a message. */
void protobuf_write_head(struct writer *writer, uint8_t field, size_t size);
/* How many bytes that is. */
size_t protobuf_head_size(size_t size);

/* Serialises a message. STATUS_TOO_LARGE above size_max. */
WARN_UNUSED enum status protobuf_pack(const ProtobufCMessage *message, size_t size_max,
                                      struct bytes *ret_bytes);

/*
 * Parses a message of at most size_max bytes; NULL when it is larger or malformed. The caller frees
 * it with the message's own `..__free_unpacked(message, NULL)`.
 */
ProtobufCMessage *protobuf_unpack(const ProtobufCMessageDescriptor *descriptor, struct view bytes,
                                  size_t size_max);

/*
 * The same with at most memory_max bytes of memory; NULL too when it would take more. A message of
 * nothing but small fields that nobody knows takes thirty times its size: for large ones that are
 * known to have few fields.
 */
ProtobufCMessage *protobuf_unpack_within(const ProtobufCMessageDescriptor *descriptor,
                                         struct view bytes, size_t size_max, size_t memory_max);

/*
 * The same for documents that are signed or hashed: NULL too unless the bytes are the one encoding
 * of the message, as protobuf_pack() makes it, without fields that this version does not know. Two
 * parties then never read one document in two ways.
 */
ProtobufCMessage *protobuf_unpack_strict(const ProtobufCMessageDescriptor *descriptor,
                                         struct view bytes, size_t size_max);

#endif
