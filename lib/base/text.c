#include "lib/base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char hex_digits[] = "0123456789abcdef";
static const char base32_digits[] = "abcdefghijklmnopqrstuvwxyz234567";
static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void hex_encode(struct view view, char *ret_text)
{
    for (size_t i = 0; i < view.size; i++) {
        *ret_text++ = hex_digits[view.data[i] >> 4];
        *ret_text++ = hex_digits[view.data[i] & 15];
    }
    *ret_text = '\0';
}

void base32_encode(struct view view, char *ret_text)
{
    uint32_t pending = 0;
    unsigned bits = 0;

    for (size_t i = 0; i < view.size; i++) {
        pending = (pending << 8 | view.data[i]) & 0xffff;
        bits += 8;
        while (bits >= 5) {
            bits -= 5;
            *ret_text++ = base32_digits[pending >> bits & 31];
        }
    }
    if (bits) {
        *ret_text++ = base32_digits[pending << (5 - bits) & 31];
    }
    *ret_text = '\0';
}

/* The value of a digit in an alphabet, ignoring case; -1 when it is not in it. */
static int digit_value(const char *alphabet, char digit)
{
    const char *at;

    if (digit >= 'A' && digit <= 'Z') {
        digit = (char)(digit - 'A' + 'a');
    }
    at = digit ? strchr(alphabet, digit) : NULL;
    return at ? (int)(at - alphabet) : -1;
}

enum status hex_decode(const char *text, uint8_t *ret_data, size_t size)
{
    if (strlen(text) != 2 * size) {
        return STATUS_MALFORMED;
    }
    for (size_t i = 0; i < size; i++) {
        int high = digit_value(hex_digits, text[2 * i]);
        int low = digit_value(hex_digits, text[2 * i + 1]);

        if (high < 0 || low < 0) {
            return STATUS_MALFORMED;
        }
        ret_data[i] = (uint8_t)(high << 4 | low);
    }
    return STATUS_OK;
}

enum status base32_decode(const char *text, uint8_t *ret_data, size_t size)
{
    uint32_t pending = 0;
    unsigned bits = 0;
    size_t used = 0;

    if (strlen(text) != BASE32_SIZE(size) - 1) {
        return STATUS_MALFORMED;
    }
    for (; *text; text++) {
        int value = digit_value(base32_digits, *text);

        if (value < 0) {
            return STATUS_MALFORMED;
        }
        pending = (pending << 5 | (uint32_t)value) & 0xffff;
        bits += 5;
        if (bits >= 8) {
            bits -= 8;
            ret_data[used++] = (uint8_t)(pending >> bits);
        }
    }
    /* One text for one value: the padding bits must be zero. */
    return used == size && (pending & ((1u << bits) - 1)) == 0 ? STATUS_OK : STATUS_MALFORMED;
}

void base64_encode(struct view view, char *ret_text)
{
    for (size_t i = 0; i < view.size; i += 3) {
        size_t count = view.size - i < 3 ? view.size - i : 3;
        uint32_t group = (uint32_t)view.data[i] << 16;

        group |= count > 1 ? (uint32_t)view.data[i + 1] << 8 : 0;
        group |= count > 2 ? (uint32_t)view.data[i + 2] : 0;
        for (size_t digit = 0; digit < 4; digit++) {
            *ret_text++ = digit <= count ? base64_digits[group >> (18 - 6 * digit) & 63] : '=';
        }
    }
    *ret_text = '\0';
}

/* Four characters at *text as 24 bits; the last `padding` of them are '='. */
static enum status base64_group(const uint8_t *text, size_t padding, uint32_t *ret_group)
{
    uint32_t group = 0;

    for (size_t i = 0; i < 4; i++) {
        const char *at = text[i] ? strchr(base64_digits, text[i]) : NULL;

        if (i >= 4 - padding) {
            group <<= 6;
        } else if (at) {
            group = group << 6 | (uint32_t)(at - base64_digits);
        } else {
            return STATUS_MALFORMED;
        }
    }
    *ret_group = group;
    return (group & ((1u << 8 * padding) - 1)) == 0 ? STATUS_OK : STATUS_MALFORMED;
}

enum status base64_decode(struct view text, size_t size_max, struct bytes *ret_bytes)
{
    OWN(bytes) struct bytes bytes = {0};
    size_t padding = 0;

    if (text.size % 4) {
        return STATUS_MALFORMED;
    }
    while (padding < 2 && padding < text.size && text.data[text.size - 1 - padding] == '=') {
        padding++;
    }
    if (BASE64_DECODED_SIZE_MAX(text.size) - padding > size_max) {
        return STATUS_TOO_LARGE;
    }
    bytes.data = malloc(BASE64_DECODED_SIZE_MAX(text.size) + 1);
    if (!bytes.data) {
        return STATUS_NO_MEMORY;
    }
    for (size_t i = 0; i < text.size; i += 4) {
        size_t missing = i + 4 == text.size ? padding : 0;
        uint32_t group;

        TRY(base64_group(text.data + i, missing, &group));
        for (size_t byte = 0; byte < 3 - missing; byte++) {
            bytes.data[bytes.size++] = (uint8_t)(group >> (16 - 8 * byte));
        }
    }
    *ret_bytes = TAKE(bytes);
    return STATUS_OK;
}

void writer_format(struct writer *writer, const char *format, ...)
{
    char text[512];
    va_list arguments;
    int length;

    va_start(arguments, format);
    length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    /* Long things are bytes, and go through writer_view(). */
    ASSERT(length >= 0 && (size_t)length < sizeof text);
    writer_view(writer, (struct view){(const uint8_t *)text, (size_t)length});
}

struct hex_short hex_short(struct view view)
{
    struct hex_short ret = {{0}};

    if (view.size > 8) {
        view.size = 8;
    }
    hex_encode(view, ret.text);
    return ret;
}

struct hex_digest hex_digest(const struct digest *digest)
{
    struct hex_digest hex = {"nothing"};

    if (digest) {
        hex_encode(digest_view(digest), hex.text);
    }
    return hex;
}
