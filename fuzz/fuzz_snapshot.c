/*
 * Snapshots. As the end of one holds a digest of all before it, which no mutation hits, the input
 * is also taken as the records before the end, and an end that fits is added.
 */
#include "lib/base/protobuf.h"
#include "tcd/core/registry.h"

#include "proto/command.pb-c.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_SIZE_MAX = 1 << 20 };

/* The digest at the end leaves out the data of reference sets. */
static bool is_hashed(struct view view)
{
    Tccp__Log__SnapshotRecord *record =
        tccp__log__snapshot_record__unpack(NULL, view.size, view.data);
    bool is_data = record && record->kind_case == TCCP__LOG__SNAPSHOT_RECORD__KIND_REFERENCE_DATA;

    tccp__log__snapshot_record__free_unpacked(record, NULL);
    return !is_data;
}

static enum status with_end(struct view records, struct bytes *ret_snapshot)
{
    Tccp__Log__SnapshotRecord record = TCCP__LOG__SNAPSHOT_RECORD__INIT;
    Tccp__Log__SnapshotEnd end = TCCP__LOG__SNAPSHOT_END__INIT;
    OWN(writer) struct writer writer = writer_new(2 * INPUT_SIZE_MAX);
    OWN(bytes) struct bytes bytes = {0};
    struct reader reader = reader_of(records);
    struct digest digest;
    struct sha256 hash;
    uint64_t count = 1;

    sha256_init(&hash);
    while (reader.left > 0 && !reader.bad) {
        const uint8_t *start = reader.at;
        struct view view = reader_sized32(&reader, INPUT_SIZE_MAX);

        if (!reader.bad && is_hashed(view)) {
            sha256_update(&hash, (struct view){start, (size_t)(reader.at - start)});
        }
        count++;
    }
    digest = sha256_final(&hash);
    end.record_count = count;
    end.digest = protobuf_data(digest_view(&digest));
    record.kind_case = TCCP__LOG__SNAPSHOT_RECORD__KIND_END;
    record.end = &end;
    TRY(protobuf_pack(&record.base, INPUT_SIZE_MAX, &bytes));
    writer_view(&writer, records);
    writer_sized32(&writer, bytes_view(&bytes));
    return writer_take(&writer, ret_snapshot);
}

static void restore(struct view input)
{
    OWN(registry) struct registry *registry = NULL;
    OWN(registry) struct registry *again = NULL;
    OWN(bytes) struct bytes first = {0}, second = {0};
    const struct command note = {.kind = COMMAND_AUDIT_NOTE};
    struct outcome outcome;

    if (registry_restore(input, &registry) != STATUS_OK) {
        return;
    }
    ASSERT(registry_snapshot(registry, &first) == STATUS_OK);
    ASSERT(registry_restore(bytes_view(&first), &again) == STATUS_OK);
    ASSERT(registry_snapshot(again, &second) == STATUS_OK);
    ASSERT(view_equal(bytes_view(&first), bytes_view(&second)));
    (void)registry_apply(registry, &note, &outcome);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    OWN(bytes) struct bytes snapshot = {0};

    if (size > INPUT_SIZE_MAX) {
        return 0;
    }
    restore((struct view){data, size});
    if (with_end((struct view){data, size}, &snapshot) == STATUS_OK) {
        restore(bytes_view(&snapshot));
    }
    return 0;
}
