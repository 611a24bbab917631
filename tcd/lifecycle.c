#include "tcd/lifecycle.h"

#include "lib/base/log.h"
#include "lib/base/protobuf.h"
#include "lib/daemon/daemon.h"
#include "lib/daemon/file.h"
#include "lib/net/timer.h"
#include "tcd/api_server.h"
#include "tcd/chores.h"
#include "tcd/evidence_tap.h"
#include "tcd/joining.h"
#include "tcd/leases.h"
#include "tcd/member_state.h"
#include "tcd/membership.h"
#include "tcd/node_server.h"
#include "tcd/proposals.h"
#include "tcd/refusals.h"
#include "tcd/staged_verdicts.h"
#include "tcd/vm_orders.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { TICK_MS = 200, PATH_SIZE = 512 };

const char *tcd_phase_name(enum tcd_phase phase)
{
    static const char *const names[] = {
        [PHASE_EMPTY] = "empty",
        [PHASE_AWAITING_ENDORSEMENT] = "awaiting-endorsement",
        [PHASE_RUNNING] = "running",
        [PHASE_STOPPING] = "stopping",
    };
    return names[phase];
}

const char *tcd_leader_address(const struct tcd *tcd)
{
    const struct registry *registry = tcd_registry(tcd);
    uint64_t leader = tcd->replica ? replica_leader(tcd->replica) : 0;
    const struct member *member = leader ? registry_member(registry, leader) : NULL;
    const struct member_entry *entry =
        member ? registry_member_entry(registry, member->name.text) : NULL;

    return entry ? entry->address : "";
}

uint32_t lifecycle_seal_mask(const struct tcd *tcd)
{
    uint32_t policy = pcr_policy_mask(&tcd->founding->bundle->manifest->member_policy->pcrs);

    return (policy & ~(1u << PCR_IMA)) | 1u << AUTHORITY_CAP_PCR;
}

/* --- founding documents --- */

static enum status read_founding(struct tcd *tcd, struct refusal *ret_refusal)
{
    OWN(bytes) struct bytes bytes = {0};
    Tccp__PerimeterBundle *message;
    enum status status = file_read(tcd->config.bundle_path, BUNDLE_SIZE_MAX, &bytes);

    if (status != STATUS_OK) {
        return refuse(ret_refusal, REFUSAL_NOT_FOUND, "bundle %s: %s", tcd->config.bundle_path,
                      status_text(status));
    }
    TRY(in_force_of_bundle(bytes_view(&bytes), &tcd->config.perimeter_id, time_wall_s(),
                           &tcd->founding, ret_refusal));
    message = (Tccp__PerimeterBundle *)protobuf_unpack(&tccp__perimeter_bundle__descriptor,
                                                       bytes_view(&bytes), BUNDLE_SIZE_MAX);
    if (!message) {
        return STATUS_NO_MEMORY;
    }
    status = bytes_copy(protobuf_view(message->root), &tcd->founding_root);
    if (status == STATUS_OK) {
        status = protobuf_pack(&message->manifest->base, BUNDLE_SIZE_MAX, &tcd->founding_manifest);
    }
    if (status == STATUS_OK && message->endorsement) {
        status =
            protobuf_pack(&message->endorsement->base, BUNDLE_SIZE_MAX, &tcd->founding_endorsement);
    }
    tccp__perimeter_bundle__free_unpacked(message, NULL);
    return status;
}

enum status lifecycle_with_endorsement(struct tcd *tcd, const Tccp__SignedDocument *endorsement,
                                       struct in_force **ret_in_force, struct refusal *ret_refusal)
{
    OWN(in_force) struct in_force *in_force = NULL;
    OWN(bytes) struct bytes bytes = {0};
    const struct endorsement *endorsed;

    TRY(protobuf_pack(&endorsement->base, BUNDLE_SIZE_MAX, &bytes));
    TRY(in_force_new(
        &(struct in_force_documents){
            .root = bytes_view(&tcd->founding_root),
            .manifest = bytes_view(&tcd->founding_manifest),
            .endorsement = bytes_view(&bytes),
        },
        &tcd->config.perimeter_id, time_wall_s(), &in_force, ret_refusal));
    if (!in_force->bundle->endorsed) {
        return refuse(ret_refusal, REFUSAL_ENDORSEMENT_EXPIRED, "the endorsement is not valid now");
    }
    endorsed = &in_force->bundle->endorsement;
    if (authority_require_keys(tcd->authority, perimeter_key_view(&endorsed->tc_sign),
                               VIEW_OF_ARRAY(endorsed->tc_kem)) != STATUS_OK) {
        return refuse(ret_refusal, REFUSAL_ENDORSEMENT_MISSING,
                      "the endorsement is for another seed than this member's");
    }
    bytes_free(&tcd->founding_endorsement);
    tcd->founding_endorsement = TAKE(bytes);
    *ret_in_force = TAKE(in_force);
    return STATUS_OK;
}

/* --- running --- */

/* What is in force gets the reference sets that are open, and the others are opened. */
static void references_follow(struct tcd *tcd)
{
    struct in_force *in_force = machine_in_force(tcd->machine);

    if (in_force) {
        reference_sets_follow(tcd->reference_sets, tcd_registry(tcd), in_force->bundle->manifest);
        in_force_take_references(in_force, tcd->reference_sets);
    }
}

static void on_reference_opened(void *argument)
{
    references_follow(argument);
}

static void on_tick(void *argument)
{
    struct tcd *tcd = argument;

    timer_start(tcd->ticker, TICK_MS);
    notify_watchdog();
    node_server_expire(tcd->node_server, time_boot_ms());
    if (reference_sets_is_waiting(tcd->reference_sets)) {
        references_follow(tcd);
    }
    if (tcd_leads(tcd)) {
        membership_tick(tcd->membership);
        chores_tick(tcd, time_boot_ms());
    }
}

static void on_applied(void *argument, const struct command *command, const struct outcome *outcome)
{
    struct tcd *tcd = argument;

    leases_applied(tcd->leases, tcd_registry(tcd), command, outcome, time_boot_ms());
    if (command->kind == COMMAND_REFERENCE_CHUNK && outcome->verdict == REFUSAL_NONE) {
        references_follow(tcd);
    }
    refusals_applied(tcd->refusals, tcd_registry(tcd), command, outcome);
    if (tcd->node_server) {
        node_server_applied(tcd->node_server, command, outcome);
    }
}

static void on_restored(void *argument)
{
    struct tcd *tcd = argument;

    leases_restart(tcd->leases, tcd_registry(tcd), time_boot_ms());
}

static void on_leadership(void *argument, bool is_leader, uint64_t term)
{
    struct tcd *tcd = argument;

    log_event(LOG_NOTICE, is_leader ? "leading" : "following", "member=%s term=%llu",
              tcd->config.member, (unsigned long long)term);
    leases_restart(tcd->leases, tcd_registry(tcd), time_boot_ms());
    evidence_tap_clear(tcd->evidence_tap);
    vm_orders_restart(tcd->vm_orders, time_boot_ms());
    node_server_leadership(tcd->node_server, is_leader);
    if (is_leader) {
        notify_status("leads, term %llu", (unsigned long long)term);
    } else {
        notify_status("follows, term %llu", (unsigned long long)term);
    }
}

/* Nothing may be done any more on a state that is in doubt: not even a clean end, which would
 * write. */
void lifecycle_halt(const struct tcd *tcd, const char *reason, const char *detail)
{
    log_event(LOG_ERROR, "halted", "member=%s reason=%s detail=\"%s\"", tcd->config.member, reason,
              detail);
    _Exit(EXIT_FAILURE);
}

static void on_fatal(void *argument, const char *reason, const char *detail)
{
    lifecycle_halt(argument, reason, detail);
}

static enum status identify_member(void *argument, struct view certificate, uint64_t *ret_raft_id,
                                   struct refusal *ret_refusal)
{
    const struct tcd *tcd = argument;
    struct certificate content;

    TRY(credentials_identify(tcd->credentials, certificate, time_wall_s(), &content, ret_refusal));
    TRY(certificate_require_role(&content, ROLE_MEMBER, ret_refusal));
    *ret_raft_id = content.registration_id;
    return STATUS_OK;
}

/* Certificates carry the endorsement: with a new one, new certificates. */
static enum status take_credentials(struct tcd *tcd, const struct in_force *in_force)
{
    struct credentials *credentials;

    TRY(credentials_new(tcd->authority, in_force, tcd->config.member, tcd->raft_id, time_wall_s(),
                        &credentials));
    /* Connections that are being made still ask the old ones who their peer is. */
    credentials->previous = tcd->credentials;
    tcd->credentials = credentials;
    return STATUS_OK;
}

static void on_in_force(void *argument, struct in_force *in_force)
{
    struct tcd *tcd = argument;
    struct refusal refusal = {0};
    struct member_state state = {.raft_id = tcd->raft_id, .bundle = in_force->bundle_bytes};

    log_event(LOG_NOTICE, "in-force", "manifest=%llu epoch=%llu endorsed=%d",
              (unsigned long long)in_force->bundle->manifest->version,
              (unsigned long long)in_force->bundle->manifest->epoch, in_force->bundle->endorsed);
    staged_verdicts_follow(tcd->staged_verdicts, in_force->bundle->manifest);
    references_follow(tcd);
    if (!in_force->bundle->endorsed ||
        bundle_scope(in_force->bundle).epoch != authority_scope(tcd->authority)->epoch) {
        return; /* While the log is read at the start, or before the endorsement of a new epoch. */
    }
    (void)snprintf(state.name, sizeof state.name, "%s", tcd->config.member);
    if (member_state_write(tcd->config.state_directory, &state) != STATUS_OK) {
        log_event(LOG_ERROR, "member-file-not-written", "directory=%s",
                  tcd->config.state_directory);
    }
    if (tcd->phase == PHASE_RUNNING && take_credentials(tcd, in_force) == STATUS_OK) {
        replica_set_tls(tcd->replica, tcd->credentials->raft_server, tcd->credentials->raft_client);
        if (api_server_listen(tcd->api_server, &refusal) != STATUS_OK) {
            log_event(LOG_ERROR, "port-not-open", "detail=\"%s\"", refusal.detail);
        }
    }
}

static enum status open_replica(struct tcd *tcd, const struct manifest_member *entry, bool first,
                                struct refusal *ret_refusal)
{
    char directory[PATH_SIZE], error[REPLICA_ERROR_SIZE] = "";
    const char *listen = tcd->config.raft_listen;
    enum status status;

    if (snprintf(directory, sizeof directory, "%s/raft", tcd->config.state_directory) >=
            (int)sizeof directory ||
        (mkdir(directory, 0700) != 0 && errno != EEXIST)) {
        return refuse(ret_refusal, REFUSAL_NOT_READY, "%s: %s", directory, strerror(errno));
    }
    status = replica_open(
        &(struct replica_config){
            .loop = tcd->loop,
            .directory = directory,
            .raft_id = tcd->raft_id,
            .address = entry->raft_address,
            .listen_address = listen[0] ? listen : NULL,
            .server_tls = tcd->credentials->raft_server,
            .client_tls = tcd->credentials->raft_client,
            .identify = identify_member,
            .identify_argument = tcd,
            .machine = machine_interface(tcd->machine),
            .callbacks = {.on_leadership = on_leadership, .on_fatal = on_fatal, .argument = tcd},
        },
        &tcd->replica, error);
    if (status == STATUS_OK && first) {
        status = replica_bootstrap(tcd->replica, error);
        if (status == STATUS_EXISTS) {
            status = STATUS_OK; /* A founding that was interrupted goes on. */
        }
    }
    if (status == STATUS_OK) {
        status = replica_start(tcd->replica, error);
    }
    return status == STATUS_OK ? STATUS_OK : refuse(ret_refusal, REFUSAL_NOT_READY, "%s", error);
}

static enum status member_state_keep(const struct tcd *tcd, const struct member_state *state,
                                     struct refusal *ret_refusal)
{
    enum status status = member_state_write(tcd->config.state_directory, state);

    return status == STATUS_OK ? STATUS_OK
                               : refuse(ret_refusal, REFUSAL_NOT_READY, "%s/member: %s",
                                        tcd->config.state_directory, status_text(status));
}

enum status lifecycle_run(struct tcd *tcd, struct in_force *in_force, uint64_t raft_id, bool first,
                          struct refusal *ret_refusal)
{
    const struct manifest_member *entry =
        manifest_member_by_name(in_force->bundle->manifest, tcd->config.member);
    struct member_state state = {.raft_id = raft_id, .bundle = in_force->bundle_bytes};

    if (!entry) {
        return refuse(ret_refusal, REFUSAL_NOT_FOUND, "the manifest names no member %s",
                      tcd->config.member);
    }
    if (!tcd->config.listen[0]) {
        tcd->config.listen = entry->address;
    }
    tcd->raft_id = raft_id;
    (void)snprintf(state.name, sizeof state.name, "%s", tcd->config.member);
    if (tcd->replica) {
        return refuse(ret_refusal, REFUSAL_NOT_READY, "the start failed half-way: restart tcd");
    }
    TRY(take_credentials(tcd, in_force));
    /* A port that is taken is found before anything is written. Nothing is read from it before
     * this returns to the loop. */
    TRY(api_server_listen(tcd->api_server, ret_refusal));
    /* The file says that the member belongs to a cluster: for the founder after there is one, so
     * that a founding that was cut off is done again; for who joins before it takes part. */
    if (!first) {
        TRY(member_state_keep(tcd, &state, ret_refusal));
    }
    TRY(open_replica(tcd, entry, first, ret_refusal));
    if (first) {
        TRY(member_state_keep(tcd, &state, ret_refusal));
    }
    tcd->phase = PHASE_RUNNING;
    timer_start(tcd->ticker, TICK_MS);
    log_event(LOG_NOTICE, "running", "member=%s raft_id=%llu listen=%s", tcd->config.member,
              (unsigned long long)raft_id, tcd->config.listen);
    return STATUS_OK;
}

/* --- starting --- */

/* A member that was one before: its documents and its sealed seed. */
static enum status restart(struct tcd *tcd, const struct member_state *state,
                           struct refusal *ret_refusal)
{
    OWN(in_force) struct in_force *in_force = NULL;
    struct scope scope;
    enum status status;

    if (strcmp(state->name, tcd->config.member) != 0) {
        return refuse(ret_refusal, REFUSAL_WRONG_STATE, "%s belongs to member %s",
                      tcd->config.state_directory, state->name);
    }
    TRY(in_force_of_bundle(bytes_view(&state->bundle), &tcd->config.perimeter_id, time_wall_s(),
                           &in_force, ret_refusal));
    scope = bundle_scope(in_force->bundle);
    status = authority_load(&scope, tcd->tpm, tcd->config.state_directory, &tcd->authority);
    if (status != STATUS_OK) {
        return refuse(ret_refusal, REFUSAL_NOT_READY,
                      "the sealed seed does not open (%s): remove %s and join again",
                      status_text(status), tcd->config.state_directory);
    }
    TRY(authority_require_keys(tcd->authority,
                               perimeter_key_view(&in_force->bundle->endorsement.tc_sign),
                               VIEW_OF_ARRAY(in_force->bundle->endorsement.tc_kem)));
    return lifecycle_run(tcd, in_force, state->raft_id, false, ret_refusal);
}

static enum status make_parts(struct tcd *tcd, struct refusal *ret_refusal)
{
    struct machine_callbacks callbacks = {
        .on_applied = on_applied,
        .on_restored = on_restored,
        .on_in_force = on_in_force,
        .on_fatal = on_fatal,
        .argument = tcd,
    };
    struct quoter_config quoter = {
        .tpm_worker = tcd->tpm_worker,
        .tpm = tcd->tpm,
        .identity = &tcd->identity,
        .event_log_path = tcd->config.event_log_path,
        .ima_log_path = tcd->config.ima_log_path,
    };
    const struct reference_sets_config references = {
        .worker = tcd->verifiers,
        .open = reference_set_open,
        .free = reference_set_free,
        .on_opened = on_reference_opened,
        .argument = tcd,
    };

    TRY(reference_sets_new(&references, &tcd->reference_sets));
    TRY(machine_new(&tcd->config.perimeter_id, &callbacks, &tcd->machine));
    TRY(leases_new(&tcd->leases));
    TRY(refusals_new(&tcd->refusals));
    TRY(staged_verdicts_new(&tcd->staged_verdicts));
    TRY(evidence_tap_new(&tcd->evidence_tap));
    TRY(quoter_new(&quoter, &tcd->quoter));
    TRY(node_server_new(tcd, &tcd->node_server));
    TRY(membership_new(tcd, &tcd->membership));
    TRY(vm_orders_new(tcd, &tcd->vm_orders));
    TRY(timer_new(tcd->loop, on_tick, tcd, &tcd->ticker));
    return api_server_new(tcd, &tcd->api_server, ret_refusal);
}

enum status lifecycle_start(struct tcd *tcd, struct refusal *ret_refusal)
{
    OWN(member_state) struct member_state state = {0};
    struct scope scope;
    enum status status;

    TRY(read_founding(tcd, ret_refusal));
    TRY(make_parts(tcd, ret_refusal));
    status = member_state_read(tcd->config.state_directory, &state);
    if (status == STATUS_OK) {
        return restart(tcd, &state, ret_refusal);
    }
    if (status != STATUS_NOT_FOUND) {
        return refuse(ret_refusal, REFUSAL_MALFORMED, "%s/member: %s", tcd->config.state_directory,
                      status_text(status));
    }
    scope = bundle_scope(tcd->founding->bundle);
    status = authority_load(&scope, tcd->tpm, tcd->config.state_directory, &tcd->authority);
    if (status == STATUS_OK) {
        tcd->phase = PHASE_AWAITING_ENDORSEMENT;
        return STATUS_OK;
    }
    if (status != STATUS_NOT_FOUND) {
        return refuse(ret_refusal, REFUSAL_NOT_READY, "the sealed seed in %s does not open (%s)",
                      tcd->config.state_directory, status_text(status));
    }
    tcd->phase = PHASE_EMPTY;
    return joining_start(tcd);
}

/* --- stopping --- */

static void finish(struct tcd *tcd)
{
    void (*on_stopped)(struct tcd * tcd) = tcd->on_stopped;

    /* The workers' last jobs may speak of sessions, and sessions of the quoter. */
    worker_close(tcd->verifiers);
    worker_close(tcd->tpm_worker);
    reference_sets_free(tcd->reference_sets);
    node_server_free(tcd->node_server);
    quoter_free(tcd->quoter);
    membership_free(tcd->membership);
    vm_orders_free(tcd->vm_orders);
    leases_free(tcd->leases);
    refusals_free(tcd->refusals);
    staged_verdicts_free(tcd->staged_verdicts);
    evidence_tap_free(tcd->evidence_tap);
    machine_free(tcd->machine);
    while (tcd->credentials) {
        struct credentials *previous = tcd->credentials->previous;

        credentials_free(tcd->credentials);
        tcd->credentials = previous;
    }
    if (tcd->authority) {
        authority_free(tcd->authority);
    }
    in_force_release(tcd->founding);
    bytes_free(&tcd->founding_root);
    bytes_free(&tcd->founding_manifest);
    bytes_free(&tcd->founding_endorsement);
    on_stopped(tcd);
}

static void on_replica_closed(void *argument)
{
    struct tcd *tcd = argument;

    tcd->replica = NULL;
    finish(tcd);
}

static void on_api_closed(void *argument)
{
    struct tcd *tcd = argument;

    if (tcd->replica) {
        replica_close(tcd->replica, on_replica_closed, tcd);
    } else {
        finish(tcd);
    }
}

void lifecycle_stop(struct tcd *tcd, void (*on_stopped)(struct tcd *tcd))
{
    tcd->phase = PHASE_STOPPING;
    tcd->on_stopped = on_stopped;
    timer_free(tcd->ticker);
    joining_stop(tcd);
    api_server_close(tcd->api_server, on_api_closed, tcd);
}
