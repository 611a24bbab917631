#include "tcd/entry.h"

#include <string.h>

size_t entry_size(size_t count, size_t size)
{
    size_t total = ENTRY_HEADER_SIZE + count * ENTRY_COMMAND_HEADER_SIZE + size;

    return (total + ENTRY_ALIGNMENT - 1) / ENTRY_ALIGNMENT * ENTRY_ALIGNMENT;
}

static uint8_t *write_number(uint8_t *at, uint64_t value, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        at[i] = (uint8_t)(value >> (8 * (size - 1 - i)));
    }
    return at + size;
}

uint8_t *entry_write_header(uint8_t *at, const struct entry_header *header)
{
    at = write_number(at, ENTRY_FORMAT, 4);
    at = write_number(at, header->raft_id, 8);
    at = write_number(at, header->incarnation, 8);
    at = write_number(at, header->number, 8);
    at = write_number(at, header->revision, 8);
    memcpy(at, header->digest.bytes, SHA256_SIZE);
    return write_number(at + SHA256_SIZE, header->count, 4);
}

uint8_t *entry_write_command(uint8_t *at, struct view command)
{
    at = write_number(at, command.size, ENTRY_COMMAND_HEADER_SIZE);
    memcpy(at, command.data, command.size);
    return at + command.size;
}

void entry_write_end(uint8_t *at, uint8_t *end)
{
    ASSERT(end - at >= 0 && end - at < ENTRY_ALIGNMENT);
    memset(at, 0, (size_t)(end - at));
}

enum status entry_read(struct view entry, struct entry_header *ret_header,
                       struct reader *ret_commands)
{
    struct reader reader = reader_of(entry);
    struct entry_header header = {0};
    struct reader commands;

    if (entry.size > ENTRY_SIZE_MAX) {
        return STATUS_TOO_LARGE;
    }
    if (reader_u32(&reader) != ENTRY_FORMAT) {
        return reader.bad ? STATUS_MALFORMED : STATUS_UNSUPPORTED;
    }
    header.raft_id = reader_u64(&reader);
    header.incarnation = reader_u64(&reader);
    header.number = reader_u64(&reader);
    header.revision = reader_u64(&reader);
    reader_copy(&reader, header.digest.bytes, SHA256_SIZE);
    header.count = reader_u32(&reader);
    reader_require(&reader, header.count > 0 && header.count <= ENTRY_COMMAND_MAX);
    commands = reader;
    for (uint32_t i = 0; i < header.count && !reader.bad; i++) {
        reader_require(&reader, reader_sized32(&reader, ENTRY_SIZE_MAX).size > 0);
    }
    reader_require(&reader, reader.left < ENTRY_ALIGNMENT && entry.size % ENTRY_ALIGNMENT == 0);
    reader_require(&reader, view_is_zero(reader_rest(&reader)));
    if (!reader_done(&reader)) {
        return STATUS_MALFORMED;
    }
    *ret_header = header;
    *ret_commands = commands;
    return STATUS_OK;
}

struct view entry_read_command(struct reader *commands)
{
    return reader_sized32(commands, ENTRY_SIZE_MAX);
}
