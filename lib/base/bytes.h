/*
 * Byte strings: views of foreign memory, owned buffers, and the only two ways to read and write
 * binary formats.
 *
 * Integers are big-endian unless a name says `_le` (TPM structures and our own canonical inputs are
 * big-endian; TCG event logs and IMA logs are little-endian).
 */
#ifndef TCCP_BASE_BYTES_H
#define TCCP_BASE_BYTES_H

#include "lib/base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes that somebody else owns. data may be NULL when size is 0. */
struct view {
    const uint8_t *data;
    size_t size;
};

/* Bytes that the holder owns (malloc). */
struct bytes {
    uint8_t *data;
    size_t size;
};

#define VIEW_OF_ARRAY(array) ((struct view){(const uint8_t *)(array), sizeof(array)})

/* A view of a NUL-terminated string, without its NUL. */
struct view view_string(const char *string);
bool view_equal(struct view left, struct view right);
/* Lexicographic order, shorter first on a common prefix; for sorting. */
int view_compare(struct view left, struct view right);
bool view_is_zero(struct view view);

static inline struct view bytes_view(const struct bytes *bytes)
{
    return (struct view){bytes->data, bytes->size};
}
WARN_UNUSED enum status bytes_copy(struct view source, struct bytes *ret_bytes);
/* Frees and empties. Not for secrets: those are struct secret. */
void bytes_free(struct bytes *bytes);
DEFINE_OWN_VALUE(bytes, bytes_free)

/*
 * Reader. Goes sticky-bad at the first short read; every read from a bad reader yields zeros or an
 * empty view, so a parser reads straight through and asks reader_done() once.
 */
struct reader {
    const uint8_t *at;
    size_t left;
    bool bad;
};

struct reader reader_of(struct view view);
uint8_t reader_u8(struct reader *reader);
uint16_t reader_u16(struct reader *reader);
uint32_t reader_u32(struct reader *reader);
uint64_t reader_u64(struct reader *reader);
uint16_t reader_u16_le(struct reader *reader);
uint32_t reader_u32_le(struct reader *reader);
uint64_t reader_u64_le(struct reader *reader);
/* Copies exactly size bytes to destination; zeroes it when the reader is bad. */
void reader_copy(struct reader *reader, void *destination, size_t size);
/* The next size bytes, in place. */
struct view reader_view(struct reader *reader, size_t size);
/* A u16 (TPM2B) or u32 length, then that many bytes in place; more than size_max makes the reader
 * bad. */
struct view reader_sized16(struct reader *reader, size_t size_max);
struct view reader_sized32(struct reader *reader, size_t size_max);
/* Everything that is left. */
struct view reader_rest(struct reader *reader);
/* Marks the reader bad when the condition does not hold: `reader_require(&reader, count <=
 * ENTRY_COUNT_MAX)`. */
void reader_require(struct reader *reader, bool condition);
/* True when nothing went wrong and nothing is left over. */
bool reader_done(const struct reader *reader);

/* Writer. Grows its own buffer; sticky-bad when memory runs out or size_max would be passed. */
struct writer {
    uint8_t *data;
    size_t size, capacity, size_max;
    enum status status; /* The first thing that went wrong. */
};

struct writer writer_new(size_t size_max);
void writer_u8(struct writer *writer, uint8_t value);
void writer_u16(struct writer *writer, uint16_t value);
void writer_u32(struct writer *writer, uint32_t value);
void writer_u64(struct writer *writer, uint64_t value);
void writer_view(struct writer *writer, struct view view);
/* A u16 or u32 length, then the bytes. */
void writer_sized16(struct writer *writer, struct view view);
void writer_sized32(struct writer *writer, struct view view);
/* Hands over what was written and empties the writer; STATUS_TOO_LARGE or STATUS_NO_MEMORY when it
 * went bad. */
WARN_UNUSED enum status writer_take(struct writer *writer, struct bytes *ret_bytes);
void writer_free(struct writer *writer);
DEFINE_OWN_VALUE(writer, writer_free)

#endif
