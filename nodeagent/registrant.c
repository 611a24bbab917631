#include "nodeagent/registrant.h"

#include "lib/base/log.h"
#include "lib/base/protobuf.h"
#include "lib/daemon/file.h"
#include "lib/protocol/node_message.h"
#include "nodeagent/registrant_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    DETAIL_SIZE = 256,
    /* Until it is accepted: the coordinator quotes and commits meanwhile, on slow TPMs and disks.
     */
    ANSWER_TIMEOUT_MS = 60 * 1000,
    /* The lease runs on CLOCK_BOOTTIME, timers do not: they stop while the machine sleeps. */
    LEASE_TICK_MS = 1000,
    LEASE_LENGTH_MIN_MS = 1000,
};

/* --- lease --- */

static void lease_watch(struct registrant *registrant)
{
    uint64_t left_ms = lease_left_ms(&registrant->own.lease, time_boot_ms());

    timer_start(registrant->lease_timer, left_ms < LEASE_TICK_MS ? left_ms : LEASE_TICK_MS);
}

static void on_lease_timer(void *argument)
{
    struct registrant *registrant = argument;

    if (registrant->own.id == 0) {
        return;
    }
    if (lease_is_live(&registrant->own.lease, time_boot_ms())) {
        lease_watch(registrant);
        return;
    }
    registrant_forget_registration(registrant, "the lease is over");
    registrant_fail(registrant, STATUS_EXPIRED, "the lease is over");
}

void registrant_lease_given(struct registrant *registrant, uint64_t lease_ms)
{
    struct own_registration *own = &registrant->own;

    /* One that is over before it began would have us register without end. */
    if (lease_ms < LEASE_LENGTH_MIN_MS) {
        registrant_forget_registration(registrant, "a lease too short to keep");
        registrant_fail(registrant, STATUS_MALFORMED, "a lease of %llu ms",
                        (unsigned long long)lease_ms);
        return;
    }
    lease_extend(&own->lease, registrant->challenged_at_ms, lease_ms, own->lease_max_ms);
    own->renewed_ms = registrant->challenged_at_ms;
    client_confirm(registrant->client);
    registrant->state = REGISTRANT_LIVE;
    /* The next challenge comes after a third of the lease. */
    registrant_expect_answer(registrant);
    lease_watch(registrant);
}

void registrant_expect_answer(struct registrant *registrant)
{
    connection_set_idle_timeout(client_connection(registrant->client),
                                (unsigned)(registrant->own.lease.length_ms / 3 * 2));
}

uint64_t registrant_id(const struct registrant *registrant)
{
    return lease_is_live(&registrant->own.lease, time_boot_ms()) ? registrant->own.id : 0;
}

void registrant_own_clear(struct registrant *registrant)
{
    trusted_key_free(&registrant->own.key);
    bytes_free(&registrant->own.ca_certificate);
    bytes_free(&registrant->own.certificate);
    registrant->own = (struct own_registration){0};
}

/* Without a registration and without a TPM there is nothing to say to a coordinator, whom each
 * Hello costs a quote. Who gives up after some attempts makes them. */
static void calling_update(struct registrant *registrant)
{
    if (registrant->own.id == 0 && !host_is_well(registrant->config.host) &&
        registrant->config.attempt_max == 0) {
        client_pause(registrant->client);
    } else {
        client_resume(registrant->client);
    }
}

static void on_host_health(void *argument, bool is_well)
{
    struct registrant *registrant = argument;

    calling_update(registrant);
    if (registrant->config.callbacks.on_tpm) {
        registrant->config.callbacks.on_tpm(registrant->config.argument, is_well);
    }
}

void registrant_forget_registration(struct registrant *registrant, const char *reason)
{
    uint64_t id = registrant->own.id;

    registrant_own_clear(registrant);
    timer_stop(registrant->lease_timer);
    client_set_tls(registrant->client, registrant->anonymous);
    calling_update(registrant);
    if (id == 0) {
        return;
    }
    log_event(LOG_WARNING, "registration-lost", "registration=%llu reason=\"%s\"",
              (unsigned long long)id, reason);
    if (registrant->config.callbacks.on_registration_lost) {
        registrant->config.callbacks.on_registration_lost(registrant->config.argument);
    }
}

/* --- the connection --- */

/* Whatever was under way on the connection is over. */
static void connection_over(struct registrant *registrant)
{
    registrant->state = REGISTRANT_CONNECTING;
    attester_free(TAKE(registrant->attester));
    evidence_outbox_clear(&registrant->outbox);
    registrant->connection_number++;
}

void registrant_fail(struct registrant *registrant, enum status reason, const char *format, ...)
{
    struct connection *connection = client_connection(registrant->client);
    char detail[DETAIL_SIZE];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(detail, sizeof detail, format, arguments);
    va_end(arguments);
    connection_over(registrant);
    if (connection) {
        connection_abort(connection, reason, detail);
    }
}

/* Refusals that say nothing about the registration itself: it goes on with another attempt. */
static bool registration_outlives(enum refusal_code code)
{
    return code == REFUSAL_RATE || code == REFUSAL_NOT_READY || code == REFUSAL_LIMIT;
}

void registrant_refused(struct registrant *registrant, const struct refusal *refusal, bool is_ours)
{
    const char *hint = refusal_hint(refusal->code);

    log_event(LOG_WARNING, is_ours ? "coordinator-refused" : "refused-by-coordinator",
              "coordinator=%s reason=%s text=\"%s\" detail=\"%s\"%s%s%s",
              client_address(registrant->client), refusal_name(refusal->code),
              refusal_sentence(refusal->code), refusal->detail, hint[0] ? " hint=\"" : "", hint,
              hint[0] ? "\"" : "");
    /* What we refuse ourselves is no word of the coordinator's about our registration. */
    if (!is_ours && !registration_outlives(refusal->code)) {
        registrant_forget_registration(registrant, refusal_sentence(refusal->code));
    }
    registrant_fail(registrant, STATUS_REFUSED, "%s", refusal_sentence(refusal->code));
    if (registrant->config.callbacks.on_refused) {
        registrant->config.callbacks.on_refused(registrant->config.argument, refusal);
    }
}

void registrant_send(struct registrant *registrant, Tccp__NodeMessageKind kind, struct view payload)
{
    OWN(bytes) struct bytes frame = {0};
    enum status status = node_message_pack(kind, payload, &frame);

    if (status == STATUS_OK) {
        status = client_send(registrant->client, bytes_view(&frame));
    }
    if (status != STATUS_OK) {
        registrant_fail(registrant, status, "a message could not be sent: %s", status_text(status));
    }
}

#define STATE(state) (1U << (state))

/* --- evidence --- */

/* The coordinator's word is next, for which it has this long from now on. */
static void expect_evidence_taken(struct registrant *registrant)
{
    if (registrant->state == REGISTRANT_SENT_RENEWAL) {
        registrant_expect_answer(registrant);
    } else {
        connection_set_idle_timeout(client_connection(registrant->client), ANSWER_TIMEOUT_MS);
    }
}

static void evidence_progress(struct registrant *registrant, enum status status)
{
    if (status != STATUS_OK) {
        registrant_fail(registrant, status, "the evidence could not be sent: %s",
                        status_text(status));
    } else {
        expect_evidence_taken(registrant);
    }
}

void registrant_send_evidence(struct registrant *registrant,
                              const struct evidence_announcement *announcement,
                              struct bytes *evidence)
{
    evidence_progress(registrant, evidence_outbox_send(&registrant->outbox, registrant->client,
                                                       announcement, evidence));
}

static void take_evidence_go(struct registrant *registrant, struct view payload)
{
    (void)payload;
    evidence_progress(registrant, evidence_outbox_go(&registrant->outbox, registrant->client));
}

#define SENT_EVIDENCE (STATE(REGISTRANT_SENT_EVIDENCE) | STATE(REGISTRANT_SENT_RENEWAL))

static void on_drain(struct client *client, void *argument)
{
    struct registrant *registrant = argument;

    if (SENT_EVIDENCE & STATE(registrant->state)) {
        evidence_progress(registrant, evidence_outbox_drained(&registrant->outbox, client));
    }
}

enum status registrant_verify_member(void *argument, const struct view *chain, size_t count,
                                     struct refusal *ret_refusal)
{
    struct registrant *registrant = argument;
    struct certificate certificate;

    return member_chain_check(chain, count,
                              &(struct bundle_expectation){
                                  .perimeter_id = registrant->config.perimeter_id,
                                  .memory = registrant->memory,
                                  .now_s = time_wall_s(),
                              },
                              &registrant->trust, &certificate, ret_refusal);
}

static void on_open(struct client *client, void *argument, const struct connection_peer *peer)
{
    struct registrant *registrant = argument;
    struct connection *connection = client_connection(client);
    struct digest exporter;

    connection_over(registrant);
    if (tls_exporter(connection_tls(connection), EXPORTER_LABEL, (struct view){0}, &exporter) !=
        STATUS_OK) {
        registrant_fail(registrant, STATUS_CRYPTO, "the connection cannot be bound to");
        return;
    }
    memcpy(registrant->channel.exporter, exporter.bytes, EXPORTER_SIZE);
    registrant->channel.server_certificate = sha256(peer->certificate);
    connection_set_idle_timeout(connection, ANSWER_TIMEOUT_MS);
    if (registrant_id(registrant) != 0) {
        registrant_renewal_resume(registrant);
    } else {
        registrant_registration_begin(registrant);
    }
}

static void on_failure(struct client *client, void *argument, enum status reason,
                       const char *detail, bool is_final)
{
    struct registrant *registrant = argument;

    (void)client;
    connection_over(registrant);
    log_event(LOG_WARNING, "coordinator-connection-lost", "reason=\"%s\" detail=\"%s\"",
              status_text(reason), detail);
    if (registrant->config.callbacks.on_failure) {
        registrant->config.callbacks.on_failure(registrant->config.argument, reason, detail,
                                                is_final);
    }
}

/* --- messages --- */

static void take_refused(struct registrant *registrant, struct view payload)
{
    struct refusal refusal = node_message_read_refused(payload);

    registrant_refused(registrant, &refusal, false);
}

static void take_not_leader(struct registrant *registrant, struct view payload)
{
    Tccp__NotLeader *message = (Tccp__NotLeader *)protobuf_unpack(
        &tccp__not_leader__descriptor, payload, REGISTRATION_HELLO_SIZE_MAX);

    connection_over(registrant);
    log_event(LOG_INFO, "redirected", "from=%s to=%s", client_address(registrant->client),
              message && message->address[0] ? message->address : "-");
    (void)client_redirect(registrant->client, message ? message->address : NULL);
    if (message) {
        tccp__not_leader__free_unpacked(message, NULL);
    }
}

#define REGISTERING                                                                                \
    (STATE(REGISTRANT_SAID_HELLO) | STATE(REGISTRANT_SENT_EVIDENCE) | STATE(REGISTRANT_ATTESTING))
#define REGISTERED                                                                                 \
    (STATE(REGISTRANT_LIVE) | STATE(REGISTRANT_RENEWING) | STATE(REGISTRANT_SENT_RENEWAL))

/* Which message may come in which states, and what takes it. */
static const struct {
    Tccp__NodeMessageKind kind;
    unsigned states;
    void (*take)(struct registrant *registrant, struct view payload);
} steps[] = {
    {TCCP__NODE_MESSAGE_KIND__REGISTER_CHALLENGE, STATE(REGISTRANT_SAID_HELLO),
     registrant_registration_challenge},
    {TCCP__NODE_MESSAGE_KIND__EVIDENCE_GO, SENT_EVIDENCE, take_evidence_go},
    {TCCP__NODE_MESSAGE_KIND__REGISTER_ACCEPTED, STATE(REGISTRANT_SENT_EVIDENCE),
     registrant_registration_accepted},
    {TCCP__NODE_MESSAGE_KIND__RENEW_CHALLENGE,
     STATE(REGISTRANT_LIVE) | STATE(REGISTRANT_SENT_RENEWAL), registrant_renewal_challenge},
    {TCCP__NODE_MESSAGE_KIND__RENEW_ACCEPTED, STATE(REGISTRANT_SENT_RENEWAL),
     registrant_renewal_accepted},
    {TCCP__NODE_MESSAGE_KIND__REFUSED, REGISTERING | REGISTERED, take_refused},
    {TCCP__NODE_MESSAGE_KIND__NOT_LEADER, REGISTERING | REGISTERED, take_not_leader},
};

/* Messages about VMs come at any time while the registration is live. */
static bool take_vm_message(const struct registrant *registrant, const Tccp__NodeMessage *message)
{
    static const Tccp__NodeMessageKind kinds[] = {
        TCCP__NODE_MESSAGE_KIND__LAUNCH_ORDER,     TCCP__NODE_MESSAGE_KIND__RUN_GRANT,
        TCCP__NODE_MESSAGE_KIND__MIGRATION_TICKET, TCCP__NODE_MESSAGE_KIND__MIGRATION_DECISION,
        TCCP__NODE_MESSAGE_KIND__VM_COMMAND,       TCCP__NODE_MESSAGE_KIND__MIGRATION_READY,
    };
    const struct registrant_config *config = &registrant->config;

    if (!(REGISTERED & STATE(registrant->state)) || registrant->own.id == 0) {
        return false;
    }
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        if (kinds[i] == message->kind) {
            if (config->callbacks.on_vm_message) {
                config->callbacks.on_vm_message(config->argument, message->kind,
                                                protobuf_view(message->payload));
            }
            return true;
        }
    }
    return false;
}

static void on_frame(struct client *client, void *argument, struct view frame)
{
    struct registrant *registrant = argument;
    Tccp__NodeMessage *message = node_message_unpack(frame);
    uint64_t now_ms = time_boot_ms();

    (void)client;
    if (!message) {
        registrant_fail(registrant, STATUS_MALFORMED, "a frame that is no message");
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
        if (steps[i].kind == message->kind && steps[i].states & STATE(registrant->state)) {
            if (message->kind == TCCP__NODE_MESSAGE_KIND__REGISTER_CHALLENGE ||
                message->kind == TCCP__NODE_MESSAGE_KIND__RENEW_CHALLENGE) {
                registrant->challenged_at_ms = now_ms;
            }
            steps[i].take(registrant, protobuf_view(message->payload));
            node_message_free(message);
            return;
        }
    }
    if (!take_vm_message(registrant, message)) {
        registrant_fail(registrant, STATUS_MALFORMED, "message %d out of order",
                        (int)message->kind);
    }
    node_message_free(message);
}

enum status registrant_send_vm(struct registrant *registrant, Tccp__NodeMessageKind kind,
                               struct view payload)
{
    OWN(bytes) struct bytes frame = {0};

    if (!(REGISTERED & STATE(registrant->state)) || registrant_id(registrant) == 0) {
        return STATUS_NOT_READY;
    }
    TRY(node_message_pack(kind, payload, &frame));
    return client_send(registrant->client, bytes_view(&frame));
}

enum status registrant_identity(const struct registrant *registrant,
                                struct registrant_identity *ret_identity)
{
    const struct own_registration *own = &registrant->own;

    if (registrant_id(registrant) == 0) {
        return STATUS_NOT_READY;
    }
    *ret_identity = (struct registrant_identity){
        .registration_id = own->id,
        .scope = own->scope,
        .ek_name = bytes_view(&host_identity(registrant->config.host)->ek_name),
        .tc_sign = perimeter_key_view(&own->tc_sign),
        .ca_certificate = bytes_view(&own->ca_certificate),
        .certificate = bytes_view(&own->certificate),
        .tk_sign = own->key.sign,
        .tk_kem = own->key.kem,
        .renewed_ms = own->renewed_ms,
    };
    return STATUS_OK;
}

/* --- the TPM's work --- */

struct attestation {
    struct registrant *registrant;
    uint64_t connection_number;
    void (*done)(struct registrant *registrant, const struct host_report *report);
};

static void on_attested(void *argument, const struct host_report *report)
{
    struct attestation attestation = *(struct attestation *)argument;

    free(argument);
    if (attestation.registrant->state != REGISTRANT_STOPPED &&
        attestation.registrant->connection_number == attestation.connection_number) {
        attestation.done(attestation.registrant, report);
    }
}

void registrant_attest(struct registrant *registrant, const struct host_task *task,
                       void (*done)(struct registrant *registrant,
                                    const struct host_report *report))
{
    struct attestation *attestation = malloc(sizeof *attestation);
    enum status status = STATUS_NO_MEMORY;

    if (attestation) {
        *attestation = (struct attestation){registrant, registrant->connection_number, done};
        status = host_submit(registrant->config.host, task, on_attested, attestation);
    }
    if (status != STATUS_OK) {
        free(attestation);
        registrant_fail(registrant, status, "the TPM could not be asked: %s", status_text(status));
    }
}

const char *registrant_attest_error(enum status status)
{
    return status == STATUS_TOO_LARGE
               ? "the IMA log or the event log of this boot is larger than a coordinator takes; "
                 "IMA's policy measures too much, or this host has been up for too long"
               : status_text(status);
}

/* --- start and end --- */

static enum status memory_load(struct registrant *registrant)
{
    OWN(bytes) struct bytes text = {0};
    enum status status = file_read(registrant->memory_path, PERIMETER_MEMORY_TEXT_SIZE, &text);

    if (status == STATUS_NOT_FOUND) {
        return STATUS_OK;
    }
    TRY(status);
    return perimeter_memory_parse(bytes_view(&text), &registrant->memory);
}

static enum status anonymous_make(struct registrant *registrant)
{
    static const char *const protocols[] = {ALPN_NODE, NULL};

    return tls_context_new(&(struct tls_config){.role = TLS_CLIENT,
                                                .alpn = protocols,
                                                .verify = registrant_verify_member,
                                                .verify_argument = registrant},
                           &registrant->anonymous);
}

static enum status connect_start(struct registrant *registrant)
{
    const struct registrant_config *config = &registrant->config;

    return client_open(
        &(struct client_config){
            .loop = config->loop,
            .addresses = config->addresses,
            .address_count = config->address_count,
            .tls = registrant->anonymous,
            .verify = registrant_verify_member,
            .verify_argument = registrant,
            /* The peer is a member, or there is no connection: it may send whole messages. */
            .limits = {.frame_size_max = FRAME_SIZE_MAX},
            .attempt_max = config->attempt_max,
            .callbacks = {on_open, on_frame, on_failure, on_drain},
            .argument = registrant,
        },
        &registrant->client);
}

enum status registrant_start(const struct registrant_config *config,
                             struct registrant **ret_registrant)
{
    struct registrant *registrant = calloc(1, sizeof *registrant);
    enum status status = STATUS_NO_MEMORY;

    if (!registrant) {
        return STATUS_NO_MEMORY;
    }
    registrant->config = *config;
    registrant->memory_path = strdup(config->memory_path);
    if (registrant->memory_path) {
        status = memory_load(registrant);
    }
    if (status == STATUS_OK) {
        status = anonymous_make(registrant);
    }
    if (status == STATUS_OK) {
        status = timer_new(config->loop, on_lease_timer, registrant, &registrant->lease_timer);
    }
    if (status == STATUS_OK) {
        status = connect_start(registrant);
    }
    if (status != STATUS_OK) {
        if (registrant->lease_timer) {
            timer_free(registrant->lease_timer);
        }
        registrant->state = REGISTRANT_STOPPED;
        registrant_free(registrant);
        return status;
    }
    host_watch(config->host, on_host_health, registrant);
    calling_update(registrant);
    *ret_registrant = registrant;
    return STATUS_OK;
}

void registrant_stop(struct registrant *registrant)
{
    if (registrant->state == REGISTRANT_STOPPED) {
        return;
    }
    connection_over(registrant);
    registrant->state = REGISTRANT_STOPPED;
    host_watch(registrant->config.host, NULL, NULL);
    timer_free(TAKE(registrant->lease_timer));
    client_close(TAKE(registrant->client));
}

void registrant_free(struct registrant *registrant)
{
    ASSERT(registrant->state == REGISTRANT_STOPPED);
    registrant_own_clear(registrant);
    tls_context_release(registrant->anonymous);
    free(registrant->memory_path);
    free(registrant);
}
