#include "lib/crypto/der.h"

#include <string.h>

/* A length in its only DER form; longer than three bytes makes the reader bad. */
static size_t read_length(struct reader *reader)
{
    uint8_t first = reader_u8(reader);
    size_t length = 0, count;

    if (first < 0x80) {
        return first;
    }
    count = first & 0x7f;
    reader_require(reader, count >= 1 && count <= 3);
    for (size_t i = 0; i < count && !reader->bad; i++) {
        length = length << 8 | reader_u8(reader);
    }
    reader_require(reader, length >= 0x80 && length >> (8 * (count - 1)) != 0);
    return reader->bad ? 0 : length;
}

struct view der_value(struct reader *reader, enum der_tag tag)
{
    size_t length;

    reader_require(reader, reader_u8(reader) == tag);
    length = read_length(reader);
    return reader_view(reader, length);
}

struct reader der_enter(struct reader *reader, enum der_tag tag)
{
    struct reader inner = reader_of(der_value(reader, tag));

    reader_require(&inner, !reader->bad);
    return inner;
}

struct view der_element(struct reader *reader, enum der_tag tag)
{
    const uint8_t *start = reader->at;

    (void)der_value(reader, tag);
    return reader->bad ? (struct view){0} : (struct view){start, (size_t)(reader->at - start)};
}

uint64_t der_number(struct reader *reader, enum der_tag tag)
{
    struct view value = der_value(reader, tag);
    uint64_t number = 0;

    reader_require(reader, value.size >= 1 && value.size <= 9);
    if (reader->bad) {
        return 0;
    }
    /* Not negative, and no zero byte in front that is not needed for that. */
    reader_require(reader, (value.data[0] & 0x80) == 0 && (value.size < 9 || value.data[0] == 0) &&
                               (value.size == 1 || value.data[0] != 0 || value.data[1] & 0x80));
    for (size_t i = 0; i < value.size; i++) {
        number = number << 8 | value.data[i];
    }
    return reader->bad ? 0 : number;
}

bool der_next_is(const struct reader *reader, enum der_tag tag)
{
    return !reader->bad && reader->left > 0 && *reader->at == tag;
}

size_t der_begin(struct writer *writer, enum der_tag tag)
{
    writer_u8(writer, (uint8_t)tag);
    return writer->size;
}

void der_end(struct writer *writer, size_t mark)
{
    size_t length = writer->status == STATUS_OK ? writer->size - mark : 0;
    uint8_t header[4];
    size_t count = 0;

    ASSERT(length <= 0xffffff);
    if (length >= 0x80) {
        size_t bytes = length > 0xffff ? 3 : length > 0xff ? 2 : 1;

        header[count++] = (uint8_t)(0x80 | bytes);
        for (size_t i = bytes; i > 0; i--) {
            header[count++] = (uint8_t)(length >> (8 * (i - 1)));
        }
    } else {
        header[count++] = (uint8_t)length;
    }
    writer_view(writer, (struct view){header, count});
    if (writer->status == STATUS_OK) {
        memmove(writer->data + mark + count, writer->data + mark, length);
        memcpy(writer->data + mark, header, count);
    }
}

void der_put(struct writer *writer, enum der_tag tag, struct view contents)
{
    size_t mark = der_begin(writer, tag);

    writer_view(writer, contents);
    der_end(writer, mark);
}

void der_put_number(struct writer *writer, enum der_tag tag, uint64_t number)
{
    uint8_t bytes[9] = {0};
    size_t skip = 0;

    for (size_t i = 0; i < 8; i++) {
        bytes[1 + i] = (uint8_t)(number >> (56 - 8 * i));
    }
    while (skip < 8 && bytes[skip] == 0 && (bytes[skip + 1] & 0x80) == 0) {
        skip++;
    }
    der_put(writer, tag, (struct view){bytes + skip, sizeof bytes - skip});
}
