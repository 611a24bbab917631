/* Freeing of protobuf messages at the end of their scope: `OWN(message) Tccp__RunGrant *grant =
 * NULL`. For use inside lib/protocol. */
#ifndef TCCP_PROTOCOL_MESSAGE_H
#define TCCP_PROTOCOL_MESSAGE_H

#include "lib/base/protobuf.h"
#include "lib/base/sha256.h"

/* pointer: to a pointer to any generated message; each begins with its base. */
static inline void message_cleanup(void *pointer)
{
    ProtobufCMessage *message = *(ProtobufCMessage **)pointer;

    if (message) {
        protobuf_c_message_free_unpacked(message, NULL);
    }
}

/* The two ways in which fields of a fixed size are read. */
static inline bool message_copy(ProtobufCBinaryData field, void *ret_data, size_t size)
{
    if (field.len != size) {
        return false;
    }
    __builtin_memcpy(ret_data, field.data, size);
    return true;
}

static inline bool message_digest(ProtobufCBinaryData field, struct digest *ret_digest)
{
    return message_copy(field, ret_digest->bytes, sizeof ret_digest->bytes);
}

/* protobuf-c's strings are not const, but packing does not write to them. */
static inline char *message_string(const char *text)
{
    return (char *)(uintptr_t)text;
}

#endif
