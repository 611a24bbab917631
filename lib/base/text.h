/* Bytes as text: hexadecimal, base32 (RFC 4648, lower case, no padding) and base64 (RFC 4648, with
 * padding). */
#ifndef TCCP_BASE_TEXT_H
#define TCCP_BASE_TEXT_H

#include "lib/base/sha256.h"

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

/* Characters, with the NUL, that `size` bytes need; bytes that so many characters hold at most. */
#define BASE64_SIZE(size) (((size) + 2) / 3 * 4 + 1)
#define BASE64_DECODED_SIZE_MAX(length) ((length) / 4 * 3)
void base64_encode(struct view view, char *ret_text);
/* Of the `text.size` characters of `text`: STATUS_MALFORMED on a foreign character, wrong padding
 * or padding bits that are not zero, STATUS_TOO_LARGE above size_max bytes. The caller frees. */
WARN_UNUSED enum status base64_decode(struct view text, size_t size_max, struct bytes *ret_bytes);

/* Adds formatted text, without a NUL. */
PRINTF_LIKE(2, 3) void writer_format(struct writer *writer, const char *format, ...);

/* First 8 bytes in hex: enough to recognise a key or id in a log line. */
struct hex_short {
    char text[HEX_SIZE(8)];
};
struct hex_short hex_short(struct view view);

/* A whole digest, where it may have to be copied; "nothing" for NULL. */
struct hex_digest {
    char text[HEX_SIZE(SHA256_SIZE)];
};
struct hex_digest hex_digest(const struct digest *digest);

#endif
