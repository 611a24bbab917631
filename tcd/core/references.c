#include "tcd/core/references.h"

#include "lib/base/text.h"
#include "tcd/core/audit.h"
#include "tcd/core/digest.h"
#include "tcd/core/fields.h"

#include <stdlib.h>
#include <string.h>

struct reference_bytes *reference_bytes_hold(struct reference_bytes *bytes)
{
    bytes->references++;
    return bytes;
}

void reference_bytes_release(struct reference_bytes *bytes)
{
    if (--bytes->references == 0) {
        free(bytes);
    }
}

void reference_free(struct reference_blob *reference)
{
    reference_bytes_release(reference->bytes);
    free(reference);
}
DEFINE_OWN_POINTER(reference_blob, reference_free)

struct digest reference_prefix(const struct reference_blob *reference)
{
    struct sha256 hash = reference->hash;

    return sha256_final(&hash);
}

static struct reference_blob *reference_find(const struct registry *registry,
                                             const struct digest *digest)
{
    return table_find(&registry->references, digest);
}

static bool is_named(const struct registry *registry, const struct reference_blob *reference)
{
    for (unsigned i = 0; i < registry->perimeter.reference_count; i++) {
        if (digest_equal(&registry->perimeter.references[i], &reference->digest)) {
            return true;
        }
    }
    return false;
}

/* Complete, and nobody asks for it. */
static bool is_spare(const struct registry *registry, const struct reference_blob *reference)
{
    return reference_is_complete(reference) && !is_named(registry, reference);
}

static void drop(struct registry *registry, struct reference_blob *reference)
{
    ASSERT(table_remove(&registry->references, &reference->digest) == reference);
    registry->reference_bytes -= reference->size;
    reference_free(reference);
}

/* The oldest upload, where one more would be too many; NULL otherwise. */
static struct reference_blob *upload_that_gives_way(const struct registry *registry,
                                                    const struct reference_blob *replaced)
{
    struct reference_blob *reference, *oldest = NULL;
    size_t cursor = 0, count = 0;

    while ((reference = table_next(&registry->references, &cursor))) {
        if (!reference_is_complete(reference) && reference != replaced) {
            oldest = oldest ? oldest : reference;
            count++;
        }
    }
    return count >= REFERENCE_UPLOAD_COUNT_MAX ? oldest : NULL;
}

static bool has_room(size_t count, uint64_t bytes, uint64_t size)
{
    return count < REFERENCE_COUNT_MAX && size <= REFERENCE_TOTAL_SIZE_MAX - bytes;
}

/* Room for a set of that size, instead of `replaced` where that is not NULL. A refusal drops
 * nothing. */
static enum refusal_code make_room(struct registry *registry, uint64_t size,
                                   struct reference_blob *replaced)
{
    struct reference_blob *reference, *upload = upload_that_gives_way(registry, replaced);
    size_t cursor = 0, kept_count = 0;
    uint64_t kept_bytes = 0;

    while ((reference = table_next(&registry->references, &cursor))) {
        if (reference != replaced && reference != upload && !is_spare(registry, reference)) {
            kept_count++;
            kept_bytes += reference->size;
        }
    }
    if (!has_room(kept_count, kept_bytes, size)) {
        return state_refuse(registry, REFUSAL_LIMIT,
                            "%zu reference sets of %llu bytes are in use or being uploaded",
                            kept_count, (unsigned long long)kept_bytes);
    }
    if (replaced) {
        drop(registry, replaced);
    }
    if (upload) {
        drop(registry, upload);
    }
    cursor = 0;
    while (!has_room(registry->references.count, registry->reference_bytes, size)) {
        reference = table_next(&registry->references, &cursor);
        if (is_spare(registry, reference)) {
            drop(registry, reference);
        }
    }
    return REFUSAL_NONE;
}

static struct reference_blob *reference_begin(struct registry *registry,
                                              const struct digest *digest, uint64_t size)
{
    struct reference_blob *reference = state_alloc(1, sizeof *reference);

    reference->digest = *digest;
    reference->size = size;
    reference->bytes = state_alloc(1, sizeof *reference->bytes + size);
    reference->bytes->references = 1;
    sha256_init(&reference->hash);
    table_insert(&registry->references, reference);
    registry->reference_bytes += size;
    return reference;
}

static enum refusal_code check_order(struct registry *registry,
                                     const struct reference_blob *reference, uint64_t offset,
                                     uint64_t size)
{
    if (reference && reference_is_complete(reference)) {
        return state_refuse(registry, REFUSAL_ALREADY_EXISTS, "the reference set is complete");
    }
    if (offset == 0) {
        return REFUSAL_NONE;
    }
    if (!reference) {
        return state_refuse(registry, REFUSAL_OUT_OF_ORDER, "none of its bytes are here");
    }
    return reference->received == offset && reference->size == size
               ? REFUSAL_NONE
               : state_refuse(registry, REFUSAL_OUT_OF_ORDER, "%llu of %llu bytes are here",
                              (unsigned long long)reference->received,
                              (unsigned long long)reference->size);
}

enum refusal_code reference_add_chunk(struct registry *registry, const struct command *command)
{
    const struct digest *digest = &command->reference_chunk.digest;
    uint64_t size = command->reference_chunk.size, offset = command->reference_chunk.offset;
    struct view data = command->reference_chunk.data;
    struct reference_blob *reference = reference_find(registry, digest);
    enum refusal_code verdict = check_order(registry, reference, offset, size);
    bool is_last = offset + data.size == size;
    struct sha256 hash;

    if (verdict != REFUSAL_NONE) {
        return verdict;
    }
    if (offset == 0) {
        sha256_init(&hash);
    } else {
        hash = reference->hash;
    }
    sha256_update(&hash, data);
    if (is_last) {
        struct sha256 copy = hash;
        struct digest whole = sha256_final(&copy);

        if (!digest_equal(&whole, digest)) {
            return state_refuse(registry, REFUSAL_REFERENCE_DIGEST, "the bytes have the digest %s",
                                hex_short(digest_view(&whole)).text);
        }
    }
    if (offset == 0) {
        verdict = make_room(registry, size, reference);
        if (verdict != REFUSAL_NONE) {
            return verdict;
        }
        reference = reference_begin(registry, digest, size);
    }
    memcpy(reference->bytes->data + offset, data.data, data.size);
    reference->received += data.size;
    reference->hash = hash;
    if (is_last) {
        audit_begin(registry);
        audit_digest(registry, "reference", digest);
        audit_number(registry, "size", size);
    }
    digest_touch_reference(registry, reference);
    return REFUSAL_NONE;
}

enum refusal_code references_check_manifest(struct registry *registry,
                                            const struct manifest_facts *facts)
{
    for (unsigned i = 0; i < facts->reference_count; i++) {
        const struct reference_name *name = &facts->references[i];
        const struct reference_blob *reference = reference_find(registry, &name->digest);
        char digest[HEX_SIZE(SHA256_SIZE)];

        if (!reference || !reference_is_complete(reference)) {
            hex_encode(digest_view(&name->digest), digest);
            return state_refuse(registry, REFUSAL_REFERENCE_MISSING, "policy %s names %s%s",
                                name->policy.text, digest,
                                reference ? ", whose upload is not complete" : "");
        }
    }
    return REFUSAL_NONE;
}

const struct reference_blob *registry_reference(const struct registry *registry,
                                                const struct digest *digest)
{
    return reference_find(registry, digest);
}

const struct reference_blob *registry_reference_next(const struct registry *registry,
                                                     size_t *cursor)
{
    return table_next(&registry->references, cursor);
}

/* --- snapshots --- */

static size_t upload_count(const struct registry *registry)
{
    const struct reference_blob *reference;
    size_t cursor = 0, count = 0;

    while ((reference = table_next(&registry->references, &cursor))) {
        count += !reference_is_complete(reference);
    }
    return count;
}

enum status reference_restore(struct registry *registry, const Tccp__Log__ReferenceRecord *message)
{
    bool is_complete = message->received == message->size;
    struct digest digest, prefix;

    if (registry->restoring.blob || !field_digest(message->digest, &digest) ||
        !field_digest(message->prefix, &prefix) || reference_find(registry, &digest) ||
        message->size == 0 || message->size > REFERENCE_SIZE_MAX || message->received == 0 ||
        message->received > message->size || (is_complete && !digest_equal(&digest, &prefix)) ||
        (!is_complete && upload_count(registry) >= REFERENCE_UPLOAD_COUNT_MAX) ||
        !has_room(registry->references.count, registry->reference_bytes, message->size)) {
        return STATUS_MALFORMED;
    }
    registry->restoring.blob = reference_begin(registry, &digest, message->size);
    registry->restoring.received = message->received;
    registry->restoring.prefix = prefix;
    return STATUS_OK;
}

enum status reference_restore_data(struct registry *registry,
                                   const Tccp__Log__ReferenceData *message)
{
    struct reference_blob *reference = registry->restoring.blob;
    struct view data = protobuf_view(message->data);
    struct digest prefix;

    if (!reference || data.size == 0 ||
        data.size > registry->restoring.received - reference->received) {
        return STATUS_MALFORMED;
    }
    memcpy(reference->bytes->data + reference->received, data.data, data.size);
    reference->received += data.size;
    sha256_update(&reference->hash, data);
    if (reference->received < registry->restoring.received) {
        return STATUS_OK;
    }
    prefix = reference_prefix(reference);
    registry->restoring.blob = NULL;
    return digest_equal(&prefix, &registry->restoring.prefix) ? STATUS_OK : STATUS_MALFORMED;
}
