/* Snapshots: nothing is lost, nothing else is accepted. */
#include "tests/support/core_fixture.h"
#include "tests/support/test.h"

#include "lib/base/protobuf.h"

#include "proto/command.pb-c.h"

#include <stdlib.h>
#include <string.h>

#define assert_verdict(call, expected)                                                             \
    assert_string_equal(refusal_name(call), refusal_name(expected))

static void upload_half(struct fixture *fixture, unsigned set)
{
    uint8_t storage[FIXTURE_SET_SIZE];
    struct digest digest = fixture_set_digest(set);
    struct view half = {fixture_set(set, storage).data, FIXTURE_SET_SIZE / 2};
    struct command command = fixture_chunk(fixture, &digest, FIXTURE_SET_SIZE, 0, half);

    assert_verdict(fixture_do(fixture, &command), REFUSAL_NONE);
}

/* A registry with something of everything. */
static void start(struct fixture *fixture)
{
    struct command command;
    uint64_t session;
    uint8_t storage[CORE_KEY_SIZE_MAX];

    fixture_start(fixture, 4);
    for (unsigned i = 0; i < 3; i++) {
        fixture_register(fixture, i);
    }
    assert_verdict(fixture_renew(fixture, 0), REFUSAL_NONE);
    fixture_run(fixture, 1, 0);
    fixture_run(fixture, 2, 1);
    fixture_migrate(fixture, 2, 2);
    fixture_run(fixture, 3, 1);
    command = fixture_vm_command(fixture, COMMAND_VM_STOPPED, 3);
    assert_verdict(fixture_do(fixture, &command), REFUSAL_NONE);
    command = fixture_vm_command(fixture, COMMAND_VM_DELETED, 3);
    assert_verdict(fixture_do(fixture, &command), REFUSAL_NONE);
    command = fixture_command(fixture, COMMAND_MEMBER_JOINED);
    command.rests.policy = registry_perimeter(fixture->registry)->member_policy;
    strcpy(command.member_joined.name.text, "tc-1");
    command.member_joined.ek_name = fixture_tpm_name(101);
    command.member_joined.ak_name = fixture_tpm_name(201);
    command.member_joined.key = fixture_digest("member", 0);
    assert_verdict(fixture_do(fixture, &command), REFUSAL_NONE);
    command = fixture_command(fixture, COMMAND_SESSION_OPENED);
    command.actor = fixture_key_id(FIXTURE_OPERATOR);
    assert_verdict(fixture_do(fixture, &command), REFUSAL_NONE);
    session = fixture->outcome.id;
    for (uint64_t number = 1; number < 20; number++) {
        command = fixture_command(fixture, COMMAND_AUDIT_NOTE);
        command.actor = fixture_key_id(FIXTURE_OPERATOR);
        command.session = session;
        command.number = number * number;
        strcpy(command.audit_note.text, "note");
        assert_verdict(fixture_do(fixture, &command), REFUSAL_NONE);
    }
    command = fixture_command(fixture, COMMAND_USER_ADDED);
    strcpy(command.user_added.name.text, "alice");
    command.user_added.role = USER_CUSTOMER;
    command.user_added.key = fixture_key(1, storage);
    assert_verdict(fixture_do(fixture, &command), REFUSAL_NONE);
    command = fixture_node_command(fixture, COMMAND_NODE_QUARANTINED, 0);
    assert_verdict(fixture_do(fixture, &command), REFUSAL_NONE);
    command = fixture_node_command(fixture, COMMAND_NODE_REVOKED, 1);
    assert_verdict(fixture_do(fixture, &command), REFUSAL_NONE);
    fixture_upload(fixture, 1);
    upload_half(fixture, 2);
}

static void a_snapshot_restores_everything(void **state)
{
    struct fixture fixture;
    OWN(bytes) struct bytes first = {0}, second = {0};
    OWN(registry) struct registry *restored = NULL;
    struct digest left, right;

    (void)state;
    start(&fixture);
    assert_ok(registry_snapshot(fixture.registry, &first));
    assert_ok(registry_restore(bytes_view(&first), &restored));
    assert_ok(registry_snapshot(restored, &second));
    assert_int_equal(first.size, second.size);
    assert_memory_equal(first.data, second.data, first.size);
    left = registry_digest(fixture.registry);
    right = registry_digest(restored);
    assert_memory_equal(&left, &right, sizeof left);
    assert_int_equal(registry_revision(restored), registry_revision(fixture.registry));
    assert_int_equal(registry_audit(restored)->size, registry_audit(fixture.registry)->size);
    left = merkle_root(registry_audit(fixture.registry));
    right = merkle_root(registry_audit(restored));
    assert_memory_equal(&left, &right, sizeof left);
    assert_int_equal(registry_node_by_name(restored, "node-1")->vm_count,
                     registry_node_by_name(fixture.registry, "node-1")->vm_count);
    fixture_stop(&fixture);
}

static void what_follows_a_restore_is_the_same(void **state)
{
    struct fixture fixture, twin;
    OWN(bytes) struct bytes snapshot = {0};
    struct digest left, right;
    struct command command;

    (void)state;
    start(&fixture);
    assert_ok(registry_snapshot(fixture.registry, &snapshot));
    twin = fixture;
    assert_ok(registry_restore(bytes_view(&snapshot), &twin.registry));
    command = fixture_migration_command(&fixture, COMMAND_MIGRATION_ABORTED, 2, 0);
    (void)fixture_do(&fixture, &command);
    (void)fixture_do(&twin, &command);
    command = fixture_registration(&fixture, 2);
    assert_int_equal(fixture_do(&fixture, &command), fixture_do(&twin, &command));
    command = fixture_registration(&fixture, 3);
    assert_int_equal(fixture_do(&fixture, &command), fixture_do(&twin, &command));
    left = registry_digest(fixture.registry);
    right = registry_digest(twin.registry);
    assert_memory_equal(&left, &right, sizeof left);
    assert_status(registry_digest_at(twin.registry, registry_revision(twin.registry) - 4, &left),
                  STATUS_NOT_FOUND);
    fixture_stop(&fixture);
    fixture_stop(&twin);
}

/* Found by the simulation: a restored registry aborted them in another order. */
static void several_migrations_keep_their_order(void **state)
{
    struct fixture fixture, twin;
    OWN(bytes) struct bytes snapshot = {0};
    struct command command;
    struct digest left, right;

    (void)state;
    fixture_start(&fixture, 3);
    for (unsigned i = 0; i < 3; i++) {
        fixture_register(&fixture, i);
    }
    fixture_run(&fixture, 1, 0);
    fixture_run(&fixture, 2, 0);
    fixture_migrate(&fixture, 2, 1);
    fixture_migrate(&fixture, 1, 1);
    assert_ok(registry_snapshot(fixture.registry, &snapshot));
    twin = fixture;
    assert_ok(registry_restore(bytes_view(&snapshot), &twin.registry));
    command = fixture_registration(&fixture, 1);
    assert_verdict(fixture_do(&fixture, &command), REFUSAL_NONE);
    assert_verdict(fixture_do(&twin, &command), REFUSAL_NONE);
    assert_int_equal(fixture.outcome.leaf_count, 3);
    left = registry_digest(fixture.registry);
    right = registry_digest(twin.registry);
    assert_memory_equal(&left, &right, sizeof left);
    fixture_stop(&fixture);
    fixture_stop(&twin);
}

static void an_empty_registry_has_a_snapshot(void **state)
{
    OWN(registry) struct registry *registry = registry_new();
    OWN(registry) struct registry *restored = NULL;
    OWN(bytes) struct bytes snapshot = {0};

    (void)state;
    assert_ok(registry_snapshot(registry, &snapshot));
    assert_ok(registry_restore(bytes_view(&snapshot), &restored));
    assert_int_equal(registry_revision(restored), 0);
}

static void a_truncated_or_longer_snapshot_is_malformed(void **state)
{
    struct fixture fixture;
    OWN(bytes) struct bytes snapshot = {0};
    struct registry *restored;
    uint8_t *longer;

    (void)state;
    start(&fixture);
    assert_ok(registry_snapshot(fixture.registry, &snapshot));
    for (size_t size = 0; size < snapshot.size; size += 1 + size / 40) {
        assert_status(registry_restore((struct view){snapshot.data, size}, &restored),
                      STATUS_MALFORMED);
    }
    longer = calloc(1, snapshot.size + 1);
    memcpy(longer, snapshot.data, snapshot.size);
    assert_status(registry_restore((struct view){longer, snapshot.size + 1}, &restored),
                  STATUS_MALFORMED);
    free(longer);
    fixture_stop(&fixture);
}

static void any_changed_byte_is_noticed(void **state)
{
    struct fixture fixture;
    OWN(bytes) struct bytes snapshot = {0};

    (void)state;
    start(&fixture);
    assert_ok(registry_snapshot(fixture.registry, &snapshot));
    for (size_t at = 0; at < snapshot.size; at++) {
        struct registry *restored = NULL;

        snapshot.data[at] ^= 0x10;
        assert_int_not_equal(registry_restore(bytes_view(&snapshot), &restored), STATUS_OK);
        snapshot.data[at] ^= 0x10;
    }
    fixture_stop(&fixture);
}

/* Records of a snapshot, to be put together in another way with an end that fits. */
struct parts {
    struct view records[512];
    size_t count;
};

static void take_apart(const struct bytes *snapshot, struct parts *ret_parts)
{
    struct reader reader = reader_of(bytes_view(snapshot));

    ret_parts->count = 0;
    while (!reader_done(&reader)) {
        assert_true(ret_parts->count < ARRAY_SIZE(ret_parts->records));
        ret_parts->records[ret_parts->count++] = reader_sized32(&reader, snapshot->size);
        assert_false(reader.bad);
    }
    ret_parts->count--; /* without the end */
}

/* The digest at the end leaves out the data of reference sets. */
static bool is_data(struct view view)
{
    Tccp__Log__SnapshotRecord *record =
        tccp__log__snapshot_record__unpack(NULL, view.size, view.data);
    bool is = record->kind_case == TCCP__LOG__SNAPSHOT_RECORD__KIND_REFERENCE_DATA;

    tccp__log__snapshot_record__free_unpacked(record, NULL);
    return is;
}

static struct bytes put_together(const struct parts *parts)
{
    Tccp__Log__SnapshotRecord record = TCCP__LOG__SNAPSHOT_RECORD__INIT;
    Tccp__Log__SnapshotEnd end = TCCP__LOG__SNAPSHOT_END__INIT;
    struct writer writer = writer_new(1 << 24);
    OWN(bytes) struct bytes bytes = {0};
    struct bytes snapshot;
    struct digest digest;
    struct sha256 hash;

    sha256_init(&hash);
    for (size_t i = 0; i < parts->count; i++) {
        size_t before = writer.size;

        writer_sized32(&writer, parts->records[i]);
        if (!is_data(parts->records[i])) {
            sha256_update(&hash, (struct view){writer.data + before, writer.size - before});
        }
    }
    digest = sha256_final(&hash);
    end.record_count = parts->count + 1;
    end.digest = protobuf_data(digest_view(&digest));
    record.kind_case = TCCP__LOG__SNAPSHOT_RECORD__KIND_END;
    record.end = &end;
    assert_ok(protobuf_pack(&record.base, 1 << 20, &bytes));
    writer_sized32(&writer, bytes_view(&bytes));
    assert_ok(writer_take(&writer, &snapshot));
    return snapshot;
}

static void records_out_of_order_or_twice_are_malformed(void **state)
{
    struct fixture fixture;
    OWN(bytes) struct bytes snapshot = {0};
    struct parts parts;

    (void)state;
    start(&fixture);
    assert_ok(registry_snapshot(fixture.registry, &snapshot));
    take_apart(&snapshot, &parts);
    {
        OWN(bytes) struct bytes same = put_together(&parts);

        assert_memory_equal(same.data, snapshot.data, snapshot.size);
    }
    for (size_t i = 0; i < parts.count; i++) {
        struct parts doubled = parts;
        struct registry *restored = NULL;
        OWN(bytes) struct bytes bytes = {0};

        memmove(&doubled.records[i + 1], &parts.records[i],
                (parts.count - i) * sizeof parts.records[0]);
        doubled.count++;
        bytes = put_together(&doubled);
        assert_status(registry_restore(bytes_view(&bytes), &restored), STATUS_MALFORMED);
    }
    {
        struct parts swapped = parts;
        struct registry *restored = NULL;
        OWN(bytes) struct bytes bytes = {0};

        swapped.records[1] = parts.records[0];
        swapped.records[0] = parts.records[1];
        bytes = put_together(&swapped);
        assert_status(registry_restore(bytes_view(&bytes), &restored), STATUS_MALFORMED);
    }
    fixture_stop(&fixture);
}

/* The bytes of sets are not copied: they stay although the state moves on, and goes. */
static void a_snapshot_in_parts_is_the_same_later(void **state)
{
    struct fixture fixture;
    OWN(snapshot) struct snapshot snapshot = {.part_count = 0};
    OWN(writer) struct writer writer = writer_new(1 << 24);
    OWN(bytes) struct bytes whole = {0};

    (void)state;
    start(&fixture);
    assert_ok(registry_snapshot(fixture.registry, &whole));
    assert_ok(registry_snapshot_parts(fixture.registry, &snapshot));
    assert_int_equal(snapshot.part_count, 5); /* of two sets, and what lies around them */
    upload_half(&fixture, 2);
    for (unsigned set = 3; set < 3 + REFERENCE_UPLOAD_COUNT_MAX; set++) {
        upload_half(&fixture, set);
    }
    fixture_stop(&fixture);
    for (size_t i = 0; i < snapshot.part_count; i++) {
        writer_view(&writer, snapshot.parts[i]);
    }
    assert_int_equal(writer.size, whole.size);
    assert_memory_equal(writer.data, whole.data, whole.size);
}

static void a_reference_without_its_data_is_malformed(void **state)
{
    struct fixture fixture;
    OWN(bytes) struct bytes snapshot = {0}, bytes = {0};
    struct registry *restored = NULL;
    struct parts parts;

    (void)state;
    start(&fixture);
    assert_ok(registry_snapshot(fixture.registry, &snapshot));
    take_apart(&snapshot, &parts);
    assert_true(is_data(parts.records[parts.count - 1]));
    parts.count--;
    bytes = put_together(&parts);
    assert_status(registry_restore(bytes_view(&bytes), &restored), STATUS_MALFORMED);
    fixture_stop(&fixture);
}

/* Changes one record in a way that its bytes allow and its neighbours do not. */
static enum status restore_with(const struct bytes *snapshot,
                                bool (*change)(Tccp__Log__SnapshotRecord *record))
{
    struct parts parts;
    OWN(bytes) struct bytes changed = {0}, bytes = {0};
    struct registry *restored = NULL;
    enum status status;
    bool done = false;

    take_apart(snapshot, &parts);
    for (size_t i = 0; i < parts.count && !done; i++) {
        Tccp__Log__SnapshotRecord *record =
            tccp__log__snapshot_record__unpack(NULL, parts.records[i].size, parts.records[i].data);

        done = change(record);
        if (done) {
            assert_ok(protobuf_pack(&record->base, 1 << 20, &changed));
            parts.records[i] = bytes_view(&changed);
        }
        tccp__log__snapshot_record__free_unpacked(record, NULL);
    }
    assert_true(done);
    bytes = put_together(&parts);
    status = registry_restore(bytes_view(&bytes), &restored);
    registry_free(restored);
    return status;
}

static bool later_format(Tccp__Log__SnapshotRecord *record)
{
    record->header->format = 2;
    return true;
}

static bool fewer_peaks(Tccp__Log__SnapshotRecord *record)
{
    record->header->audit_size = 1 << 20;
    return true;
}

static bool is_vm(const Tccp__Log__SnapshotRecord *record, Tccp__Log__VmState state)
{
    return record->kind_case == TCCP__LOG__SNAPSHOT_RECORD__KIND_VM && record->vm->state == state;
}

static bool owner_nowhere(Tccp__Log__SnapshotRecord *record)
{
    if (!is_vm(record, TCCP__LOG__VM_STATE__VM_STATE_RUNNING)) {
        return false;
    }
    record->vm->owner->node = 99;
    return true;
}

static bool migrating_without_migration(Tccp__Log__SnapshotRecord *record)
{
    if (!is_vm(record, TCCP__LOG__VM_STATE__VM_STATE_MIGRATING)) {
        return false;
    }
    record->vm->migration = 0;
    return true;
}

static bool granted_ahead(Tccp__Log__SnapshotRecord *record)
{
    if (!is_vm(record, TCCP__LOG__VM_STATE__VM_STATE_RUNNING)) {
        return false;
    }
    record->vm->granted_generation = record->vm->generation + 1;
    return true;
}

static bool registration_of_the_future(Tccp__Log__SnapshotRecord *record)
{
    if (record->kind_case != TCCP__LOG__SNAPSHOT_RECORD__KIND_NODE) {
        return false;
    }
    record->node->registration = 99;
    return true;
}

static bool session_of_the_future(Tccp__Log__SnapshotRecord *record)
{
    if (record->kind_case != TCCP__LOG__SNAPSHOT_RECORD__KIND_SESSION) {
        return false;
    }
    record->session->id = 99;
    return true;
}

static bool result_outside_the_window(Tccp__Log__SnapshotRecord *record)
{
    if (record->kind_case != TCCP__LOG__SNAPSHOT_RECORD__KIND_SESSION) {
        return false;
    }
    record->session->highest += 2000;
    return true;
}

static bool odd_slots(Tccp__Log__SnapshotRecord *record)
{
    if (record->kind_case != TCCP__LOG__SNAPSHOT_RECORD__KIND_SESSION) {
        return false;
    }
    record->session->slot_count = 2048;
    return true;
}

static bool is_perimeter(const Tccp__Log__SnapshotRecord *record)
{
    return record->kind_case == TCCP__LOG__SNAPSHOT_RECORD__KIND_PERIMETER;
}

static bool another_root(Tccp__Log__SnapshotRecord *record)
{
    if (!is_perimeter(record)) {
        return false;
    }
    record->perimeter->root.data[0] ^= 1;
    return true;
}

static bool no_root(Tccp__Log__SnapshotRecord *record)
{
    if (!is_perimeter(record)) {
        return false;
    }
    record->perimeter->root.len = 0;
    return true;
}

static bool endorsement_without_manifest(Tccp__Log__SnapshotRecord *record)
{
    if (!is_perimeter(record)) {
        return false;
    }
    record->perimeter->manifest.len = 0;
    return true;
}

static bool succession_from_nowhere(Tccp__Log__SnapshotRecord *record)
{
    struct bytes document;

    if (!is_perimeter(record)) {
        return false;
    }
    document = fixture_succession_document(2);
    record->perimeter->successions = calloc(1, sizeof(ProtobufCBinaryData));
    record->perimeter->successions[0] =
        (ProtobufCBinaryData){.len = document.size, .data = document.data};
    record->perimeter->n_successions = 1;
    return true;
}

static bool key_too_large(Tccp__Log__SnapshotRecord *record)
{
    if (record->kind_case != TCCP__LOG__SNAPSHOT_RECORD__KIND_NODE ||
        record->node->registration == 0) {
        return false;
    }
    free(record->node->tk_sign.data);
    record->node->tk_sign.data = calloc(1, CORE_KEY_SIZE_MAX + 1);
    record->node->tk_sign.len = CORE_KEY_SIZE_MAX + 1;
    return true;
}

static bool results_out_of_order(Tccp__Log__SnapshotRecord *record)
{
    Tccp__Log__ResultRecord *first;

    if (record->kind_case != TCCP__LOG__SNAPSHOT_RECORD__KIND_SESSION) {
        return false;
    }
    first = record->session->results[0];
    record->session->results[0] = record->session->results[1];
    record->session->results[1] = first;
    return true;
}

static bool request_too_large(Tccp__Log__SnapshotRecord *record)
{
    if (!is_vm(record, TCCP__LOG__VM_STATE__VM_STATE_RUNNING)) {
        return false;
    }
    free(record->vm->request.data);
    record->vm->request.data = calloc(1, LAUNCH_REQUEST_SIZE_MAX + 1);
    record->vm->request.len = LAUNCH_REQUEST_SIZE_MAX + 1;
    return true;
}

static bool is_reference(const Tccp__Log__SnapshotRecord *record, bool is_complete)
{
    return record->kind_case == TCCP__LOG__SNAPSHOT_RECORD__KIND_REFERENCE &&
           (record->reference->size == record->reference->received) == is_complete;
}

static bool reference_too_large(Tccp__Log__SnapshotRecord *record)
{
    if (!is_reference(record, false)) {
        return false;
    }
    record->reference->size = REFERENCE_SIZE_MAX + 1;
    return true;
}

static bool more_received_than_there_is(Tccp__Log__SnapshotRecord *record)
{
    if (!is_reference(record, false)) {
        return false;
    }
    record->reference->size = record->reference->received - 1;
    return true;
}

static bool complete_with_another_digest(Tccp__Log__SnapshotRecord *record)
{
    if (!is_reference(record, true)) {
        return false;
    }
    record->reference->digest.data[0] ^= 1;
    return true;
}

static bool another_prefix(Tccp__Log__SnapshotRecord *record)
{
    if (!is_reference(record, false)) {
        return false;
    }
    record->reference->prefix.data[0] ^= 1;
    return true;
}

static bool data_cut_off(Tccp__Log__SnapshotRecord *record)
{
    if (record->kind_case != TCCP__LOG__SNAPSHOT_RECORD__KIND_REFERENCE_DATA) {
        return false;
    }
    record->reference_data->data.len--;
    return true;
}

static bool data_empty(Tccp__Log__SnapshotRecord *record)
{
    if (record->kind_case != TCCP__LOG__SNAPSHOT_RECORD__KIND_REFERENCE_DATA) {
        return false;
    }
    record->reference_data->data.len = 0;
    return true;
}

static void inconsistent_records_are_malformed(void **state)
{
    static bool (*const changes[])(Tccp__Log__SnapshotRecord *) = {
        another_root,
        no_root,
        endorsement_without_manifest,
        succession_from_nowhere,
        key_too_large,
        results_out_of_order,
        request_too_large,
        fewer_peaks,
        owner_nowhere,
        migrating_without_migration,
        granted_ahead,
        registration_of_the_future,
        session_of_the_future,
        result_outside_the_window,
        odd_slots,
        reference_too_large,
        more_received_than_there_is,
        complete_with_another_digest,
        another_prefix,
        data_cut_off,
        data_empty,
    };
    struct fixture fixture;
    OWN(bytes) struct bytes snapshot = {0};

    (void)state;
    start(&fixture);
    assert_ok(registry_snapshot(fixture.registry, &snapshot));
    for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
        assert_status(restore_with(&snapshot, changes[i]), STATUS_MALFORMED);
    }
    assert_status(restore_with(&snapshot, later_format), STATUS_UNSUPPORTED);
    fixture_stop(&fixture);
}

/* One set more: of `size` bytes, of which one is there. */
static void parts_add_reference(struct parts *parts, uint64_t size, uint64_t number,
                                struct bytes ret_records[2])
{
    const uint8_t byte = (uint8_t)number;
    Tccp__Log__ReferenceRecord reference = TCCP__LOG__REFERENCE_RECORD__INIT;
    Tccp__Log__ReferenceData data = TCCP__LOG__REFERENCE_DATA__INIT;
    Tccp__Log__SnapshotRecord record = TCCP__LOG__SNAPSHOT_RECORD__INIT;
    struct digest prefix = sha256((struct view){&byte, 1});
    struct digest digest = size == 1 ? prefix : fixture_digest("set", number);

    reference.digest = protobuf_data(digest_view(&digest));
    reference.prefix = protobuf_data(digest_view(&prefix));
    reference.size = size;
    reference.received = 1;
    record.kind_case = TCCP__LOG__SNAPSHOT_RECORD__KIND_REFERENCE;
    record.reference = &reference;
    assert_ok(protobuf_pack(&record.base, 1 << 20, &ret_records[0]));
    data.data = protobuf_data((struct view){&byte, 1});
    record.kind_case = TCCP__LOG__SNAPSHOT_RECORD__KIND_REFERENCE_DATA;
    record.reference_data = &data;
    assert_ok(protobuf_pack(&record.base, 1 << 20, &ret_records[1]));
    for (unsigned i = 0; i < 2; i++) {
        assert_true(parts->count < ARRAY_SIZE(parts->records));
        parts->records[parts->count++] = bytes_view(&ret_records[i]);
    }
}

/* `count` sets of `size` bytes, and one of a single byte. */
static enum status restore_sets(const struct parts *before, unsigned count, uint64_t size,
                                bool one_more)
{
    static struct bytes records[2 * REFERENCE_COUNT_MAX + 4];
    struct parts parts = *before;
    struct registry *restored = NULL;
    OWN(bytes) struct bytes bytes = {0};
    enum status status;

    for (unsigned i = 0; i < count + one_more; i++) {
        parts_add_reference(&parts, i < count ? size : 1, i, &records[(size_t)2 * i]);
    }
    bytes = put_together(&parts);
    for (unsigned i = 0; i < 2 * (count + one_more); i++) {
        bytes_free(&records[i]);
    }
    status = registry_restore(bytes_view(&bytes), &restored);
    registry_free(restored);
    return status;
}

static void more_references_than_the_limits_are_malformed(void **state)
{
    struct fixture fixture;
    OWN(bytes) struct bytes snapshot = {0};
    struct parts parts;

    (void)state;
    fixture_start(&fixture, 1);
    assert_ok(registry_snapshot(fixture.registry, &snapshot));
    take_apart(&snapshot, &parts);
    assert_ok(restore_sets(&parts, REFERENCE_COUNT_MAX, 1, false));
    assert_status(restore_sets(&parts, REFERENCE_COUNT_MAX, 1, true), STATUS_MALFORMED);
    assert_ok(restore_sets(&parts, REFERENCE_UPLOAD_COUNT_MAX, 2, true));
    assert_status(restore_sets(&parts, REFERENCE_UPLOAD_COUNT_MAX + 1, 2, false), STATUS_MALFORMED);
    assert_ok(restore_sets(&parts, 4, REFERENCE_SIZE_MAX, false));
    assert_status(restore_sets(&parts, 4, REFERENCE_SIZE_MAX, true), STATUS_MALFORMED);
    fixture_stop(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_truncated_or_longer_snapshot_is_malformed),
        cmocka_unit_test(any_changed_byte_is_noticed),
        cmocka_unit_test(records_out_of_order_or_twice_are_malformed),
        cmocka_unit_test(inconsistent_records_are_malformed),
        cmocka_unit_test(a_snapshot_in_parts_is_the_same_later),
        cmocka_unit_test(a_reference_without_its_data_is_malformed),
        cmocka_unit_test(more_references_than_the_limits_are_malformed),
        cmocka_unit_test(an_empty_registry_has_a_snapshot),
        cmocka_unit_test(a_snapshot_restores_everything),
        cmocka_unit_test(what_follows_a_restore_is_the_same),
        cmocka_unit_test(several_migrations_keep_their_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
