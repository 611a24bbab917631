#include "tcd/joining.h"

#include "lib/attester/registrar.h"
#include "lib/base/log.h"
#include "lib/net/timer.h"
#include "lib/protocol/inputs.h"
#include "tcd/lifecycle.h"

#include <stdlib.h>
#include <string.h>

/* What a coordinator admitted us with, while the TPM seals the seed. */
struct joining {
    struct tcd *tcd;
    struct in_force *in_force;
    struct authority *authority;
    uint64_t raft_id;
    enum status status;
};

static void joining_free(struct joining *joining)
{
    in_force_release(joining->in_force);
    if (joining->authority) {
        authority_free(joining->authority);
    }
    free(joining);
}

static void seal(void *argument)
{
    struct joining *joining = argument;
    struct tcd *tcd = joining->tcd;

    joining->status = authority_store(joining->authority, tcd->tpm, lifecycle_seal_mask(tcd),
                                      tcd->config.state_directory);
}

static void sealed(void *argument)
{
    struct joining *joining = argument;
    struct tcd *tcd = joining->tcd;
    struct refusal refusal = {0};
    enum status status = joining->status;

    if (tcd->phase == PHASE_STOPPING) {
        joining_free(joining);
        return;
    }
    if (status == STATUS_OK) {
        tcd->authority = TAKE(joining->authority);
        status = lifecycle_run(tcd, joining->in_force, joining->raft_id, false, &refusal);
    }
    if (status != STATUS_OK) {
        log_event(LOG_ERROR, "join-failed", "reason=\"%s\" detail=\"%s\"", status_text(status),
                  refusal.detail);
        lifecycle_halt(tcd, "join", refusal.detail);
    }
    joining_free(joining);
}

/* The seed must be the endorsed one: a coordinator that lies here gives keys that the ETE never
 * saw. */
static enum status open_seed(struct joining *joining, const struct trusted_key *key,
                             const struct admission *admission, const struct bundle *bundle)
{
    const struct tcd *tcd = joining->tcd;
    const struct endorsement *endorsement = &bundle->endorsement;
    struct scope scope = bundle_scope(bundle);
    uint8_t point[P256_POINT_SIZE];
    OWN(bytes) struct bytes aad = {0};

    private_key_point(key->kem, point);
    TRY(seed_aad(&scope, tcd->config.member, admission->raft_id,
                 (struct key_pair_view){private_key_spki(key->sign), VIEW_OF_ARRAY(point)}, &aad));
    TRY(authority_of_sealed(&scope, key->kem, bytes_view(&aad), bytes_view(&admission->sealed_seed),
                            &joining->authority));
    return authority_require_keys(joining->authority, perimeter_key_view(&endorsement->tc_sign),
                                  VIEW_OF_ARRAY(endorsement->tc_kem));
}

static void on_registered(void *argument, struct trusted_key *key, struct admission *admission,
                          const struct bundle *bundle, struct view bundle_bytes,
                          const struct channel *channel, uint64_t challenge_ms)
{
    struct tcd *tcd = argument;
    struct joining *joining = calloc(1, sizeof *joining);
    struct refusal refusal = {0};
    enum status status = STATUS_NO_MEMORY;

    (void)channel;
    (void)challenge_ms;
    if (joining) {
        joining->tcd = tcd;
        joining->raft_id = admission->raft_id;
        status = in_force_of_bundle(bundle_bytes, &tcd->config.perimeter_id, time_wall_s(),
                                    &joining->in_force, &refusal);
    }
    if (status == STATUS_OK) {
        status = open_seed(joining, key, admission, bundle);
    }
    if (status == STATUS_OK) {
        log_event(LOG_NOTICE, "joined", "raft_id=%llu", (unsigned long long)joining->raft_id);
        status = worker_submit(tcd->tpm_worker, seal, sealed, joining);
    }
    joining_stop(tcd);
    if (status != STATUS_OK) {
        lifecycle_halt(tcd, "join", status_text(status));
    }
}

static void on_join_failure(void *argument, const struct refusal *refusal, bool by_coordinator,
                            const char *detail)
{
    const struct tcd *tcd = argument;

    log_event(refusal ? LOG_WARNING : LOG_INFO, "not-joined",
              "member=%s reason=%s by=%s detail=\"%s\"", tcd->config.member,
              refusal ? refusal_name(refusal->code) : "unreachable",
              by_coordinator ? "coordinator" : "us", detail);
}

static void ignore_frame(void *argument, struct view frame)
{
    (void)argument;
    (void)frame;
}

static void ignore_disconnect(void *argument, const char *detail)
{
    (void)argument;
    (void)detail;
}

/* Asks the other members of the manifest until one of them leads a cluster to join. */
enum status joining_start(struct tcd *tcd)
{
    const struct manifest *manifest = tcd->founding->bundle->manifest;
    const char *addresses[MANIFEST_MEMBER_COUNT_MAX];
    size_t count = 0;

    for (size_t i = 0; i < manifest->member_count; i++) {
        if (strcmp(manifest->members[i].name, tcd->config.member) != 0) {
            addresses[count++] = manifest->members[i].address;
        }
    }
    if (count == 0) {
        return STATUS_OK; /* The only member: it can only be founded. */
    }
    return registrar_open(
        &(struct registrar_config){
            .loop = tcd->loop,
            .role = ATTESTER_MEMBER,
            .perimeter_id = tcd->config.perimeter_id,
            .addresses = addresses,
            .address_count = count,
            .tpm_worker = tcd->tpm_worker,
            .tpm = tcd->tpm,
            .identity = &tcd->identity,
            .event_log_path = tcd->config.event_log_path,
            .ima_log_path = tcd->config.ima_log_path,
            .callbacks = {.on_registered = on_registered,
                          .on_frame = ignore_frame,
                          .on_disconnected = ignore_disconnect,
                          .on_failure = on_join_failure,
                          .argument = tcd},
        },
        &tcd->registrar);
}

void joining_stop(struct tcd *tcd)
{
    if (tcd->registrar) {
        registrar_close(tcd->registrar);
        tcd->registrar = NULL;
    }
}
