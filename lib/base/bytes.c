#include "lib/base/bytes.h"

#include <stdlib.h>
#include <string.h>

struct view view_string(const char *string)
{
    return (struct view){(const uint8_t *)string, strlen(string)};
}

bool view_equal(struct view left, struct view right)
{
    return left.size == right.size &&
           (left.size == 0 || memcmp(left.data, right.data, left.size) == 0);
}

int view_compare(struct view left, struct view right)
{
    size_t common = left.size < right.size ? left.size : right.size;
    int order = common ? memcmp(left.data, right.data, common) : 0;

    if (order != 0) {
        return order;
    }
    return (left.size > right.size) - (left.size < right.size);
}

bool view_is_zero(struct view view)
{
    uint8_t any = 0;

    for (size_t i = 0; i < view.size; i++) {
        any |= view.data[i];
    }
    return any == 0;
}

enum status bytes_copy(struct view source, struct bytes *ret_bytes)
{
    uint8_t *data = malloc(source.size ? source.size : 1);

    if (!data) {
        return STATUS_NO_MEMORY;
    }
    if (source.size) {
        memcpy(data, source.data, source.size);
    }
    *ret_bytes = (struct bytes){data, source.size};
    return STATUS_OK;
}

void bytes_free(struct bytes *bytes)
{
    free(bytes->data);
    *bytes = (struct bytes){0};
}

struct reader reader_of(struct view view)
{
    return (struct reader){.at = view.data, .left = view.size};
}

struct view reader_view(struct reader *reader, size_t size)
{
    struct view view;

    if (reader->bad || size > reader->left) {
        reader->bad = true;
        return (struct view){0};
    }
    view = (struct view){reader->at, size};
    if (size) {
        reader->at += size;
    }
    reader->left -= size;
    return view;
}

void reader_copy(struct reader *reader, void *destination, size_t size)
{
    struct view view = reader_view(reader, size);

    memset(destination, 0, size);
    if (view.size) {
        memcpy(destination, view.data, view.size);
    }
}

static uint64_t read_big_endian(struct reader *reader, size_t size)
{
    struct view view = reader_view(reader, size);
    uint64_t value = 0;

    for (size_t i = 0; i < view.size; i++) {
        value = value << 8 | view.data[i];
    }
    return value;
}

static uint64_t read_little_endian(struct reader *reader, size_t size)
{
    struct view view = reader_view(reader, size);
    uint64_t value = 0;

    for (size_t i = view.size; i > 0; i--) {
        value = value << 8 | view.data[i - 1];
    }
    return value;
}

uint8_t reader_u8(struct reader *reader)
{
    return (uint8_t)read_big_endian(reader, 1);
}

uint16_t reader_u16(struct reader *reader)
{
    return (uint16_t)read_big_endian(reader, 2);
}

uint32_t reader_u32(struct reader *reader)
{
    return (uint32_t)read_big_endian(reader, 4);
}

uint64_t reader_u64(struct reader *reader)
{
    return read_big_endian(reader, 8);
}

uint16_t reader_u16_le(struct reader *reader)
{
    return (uint16_t)read_little_endian(reader, 2);
}

uint32_t reader_u32_le(struct reader *reader)
{
    return (uint32_t)read_little_endian(reader, 4);
}

uint64_t reader_u64_le(struct reader *reader)
{
    return read_little_endian(reader, 8);
}

struct view reader_sized16(struct reader *reader, size_t size_max)
{
    size_t size = reader_u16(reader);

    reader_require(reader, size <= size_max);
    return reader_view(reader, size);
}

struct view reader_sized32(struct reader *reader, size_t size_max)
{
    size_t size = reader_u32(reader);

    reader_require(reader, size <= size_max);
    return reader_view(reader, size);
}

struct view reader_rest(struct reader *reader)
{
    return reader_view(reader, reader->left);
}

void reader_require(struct reader *reader, bool condition)
{
    if (!condition) {
        reader->bad = true;
    }
}

bool reader_done(const struct reader *reader)
{
    return !reader->bad && reader->left == 0;
}

struct writer writer_new(size_t size_max)
{
    return (struct writer){.size_max = size_max};
}

static bool writer_reserve(struct writer *writer, size_t more)
{
    size_t capacity = writer->capacity ? writer->capacity : 256;
    uint8_t *data;

    if (writer->status == STATUS_OK && more > writer->size_max - writer->size) {
        writer->status = STATUS_TOO_LARGE;
    }
    if (writer->status != STATUS_OK) {
        return false;
    }
    while (capacity - writer->size < more) {
        capacity *= 2;
    }
    if (capacity != writer->capacity) {
        data = realloc(writer->data, capacity);
        if (!data) {
            writer->status = STATUS_NO_MEMORY;
            return false;
        }
        writer->data = data;
        writer->capacity = capacity;
    }
    return true;
}

void writer_view(struct writer *writer, struct view view)
{
    if (writer_reserve(writer, view.size) && view.size) {
        memcpy(writer->data + writer->size, view.data, view.size);
        writer->size += view.size;
    }
}

static void write_big_endian(struct writer *writer, uint64_t value, size_t size)
{
    uint8_t octets[8];

    for (size_t i = 0; i < size; i++) {
        octets[i] = (uint8_t)(value >> (8 * (size - 1 - i)));
    }
    writer_view(writer, (struct view){octets, size});
}

void writer_u8(struct writer *writer, uint8_t value)
{
    write_big_endian(writer, value, 1);
}

void writer_u16(struct writer *writer, uint16_t value)
{
    write_big_endian(writer, value, 2);
}

void writer_u32(struct writer *writer, uint32_t value)
{
    write_big_endian(writer, value, 4);
}

void writer_u64(struct writer *writer, uint64_t value)
{
    write_big_endian(writer, value, 8);
}

void writer_sized16(struct writer *writer, struct view view)
{
    if (view.size > UINT16_MAX) {
        writer->status = STATUS_TOO_LARGE;
        return;
    }
    writer_u16(writer, (uint16_t)view.size);
    writer_view(writer, view);
}

void writer_sized32(struct writer *writer, struct view view)
{
    if (view.size > UINT32_MAX) {
        writer->status = STATUS_TOO_LARGE;
        return;
    }
    writer_u32(writer, (uint32_t)view.size);
    writer_view(writer, view);
}

enum status writer_take(struct writer *writer, struct bytes *ret_bytes)
{
    if (!writer->data) {
        (void)writer_reserve(writer,
                             0); /* Nothing was written: hand over an empty buffer all the same. */
    }
    TRY(writer->status);
    *ret_bytes = (struct bytes){writer->data, writer->size};
    *writer = (struct writer){.size_max = writer->size_max};
    return STATUS_OK;
}

void writer_free(struct writer *writer)
{
    free(writer->data);
    *writer = (struct writer){.size_max = writer->size_max};
}
