#include "lib/attester/registrar.h"

#include "lib/attester/evidence_outbox.h"
#include "lib/base/log.h"
#include "lib/crypto/entropy.h"
#include "lib/net/timer.h"
#include "lib/perimeter/member_chain.h"
#include "lib/protocol/node_message.h"

#include <stdlib.h>
#include <string.h>

#define ALPN_NODE "tccp-node/1"

enum { RETRY_BASE_MS = 250, RETRY_MAX_MS = 10000 };

/* From the open connection to the registration: two quotes and a commit. A coordinator that hangs
 * acknowledges what it is sent all the same. */
enum { ATTEMPT_TIMEOUT_MS = 45000 };

struct registrar {
    struct registrar_config config;
    char *addresses[CLIENT_ADDRESS_MAX]; /* copies: a later attempt needs them again */
    struct perimeter_memory memory;
    struct tls_context *tls;
    struct client *client;
    struct timer *retry;
    struct timer *patience; /* runs while an attempt does */
    struct backoff backoff;
    struct cluster_trust trust; /* of the connection that is being made or open */
    bool closing, has_job, registered;

    /* one attempt */
    unsigned attempt; /* a job of an earlier attempt is not for the present one */
    struct trusted_key key;
    struct attester *attester;
    struct evidence_outbox outbox;
    struct channel channel;
    uint64_t challenge_ms;

    /* the TPM's job; copies, because the attempt may end before the job does */
    unsigned job_attempt;
    enum status job_status;
    struct bytes credential_blob, credential_secret;
    struct host_evidence_request job_request;
    struct secret activated;
    struct host_evidence evidence;
};

/* --- attempts --- */

static void attempt_end(struct registrar *registrar)
{
    registrar->attempt++;
    registrar->registered = false;
    if (registrar->patience) {
        timer_stop(registrar->patience);
    }
    attester_free(registrar->attester);
    registrar->attester = NULL;
    evidence_outbox_clear(&registrar->outbox);
    trusted_key_free(&registrar->key);
}

static void drop_client(struct registrar *registrar)
{
    if (registrar->client) {
        client_close(registrar->client);
        registrar->client = NULL;
    }
}

/* This attempt is over; after a while the next begins. */
static void fail(struct registrar *registrar, const struct refusal *refusal, bool by_coordinator,
                 const char *detail)
{
    attempt_end(registrar);
    drop_client(registrar);
    timer_start(registrar->retry, backoff_next_ms(&registrar->backoff));
    registrar->config.callbacks.on_failure(registrar->config.callbacks.argument, refusal,
                                           by_coordinator, detail);
}

static void fail_status(struct registrar *registrar, enum status status,
                        const struct refusal *refusal, const char *what)
{
    fail(registrar, status == STATUS_REFUSED ? refusal : NULL, false,
         status == STATUS_REFUSED ? refusal->detail : what);
}

static enum status verify_coordinator(void *argument, const struct view *chain, size_t count,
                                      struct refusal *ret_refusal)
{
    struct registrar *registrar = argument;
    struct bundle_expectation expectation = {
        .perimeter_id = registrar->config.perimeter_id,
        .memory = registrar->memory,
        .now_s = time_wall_s(),
    };
    struct certificate certificate;

    return member_chain_check(chain, count, &expectation, &registrar->trust, &certificate,
                              ret_refusal);
}

static enum status begin(struct registrar *registrar, struct bytes *ret_hello)
{
    const struct tpm_identity *identity = registrar->config.identity;
    const struct tls *tls = connection_tls(client_connection(registrar->client));
    struct attester_config config = {
        .role = registrar->config.role,
        .perimeter_id = registrar->config.perimeter_id,
        .memory = registrar->memory,
        .tc_sign = perimeter_key_view(&registrar->trust.endorsement.tc_sign),
        .ek_certificate = bytes_view(&identity->ek_certificate),
        .ek_public = bytes_view(&identity->ek_public),
        .ak_public = bytes_view(&identity->ak_public),
        .now_s = time_wall_s(),
    };
    struct digest exporter;

    TRY(tls_exporter(tls, EXPORTER_LABEL, (struct view){0}, &exporter));
    memcpy(registrar->channel.exporter, exporter.bytes, EXPORTER_SIZE);
    registrar->channel.server_certificate = sha256(tls_peer_certificate(tls));
    TRY(trusted_key_new(&registrar->key));
    config.channel = registrar->channel;
    config.tk_sign = registrar->key.sign;
    memcpy(config.tk_kem, registrar->key.kem_point, sizeof config.tk_kem);
    entropy_fill(config.nonce, sizeof config.nonce);
    TRY(attester_new(&config, &registrar->attester));
    return attester_begin(registrar->attester, ret_hello);
}

static enum status send(struct registrar *registrar, Tccp__NodeMessageKind kind,
                        struct view payload)
{
    OWN(bytes) struct bytes frame = {0};

    TRY(node_message_pack(kind, payload, &frame));
    return client_send(registrar->client, bytes_view(&frame));
}

static void on_open(struct client *client, void *argument, const struct connection_peer *peer)
{
    struct registrar *registrar = argument;
    OWN(bytes) struct bytes hello = {0};
    enum status status;

    (void)peer;
    attempt_end(registrar);
    timer_start(registrar->patience, ATTEMPT_TIMEOUT_MS);
    connection_set_frame_size_max(client_connection(client), FRAME_SIZE_MAX);
    status = begin(registrar, &hello);
    if (status == STATUS_OK) {
        status = send(registrar, TCCP__NODE_MESSAGE_KIND__REGISTER_HELLO, bytes_view(&hello));
    }
    if (status != STATUS_OK) {
        fail(registrar, NULL, false, status_text(status));
    }
}

/* --- the TPM's part --- */

static void job_clear(struct registrar *registrar)
{
    bytes_free(&registrar->credential_blob);
    bytes_free(&registrar->credential_secret);
    secret_free(&registrar->activated);
    host_evidence_free(&registrar->evidence);
    registrar->evidence = (struct host_evidence){0};
}

static void work(void *argument)
{
    struct registrar *registrar = argument;
    const struct registrar_config *config = &registrar->config;

    registrar->job_status =
        tpm_activate_credential(config->tpm, bytes_view(&registrar->credential_blob),
                                bytes_view(&registrar->credential_secret), &registrar->activated);
    if (registrar->job_status == STATUS_OK) {
        registrar->job_status = host_evidence_collect(
            config->tpm, config->identity, &registrar->job_request, &registrar->evidence);
    }
}

static void registrar_free(struct registrar *registrar)
{
    job_clear(registrar);
    attempt_end(registrar);
    tls_context_release(registrar->tls);
    for (size_t i = 0; i < CLIENT_ADDRESS_MAX; i++) {
        free(registrar->addresses[i]);
    }
    free(registrar);
}

static void done(void *argument)
{
    struct registrar *registrar = argument;
    OWN(bytes) struct bytes evidence = {0};
    enum status status = registrar->job_status;

    registrar->has_job = false;
    if (registrar->closing) {
        registrar_free(registrar);
        return;
    }
    if (registrar->job_attempt == registrar->attempt) {
        if (status == STATUS_OK) {
            struct attester_result result = {
                .activated = secret_view(&registrar->activated),
                .evidence = host_evidence_view(&registrar->evidence),
            };

            status = attester_evidence(registrar->attester, &result, &evidence);
        }
        if (status == STATUS_OK) {
            status = evidence_outbox_send(&registrar->outbox, registrar->client,
                                          attester_announcement(registrar->attester), &evidence);
        }
        if (status != STATUS_OK) {
            fail(registrar, NULL, false, "this host's TPM or logs gave no evidence");
        }
    }
    job_clear(registrar);
}

static void take_challenge(struct registrar *registrar, struct view payload)
{
    const struct registrar_config *config = &registrar->config;
    struct attester_task task = {0};
    struct refusal refusal = {0};
    enum status status;

    registrar->challenge_ms = time_boot_ms();
    if (registrar->has_job) {
        fail(registrar, NULL, false, "the TPM is still busy with an earlier attempt");
        return;
    }
    status = attester_challenge(registrar->attester, payload, &task, &refusal);
    if (status == STATUS_OK) {
        status = bytes_copy(task.credential_blob, &registrar->credential_blob);
    }
    if (status == STATUS_OK) {
        status = bytes_copy(task.credential_secret, &registrar->credential_secret);
    }
    if (status == STATUS_OK) {
        registrar->job_request = (struct host_evidence_request){
            .qualifying = task.qualifying,
            .demand = task.demand,
            .event_log_path = config->event_log_path,
            .ima_log_path = config->ima_log_path,
        };
        registrar->job_attempt = registrar->attempt;
        registrar->has_job = true;
        status = worker_submit(config->tpm_worker, work, done, registrar);
        registrar->has_job = status == STATUS_OK;
    }
    if (status != STATUS_OK) {
        fail_status(registrar, status, &refusal, "the challenge could not be answered");
    }
}

static void take_go(struct registrar *registrar)
{
    /* How long it waited was up to the others. */
    timer_start(registrar->patience, ATTEMPT_TIMEOUT_MS);
    if (evidence_outbox_go(&registrar->outbox, registrar->client) != STATUS_OK) {
        fail(registrar, NULL, false, "the evidence could not be sent");
    }
}

static void on_drain(struct client *client, void *argument)
{
    struct registrar *registrar = argument;

    if (evidence_outbox_drained(&registrar->outbox, client) != STATUS_OK) {
        fail(registrar, NULL, false, "the evidence could not be sent");
    }
}

static void take_accepted(struct registrar *registrar, struct view payload)
{
    const struct registrar_callbacks *callbacks = &registrar->config.callbacks;
    OWN(admission) struct admission admission = {0};
    struct refusal refusal = {0};
    enum status status = attester_accepted(registrar->attester, payload, &admission, &refusal);

    if (status != STATUS_OK) {
        fail_status(registrar, status, &refusal, "the registration could not be taken");
        return;
    }
    timer_stop(registrar->patience);
    client_confirm(registrar->client);
    backoff_reset(&registrar->backoff);
    registrar->registered = true;
    (void)perimeter_memory_raise(&registrar->memory, &attester_bundle(registrar->attester)->seen);
    callbacks->on_registered(
        callbacks->argument, &registrar->key, &admission, attester_bundle(registrar->attester),
        attester_bundle_bytes(registrar->attester), &registrar->channel, registrar->challenge_ms);
}

static void take_not_leader(struct registrar *registrar, struct view payload)
{
    Tccp__NotLeader *message = (Tccp__NotLeader *)protobuf_unpack(&tccp__not_leader__descriptor,
                                                                  payload, NODE_MESSAGE_SIZE_MAX);

    attempt_end(registrar);
    (void)client_redirect(registrar->client, message ? message->address : NULL);
    if (message) {
        tccp__not_leader__free_unpacked(message, NULL);
    }
}

static void on_frame(struct client *client, void *argument, struct view frame)
{
    struct registrar *registrar = argument;
    Tccp__NodeMessage *message = node_message_unpack(frame);
    struct view payload = message ? protobuf_view(message->payload) : (struct view){0};
    struct refusal refusal;

    (void)client;
    if (message && message->kind == TCCP__NODE_MESSAGE_KIND__NOT_LEADER) {
        bool registered = registrar->registered;

        take_not_leader(registrar, payload);
        if (registered) {
            registrar->config.callbacks.on_disconnected(registrar->config.callbacks.argument,
                                                        "another member leads now");
        }
    } else if (registrar->registered) {
        registrar->config.callbacks.on_frame(registrar->config.callbacks.argument, frame);
    } else if (message && message->kind == TCCP__NODE_MESSAGE_KIND__REGISTER_CHALLENGE) {
        take_challenge(registrar, payload);
    } else if (message && message->kind == TCCP__NODE_MESSAGE_KIND__EVIDENCE_GO) {
        take_go(registrar);
    } else if (message && message->kind == TCCP__NODE_MESSAGE_KIND__REGISTER_ACCEPTED) {
        take_accepted(registrar, payload);
    } else if (message && message->kind == TCCP__NODE_MESSAGE_KIND__REFUSED) {
        refusal = node_message_read_refused(payload);
        fail(registrar, &refusal, true, refusal.detail);
    } else {
        fail(registrar, NULL, false, "the coordinator sent an unknown message");
    }
    if (message) {
        node_message_free(message);
    }
}

static void on_client_failure(struct client *client, void *argument, enum status reason,
                              const char *detail, bool is_final)
{
    struct registrar *registrar = argument;
    bool registered = registrar->registered;

    (void)client;
    (void)reason;
    (void)is_final;
    attempt_end(registrar);
    if (registered) {
        registrar->config.callbacks.on_disconnected(registrar->config.callbacks.argument, detail);
    } else {
        registrar->config.callbacks.on_failure(registrar->config.callbacks.argument, NULL, false,
                                               detail);
    }
}

static void on_impatience(void *argument)
{
    fail(argument, NULL, false, "the coordinator does not answer");
}

/* --- from outside --- */

static void start(void *argument)
{
    struct registrar *registrar = argument;
    struct client_config config = {
        .loop = registrar->config.loop,
        .addresses = (const char *const *)registrar->addresses,
        .address_count = registrar->config.address_count,
        .tls = registrar->tls,
        .limits = {.idle_timeout_ms = UINT32_MAX}, /* A dead peer is found by the lease. */
        .callbacks = {.on_open = on_open,
                      .on_frame = on_frame,
                      .on_failure = on_client_failure,
                      .on_drain = on_drain},
        .argument = registrar,
    };

    if (client_open(&config, &registrar->client) != STATUS_OK) {
        timer_start(registrar->retry, backoff_next_ms(&registrar->backoff));
    }
}

static enum status addresses_copy(struct registrar *registrar,
                                  const struct registrar_config *config)
{
    ASSERT(config->address_count > 0 && config->address_count <= CLIENT_ADDRESS_MAX);
    for (size_t i = 0; i < config->address_count; i++) {
        registrar->addresses[i] = strdup(config->addresses[i]);
        if (!registrar->addresses[i]) {
            return STATUS_NO_MEMORY;
        }
    }
    registrar->config.addresses = NULL; /* The caller's. */
    return STATUS_OK;
}

enum status registrar_open(const struct registrar_config *config, struct registrar **ret_registrar)
{
    static const char *const protocols[] = {ALPN_NODE, NULL};
    struct registrar *registrar = calloc(1, sizeof *registrar);
    struct tls_config tls = {.role = TLS_CLIENT, .alpn = protocols, .verify = verify_coordinator};
    enum status status;

    if (!registrar) {
        return STATUS_NO_MEMORY;
    }
    registrar->config = *config;
    registrar->memory = config->memory;
    registrar->backoff = (struct backoff){.base_ms = RETRY_BASE_MS, .max_ms = RETRY_MAX_MS};
    tls.verify_argument = registrar;
    status = addresses_copy(registrar, config);
    if (status == STATUS_OK) {
        status = tls_context_new(&tls, &registrar->tls);
    }
    if (status == STATUS_OK) {
        status = timer_new(config->loop, start, registrar, &registrar->retry);
    }
    if (status == STATUS_OK) {
        status = timer_new(config->loop, on_impatience, registrar, &registrar->patience);
    }
    if (status != STATUS_OK) {
        if (registrar->retry) {
            timer_free(registrar->retry);
        }
        registrar_free(registrar);
        return status;
    }
    start(registrar);
    *ret_registrar = registrar;
    return STATUS_OK;
}

void registrar_restart(struct registrar *registrar)
{
    attempt_end(registrar);
    drop_client(registrar);
    timer_start(registrar->retry, backoff_next_ms(&registrar->backoff));
}

struct client *registrar_client(struct registrar *registrar)
{
    return registrar->client;
}

const struct perimeter_memory *registrar_memory(const struct registrar *registrar)
{
    return &registrar->memory;
}

void registrar_close(struct registrar *registrar)
{
    registrar->closing = true;
    timer_free(registrar->retry);
    timer_free(registrar->patience);
    registrar->patience = NULL;
    drop_client(registrar);
    if (!registrar->has_job) {
        registrar_free(registrar);
    }
}
