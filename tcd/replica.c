#include "tcd/replica.h"

#include "lib/base/log.h"
#include "lib/base/text.h"
#include "lib/crypto/entropy.h"
#include "lib/net/address.h"
#include "lib/net/timer.h"
#include "tcd/entry.h"
#include "tcd/raft_transport.h"

#include <limits.h>
#include <raft.h>
#include <raft/uv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <uv.h>

enum {
    ELECTION_TIMEOUT_DEFAULT_MS = 250,
    HEARTBEAT_TIMEOUT_DEFAULT_MS = 50,
    DISK_TIMEOUT_DEFAULT_MS = 10000,
    DISK_FREE_DEFAULT = 64 * 1024 * 1024,
    DISK_CHECK_INTERVAL_MS = 250,
    DISK_RETRY_MS = 250,
    SNAPSHOT_BYTES_DEFAULT = 32 * 1024 * 1024,
    TRAILING_BYTES_DEFAULT = 8 * 1024 * 1024,
    TRAILING_ENTRIES_MIN = 64,
    TRAILING_ENTRIES_MAX = 8192,
    QUEUE_MAX_DEFAULT = 65536,
    CONNECT_RETRY_MS = 100,
    STEP_DOWN_RETRY_MS = 1000,
    BATCH_TARGET_SIZE = 1024 * 1024,
    SNAPSHOT_FORMAT = 1,
    SNAPSHOT_HEADER_SIZE = 4 + 8 + SHA256_SIZE + 8,
    HANDLE_COUNT = 4,
};

/* A command that waits to be proposed, or was. */
struct proposal {
    struct proposal *next;
    void *slot;
    replica_done done;
    void *argument;
    size_t size;
    uint8_t command[];
};

struct read_request {
    struct read_request *next;
    replica_done done;
    void *argument;
};

struct proposals {
    struct proposal *first, **end;
    size_t count;
};

struct reads {
    struct read_request *first, **end;
};

enum round_kind {
    ROUND_NONE,
    ROUND_FIRST,   /* the barrier with which a term begins */
    ROUND_BARRIER, /* reads only */
    ROUND_BATCH,   /* commands, and the reads that came before it was closed */
};

/* What is in flight. Taking the next one only when this is done is what makes the groups. */
struct round {
    enum round_kind kind;
    uint64_t term, number;
    bool was_applied_as_ours;
    struct raft_apply apply;
    struct raft_barrier barrier;
    struct proposals proposals;
    struct reads reads;
};

struct change {
    bool is_active;
    uint64_t removed_id;
    struct raft_change request;
    replica_done done;
    void *argument;
};

struct transfer {
    bool is_active;
    struct raft_transfer request;
    replica_done done; /* NULL: the disk guard's */
    void *argument;
};

struct replica {
    struct replica_config config;
    struct raft_transport *transport;
    struct raft_io io;
    struct raft_fsm fsm;
    struct raft raft;
    uint64_t incarnation;

    uv_prepare_t prepare;
    uv_check_t check;
    uv_idle_t wake; /* active while there is work for the next turn */
    uv_timer_t guard;
    unsigned handles_open;
    bool is_started, raft_is_closed, is_closing;
    void (*on_closed)(void *argument);
    void *on_closed_argument;

    uint64_t led_term;   /* in which this member leads; 0: it does not */
    uint64_t ready_term; /* ... and has applied all that came before; 0: not yet */
    uint64_t turn_ms;    /* CLOCK_BOOTTIME of the loop's last turn */
    struct round round;
    struct proposals waiting;
    struct reads waiting_reads;
    struct change change;
    struct transfer transfer;

    uint64_t log_bytes, log_entries; /* since the last snapshot */
    uint64_t entries_proposed, commands_proposed, snapshots_taken, snapshots_restored;

    int (*io_append)(struct raft_io *io, struct raft_io_append *request,
                     const struct raft_entry entries[], unsigned count, raft_io_append_cb done);
    unsigned appends;            /* under way */
    uint64_t append_progress_ms; /* when one began with none before it, or ended */
    uint64_t disk_free;
    bool is_disk_low;
    uint64_t step_down_ms;
};

/* --- small things --- */

static enum status status_of_raft(int error)
{
    switch (error) {
    case 0:
        return STATUS_OK;
    case RAFT_NOMEM:
        return STATUS_NO_MEMORY;
    case RAFT_NOTLEADER:
        return STATUS_NOT_LEADER;
    case RAFT_LEADERSHIPLOST:
    case RAFT_SHUTDOWN:
    case RAFT_CANCELED:
        return STATUS_UNKNOWN;
    case RAFT_NOSPACE:
    case RAFT_CANTCHANGE:
    case RAFT_BUSY:
        return STATUS_BUSY;
    case RAFT_DUPLICATEID:
    case RAFT_DUPLICATEADDRESS:
    case RAFT_CANTBOOTSTRAP:
        return STATUS_EXISTS;
    case RAFT_BADID:
    case RAFT_NOTFOUND:
        return STATUS_NOT_FOUND;
    case RAFT_BADROLE:
        return STATUS_CONFLICT;
    case RAFT_NOCONNECTION:
        return STATUS_TIMEOUT;
    case RAFT_CORRUPT:
    case RAFT_MALFORMED:
        return STATUS_MALFORMED;
    case RAFT_UNAUTHORIZED:
        return STATUS_DENIED;
    default:
        return STATUS_IO;
    }
}

_Noreturn static void fatal(struct replica *replica, const char *reason, const char *detail)
{
    replica->config.callbacks.on_fatal(replica->config.callbacks.argument, reason, detail);
    assertion_failed(reason, __FILE__, __LINE__);
}

static void wake(struct replica *replica);

static void proposals_init(struct proposals *proposals)
{
    *proposals = (struct proposals){.end = &proposals->first};
}

static void proposals_push(struct proposals *proposals, struct proposal *proposal)
{
    proposal->next = NULL;
    *proposals->end = proposal;
    proposals->end = &proposal->next;
    proposals->count++;
}

static struct proposal *proposals_pop(struct proposals *proposals)
{
    struct proposal *proposal = proposals->first;

    if (proposal) {
        proposals->first = proposal->next;
        proposals->count--;
        if (!proposals->first) {
            proposals->end = &proposals->first;
        }
    }
    return proposal;
}

static void proposals_finish(struct proposals *proposals, enum status status)
{
    struct proposals all = *proposals;

    proposals_init(proposals);
    for (struct proposal *proposal = all.first, *next; proposal; proposal = next) {
        next = proposal->next;
        proposal->done(proposal->argument, status);
        free(proposal);
    }
}

static void reads_init(struct reads *reads)
{
    *reads = (struct reads){.end = &reads->first};
}

static void reads_move(struct reads *from, struct reads *to)
{
    *to->end = from->first;
    if (from->first) {
        to->end = from->end;
    }
    reads_init(from);
}

static void reads_finish(struct reads *reads, enum status status)
{
    struct read_request *read = reads->first;

    reads_init(reads);
    for (struct read_request *next; read; read = next) {
        next = read->next;
        read->done(read->argument, status);
        free(read);
    }
}

/* A process that slept (SIGSTOP, a suspended machine) finds the events of before its sleep waiting
 * for it. What they tell is true of the log, but others may lead since: it must not act on them. */
static bool is_awake(const struct replica *replica)
{
    return time_boot_ms() - replica->turn_ms < replica->config.election_timeout_ms;
}

static bool leads_in(const struct replica *replica, uint64_t term)
{
    return replica->raft.state == RAFT_LEADER && raft_current_term(&replica->raft) == term;
}

bool replica_is_leader(const struct replica *replica)
{
    return replica->ready_term != 0 && leads_in(replica, replica->ready_term) &&
           raft_transferee(&replica->raft) == 0 && !replica->is_closing;
}

/* --- applying --- */

static bool entry_is_ours(const struct replica *replica, const struct entry_header *header)
{
    const struct round *round = &replica->round;

    return round->kind == ROUND_BATCH && header->raft_id == replica->config.raft_id &&
           header->incarnation == replica->incarnation && header->number == round->number &&
           leads_in(replica, round->term) && is_awake(replica);
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
    fatal(replica, "state-diverged", detail);
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
        fatal(replica, "entry-format", status_text(status));
    }
    position_check(replica, header.revision, &header.digest);
    if (entry_is_ours(replica, &header)) {
        ASSERT(header.count == replica->round.proposals.count);
        replica->round.was_applied_as_ours = true;
        own = replica->round.proposals.first;
    }
    for (uint32_t i = 0; i < header.count; i++) {
        machine->apply(machine->context, entry_read_command(&commands), own ? own->slot : NULL);
        own = own ? own->next : NULL;
    }
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
static int snapshot_write(struct replica *replica, const struct bytes *state,
                          struct raft_buffer *ret_buffer)
{
    const struct replica_machine *machine = &replica->config.machine;
    size_t size =
        (SNAPSHOT_HEADER_SIZE + state->size + ENTRY_ALIGNMENT - 1) & ~(size_t)(ENTRY_ALIGNMENT - 1);
    uint8_t *at = raft_malloc(size);
    struct digest digest;
    uint64_t revision;

    if (!at) {
        return RAFT_NOMEM;
    }
    *ret_buffer = (struct raft_buffer){at, size};
    machine->position(machine->context, &revision, &digest);
    memset(at + size - ENTRY_ALIGNMENT, 0, ENTRY_ALIGNMENT);
    at += number_write(at, SNAPSHOT_FORMAT, 4);
    at += number_write(at, revision, 8);
    memcpy(at, digest.bytes, SHA256_SIZE);
    at += SHA256_SIZE;
    at += number_write(at, state->size, 8);
    if (state->size > 0) {
        memcpy(at, state->data, state->size);
    }
    return 0;
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
    OWN(bytes) struct bytes state = {0};
    struct raft_buffer *buffer = raft_malloc(sizeof *buffer);
    enum status status = machine->snapshot(machine->context, &state);

    /* Whatever comes of it, the next one is due after as many bytes again. */
    raft_set_snapshot_threshold(&replica->raft, UINT_MAX);
    trailing_set(replica);
    replica->log_bytes = replica->log_entries = 0;
    if (status != STATUS_OK || !buffer || snapshot_write(replica, &state, buffer) != 0) {
        log_event(LOG_ERROR, "snapshot-failed", "status=\"%s\"", status_text(status));
        raft_free(buffer);
        return RAFT_NOMEM;
    }
    replica->snapshots_taken++;
    *ret_buffers = buffer;
    *ret_count = 1;
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
        fatal(replica, "snapshot", "of another format");
    }
    revision = reader_u64(&reader);
    reader_copy(&reader, digest.bytes, SHA256_SIZE);
    size = reader_u64(&reader);
    reader_require(&reader, size <= reader.left);
    state = reader_view(&reader, reader.bad ? 0 : (size_t)size);
    reader_require(&reader, reader.left < ENTRY_ALIGNMENT && view_is_zero(reader_rest(&reader)));
    if (!reader_done(&reader) || machine->restore(machine->context, state) != STATUS_OK) {
        fatal(replica, "snapshot", "malformed");
    }
    position_check(replica, revision, &digest);
    raft_free(buffer->base);
    replica->log_bytes = replica->log_entries = 0;
    replica->snapshots_restored++;
    return 0;
}

/* --- rounds --- */

static void round_done(struct replica *replica, int error)
{
    struct round *round = &replica->round;
    enum round_kind kind = round->kind;
    uint64_t term = round->term;
    bool was_ours = round->was_applied_as_ours;
    struct proposals proposals = round->proposals;
    struct reads reads;
    bool is_good = error == 0 && leads_in(replica, term) && is_awake(replica);

    if (!proposals.first) {
        proposals_init(&proposals);
    }
    reads_init(&reads);
    reads_move(&round->reads, &reads);
    proposals_init(&round->proposals);
    round->kind = ROUND_NONE;
    if (kind == ROUND_FIRST && is_good && replica->led_term == term && !replica->is_closing) {
        replica->ready_term = term;
        replica->config.callbacks.on_leadership(replica->config.callbacks.argument, true, term);
    }
    proposals_finish(&proposals, error == 0 && was_ours ? STATUS_OK : STATUS_UNKNOWN);
    reads_finish(&reads, is_good ? STATUS_OK : STATUS_NOT_LEADER);
    wake(replica);
}

static void on_applied(struct raft_apply *request, int error, void *result)
{
    (void)result;
    round_done(request->data, error);
}

static void on_barrier(struct raft_barrier *request, int error)
{
    round_done(request->data, error);
}

static void round_begin(struct replica *replica, enum round_kind kind)
{
    struct round *round = &replica->round;

    round->kind = kind;
    round->term = replica->led_term;
    round->number++;
    round->was_applied_as_ours = false;
    round->apply.data = round->barrier.data = replica;
    reads_move(&replica->waiting_reads, &round->reads);
}

/* Nothing was given to raft: undoes round_begin(). */
static void round_refused(struct replica *replica, int error)
{
    struct round *round = &replica->round;
    enum status status = status_of_raft(error);
    struct proposals proposals = round->proposals;
    struct reads reads;

    /* Only these are surely from before raft had taken anything. */
    if (error != RAFT_NOTLEADER && error != RAFT_NOSPACE) {
        fatal(replica, "log", raft_errmsg(&replica->raft));
    }
    if (!proposals.first) {
        proposals_init(&proposals);
    }
    reads_init(&reads);
    reads_move(&round->reads, &reads);
    proposals_init(&round->proposals);
    round->kind = ROUND_NONE;
    proposals_finish(&proposals, status);
    reads_finish(&reads, status);
}

static void barrier_start(struct replica *replica, enum round_kind kind)
{
    int error;

    round_begin(replica, kind);
    error = raft_barrier(&replica->raft, &replica->round.barrier, on_barrier);
    if (error != 0) {
        round_refused(replica, error);
    }
}

static void batch_start(struct replica *replica)
{
    const struct replica_machine *machine = &replica->config.machine;
    struct round *round = &replica->round;
    struct raft_buffer buffer;
    struct entry_header header = {.raft_id = replica->config.raft_id,
                                  .incarnation = replica->incarnation};
    size_t size = 0;
    uint8_t *at;
    int error;

    round_begin(replica, ROUND_BATCH);
    while (replica->waiting.first && round->proposals.count < ENTRY_COMMAND_MAX &&
           (round->proposals.count == 0 ||
            entry_size(round->proposals.count + 1, size + replica->waiting.first->size) <=
                BATCH_TARGET_SIZE)) {
        size += replica->waiting.first->size;
        proposals_push(&round->proposals, proposals_pop(&replica->waiting));
    }
    machine->position(machine->context, &header.revision, &header.digest);
    header.number = round->number;
    header.count = (uint32_t)round->proposals.count;
    buffer.len = entry_size(header.count, size);
    buffer.base = raft_malloc(buffer.len);
    if (!buffer.base) {
        fatal(replica, "log", "out of memory");
    }
    at = entry_write_header(buffer.base, &header);
    for (const struct proposal *each = round->proposals.first; each; each = each->next) {
        at = entry_write_command(at, (struct view){each->command, each->size});
    }
    entry_write_end(at, (uint8_t *)buffer.base + buffer.len);
    error = raft_apply(&replica->raft, &round->apply, &buffer, 1, on_applied);
    if (error == 0) {
        replica->entries_proposed++;
        replica->commands_proposed += header.count;
        return;
    }
    if (error == RAFT_NOTLEADER || error == RAFT_NOSPACE) {
        raft_free(buffer.base);
    }
    round_refused(replica, error);
}

static void round_start_next(struct replica *replica)
{
    if (replica->round.kind != ROUND_NONE || replica->led_term == 0 || replica->is_closing ||
        !leads_in(replica, replica->led_term)) {
        return;
    }
    if (replica->ready_term == 0) {
        barrier_start(replica, ROUND_FIRST);
    } else if (replica->is_disk_low && replica->waiting.first) {
        proposals_finish(&replica->waiting, STATUS_BUSY);
    } else if (replica->waiting.first) {
        batch_start(replica);
    } else if (replica->waiting_reads.first) {
        barrier_start(replica, ROUND_BARRIER);
    }
}

/* --- turns --- */

static void leadership_lost(struct replica *replica)
{
    uint64_t term = replica->led_term;
    bool was_ready = replica->ready_term != 0;

    replica->led_term = replica->ready_term = 0;
    if (was_ready) {
        replica->config.callbacks.on_leadership(replica->config.callbacks.argument, false, term);
    }
    proposals_finish(&replica->waiting, STATUS_NOT_LEADER);
    reads_finish(&replica->waiting_reads, STATUS_NOT_LEADER);
}

static void turn(struct replica *replica)
{
    if (replica->is_closing || !replica->is_started) {
        return;
    }
    if (replica->led_term != 0 && !leads_in(replica, replica->led_term)) {
        leadership_lost(replica);
    }
    if (replica->led_term == 0 && replica->raft.state == RAFT_LEADER) {
        replica->led_term = raft_current_term(&replica->raft);
    }
    round_start_next(replica);
}

static void on_prepare(uv_prepare_t *handle)
{
    struct replica *replica = handle->data;

    turn(replica);
    replica->turn_ms = time_boot_ms();
}

static void on_check(uv_check_t *handle)
{
    turn(handle->data);
}

static void on_wake(uv_idle_t *handle)
{
    /* It kept the loop from waiting; the work is done in on_prepare() and on_check(). */
    (void)uv_idle_stop(handle);
}

static void wake(struct replica *replica)
{
    if (!replica->is_closing) {
        (void)uv_idle_start(&replica->wake, on_wake);
    }
}

/* --- the disk --- */

struct append {
    struct raft_io_append request;
    struct replica *replica;
    struct raft_io_append *outer;
    raft_io_append_cb done;
};

static void on_appended(struct raft_io_append *request, int error)
{
    struct append *append = request->data;
    struct raft_io_append *outer = append->outer;
    raft_io_append_cb done = append->done;

    append->replica->appends--;
    append->replica->append_progress_ms = time_boot_ms();
    free(append);
    done(outer, error);
}

/* Between libraft and its files: libraft tries a failing write again and again without a word. */
static int append_watch(struct raft_io *io, struct raft_io_append *outer,
                        const struct raft_entry entries[], unsigned count, raft_io_append_cb done)
{
    struct raft *raft = io->data;
    struct replica *replica = raft->data;
    struct append *append = malloc(sizeof *append);
    int error;

    if (!append) {
        return RAFT_NOMEM;
    }
    *append = (struct append){.replica = replica, .outer = outer, .done = done};
    append->request.data = append;
    if (replica->appends++ == 0) {
        replica->append_progress_ms = time_boot_ms();
    }
    error = replica->io_append(io, &append->request, entries, count, on_appended);
    if (error != 0) {
        replica->appends--;
        free(append);
    }
    return error;
}

static void on_guard_transferred(struct raft_transfer *request)
{
    ((struct replica *)request->data)->transfer.is_active = false;
}

static void hand_over(struct replica *replica)
{
    uint64_t now_ms = time_boot_ms();

    if (!replica_is_leader(replica) || replica->transfer.is_active ||
        now_ms - replica->step_down_ms < STEP_DOWN_RETRY_MS) {
        return;
    }
    replica->step_down_ms = now_ms;
    replica->transfer = (struct transfer){.is_active = true};
    replica->transfer.request.data = replica;
    if (raft_transfer(&replica->raft, &replica->transfer.request, 0, on_guard_transferred) != 0) {
        replica->transfer.is_active = false;
    }
}

static void space_check(struct replica *replica)
{
    uint64_t enough = replica->config.disk_free_min;
    struct statvfs about;

    if (statvfs(replica->config.directory, &about) != 0) {
        fatal(replica, "disk", "cannot ask for free space");
    }
    replica->disk_free = (uint64_t)about.f_bavail * about.f_frsize;
    /* Half as much again ends it, or each file that is made would begin it anew. */
    if (!replica->is_disk_low && replica->disk_free < enough) {
        replica->is_disk_low = true;
        log_event(LOG_ERROR, "disk-low", "free=%llu minimum=%llu",
                  (unsigned long long)replica->disk_free, (unsigned long long)enough);
    } else if (replica->is_disk_low && replica->disk_free >= enough + enough / 2) {
        replica->is_disk_low = false;
        log_event(LOG_NOTICE, "disk-enough", "free=%llu", (unsigned long long)replica->disk_free);
    }
}

static void on_guard(uv_timer_t *timer)
{
    struct replica *replica = timer->data;

    if (replica->is_closing) {
        return;
    }
    space_check(replica);
    if (replica->is_disk_low) {
        hand_over(replica);
    } else if (replica->appends > 0 && is_awake(replica) &&
               time_boot_ms() - replica->append_progress_ms > replica->config.disk_timeout_ms) {
        fatal(replica, "disk", "a write to the log does not come to an end");
    }
    if (replica->raft.state == RAFT_UNAVAILABLE) {
        fatal(replica, "log", raft_errmsg(&replica->raft));
    }
}

/* --- asking --- */

static enum status leader_check(const struct replica *replica)
{
    if (replica->is_closing || !replica->is_started || replica->raft.state != RAFT_LEADER ||
        raft_transferee(&replica->raft) != 0) {
        return STATUS_NOT_LEADER;
    }
    return replica_is_leader(replica) ? STATUS_OK : STATUS_NOT_READY;
}

enum status replica_propose(struct replica *replica, struct view command, void *proposer_slot,
                            replica_done done, void *argument)
{
    struct proposal *proposal;

    ASSERT(command.size > 0);
    if (command.size > REPLICA_COMMAND_SIZE_MAX) {
        return STATUS_TOO_LARGE;
    }
    TRY(leader_check(replica));
    if (replica->is_disk_low || replica->waiting.count >= replica->config.queue_max) {
        return STATUS_BUSY;
    }
    proposal = malloc(sizeof *proposal + command.size);
    if (!proposal) {
        return STATUS_NO_MEMORY;
    }
    *proposal = (struct proposal){
        .slot = proposer_slot, .done = done, .argument = argument, .size = command.size};
    memcpy(proposal->command, command.data, command.size);
    proposals_push(&replica->waiting, proposal);
    wake(replica);
    return STATUS_OK;
}

enum status replica_read(struct replica *replica, replica_done done, void *argument)
{
    struct read_request *read;

    TRY(leader_check(replica));
    read = malloc(sizeof *read);
    if (!read) {
        return STATUS_NO_MEMORY;
    }
    *read = (struct read_request){.done = done, .argument = argument};
    *replica->waiting_reads.end = read;
    replica->waiting_reads.end = &read->next;
    wake(replica);
    return STATUS_OK;
}

static void on_changed(struct raft_change *request, int error)
{
    struct replica *replica = request->data;
    struct change change = replica->change;

    replica->change.is_active = false;
    if (error == 0 && change.removed_id != 0) {
        raft_transport_drop(replica->transport, change.removed_id);
    }
    change.done(change.argument, status_of_raft(error));
}

/* libraft's own checks abort the process where one change meets another: they are made here. */
static enum status change_begin(struct replica *replica, replica_done done, void *argument)
{
    TRY(leader_check(replica));
    if (replica->change.is_active) {
        return STATUS_BUSY;
    }
    replica->change = (struct change){.is_active = true, .done = done, .argument = argument};
    replica->change.request.data = replica;
    return STATUS_OK;
}

static enum status change_begun(struct replica *replica, int error)
{
    if (error != 0) {
        replica->change.is_active = false;
    }
    return status_of_raft(error);
}

enum status replica_add(struct replica *replica, uint64_t raft_id, const char *address,
                        replica_done done, void *argument)
{
    struct address parsed;

    if (address_parse(address, &parsed) != STATUS_OK || parsed.is_unix || parsed.port == 0 ||
        strlen(address) >= REPLICA_ADDRESS_SIZE) {
        return STATUS_MALFORMED;
    }
    if (replica->raft.configuration.n >= REPLICA_MEMBER_MAX) {
        return STATUS_TOO_LARGE;
    }
    TRY(change_begin(replica, done, argument));
    return change_begun(
        replica, raft_add(&replica->raft, &replica->change.request, raft_id, address, on_changed));
}

enum status replica_assign(struct replica *replica, uint64_t raft_id, enum replica_role role,
                           replica_done done, void *argument)
{
    TRY(change_begin(replica, done, argument));
    return change_begun(replica, raft_assign(&replica->raft, &replica->change.request, raft_id,
                                             (int)role, on_changed));
}

enum status replica_remove(struct replica *replica, uint64_t raft_id, replica_done done,
                           void *argument)
{
    if (raft_id == replica->config.raft_id) {
        return STATUS_DENIED;
    }
    TRY(change_begin(replica, done, argument));
    replica->change.removed_id = raft_id;
    return change_begun(replica,
                        raft_remove(&replica->raft, &replica->change.request, raft_id, on_changed));
}

static void on_transferred(struct raft_transfer *request)
{
    struct replica *replica = request->data;
    struct transfer transfer = replica->transfer;

    replica->transfer.is_active = false;
    transfer.done(transfer.argument,
                  replica->raft.state == RAFT_LEADER ? STATUS_TIMEOUT : STATUS_OK);
}

enum status replica_step_down(struct replica *replica, uint64_t raft_id, replica_done done,
                              void *argument)
{
    int error;

    if (replica->transfer.is_active) {
        return STATUS_BUSY;
    }
    TRY(leader_check(replica));
    replica->transfer = (struct transfer){.is_active = true, .done = done, .argument = argument};
    replica->transfer.request.data = replica;
    error = raft_transfer(&replica->raft, &replica->transfer.request, raft_id, on_transferred);
    if (error != 0) {
        replica->transfer.is_active = false;
    }
    return status_of_raft(error);
}

uint64_t replica_term(const struct replica *replica)
{
    return raft_current_term(&replica->raft);
}

uint64_t replica_leader(const struct replica *replica)
{
    const char *address;
    raft_id id = 0;

    if (replica->is_started && !replica->is_closing) {
        raft_leader((struct raft *)(uintptr_t)&replica->raft, &id, &address);
    }
    return id;
}

size_t replica_members(const struct replica *replica,
                       struct replica_member ret_members[REPLICA_MEMBER_MAX])
{
    const struct raft_configuration *configuration = &replica->raft.configuration;
    size_t count = 0;

    for (; count < configuration->n && count < REPLICA_MEMBER_MAX; count++) {
        const struct raft_server *server = &configuration->servers[count];

        ret_members[count].raft_id = server->id;
        ret_members[count].role = (enum replica_role)server->role;
        (void)snprintf(ret_members[count].address, sizeof ret_members[count].address, "%s",
                       server->address);
    }
    return count;
}

void replica_statistics(const struct replica *replica, struct replica_statistics *ret_statistics)
{
    struct raft *raft = (struct raft *)(uintptr_t)&replica->raft;

    *ret_statistics = (struct replica_statistics){
        .applied_index = raft_last_applied(raft),
        .last_index = raft_last_index(raft),
        .term = raft_current_term(raft),
        .entries_proposed = replica->entries_proposed,
        .commands_proposed = replica->commands_proposed,
        .snapshots_taken = replica->snapshots_taken,
        .snapshots_restored = replica->snapshots_restored,
        .disk_free = replica->disk_free,
        .is_disk_low = replica->is_disk_low,
    };
}

void replica_set_tls(struct replica *replica, struct tls_context *server_tls,
                     struct tls_context *client_tls)
{
    raft_transport_set_tls(replica->transport, server_tls, client_tls);
}

/* --- begin and end --- */

static void defaults_fill(struct replica_config *config)
{
#define FILL(field, value) config->field = config->field ? config->field : (value)
    FILL(election_timeout_ms, ELECTION_TIMEOUT_DEFAULT_MS);
    FILL(heartbeat_timeout_ms, HEARTBEAT_TIMEOUT_DEFAULT_MS);
    FILL(disk_timeout_ms, DISK_TIMEOUT_DEFAULT_MS);
    FILL(disk_free_min, DISK_FREE_DEFAULT);
    FILL(snapshot_bytes, SNAPSHOT_BYTES_DEFAULT);
    FILL(trailing_bytes, TRAILING_BYTES_DEFAULT);
    FILL(queue_max, QUEUE_MAX_DEFAULT);
#undef FILL
}

static void replica_free(struct replica *replica)
{
    raft_transport_free(replica->transport);
    free((char *)(uintptr_t)replica->config.directory);
    free((char *)(uintptr_t)replica->config.address);
    free(replica);
}

static enum status raft_set_up(struct replica *replica, char *ret_error)
{
    const struct replica_config *config = &replica->config;
    int error = raft_uv_init(&replica->io, config->loop, config->directory,
                             raft_transport_interface(replica->transport));

    if (error != 0) {
        (void)snprintf(ret_error, REPLICA_ERROR_SIZE, "%s: %s", config->directory,
                       raft_strerror(error));
        return status_of_raft(error);
    }
    raft_uv_set_connect_retry_delay(&replica->io, CONNECT_RETRY_MS);
    raft_uv_set_disk_retry(&replica->io, DISK_RETRY_MS);
    /* Or a corrupt last segment is dropped silently, and this member votes with a shorter log. */
    raft_uv_set_auto_recovery(&replica->io, false);
    replica->io_append = replica->io.append;
    replica->io.append = append_watch;
    replica->fsm = (struct raft_fsm){.version = 1,
                                     .data = replica,
                                     .apply = fsm_apply,
                                     .snapshot = fsm_snapshot,
                                     .restore = fsm_restore};
    replica->raft.data = replica;
    error =
        raft_init(&replica->raft, &replica->io, &replica->fsm, config->raft_id, config->address);
    if (error != 0) {
        (void)snprintf(ret_error, REPLICA_ERROR_SIZE, "%s: %s", config->directory,
                       raft_errmsg(&replica->raft));
        raft_uv_close(&replica->io);
        return status_of_raft(error);
    }
    replica->raft.data = replica;
    raft_set_election_timeout(&replica->raft, config->election_timeout_ms);
    raft_set_heartbeat_timeout(&replica->raft, config->heartbeat_timeout_ms);
    raft_set_pre_vote(&replica->raft, true);
    raft_set_snapshot_threshold(&replica->raft, UINT_MAX);
    raft_set_snapshot_trailing(&replica->raft, TRAILING_ENTRIES_MAX);
    return STATUS_OK;
}

static void handles_init(struct replica *replica)
{
    uv_loop_t *loop = replica->config.loop;

    (void)uv_prepare_init(loop, &replica->prepare);
    (void)uv_check_init(loop, &replica->check);
    (void)uv_idle_init(loop, &replica->wake);
    (void)uv_timer_init(loop, &replica->guard);
    replica->prepare.data = replica->check.data = replica->wake.data = replica->guard.data =
        replica;
    replica->handles_open = HANDLE_COUNT;
}

enum status replica_open(const struct replica_config *config, struct replica **ret_replica,
                         char *ret_error)
{
    struct raft_transport_config transport = {
        .loop = config->loop,
        .listen_address = config->listen_address,
        .server_tls = config->server_tls,
        .client_tls = config->client_tls,
        .identify = config->identify,
        .identify_argument = config->identify_argument,
    };
    struct replica *replica = calloc(1, sizeof *replica);
    enum status status;

    ASSERT(config->raft_id != 0 && config->machine.apply && config->callbacks.on_fatal &&
           config->callbacks.on_leadership);
    if (!replica || raft_transport_new(&transport, &replica->transport) != STATUS_OK) {
        (void)snprintf(ret_error, REPLICA_ERROR_SIZE, "out of memory");
        free(replica);
        return STATUS_NO_MEMORY;
    }
    replica->config = *config;
    defaults_fill(&replica->config);
    replica->config.directory = strdup(config->directory);
    replica->config.address = strdup(config->address);
    ASSERT(replica->config.directory && replica->config.address);
    entropy_fill(&replica->incarnation, sizeof replica->incarnation);
    proposals_init(&replica->waiting);
    proposals_init(&replica->round.proposals);
    reads_init(&replica->waiting_reads);
    reads_init(&replica->round.reads);
    replica->turn_ms = time_boot_ms();
    status = raft_set_up(replica, ret_error);
    if (status != STATUS_OK) {
        replica_free(replica);
        return status;
    }
    handles_init(replica);
    *ret_replica = replica;
    return STATUS_OK;
}

enum status replica_bootstrap(struct replica *replica, char *ret_error)
{
    struct raft_configuration configuration;
    int error;

    raft_configuration_init(&configuration);
    error = raft_configuration_add(&configuration, replica->config.raft_id, replica->config.address,
                                   RAFT_VOTER);
    if (error == 0) {
        error = raft_bootstrap(&replica->raft, &configuration);
    }
    raft_configuration_close(&configuration);
    if (error != 0) {
        (void)snprintf(ret_error, REPLICA_ERROR_SIZE, "%s: %s", replica->config.directory,
                       raft_strerror(error));
    }
    return status_of_raft(error);
}

enum status replica_start(struct replica *replica, char *ret_error)
{
    int error = raft_start(&replica->raft);
    const char *text;

    if (error != 0) {
        enum status status = raft_transport_error(replica->transport, &text);

        if (status != STATUS_OK) {
            (void)snprintf(ret_error, REPLICA_ERROR_SIZE, "%s", text);
            return status;
        }
        (void)snprintf(ret_error, REPLICA_ERROR_SIZE, "%s: %s", replica->config.directory,
                       raft_errmsg(&replica->raft));
        return status_of_raft(error);
    }
    replica->is_started = true;
    replica->turn_ms = time_boot_ms();
    /* After raft's own, so that what they complete is seen in the same turn. */
    (void)uv_prepare_start(&replica->prepare, on_prepare);
    (void)uv_check_start(&replica->check, on_check);
    (void)uv_timer_start(&replica->guard, on_guard, 0, DISK_CHECK_INTERVAL_MS);
    return STATUS_OK;
}

static void maybe_closed(struct replica *replica)
{
    void (*on_closed)(void *argument) = replica->on_closed;
    void *argument = replica->on_closed_argument;

    if (replica->handles_open > 0 || !replica->raft_is_closed) {
        return;
    }
    raft_uv_close(&replica->io);
    replica_free(replica);
    if (on_closed) {
        on_closed(argument);
    }
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct replica *replica = handle->data;

    replica->handles_open--;
    maybe_closed(replica);
}

static void on_raft_closed(struct raft *raft)
{
    struct replica *replica = raft->data;

    replica->raft_is_closed = true;
    maybe_closed(replica);
}

void replica_close(struct replica *replica, void (*on_closed)(void *argument), void *argument)
{
    ASSERT(!replica->is_closing);
    replica->is_closing = true;
    replica->on_closed = on_closed;
    replica->on_closed_argument = argument;
    uv_close((uv_handle_t *)&replica->prepare, on_handle_closed);
    uv_close((uv_handle_t *)&replica->check, on_handle_closed);
    uv_close((uv_handle_t *)&replica->wake, on_handle_closed);
    uv_close((uv_handle_t *)&replica->guard, on_handle_closed);
    raft_close(&replica->raft, on_raft_closed);
    proposals_finish(&replica->waiting, STATUS_CLOSED);
    reads_finish(&replica->waiting_reads, STATUS_CLOSED);
}
