#include "lib/attest/ima.h"

#include "lib/base/text.h"

#include <stdio.h>
#include <string.h>

enum { HEADER_DIGEST_SIZE = 20, TEMPLATE_NAME_SIZE_MAX = 16, HASH_NAME_SIZE_MAX = 16 };

/* Hashes of files that are believed; SHA-1 is not. */
static const struct {
    const char *name;
    size_t size;
} file_hashes[] = {{"sha256", 32}, {"sha384", 48}, {"sha512", 64}};

static const char boot_aggregate_path[] = "boot_aggregate";

/* A field of template data: u32 length, then so many bytes. */
static struct view field_read(struct reader *reader, size_t size_max)
{
    size_t size = reader_u32_le(reader);

    reader_require(reader, size <= size_max);
    return reader_view(reader, size);
}

/* The view up to its NUL, which must be its last byte and its only NUL. */
static struct view without_nul(struct reader *reader, struct view text)
{
    const uint8_t *nul = text.size ? memchr(text.data, 0, text.size) : NULL;

    reader_require(reader, nul && (size_t)(nul - text.data) == text.size - 1);
    return reader->bad ? (struct view){0} : (struct view){text.data, text.size - 1};
}

/* d-ng: hash name, colon, NUL, digest. */
static void digest_field_read(struct reader *reader, struct ima_entry *entry)
{
    struct view field =
        field_read(reader, HASH_NAME_SIZE_MAX + 2 + 64); /* the longest known digest */
    const uint8_t *colon = field.size ? memchr(field.data, ':', field.size) : NULL;
    bool known = false;

    if (!colon) {
        reader->bad = true;
        return;
    }
    entry->hash_name = (struct view){field.data, (size_t)(colon - field.data)};
    for (size_t i = 0; i < ARRAY_SIZE(file_hashes); i++) {
        size_t name_size = strlen(file_hashes[i].name);

        if (view_equal(entry->hash_name, view_string(file_hashes[i].name)) &&
            field.size == name_size + 2 + file_hashes[i].size && field.data[name_size + 1] == 0) {
            entry->file_digest = (struct view){field.data + name_size + 2, file_hashes[i].size};
            known = true;
        }
    }
    reader_require(reader, known);
}

/* ima-ng is d-ng|n-ng, ima-sig is d-ng|n-ng|sig. */
static bool template_parse(struct ima_entry *entry)
{
    struct reader reader = reader_of(entry->template_data);
    bool has_signature = view_equal(entry->template_name, view_string("ima-sig"));

    if (!has_signature && !view_equal(entry->template_name, view_string("ima-ng"))) {
        return false;
    }
    digest_field_read(&reader, entry);
    entry->path = without_nul(&reader, field_read(&reader, IMA_PATH_SIZE_MAX));
    reader_require(&reader, entry->path.size > 0);
    if (has_signature) {
        entry->signature = field_read(&reader, IMA_SIGNATURE_SIZE_MAX);
    }
    return reader_done(&reader);
}

/* A violation has no digest of anything: neither of the template nor of the file. */
static bool violation_template_parse(struct ima_entry *entry)
{
    return template_parse(entry) && view_is_zero(entry->file_digest);
}

enum status ima_entry_read(struct reader *log, struct ima_entry *ret_entry)
{
    struct ima_entry entry = {0};
    uint32_t pcr = reader_u32_le(log);
    struct view header_digest = reader_view(log, HEADER_DIGEST_SIZE);
    bool parsed;

    entry.template_name = field_read(log, TEMPLATE_NAME_SIZE_MAX);
    entry.template_data = field_read(log, IMA_TEMPLATE_SIZE_MAX);
    if (log->bad || pcr != PCR_IMA) {
        return STATUS_MALFORMED;
    }
    entry.violation = view_is_zero(header_digest);
    parsed = entry.violation ? violation_template_parse(&entry) : template_parse(&entry);
    if (!parsed) {
        return STATUS_MALFORMED;
    }
    *ret_entry = entry;
    return STATUS_OK;
}

struct digest ima_entry_digest(const struct ima_entry *entry)
{
    struct digest digest;

    if (entry->violation) {
        memset(digest.bytes, 0xff, sizeof digest.bytes);
        return digest;
    }
    return sha256(entry->template_data);
}

/* The first entry says on which boot the rest rests; a second such entry comes from a kernel that
 * was started by kexec, past the firmware and its measurements. */
static enum status boot_aggregate_note(struct ima_state *state, const struct ima_entry *entry,
                                       struct refusal *refusal)
{
    bool is_boot_aggregate = view_equal(entry->path, view_string(boot_aggregate_path));

    if (state->count > 0) {
        return is_boot_aggregate
                   ? refuse(refusal, REFUSAL_IMA_LOG,
                            "entry %llu is a second boot_aggregate: another kernel was started by "
                            "kexec",
                            (unsigned long long)state->count + 1)
                   : STATUS_OK;
    }
    if (!is_boot_aggregate || entry->violation ||
        digest_of_view(entry->file_digest, &state->boot_aggregate) != STATUS_OK) {
        return refuse(refusal, REFUSAL_IMA_LOG, "the first entry is no SHA-256 boot_aggregate");
    }
    return STATUS_OK;
}

enum status ima_replay(struct ima_state *state, struct view log, const struct digest *quoted_pcr10,
                       ima_visitor visitor, void *context, struct refusal *refusal)
{
    struct ima_state now = *state;
    struct reader reader = reader_of(log);

    if (log.size > IMA_LOG_SIZE_MAX) {
        return refuse(refusal, REFUSAL_TOO_LARGE, "an IMA log of %zu bytes, at most %d", log.size,
                      IMA_LOG_SIZE_MAX);
    }
    while (now.count == 0 || !digest_equal(&now.aggregate, quoted_pcr10)) {
        unsigned long long number = now.count + 1;
        struct ima_entry entry;
        struct digest digest;

        if (reader.left == 0) {
            return refuse(refusal, REFUSAL_IMA_LOG,
                          "none of its %llu entries leads to the quoted PCR 10 (%s)",
                          (unsigned long long)now.count, hex_short(digest_view(quoted_pcr10)).text);
        }
        if (now.count >= IMA_ENTRY_COUNT_MAX) {
            return refuse(refusal, REFUSAL_TOO_LARGE, "more than %d IMA entries",
                          IMA_ENTRY_COUNT_MAX);
        }
        if (ima_entry_read(&reader, &entry) != STATUS_OK) {
            return refuse(refusal, REFUSAL_IMA_LOG, "entry %llu is malformed", number);
        }
        TRY(boot_aggregate_note(&now, &entry, refusal));
        if (visitor) {
            TRY(visitor(context, number, &entry, refusal));
        }
        digest = ima_entry_digest(&entry);
        pcr_extend(&now.aggregate, &digest);
        now.count++;
    }
    *state = now;
    return STATUS_OK;
}

struct digest ima_boot_aggregate(const struct pcr_bank *bank)
{
    return pcr_bank_digest(bank, 0x3ff);
}
