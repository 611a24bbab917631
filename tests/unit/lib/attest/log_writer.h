/* Event logs and IMA logs that no firmware or kernel would write. */
#ifndef TCCP_TESTS_LOG_WRITER_H
#define TCCP_TESTS_LOG_WRITER_H

#include "lib/attest/event_log.h"
#include "lib/attest/tpm_structures.h"

#include "tests/support/test.h"

#include <string.h>

enum { LOG_SIZE_MAX = 64 << 20 };

static inline void write_u16_le(struct writer *writer, uint16_t value)
{
    writer_u8(writer, (uint8_t)value);
    writer_u8(writer, (uint8_t)(value >> 8));
}

static inline void write_u32_le(struct writer *writer, uint32_t value)
{
    write_u16_le(writer, (uint16_t)value);
    write_u16_le(writer, (uint16_t)(value >> 16));
}

/* The header of a crypto-agile log with the given algorithms. */
static inline void event_header_write(struct writer *writer, const uint16_t *algorithms,
                                      size_t count)
{
    static const uint8_t zeroes[20];

    write_u32_le(writer, 0);
    write_u32_le(writer, EVENT_NO_ACTION);
    writer_view(writer, VIEW_OF_ARRAY(zeroes));
    write_u32_le(writer, (uint32_t)(16 + 4 + 4 + 4 + 4 * count + 1));
    writer_view(writer, (struct view){(const uint8_t *)"Spec ID Event03", 16});
    write_u32_le(writer, 0);
    writer_u8(writer, 0);
    writer_u8(writer, 2);
    writer_u8(writer, 0);
    writer_u8(writer, 2);
    write_u32_le(writer, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        write_u16_le(writer, algorithms[i]);
        write_u16_le(writer, (uint16_t)tpm_hash_size(algorithms[i]));
    }
    writer_u8(writer, 0);
}

/* An event with a SHA-256 digest only. */
static inline void event_write(struct writer *writer, uint32_t pcr, uint32_t type,
                               const struct digest *digest, struct view data)
{
    write_u32_le(writer, pcr);
    write_u32_le(writer, type);
    write_u32_le(writer, 1);
    write_u16_le(writer, TPM_ALGORITHM_SHA256);
    writer_view(writer, digest_view(digest));
    write_u32_le(writer, (uint32_t)data.size);
    writer_view(writer, data);
}

static inline void separator_write(struct writer *writer, uint32_t pcr)
{
    static const uint8_t zeroes[4];
    struct digest digest = sha256(VIEW_OF_ARRAY(zeroes));

    event_write(writer, pcr, EVENT_SEPARATOR, &digest, VIEW_OF_ARRAY(zeroes));
}

/* Header and the separators of PCRs 0 to 7. */
static inline void event_log_begin(struct writer *writer)
{
    event_header_write(writer, (const uint16_t[]){TPM_ALGORITHM_SHA256}, 1);
}

static inline void separators_write(struct writer *writer)
{
    for (uint32_t pcr = 0; pcr < 8; pcr++) {
        separator_write(writer, pcr);
    }
}

static inline struct view written(const struct writer *writer)
{
    assert_int_equal(writer->status, STATUS_OK);
    return (struct view){writer->data, writer->size};
}

/* An IMA entry with a SHA-256 file digest; signature NULL writes ima-ng. */
static inline void ima_write(struct writer *writer, uint32_t pcr, const struct digest *file_digest,
                             const char *path, const struct view *signature, bool violation)
{
    static const uint8_t zeroes[20];
    uint8_t header[20];
    const char *template = signature ? "ima-sig" : "ima-ng";
    size_t path_size = strlen(path) + 1;

    memset(header, violation ? 0 : 0x5a, sizeof header);
    write_u32_le(writer, pcr);
    writer_view(writer, violation ? VIEW_OF_ARRAY(zeroes) : VIEW_OF_ARRAY(header));
    write_u32_le(writer, (uint32_t)strlen(template));
    writer_view(writer, view_string(template));
    write_u32_le(writer,
                 (uint32_t)(4 + 8 + 32 + 4 + path_size + (signature ? 4 + signature->size : 0)));
    write_u32_le(writer, 8 + 32);
    writer_view(writer, (struct view){(const uint8_t *)"sha256:", 8});
    writer_view(writer, digest_view(file_digest));
    write_u32_le(writer, (uint32_t)path_size);
    writer_view(writer, (struct view){(const uint8_t *)path, path_size});
    if (signature) {
        write_u32_le(writer, (uint32_t)signature->size);
        writer_view(writer, *signature);
    }
}

/* PCR 10 after all entries of the log. */
static inline struct digest ima_value(struct view log)
{
    struct digest value = {{0}};
    struct reader reader = reader_of(log);

    while (reader.left) {
        static const uint8_t zeroes[20];
        struct digest digest;
        struct view header;

        (void)reader_u32_le(&reader);
        header = reader_view(&reader, 20);
        (void)reader_view(&reader, reader_u32_le(&reader));
        digest = sha256(reader_view(&reader, reader_u32_le(&reader)));
        if (view_equal(header, VIEW_OF_ARRAY(zeroes))) {
            memset(digest.bytes, 0xff, sizeof digest.bytes);
        }
        value = sha256_two(digest_view(&value), digest_view(&digest));
        assert_false(reader.bad);
    }
    return value;
}

#endif
