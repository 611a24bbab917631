/* Bytes written as hexadecimal in a test. */
#ifndef TCCP_TESTS_SUPPORT_HEX_H
#define TCCP_TESTS_SUPPORT_HEX_H

#include "lib/base/text.h"

#include <stdlib.h>
#include <string.h>

static inline struct bytes bytes_of_hex(const char *hex)
{
    struct bytes bytes = {.data = malloc(strlen(hex) / 2 + 1), .size = strlen(hex) / 2};

    ASSERT(bytes.data && hex_decode(hex, bytes.data, bytes.size) == STATUS_OK);
    return bytes;
}

#define OWN_HEX(name, hex) OWN(bytes) struct bytes name = bytes_of_hex(hex)

#define assert_view_hex(seen, hex)                                                                 \
    do {                                                                                           \
        OWN_HEX(expected_, hex);                                                                   \
        struct view seen_ = (seen);                                                                \
        assert_int_equal(seen_.size, expected_.size);                                              \
        assert_memory_equal(seen_.data, expected_.data, expected_.size);                           \
    } while (0)

#endif
