#include "tcd/core/snapshot.h"

#include "lib/base/protobuf.h"
#include "tcd/core/fields.h"
#include "tcd/core/records_pack.h"

#include <stdlib.h>

enum {
    CUT_COUNT_MAX = REFERENCE_COUNT_MAX + REFERENCE_TOTAL_SIZE_MAX / REFERENCE_PIECE_SIZE,
    /* their fields in SnapshotRecord, in ReferenceData */
    FIELD_REFERENCE_DATA = 11,
    FIELD_DATA = 1,
};

/* Between records: bytes of a set. */
struct cut {
    size_t at; /* so many bytes of records come before */
    struct view data;
};

struct sink {
    struct writer writer;
    uint64_t count;
    struct sha256 hash; /* see SnapshotEnd */
    size_t cut_count;
    struct cut cuts[CUT_COUNT_MAX];
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

/* A ReferenceData record whose bytes stay where they are. */
static void add_data(struct sink *sink, struct view data)
{
    size_t size = protobuf_head_size(data.size) + data.size;

    writer_u32(&sink->writer, (uint32_t)(protobuf_head_size(size) + size));
    protobuf_write_head(&sink->writer, FIELD_REFERENCE_DATA, size);
    protobuf_write_head(&sink->writer, FIELD_DATA, data.size);
    sink->count++;
    ASSERT(sink->cut_count < CUT_COUNT_MAX);
    sink->cuts[sink->cut_count++] = (struct cut){sink->writer.size, data};
}

static void add_references(struct sink *sink, const struct table *references,
                           struct snapshot *snapshot)
{
    const struct reference_blob *reference;
    size_t cursor = 0;

    while ((reference = table_next(references, &cursor))) {
        add(sink, record_of_reference(reference));
        for (uint64_t at = 0; at < reference->received; at += REFERENCE_PIECE_SIZE) {
            uint64_t left = reference->received - at;

            add_data(sink,
                     (struct view){reference->bytes->data + at,
                                   left < REFERENCE_PIECE_SIZE ? left : REFERENCE_PIECE_SIZE});
        }
        snapshot->held[snapshot->held_count++] = reference_bytes_hold(reference->bytes);
    }
}

#define ADD_ALL(table, type, record_of)                                                            \
    do {                                                                                           \
        const struct type *record;                                                                 \
        size_t cursor = 0;                                                                         \
        while ((record = table_next(table, &cursor))) {                                            \
            add(sink, record_of);                                                                  \
        }                                                                                          \
    } while (0)

static void add_records(struct sink *sink, const struct registry *registry,
                        struct snapshot *snapshot)
{
    struct digest digest;

    add(sink, record_of_header(registry));
    if (registry->perimeter.adopted) {
        add(sink, record_of_perimeter(&registry->perimeter));
    }
    ADD_ALL(&registry->members, member, record_of_member(record));
    ADD_ALL(&registry->users, user, record_of_user(record));
    ADD_ALL(&registry->nodes, node, record_of_node(record));
    ADD_ALL(&registry->sessions, session, record_of_session(record));
    add(sink, record_of_seen(registry));
    ADD_ALL(&registry->vms, vm, record_of_vm(record, true));
    add_references(sink, &registry->references, snapshot);
    digest = sha256_final(&sink->hash);
    add_unhashed(sink, record_of_end(sink->count + 1, &digest));
}

/* Records and cuts in turn. */
static enum status parts_make(const struct sink *sink, struct snapshot *snapshot)
{
    size_t at = 0;

    snapshot->parts = calloc(2 * sink->cut_count + 1, sizeof *snapshot->parts);
    if (!snapshot->parts) {
        return STATUS_NO_MEMORY;
    }
    for (size_t i = 0; i < sink->cut_count; i++) {
        snapshot->parts[snapshot->part_count++] =
            (struct view){snapshot->records.data + at, sink->cuts[i].at - at};
        snapshot->parts[snapshot->part_count++] = sink->cuts[i].data;
        at = sink->cuts[i].at;
    }
    snapshot->parts[snapshot->part_count++] =
        (struct view){snapshot->records.data + at, snapshot->records.size - at};
    return STATUS_OK;
}

enum status registry_snapshot_parts(const struct registry *registry, struct snapshot *ret_snapshot)
{
    OWN(snapshot) struct snapshot snapshot = {.part_count = 0};
    struct sink sink = {.writer = writer_new(SNAPSHOT_SIZE_MAX)};

    sha256_init(&sink.hash);
    add_records(&sink, registry, &snapshot);
    TRY(writer_take(&sink.writer, &snapshot.records));
    TRY(parts_make(&sink, &snapshot));
    *ret_snapshot = TAKE(snapshot);
    return STATUS_OK;
}

void snapshot_free(struct snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->held_count; i++) {
        reference_bytes_release(snapshot->held[i]);
    }
    free(snapshot->parts);
    bytes_free(&snapshot->records);
}

enum status registry_snapshot(const struct registry *registry, struct bytes *ret_bytes)
{
    OWN(snapshot) struct snapshot snapshot = {.part_count = 0};
    OWN(writer) struct writer writer = writer_new(SNAPSHOT_SIZE_MAX);

    TRY(registry_snapshot_parts(registry, &snapshot));
    for (size_t i = 0; i < snapshot.part_count; i++) {
        writer_view(&writer, snapshot.parts[i]);
    }
    return writer_take(&writer, ret_bytes);
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
