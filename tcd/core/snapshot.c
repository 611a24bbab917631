#include "tcd/core/snapshot.h"

#include "lib/base/protobuf.h"
#include "tcd/core/fields.h"
#include "tcd/core/records_pack.h"

#include <stdlib.h>

struct sink {
    struct writer writer;
    uint64_t count;
    struct sha256 hash; /* see SnapshotEnd */
};

/* The size before each record. */
static void hash_record(struct sha256 *hash, struct view record)
{
    const uint8_t size[4] = {(uint8_t)(record.size >> 24), (uint8_t)(record.size >> 16),
                             (uint8_t)(record.size >> 8), (uint8_t)record.size};

    sha256_update(hash, VIEW_OF_ARRAY(size));
    sha256_update(hash, record);
}

static void add_unhashed(struct sink *sink, struct bytes record)
{
    writer_sized32(&sink->writer, bytes_view(&record));
    sink->count++;
    bytes_free(&record);
}

static void add(struct sink *sink, struct bytes record)
{
    hash_record(&sink->hash, bytes_view(&record));
    add_unhashed(sink, record);
}

/* A copy is all that this costs: a member serves nobody meanwhile, and sets are large. */
static void add_references(struct sink *sink, const struct table *references)
{
    const struct reference_blob *reference;
    size_t cursor = 0;

    while ((reference = table_next(references, &cursor))) {
        add(sink, record_of_reference(reference));
        for (uint64_t at = 0; at < reference->received; at += REFERENCE_PIECE_SIZE) {
            add_unhashed(sink, record_of_reference_data(reference, at));
        }
    }
}

#define ADD_ALL(table, type, record_of)                                                            \
    do {                                                                                           \
        const struct type *record;                                                                 \
        size_t cursor = 0;                                                                         \
        while ((record = table_next(table, &cursor))) {                                            \
            add(&sink, record_of);                                                                 \
        }                                                                                          \
    } while (0)

enum status registry_snapshot(const struct registry *registry, struct bytes *ret_bytes)
{
    struct sink sink = {.writer = writer_new(SNAPSHOT_SIZE_MAX)};
    struct digest digest;

    sha256_init(&sink.hash);
    add(&sink, record_of_header(registry));
    if (registry->perimeter.adopted) {
        add(&sink, record_of_perimeter(&registry->perimeter));
    }
    ADD_ALL(&registry->members, member, record_of_member(record));
    ADD_ALL(&registry->users, user, record_of_user(record));
    ADD_ALL(&registry->nodes, node, record_of_node(record));
    ADD_ALL(&registry->sessions, session, record_of_session(record));
    add(&sink, record_of_seen(registry));
    ADD_ALL(&registry->vms, vm, record_of_vm(record, true));
    add_references(&sink, &registry->references);
    digest = sha256_final(&sink.hash);
    add_unhashed(&sink, record_of_end(sink.count + 1, &digest));
    return writer_take(&sink.writer, ret_bytes);
}

struct source {
    struct reader reader;
    uint64_t count;
    unsigned place; /* of the last record, see place_of() */
    struct sha256 hash;
};

enum { PLACE_DATA = 1000, PLACE_END };

/* The order of the kinds: that of their fields, but for the end. Data follow their reference. */
static unsigned place_of(const Tccp__Log__SnapshotRecord *record)
{
    switch (record->kind_case) {
    case TCCP__LOG__SNAPSHOT_RECORD__KIND_END:
        return PLACE_END;
    case TCCP__LOG__SNAPSHOT_RECORD__KIND_REFERENCE:
    case TCCP__LOG__SNAPSHOT_RECORD__KIND_REFERENCE_DATA:
        return PLACE_DATA;
    case TCCP__LOG__SNAPSHOT_RECORD__KIND_HEADER:
    case TCCP__LOG__SNAPSHOT_RECORD__KIND_PERIMETER:
    case TCCP__LOG__SNAPSHOT_RECORD__KIND_MEMBER:
    case TCCP__LOG__SNAPSHOT_RECORD__KIND_USER:
    case TCCP__LOG__SNAPSHOT_RECORD__KIND_NODE:
    case TCCP__LOG__SNAPSHOT_RECORD__KIND_SESSION:
    case TCCP__LOG__SNAPSHOT_RECORD__KIND_SEEN:
    case TCCP__LOG__SNAPSHOT_RECORD__KIND_VM:
    case TCCP__LOG__SNAPSHOT_RECORD__KIND__NOT_SET:
    case _TCCP__LOG__SNAPSHOT_RECORD__KIND__CASE_IS_INT_SIZE:
        break;
    }
    return (unsigned)record->kind_case;
}

static enum status restore_end(const struct source *source, const Tccp__Log__SnapshotEnd *end)
{
    struct sha256 hash = source->hash;
    struct digest seen = sha256_final(&hash), digest;

    return end->record_count == source->count && field_digest(end->digest, &digest) &&
                   digest_equal(&digest, &seen)
               ? STATUS_OK
               : STATUS_MALFORMED;
}

static enum status restore_record(struct registry *registry, struct source *source,
                                  const Tccp__Log__SnapshotRecord *record)
{
    unsigned place = place_of(record);

    if (!message_is_known(&record->base)) {
        return STATUS_UNSUPPORTED;
    }
    if (place < source->place ||
        (source->count == 1) != (record->kind_case == TCCP__LOG__SNAPSHOT_RECORD__KIND_HEADER)) {
        return STATUS_MALFORMED;
    }
    source->place = place;
    return place == PLACE_END ? restore_end(source, record->end) : record_restore(registry, record);
}

/* Reads records one by one. */
static enum status restore_next(struct registry *registry, struct source *source)
{
    struct view view = reader_sized32(&source->reader, SNAPSHOT_RECORD_SIZE_MAX);
    Tccp__Log__SnapshotRecord *record;
    enum status status;

    if (source->reader.bad || ++source->count > SNAPSHOT_RECORD_COUNT_MAX) {
        return STATUS_MALFORMED;
    }
    record = tccp__log__snapshot_record__unpack(NULL, view.size, view.data);
    if (!record) {
        return STATUS_MALFORMED;
    }
    status = restore_record(registry, source, record);
    if (record->kind_case != TCCP__LOG__SNAPSHOT_RECORD__KIND_REFERENCE_DATA) {
        hash_record(&source->hash, view);
    }
    tccp__log__snapshot_record__free_unpacked(record, NULL);
    return status;
}

enum status registry_restore(struct view bytes, struct registry **ret_registry)
{
    OWN(registry) struct registry *registry = registry_new();
    struct source source = {.reader = reader_of(bytes)};

    if (!registry) {
        return STATUS_NO_MEMORY;
    }
    if (bytes.size > SNAPSHOT_SIZE_MAX) {
        return STATUS_TOO_LARGE;
    }
    sha256_init(&source.hash);
    do {
        TRY(restore_next(registry, &source));
    } while (source.place != PLACE_END);
    if (!reader_done(&source.reader)) {
        return STATUS_MALFORMED;
    }
    TRY(records_finish(registry));
    *ret_registry = TAKE(registry);
    return STATUS_OK;
}
