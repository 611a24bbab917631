/* The values of the text form's keys: one word each, read into a field of the message. */
#include "lib/base/protobuf.h"
#include "lib/base/time_text.h"
#include "lib/perimeter/manifest_text_private.h"

#include <stdlib.h>
#include <string.h>

enum status string_set(char **string, struct view value)
{
    char *copy = malloc(value.size + 1);

    if (!copy) {
        return STATUS_NO_MEMORY;
    }
    memcpy(copy, value.data, value.size);
    copy[value.size] = '\0';
    *string = copy;
    return STATUS_OK;
}

enum status name_set(const struct parser *parser, const struct word *word, char **string)
{
    TRY(string_set(string, word->text));
    if (!manifest_name_is_valid(*string)) {
        return parser_fail(
            parser, word->column,
            "a name has 1 to %d letters, digits, '-', '_', '.', and begins with a letter "
            "or digit",
            MANIFEST_NAME_LENGTH_MAX);
    }
    return STATUS_OK;
}

enum status number_set(const struct parser *parser, const struct word *word, uint64_t *number)
{
    uint64_t value = 0;

    for (size_t i = 0; i < word->text.size; i++) {
        uint8_t digit = word->text.data[i];

        if (digit < '0' || digit > '9' || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(digit - '0'), &value)) {
            return parser_fail(parser, word->column, "not a number");
        }
    }
    *number = value;
    return STATUS_OK;
}

enum status time_set(const struct parser *parser, const struct word *word, uint64_t *time_s)
{
    if (time_parse(word->text, time_s) != STATUS_OK) {
        return parser_fail(parser, word->column, "not a time of the form 2026-01-31T00:00:00Z");
    }
    return STATUS_OK;
}

enum status bool_set(const struct parser *parser, const struct word *word,
                     protobuf_c_boolean *truth)
{
    if (!view_is(word->text, "yes") && !view_is(word->text, "no")) {
        return parser_fail(parser, word->column, "neither yes nor no");
    }
    *truth = view_is(word->text, "yes");
    return STATUS_OK;
}

void data_set(ProtobufCBinaryData *data, struct bytes *bytes)
{
    *data = (ProtobufCBinaryData){.len = bytes->size, .data = bytes->data};
    *bytes = (struct bytes){0};
}

enum status hex_set(const struct parser *parser, const struct word *word, size_t size_min,
                    size_t size_max, ProtobufCBinaryData *data)
{
    OWN(bytes) struct bytes bytes = {0};
    char text[HEX_SIZE(64)];

    if (word->text.size % 2 || word->text.size < 2 * size_min || word->text.size > 2 * size_max) {
        return parser_fail(parser, word->column, "%zu hexadecimal digits; %zu are expected",
                           word->text.size, 2 * size_min);
    }
    memcpy(text, word->text.data, word->text.size);
    text[word->text.size] = '\0';
    bytes.size = word->text.size / 2;
    bytes.data = malloc(bytes.size);
    if (!bytes.data) {
        return STATUS_NO_MEMORY;
    }
    if (hex_decode(text, bytes.data, bytes.size) != STATUS_OK) {
        return parser_fail(parser, word->column, "not hexadecimal digits");
    }
    data_set(data, &bytes);
    return STATUS_OK;
}

enum status tpm_name_set(const struct parser *parser, const struct word *word,
                         ProtobufCBinaryData *data)
{
    struct tpm_name name;

    TRY(hex_set(parser, word, 2 + 32, 2 + 48, data));
    if (tpm_name_of_view(protobuf_view(*data), &name) != STATUS_OK) {
        return parser_fail(
            parser, word->column,
            "not a TPM name: 000b and a SHA-256 digest, or 000c and a SHA-384 digest");
    }
    return STATUS_OK;
}

enum status base64_set(const struct parser *parser, const struct word *word, size_t size_max,
                       ProtobufCBinaryData *data)
{
    OWN(bytes) struct bytes bytes = {0};
    enum status status = base64_decode(word->text, size_max, &bytes);

    if (status == STATUS_MALFORMED || status == STATUS_TOO_LARGE || bytes.size == 0) {
        return parser_fail(parser, word->column, "not base64 of 1 to %zu bytes", size_max);
    }
    TRY(status);
    data_set(data, &bytes);
    return STATUS_OK;
}

enum status list_grow(void *list_place, size_t count, size_t size)
{
    void *list;

    memcpy(&list, list_place, sizeof list);
    /* Powers of two: reallocate only when the count is one. */
    if ((count & (count - 1)) == 0) {
        list = reallocarray(list, count ? 2 * count : 1, size);
        if (!list) {
            return STATUS_NO_MEMORY;
        }
        memcpy(list_place, &list, sizeof list);
    }
    memset((char *)list + count * size, 0, size);
    return STATUS_OK;
}
