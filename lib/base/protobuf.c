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

static void *allocate_within(void *data, size_t size)
{
    size_t *left = data;

    if (size > *left) {
        return NULL;
    }
    *left -= size;
    return malloc(size);
}

static void free_plainly(void *data, void *pointer)
{
    (void)data;
    free(pointer);
}

ProtobufCMessage *protobuf_unpack_within(const ProtobufCMessageDescriptor *descriptor,
                                         struct view bytes, size_t size_max, size_t memory_max)
{
    size_t left = memory_max;
    /* What it gives out is freed like all messages, without an allocator. */
    ProtobufCAllocator allocator = {allocate_within, free_plainly, &left};

    if (bytes.size > size_max) {
        return NULL;
    }
    return protobuf_c_message_unpack(descriptor, &allocator, bytes.size, bytes.data);
}

static const void *member_at(const ProtobufCMessage *message, unsigned offset)
{
    return (const char *)message + offset;
}

static bool is_known(const ProtobufCMessage *message)
{
    const ProtobufCMessageDescriptor *descriptor = message->descriptor;

    if (message->n_unknown_fields) {
        return false;
    }
    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
        const void *value = member_at(message, field->offset);

        if (field->type != PROTOBUF_C_TYPE_MESSAGE) {
            continue;
        }
        if (field->label == PROTOBUF_C_LABEL_REPEATED) {
            size_t count = *(const size_t *)member_at(message, field->quantifier_offset);
            const ProtobufCMessage *const *parts = *(const ProtobufCMessage *const *const *)value;

            for (size_t part = 0; part < count; part++) {
                if (!is_known(parts[part])) {
                    return false;
                }
            }
        } else if (!(field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) ||
                   *(const uint32_t *)member_at(message, field->quantifier_offset) == field->id) {
            const ProtobufCMessage *part = *(const ProtobufCMessage *const *)value;

            if (part && !is_known(part)) {
                return false;
            }
        }
    }
    return true;
}

ProtobufCMessage *protobuf_unpack_strict(const ProtobufCMessageDescriptor *descriptor,
                                         struct view bytes, size_t size_max)
{
    ProtobufCMessage *message = protobuf_unpack(descriptor, bytes, size_max);
    OWN(bytes) struct bytes again = {0};

    if (!message) {
        return NULL;
    }
    if (!is_known(message) || protobuf_pack(message, size_max, &again) != STATUS_OK ||
        !view_equal(bytes_view(&again), bytes)) {
        protobuf_c_message_free_unpacked(message, NULL);
        return NULL;
    }
    return message;
}

void protobuf_write_head(struct writer *writer, uint8_t field, size_t size)
{
    writer_u8(writer, (uint8_t)(field << 3 | PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED));
    while (size >= 0x80) {
        writer_u8(writer, (uint8_t)(size | 0x80));
        size >>= 7;
    }
    writer_u8(writer, (uint8_t)size);
}

size_t protobuf_head_size(size_t size)
{
    size_t head = 2;

    for (; size >= 0x80; size >>= 7) {
        head++;
    }
    return head;
}
