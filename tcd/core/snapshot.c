#include "tcd/core/snapshot.h"

#include "lib/base/protobuf.h"
#include "tcd/core/fields.h"
#include "tcd/core/records_pack.h"

#include <stdlib.h>

struct sink {
    struct writer writer;
    uint64_t count;
};

static void add(struct sink *sink, struct bytes record)
{
    writer_sized32(&sink->writer, bytes_view(&record));
    sink->count++;
    bytes_free(&record);
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
    digest = sha256((struct view){sink.writer.data, sink.writer.size});
    add(&sink, record_of_end(sink.count + 1, &digest));
    return writer_take(&sink.writer, ret_bytes);
}

/* Reads records one by one; *last is the kind of the one before. */
static enum status restore_next(struct registry *registry, struct view bytes, struct reader *reader,
                                uint64_t *count, uint32_t *last)
{
    struct view before = {bytes.data, bytes.size - reader->left};
    struct view view = reader_sized32(reader, SNAPSHOT_RECORD_SIZE_MAX);
    Tccp__Log__SnapshotRecord *record;
    enum status status = STATUS_MALFORMED;
    struct digest digest;

    if (reader->bad || ++*count > SNAPSHOT_RECORD_COUNT_MAX) {
        return STATUS_MALFORMED;
    }
    record = tccp__log__snapshot_record__unpack(NULL, view.size, view.data);
    if (!record) {
        return STATUS_MALFORMED;
    }
    if (!message_is_known(&record->base)) {
        status = STATUS_UNSUPPORTED;
    } else if ((uint32_t)record->kind_case < *last ||
               (*count == 1) != (record->kind_case == TCCP__LOG__SNAPSHOT_RECORD__KIND_HEADER)) {
        status = STATUS_MALFORMED;
    } else if (record->kind_case == TCCP__LOG__SNAPSHOT_RECORD__KIND_END) {
        bool good =
            record->end->record_count == *count && field_digest(record->end->digest, &digest);

        if (good) {
            struct digest seen_digest = sha256(before);

            good = digest_equal(&digest, &seen_digest);
        }
        status = good ? STATUS_OK : STATUS_MALFORMED;
    } else {
        status = record_restore(registry, record);
    }
    *last = (uint32_t)record->kind_case;
    tccp__log__snapshot_record__free_unpacked(record, NULL);
    return status;
}

enum status registry_restore(struct view bytes, struct registry **ret_registry)
{
    OWN(registry) struct registry *registry = registry_new();
    struct reader reader = reader_of(bytes);
    uint64_t count = 0;
    uint32_t last = 0;

    if (!registry) {
        return STATUS_NO_MEMORY;
    }
    if (bytes.size > SNAPSHOT_SIZE_MAX) {
        return STATUS_TOO_LARGE;
    }
    do {
        TRY(restore_next(registry, bytes, &reader, &count, &last));
    } while (last != TCCP__LOG__SNAPSHOT_RECORD__KIND_END);
    if (!reader_done(&reader)) {
        return STATUS_MALFORMED;
    }
    TRY(records_finish(registry));
    *ret_registry = TAKE(registry);
    return STATUS_OK;
}
