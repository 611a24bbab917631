#include "lib/base/text.h"

#include <string.h>

static const char hex_digits[] = "0123456789abcdef";
static const char base32_digits[] = "abcdefghijklmnopqrstuvwxyz234567";

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

struct hex_short hex_short(struct view view)
{
    struct hex_short ret = {{0}};

    if (view.size > 8) {
        view.size = 8;
    }
    hex_encode(view, ret.text);
    return ret;
}
