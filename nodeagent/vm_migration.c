/* One VM's part in a live migration: the coordinator's ticket, the other agent, the transfer, what
 * is reported and what was decided (docs/PROTOCOL.md, section 5). */
#include "lib/base/log.h"
#include "lib/base/protobuf.h"
#include "lib/base/text.h"
#include "lib/net/timer.h"
#include "lib/protocol/migration_report.h"
#include "lib/protocol/migration_session.h"
#include "nodeagent/migration.h"
#include "nodeagent/migration_link.h"
#include "nodeagent/vms_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { READY_SIZE_MAX = 512 }; /* bytes of a MigrationReady */

/* From the ticket on; kept until the next one, so that a repeated ticket is answered as the first
 * was. */
struct vm_move {
    struct migration_ticket ticket;
    enum migration_side side;
    struct scope scope;
    uint64_t until_ms;           /* when the ticket's lifetime is over, unless it comes again */
    struct migration_link *link; /* to the other agent */
    struct migration *migration; /* QEMU to QEMU */
    struct digest session;       /* zeroes: there is none yet */
    bool is_complete;            /* this side is frozen, with all of the state */
    bool is_over;                /* nothing more is done for it */
    char failure[MIGRATION_REASON_SIZE]; /* why nothing comes of it; "" */
};

static void log_move(const struct vm_entry *entry, enum log_level level, const char *event,
                     const char *detail)
{
    log_event(level, event, "vm=%s migration=%" PRIu64 " side=%s detail=\"%s\"",
              hex_short(digest_view(&entry->record.vm)).text, entry->move->ticket.migration,
              entry->move->side == SIDE_SOURCE ? "source" : "destination", detail);
}

/* --- what the coordinator is told --- */

static enum status make_report(const struct vm_entry *entry,
                               const struct registrant_identity *identity, struct bytes *ret_report)
{
    const struct vm_move *move = entry->move;
    struct signer signer = signer_of_key(identity->tk_sign);
    const struct migration_report report = {
        .side = move->side,
        .migration = move->ticket.migration,
        .vm = entry->record.vm,
        .generation = move->ticket.generation,
        .session = move->session,
        .configuration = machine_configuration(&entry->manifest, &identity->scope.perimeter_id),
    };

    return migration_report_make(&report, &identity->scope, &signer, ret_report);
}

/* That this side is complete, or that nothing comes of it: again with every ticket. */
static void move_tell(struct vm_entry *entry)
{
    struct vms *vms = entry->vms;
    const struct vm_move *move = entry->move;
    struct registrant_identity identity;
    OWN(bytes) struct bytes report = {0};

    if (move->failure[0]) {
        vms_report(vms, &entry->record.vm, move->ticket.generation, RECORD_NOT_MOVED,
                   move->failure);
    } else if (move->is_complete &&
               vms->config.callbacks.identity(vms->config.argument, &identity) == STATUS_OK &&
               make_report(entry, &identity, &report) == STATUS_OK) {
        vms_send(vms, TCCP__NODE_MESSAGE_KIND__MIGRATION_REPORT, bytes_view(&report));
    }
}

/* --- its end --- */

static void move_close(struct vm_move *move)
{
    migration_free(TAKE(move->migration));
    migration_link_close(TAKE(move->link));
}

static void move_end(struct vm_entry *entry)
{
    move_close(entry->move);
    entry->move->is_over = true;
}

void entry_move_free(struct vm_entry *entry)
{
    if (entry->move) {
        move_close(entry->move);
        free(TAKE(entry->move));
    }
}

void entry_move_drop(struct vm_entry *entry)
{
    struct vm_move *move = entry->move;

    if (!move) {
        return;
    }
    move_close(move);
    /* A state that is complete lives on at the destination, whatever becomes of the source; and
     * nowhere else. */
    move->is_complete &= move->side == SIDE_SOURCE;
    if (!move->is_over && !move->is_complete && !move->failure[0]) {
        (void)snprintf(move->failure, sizeof move->failure, "%s", entry->record.detail);
        move_tell(entry);
    }
}

/* The source has the VM still, or the coordinator decides that nobody has. */
static void move_fail(struct vm_entry *entry, const char *reason)
{
    struct vm_move *move = entry->move;

    if (move->failure[0]) {
        return;
    }
    (void)snprintf(move->failure, sizeof move->failure, "%s", reason[0] ? reason : "it failed");
    log_move(entry, LOG_WARNING, "migration-failed", move->failure);
    move_end(entry);
    if (move->side == SIDE_DESTINATION) {
        entry_end(entry, RECORD_NOT_MOVED, "%s", move->failure);
    } else {
        move_tell(entry);
    }
}

void entry_move_stop(struct vm_entry *entry, const char *reason)
{
    struct vm_move *move = entry->move;

    if (move && move->migration) {
        migration_stop(move->migration, reason);
    } else if (move) {
        move_end(entry);
    }
}

void entry_move_event(struct vm_entry *entry, const char *name, const struct qmp_value *data)
{
    if (entry->move && entry->move->migration) {
        migration_on_event(entry->move->migration, name, data);
    }
}

void entry_move_gone(struct vm_entry *entry)
{
    if (entry->move && entry->move->migration) {
        migration_on_gone(entry->move->migration);
    }
}

/* --- the transfer --- */

static void move_completed(struct vm_entry *entry)
{
    entry->move->is_complete = true;
    log_move(entry, LOG_NOTICE, "migration-complete", "frozen, until the coordinator decides");
    move_tell(entry);
}

static void source_finished(struct vm_entry *entry, const struct migration_result *result)
{
    switch (result->outcome) {
    case MIGRATION_RUNS_ON:
        (void)record_move(&entry->record, RECORD_KEPT);
        move_fail(entry, result->reason);
        break;
    case MIGRATION_FROZEN:
        entry->needs_keys = true;
        (void)record_move(&entry->record, RECORD_FROZEN);
        if (result->is_complete) {
            move_completed(entry);
        } else {
            move_fail(entry, result->reason);
        }
        break;
    case MIGRATION_LOADED:
    case MIGRATION_LOST:
        /* That QEMU has ended is told by itself. */
        move_fail(entry, result->reason);
        return;
    }
    entry_try_again(entry);
}

static void destination_finished(struct vm_entry *entry, const struct migration_result *result)
{
    if (result->outcome == MIGRATION_LOADED && record_move(&entry->record, RECORD_COMPLETED)) {
        move_completed(entry);
    } else {
        move_fail(entry, result->reason);
    }
}

static void on_finished(void *argument, const struct migration_result *result)
{
    struct vm_entry *entry = argument;
    char reason[MIGRATION_REASON_SIZE];
    struct migration_result kept = *result;

    /* It belongs to the migration. */
    (void)snprintf(reason, sizeof reason, "%s", result->reason);
    kept.reason = reason;
    migration_free(TAKE(entry->move->migration));
    if (entry->move->side == SIDE_SOURCE) {
        source_finished(entry, &kept);
    } else {
        destination_finished(entry, &kept);
    }
}

static enum status transfer_start(struct vm_entry *entry, int channel_fd, struct view secret)
{
    struct vm_move *move = entry->move;
    const uint64_t now_ms = time_boot_ms();
    OWN(secret) struct secret key = {0};
    struct migration_request request = {
        .role = move->side == SIDE_SOURCE ? MIGRATION_SOURCE : MIGRATION_DESTINATION,
        .vm = entry->vm,
        .launcher = entry->vms->launcher,
        .vm_id = entry->record.vm,
        .socket_fd = channel_fd,
        .secrets_fd = entry->secrets_fd,
        .lifetime_ms = move->until_ms > now_ms ? move->until_ms - now_ms : 0,
    };

    TRY(migration_channel_key(&move->scope, secret, CHANNEL_MEMORY, DIRECTION_TO_DESTINATION,
                              &key));
    request.key = secret_view(&key);
    return migration_start(entry->vms->config.loop, &request, on_finished, entry, &move->migration);
}

/* --- the other agent --- */

static void on_link_ready(void *argument, int channel_fd, struct view secret,
                          const struct digest *session)
{
    struct vm_entry *entry = argument;
    struct vm_move *move = entry->move;
    enum status status = STATUS_CONFLICT;

    move->session = *session;
    if (move->side == SIDE_DESTINATION ? entry->record.state == RECORD_INCOMING
                                       : record_move(&entry->record, RECORD_LEAVES)) {
        status = transfer_start(entry, channel_fd, secret);
        if (status != STATUS_OK && move->side == SIDE_SOURCE) {
            (void)record_move(&entry->record, RECORD_KEPT);
        }
    }
    (void)close(channel_fd);
    if (status != STATUS_OK) {
        move_fail(entry, status_text(status));
        return;
    }
    log_move(entry, LOG_NOTICE, "migration-begins", "");
}

static void on_link_failed(void *argument, const char *reason)
{
    struct vm_entry *entry = argument;
    struct vm_move *move = entry->move;

    migration_link_close(TAKE(move->link));
    log_move(entry, LOG_NOTICE, "migration-link-lost", reason);
    if (move->migration) {
        migration_stop(move->migration, reason);
    } else if (move->side == SIDE_SOURCE && !move->is_complete && !move->is_over) {
        move_fail(entry, reason);
    }
    /* A destination expects the source again when the ticket comes again. */
}

static struct migration_link_config link_config(struct vm_entry *entry,
                                                const struct registrant_identity *identity)
{
    return (struct migration_link_config){
        .loop = entry->vms->config.loop,
        .ticket = &entry->move->ticket,
        .received_ms = entry->move->until_ms - entry->move->ticket.lifetime_ms,
        .scope = identity->scope,
        .tc_sign = identity->tc_sign,
        .certificate = identity->certificate,
        .tk_sign = identity->tk_sign,
        .callbacks = {on_link_ready, on_link_failed},
        .argument = entry,
    };
}

static void send_ready(struct vm_entry *entry)
{
    Tccp__MigrationReady message = TCCP__MIGRATION_READY__INIT;
    OWN(bytes) struct bytes bytes = {0};

    message.migration = entry->move->ticket.migration;
    message.address = protobuf_string(entry->vms->config.migration_address);
    if (protobuf_pack(&message.base, READY_SIZE_MAX, &bytes) == STATUS_OK) {
        vms_send(entry->vms, TCCP__NODE_MESSAGE_KIND__MIGRATION_READY, bytes_view(&bytes));
    }
}

/* The destination's QEMU waits: the source may come. Again with every ticket, as long as it has
 * not. */
static void move_expect(struct vm_entry *entry, const struct registrant_identity *identity)
{
    struct vm_move *move = entry->move;
    struct migration_link_config config = link_config(entry, identity);
    enum status status = STATUS_OK;

    if (entry->record.state != RECORD_INCOMING || move->migration || move->is_over) {
        return;
    }
    if (!entry->vms->port) {
        move_fail(entry, "this node takes no migrations: it has no migration-address");
        return;
    }
    if (!move->link) {
        status = migration_link_expect(entry->vms->port, &config, &move->link);
    }
    if (status != STATUS_OK) {
        move_fail(entry, status_text(status));
    } else {
        send_ready(entry);
    }
}

void entry_expected(struct vm_entry *entry)
{
    struct registrant_identity identity;

    if (record_move(&entry->record, RECORD_EXPECTED) && entry->move &&
        entry->vms->config.callbacks.identity(entry->vms->config.argument, &identity) ==
            STATUS_OK) {
        move_expect(entry, &identity);
    }
}

/* --- tickets --- */

/* Its ticket was taken before. */
static bool has_move(const struct vm_entry *entry, uint64_t migration)
{
    return entry->move && entry->move->ticket.migration == migration;
}

/* A VM that a migration is to bring has an order that says so, and nothing else of it yet. */
static enum migration_side side_of(const struct vm_entry *entry, uint64_t migration)
{
    if (has_move(entry, migration)) {
        return entry->move->side;
    }
    return entry->migration != 0 && !entry->record.is_whole ? SIDE_DESTINATION : SIDE_SOURCE;
}

static enum status check_ticket(const struct vm_entry *entry, struct view payload,
                                uint64_t migration, const struct registrant_identity *identity,
                                const struct public_key *tc_sign,
                                struct migration_ticket *ret_ticket, struct refusal *ret_refusal)
{
    uint8_t point[P256_POINT_SIZE];
    OWN(public_key) struct public_key *tk_sign = NULL;
    struct migration_expectation expectation = {
        .scope = identity->scope,
        .tc_sign = tc_sign,
        .side = side_of(entry, migration),
        .node = identity->ek_name,
        .registration = identity->registration_id,
        .tk_kem = VIEW_OF_ARRAY(point),
        .vm = entry->record.vm,
        .generation = entry->record.generation,
        .migration = side_of(entry, migration) == SIDE_DESTINATION ? entry->migration : 0,
    };

    /* Its own generation may be what this node saw last. */
    if (has_move(entry, migration)) {
        expectation.generation =
            entry->move->ticket.generation - (expectation.side == SIDE_SOURCE ? 1 : 0);
    }
    TRY(private_key_public(identity->tk_sign, &tk_sign));
    expectation.tk_sign = public_key_spki(tk_sign);
    private_key_point(identity->tk_kem, point);
    return migration_ticket_check(payload, &expectation, ret_ticket, ret_refusal);
}

static void take_again(struct vm_entry *entry, const struct migration_ticket *ticket,
                       const struct registrant_identity *identity)
{
    struct vm_move *move = entry->move;

    if (!digest_equal(&move->ticket.digest, &ticket->digest)) {
        return;
    }
    move->until_ms = time_boot_ms() + ticket->lifetime_ms;
    if (move->migration) {
        migration_extend(move->migration, ticket->lifetime_ms);
    } else if (move->side == SIDE_DESTINATION && !move->is_complete) {
        move_expect(entry, identity);
    }
    move_tell(entry);
}

static void take_first(struct vm_entry *entry, const struct migration_ticket *ticket,
                       const struct registrant_identity *identity)
{
    const enum migration_side side = side_of(entry, ticket->migration);
    struct vm_move *move;

    /* It comes again: QEMU's monitor may not be open yet. */
    if (side == SIDE_SOURCE && (entry->record.state != RECORD_RUNNING || !entry->monitor_ready)) {
        return;
    }
    entry_move_free(entry);
    move = calloc(1, sizeof *move);
    ASSERT(move);
    entry->move = move;
    move->ticket = *ticket;
    move->side = side;
    move->scope = identity->scope;
    move->until_ms = time_boot_ms() + ticket->lifetime_ms;
    entry->record.generation = ticket->generation;
    log_move(entry, LOG_NOTICE, "migration-ticket", "");
    if (side == SIDE_DESTINATION) {
        move_expect(entry, identity);
    } else if (entry->overlay_mode == OVERLAY_PRIVATE) {
        move_fail(entry, "its disk is not in a folder that other nodes share (shared-directory)");
    }
}

void vms_take_ticket(struct vms *vms, struct view payload,
                     const struct registrant_identity *identity, const struct public_key *tc_sign)
{
    struct migration_ticket ticket;
    struct refusal refusal = {0};
    struct vm_entry *entry;
    struct digest vm = {{0}};
    uint64_t migration;
    enum status status = migration_ticket_peek(payload, &migration, &vm, &refusal);

    if (status == STATUS_OK) {
        entry = table_find(&vms->table, &vm);
        if (!entry || entry->record.state == RECORD_ENDING) {
            return;
        }
        if (entry->record.state == RECORD_OVER && !has_move(entry, migration)) {
            return;
        }
        status = check_ticket(entry, payload, migration, identity, tc_sign, &ticket, &refusal);
    }
    if (status != STATUS_OK) {
        vms_log_refusal("ticket-refused", &vm, status, &refusal);
    } else if (has_move(entry, ticket.migration)) {
        take_again(entry, &ticket, identity);
    } else if (!entry->move || entry->move->is_over || !entry->move->migration) {
        take_first(entry, &ticket, identity);
    }
}

/* --- where the destination waits --- */

static struct vm_entry *find_move(struct vms *vms, uint64_t migration)
{
    struct vm_entry *entry;
    size_t cursor = 0;

    while ((entry = table_next(&vms->table, &cursor))) {
        if (has_move(entry, migration)) {
            return entry;
        }
    }
    return NULL;
}

void vms_take_ready(struct vms *vms, struct view payload,
                    const struct registrant_identity *identity)
{
    Tccp__MigrationReady *ready = (Tccp__MigrationReady *)protobuf_unpack(
        &tccp__migration_ready__descriptor, payload, READY_SIZE_MAX);
    struct vm_entry *entry = ready ? find_move(vms, ready->migration) : NULL;
    struct migration_link_config config;
    enum status status;

    if (entry && entry->move->side == SIDE_SOURCE && !entry->move->is_over && !entry->move->link &&
        !entry->move->is_complete && entry->record.state == RECORD_RUNNING) {
        config = link_config(entry, identity);
        status = migration_link_dial(&config, ready->address, &entry->move->link);
        if (status != STATUS_OK) {
            move_fail(entry, "the destination's address cannot be used");
        }
    }
    if (ready) {
        tccp__migration_ready__free_unpacked(ready, NULL);
    }
}

/* --- what was decided --- */

static void take_done(struct vm_entry *entry)
{
    move_end(entry);
    if (entry->move->side == SIDE_DESTINATION && record_move(&entry->record, RECORD_DECIDED)) {
        log_move(entry, LOG_NOTICE, "migration-done", "the VM is this node's");
        entry_try_again(entry);
    }
    /* The source's copy stays frozen until it is to be destroyed: rule (c). */
}

static void take_aborted(struct vm_entry *entry)
{
    struct vm_move *move = entry->move;

    if (move->side == SIDE_SOURCE) {
        if (!move->is_over) {
            entry_move_stop(entry, "the coordinator aborted it");
        }
        return;
    }
    move_end(entry);
    /* A copy that is complete may be the last one: it is destroyed when that is asked for. */
    if (!move->is_complete) {
        entry_end(entry, RECORD_NO_OUTCOME, "the migration was aborted");
    }
}

/* Nothing of the migration is known here: the decision still says who is expected to run it. */
static void take_unknown(struct vms *vms, const struct vm_entry *entry, struct view payload,
                         const struct migration_decision *said,
                         const struct registrant_identity *identity,
                         const struct public_key *tc_sign)
{
    const uint64_t own = identity->registration_id;
    const struct migration_decision_expectation expectation = {
        .scope = identity->scope,
        .tc_sign = tc_sign,
        .migration = said->migration,
        .vm = said->vm,
        .generation = said->generation - 1,
        .registrations = {own, own},
        .session = said->session,
    };
    struct migration_decision decision;

    if ((!entry || entry->record.state == RECORD_OVER) && vms->is_listed &&
        migration_decision_check(payload, &expectation, &decision, NULL) == STATUS_OK) {
        vms_report(vms, &decision.vm, decision.generation, RECORD_FAILED,
                   entry ? entry->record.detail : "it is not on this node");
    }
}

void vms_take_decision(struct vms *vms, struct view payload,
                       const struct registrant_identity *identity, const struct public_key *tc_sign)
{
    struct migration_decision decision;
    struct refusal refusal = {0};
    struct vm_entry *entry = NULL;
    enum status status = migration_decision_peek(payload, &decision, &refusal);

    if (status == STATUS_OK) {
        entry = table_find(&vms->table, &decision.vm);
        if (!entry || !has_move(entry, decision.migration) || entry->record.state == RECORD_OVER) {
            take_unknown(vms, entry, payload, &decision, identity, tc_sign);
            return;
        }
        status = migration_decision_check(
            payload,
            &(struct migration_decision_expectation){
                .scope = identity->scope,
                .tc_sign = tc_sign,
                .migration = entry->move->ticket.migration,
                .vm = entry->record.vm,
                .generation = entry->move->ticket.generation,
                .registrations = {entry->move->ticket.parties[SIDE_SOURCE].registration,
                                  entry->move->ticket.parties[SIDE_DESTINATION].registration},
                .session = entry->move->session,
            },
            &decision, &refusal);
    }
    if (status != STATUS_OK) {
        vms_log_refusal("decision-refused", entry ? &entry->record.vm : &decision.vm, status,
                        &refusal);
        return;
    }
    if (decision.generation < entry->record.generation || entry->record.state == RECORD_ENDING) {
        return;
    }
    entry->record.generation = decision.generation;
    if (decision.verdict == MIGRATION_IS_DONE) {
        take_done(entry);
    } else {
        take_aborted(entry);
    }
}
