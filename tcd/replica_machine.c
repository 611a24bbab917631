#include "tcd/replica_internal.h"

#include "lib/base/log.h"
#include "lib/base/text.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    TRAILING_ENTRIES_MIN = 64,
    SNAPSHOT_FORMAT = 1,
    SNAPSHOT_HEADER_SIZE = 4 + 8 + SHA256_SIZE + 8,
};

static bool entry_is_ours(const struct replica *replica, const struct entry_header *header)
{
    const struct round *round = &replica->round;

    return round->kind == ROUND_BATCH && header->raft_id == replica->config.raft_id &&
           header->incarnation == replica->incarnation && header->number == round->number &&
           replica_leads_in(replica, round->term) && replica_is_awake(replica);
}

static void position_check(struct replica *replica, uint64_t revision, const struct digest *digest)
{
    const struct replica_machine *machine = &replica->config.machine;
    struct digest own_digest;
    uint64_t own_revision;
    char detail[256];

    machine->position(machine->context, &own_revision, &own_digest);
    if (own_revision == revision && digest_equal(&own_digest, digest)) {
        return;
    }
    (void)snprintf(detail, sizeof detail, "revision %llu digest %s, the proposer's %llu %s",
                   (unsigned long long)own_revision, hex_short(digest_view(&own_digest)).text,
                   (unsigned long long)revision, hex_short(digest_view(digest)).text);
    replica_fatal(replica, "state-diverged", detail);
}

static void snapshot_when_due(struct replica *replica, size_t entry_bytes)
{
    replica->log_bytes += entry_bytes;
    replica->log_entries++;
    /* libraft counts entries; it is told "now" when we have counted enough bytes. */
    if (replica->log_bytes >= replica->config.snapshot_bytes) {
        raft_set_snapshot_threshold(&replica->raft, 1);
    }
}

static int fsm_apply(struct raft_fsm *fsm, const struct raft_buffer *buffer, void **ret_result)
{
    struct replica *replica = fsm->data;
    const struct replica_machine *machine = &replica->config.machine;
    struct entry_header header;
    struct reader commands;
    struct proposal *own = NULL;
    enum status status = entry_read((struct view){buffer->base, buffer->len}, &header, &commands);

    *ret_result = NULL;
    if (status != STATUS_OK) {
        replica_fatal(replica, "entry-format", status_text(status));
    }
    position_check(replica, header.revision, &header.digest);
    if (entry_is_ours(replica, &header)) {
        ASSERT(header.count == replica->round.proposals.count);
        replica->round.was_applied_as_ours = true;
        own = replica->round.proposals.first;
    }
    replica->is_applying = true;
    for (uint32_t i = 0; i < header.count; i++) {
        machine->apply(machine->context, entry_read_command(&commands), own ? own->slot : NULL);
        own = own ? own->next : NULL;
    }
    replica->is_applying = false;
    snapshot_when_due(replica, buffer->len);
    return 0;
}

static size_t number_write(uint8_t *at, uint64_t value, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        at[i] = (uint8_t)(value >> (8 * (size - 1 - i)));
    }
    return size;
}

/* u32 format | u64 revision | digest (32) | u64 size | the machine's bytes | zeros */
static void snapshot_header_write(const struct replica *replica, size_t state_size, uint8_t *at)
{
    const struct replica_machine *machine = &replica->config.machine;
    struct digest digest;
    uint64_t revision;

    machine->position(machine->context, &revision, &digest);
    at += number_write(at, SNAPSHOT_FORMAT, 4);
    at += number_write(at, revision, 8);
    memcpy(at, digest.bytes, SHA256_SIZE);
    at += SHA256_SIZE;
    (void)number_write(at, state_size, 8);
}

/* The header, the parts, the zeros. libraft writes on a thread and gives them back to
 * fsm_snapshot_finalize(). */
static struct raft_buffer *snapshot_buffers(const struct replica *replica, unsigned *ret_count)
{
    const struct replica_snapshot *snapshot = &replica->snapshot;
    struct raft_buffer *buffers = raft_calloc(snapshot->part_count + 2, sizeof *buffers);
    uint8_t *header = raft_malloc(SNAPSHOT_HEADER_SIZE + ENTRY_ALIGNMENT);
    size_t count = 0, size = 0, rest;

    if (!buffers || !header) {
        raft_free(buffers);
        raft_free(header);
        return NULL;
    }
    memset(header + SNAPSHOT_HEADER_SIZE, 0, ENTRY_ALIGNMENT);
    buffers[count++] = (struct raft_buffer){header, SNAPSHOT_HEADER_SIZE};
    for (size_t i = 0; i < snapshot->part_count; i++) {
        /* libraft reads only, but has no const. */
        buffers[count++] = (struct raft_buffer){(void *)(uintptr_t)snapshot->parts[i].data,
                                                snapshot->parts[i].size};
        size += snapshot->parts[i].size;
    }
    snapshot_header_write(replica, size, header);
    rest = (SNAPSHOT_HEADER_SIZE + size) % ENTRY_ALIGNMENT;
    if (rest) {
        buffers[count++] =
            (struct raft_buffer){header + SNAPSHOT_HEADER_SIZE, ENTRY_ALIGNMENT - rest};
    }
    *ret_count = (unsigned)count;
    return buffers;
}

static void snapshot_release(struct replica *replica)
{
    if (replica->snapshot.release) {
        replica->snapshot.release(replica->snapshot.owner);
        replica->snapshot = (struct replica_snapshot){0};
    }
}

static void trailing_set(struct replica *replica)
{
    uint64_t average = replica->log_entries ? replica->log_bytes / replica->log_entries + 1 : 1;
    uint64_t entries = replica->config.trailing_bytes / average;

    entries = entries < TRAILING_ENTRIES_MIN ? TRAILING_ENTRIES_MIN : entries;
    entries = entries > TRAILING_ENTRIES_MAX ? TRAILING_ENTRIES_MAX : entries;
    raft_set_snapshot_trailing(&replica->raft, (unsigned)entries);
}

static int fsm_snapshot(struct raft_fsm *fsm, struct raft_buffer *ret_buffers[],
                        unsigned *ret_count)
{
    struct replica *replica = fsm->data;
    const struct replica_machine *machine = &replica->config.machine;
    enum status status;

    /* Whatever comes of it, the next one is due after as many bytes again. */
    raft_set_snapshot_threshold(&replica->raft, UINT_MAX);
    trailing_set(replica);
    replica->log_bytes = replica->log_entries = 0;
    ASSERT(!replica->snapshot.release); /* One at a time. */
    status = machine->snapshot(machine->context, &replica->snapshot);
    if (status == STATUS_OK) {
        *ret_buffers = snapshot_buffers(replica, ret_count);
        status = *ret_buffers ? STATUS_OK : STATUS_NO_MEMORY;
    }
    if (status != STATUS_OK) {
        snapshot_release(replica);
        log_event(LOG_ERROR, "snapshot-failed", "status=\"%s\"", status_text(status));
        return RAFT_NOMEM;
    }
    replica->snapshots_taken++;
    return 0;
}

static int fsm_snapshot_finalize(struct raft_fsm *fsm, struct raft_buffer *buffers[],
                                 unsigned *count)
{
    if (*buffers) {
        raft_free((*buffers)[0].base);
        raft_free(*buffers);
    }
    *buffers = NULL;
    *count = 0;
    snapshot_release(fsm->data);
    return 0;
}

static int fsm_restore(struct raft_fsm *fsm, struct raft_buffer *buffer)
{
    struct replica *replica = fsm->data;
    const struct replica_machine *machine = &replica->config.machine;
    struct reader reader = reader_of((struct view){buffer->base, buffer->len});
    struct digest digest;
    struct view state;
    uint64_t revision, size;

    if (reader_u32(&reader) != SNAPSHOT_FORMAT) {
        replica_fatal(replica, "snapshot", "of another format");
    }
    revision = reader_u64(&reader);
    reader_copy(&reader, digest.bytes, SHA256_SIZE);
    size = reader_u64(&reader);
    reader_require(&reader, size <= reader.left);
    state = reader_view(&reader, reader.bad ? 0 : (size_t)size);
    reader_require(&reader, reader.left < ENTRY_ALIGNMENT && view_is_zero(reader_rest(&reader)));
    if (!reader_done(&reader) || machine->restore(machine->context, state) != STATUS_OK) {
        replica_fatal(replica, "snapshot", "malformed");
    }
    position_check(replica, revision, &digest);
    raft_free(buffer->base);
    replica->log_bytes = replica->log_entries = 0;
    replica->snapshots_restored++;
    return 0;
}

struct raft_fsm replica_fsm(struct replica *replica)
{
    return (struct raft_fsm){.version = 2,
                             .data = replica,
                             .apply = fsm_apply,
                             .snapshot = fsm_snapshot,
                             .snapshot_finalize = fsm_snapshot_finalize,
                             .restore = fsm_restore};
}
