/* Bytes as text: hexadecimal and base32 (RFC 4648, lower case, no padding). */
#ifndef TCCP_BASE_TEXT_H
#define TCCP_BASE_TEXT_H

#include "lib/base/bytes.h"

/* Characters, with the terminating NUL, that `size` bytes need. */
#define HEX_SIZE(size) (2 * (size) + 1)
#define BASE32_SIZE(size) (((size)*8 + 4) / 5 + 1)

/* Writes the NUL-terminated text of `view` to ret_text, which holds at least HEX_SIZE / BASE32_SIZE
 * characters. */
void hex_encode(struct view view, char *ret_text);
void base32_encode(struct view view, char *ret_text);

/* Exactly `size` bytes; either case is accepted. STATUS_MALFORMED on another length or a foreign
 * character. */
WARN_UNUSED enum status hex_decode(const char *text, uint8_t *ret_data, size_t size);
WARN_UNUSED enum status base32_decode(const char *text, uint8_t *ret_data, size_t size);

/* First 8 bytes in hex: enough to recognise a key or id in a log line. */
struct hex_short {
    char text[HEX_SIZE(8)];
};
struct hex_short hex_short(struct view view);

#endif
