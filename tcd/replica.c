#include "tcd/replica_internal.h"

#include "lib/crypto/entropy.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ELECTION_TIMEOUT_DEFAULT_MS = 250,
    HEARTBEAT_TIMEOUT_DEFAULT_MS = 50,
    DISK_TIMEOUT_DEFAULT_MS = 10000,
    DISK_FREE_DEFAULT = 64 * 1024 * 1024,
    DISK_RETRY_MS = 250,
    SNAPSHOT_BYTES_DEFAULT = 32 * 1024 * 1024,
    TRAILING_BYTES_DEFAULT = 8 * 1024 * 1024,
    QUEUE_MAX_DEFAULT = 65536,
    CONNECT_RETRY_MS = 100,
    BATCH_TARGET_SIZE = 1024 * 1024,
    HANDLE_COUNT = 4,
};

/* --- small things --- */

enum status status_of_raft(int error)
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
    default: /* a number of libraft */
        return STATUS_IO;
    }
}

_Noreturn void replica_fatal(struct replica *replica, const char *reason, const char *detail)
{
    replica->config.callbacks.on_fatal(replica->config.callbacks.argument, reason, detail);
    assertion_failed(reason, __FILE__, __LINE__);
}

static void wake(struct replica *replica);

bool replica_is_awake(const struct replica *replica)
{
    return !replica->has_slept &&
           time_boot_ms() - replica->turn_ms < replica->config.election_timeout_ms;
}

bool replica_leads_in(const struct replica *replica, uint64_t term)
{
    return replica->raft.state == RAFT_LEADER && raft_current_term(&replica->raft) == term;
}

bool replica_is_leader(const struct replica *replica)
{
    return replica->ready_term != 0 && replica_leads_in(replica, replica->ready_term) &&
           raft_transferee(&replica->raft) == 0 && !replica->is_closing;
}

/* --- rounds --- */

/* Takes out who waits for the round, which makes room for the next. */
static void round_end(struct round *round, struct proposals *ret_proposals, struct reads *ret_reads)
{
    proposals_init(ret_proposals);
    proposals_move(&round->proposals, ret_proposals);
    reads_init(ret_reads);
    reads_move(&round->reads, ret_reads);
    round->kind = ROUND_NONE;
}

static void round_done(struct replica *replica, int error)
{
    struct round *round = &replica->round;
    enum round_kind kind = round->kind;
    uint64_t term = round->term;
    bool was_ours = round->was_applied_as_ours;
    bool is_good = error == 0 && replica_leads_in(replica, term) && replica_is_awake(replica);
    struct proposals proposals;
    struct reads reads;

    round_end(round, &proposals, &reads);
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
    struct proposals proposals;
    struct reads reads;

    /* Only these are surely from before raft had taken anything. */
    if (error != RAFT_NOTLEADER && error != RAFT_NOSPACE) {
        replica_fatal(replica, "log", raft_errmsg(&replica->raft));
    }
    round_end(round, &proposals, &reads);
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
        replica_fatal(replica, "log", "out of memory");
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
        !replica_leads_in(replica, replica->led_term)) {
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
    if (replica->led_term != 0 && !replica_leads_in(replica, replica->led_term)) {
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

    uint64_t now_ms = time_boot_ms();

    turn(replica);
    /* Asleep between two waits instead of in one: for one turn more, until raft's timers have run
     * and it has noticed that nobody answered it. */
    replica->has_slept = now_ms - replica->turn_ms >= replica->config.election_timeout_ms;
    replica->turn_ms = now_ms;
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

/* --- asking --- */

enum status replica_check_leader(const struct replica *replica)
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
    TRY(replica_check_leader(replica));
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

    TRY(replica_check_leader(replica));
    read = malloc(sizeof *read);
    if (!read) {
        return STATUS_NO_MEMORY;
    }
    *read = (struct read_request){.done = done, .argument = argument};
    reads_push(&replica->waiting_reads, read);
    wake(replica);
    return STATUS_OK;
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
    replica_watch_disk(replica);
    replica->fsm = replica_fsm(replica);
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

static void on_guard(uv_timer_t *timer)
{
    struct replica *replica = timer->data;

    if (!replica->is_closing) {
        replica_check_disk(replica);
    }
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
    ASSERT(!replica->is_closing && !replica->is_applying);
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
