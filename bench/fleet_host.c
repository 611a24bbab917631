#include "bench/fleet_host.h"

#include "lib/attest/evidence_message.h"
#include "lib/crypto/entropy.h"
#include "lib/crypto/sign.h"
#include "lib/net/timer.h"
#include "lib/protocol/node_message.h"
#include "lib/protocol/renewal.h"

#include "proto/node.pb-c.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LOUD_LOG_SIZE = IMA_LOG_SIZE_MAX };

static double now_s(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Our own mistake, or a coordinator that is not what we came to measure. */
static _Noreturn void die(const char *what)
{
    (void)fprintf(stderr, "bench/fleet: %s\n", what);
    exit(1);
}

/* --- the registration --- */

static void lease_given(struct fleet_host *host, uint64_t lease_ms)
{
    host->lease_until_ms = host->challenged_at_ms + lease_ms;
    (void)snprintf(host->fleet->leader, sizeof host->fleet->leader, "%s",
                   client_address(host->client));
}

static void lease_lost(struct fleet_host *host)
{
    if (host->registration_id == 0) {
        return;
    }
    if (fleet_watches(host->fleet, host)) {
        host->fleet->counts.leases_lost++;
    }
    host->registration_id = 0;
    bytes_free(&host->certificate);
    tls_context_release(host->tls);
    host->tls = NULL;
    client_set_tls(host->client, host->fleet->anonymous);
}

void fleet_host_check_lease(struct fleet_host *host, uint64_t now_ms)
{
    if (host->registration_id != 0 && now_ms >= host->lease_until_ms) {
        lease_lost(host);
    }
}

/* Before the next connection: with a lease it goes on, without one it begins anew. */
static void prepare_to_resume(struct fleet_host *host)
{
    host->state = HOST_CONNECTING;
    evidence_outbox_clear(&host->outbox);
    fleet_host_check_lease(host, time_boot_ms());
}

static void send_message(struct fleet_host *host, Tccp__NodeMessageKind kind, struct view payload)
{
    OWN(bytes) struct bytes frame = {0};

    /* A connection that just broke is followed by on_failure. */
    if (node_message_pack(kind, payload, &frame) == STATUS_OK) {
        (void)!client_send(host->client, bytes_view(&frame));
    }
}

/* --- registering --- */

static void say_hello(struct fleet_host *host)
{
    Tccp__RegisterHello hello = TCCP__REGISTER_HELLO__INIT;
    struct key_pair_view key;

    /* A registration that was lost is never taken up again with an old key. */
    trusted_key_free(&host->node.key);
    ASSERT(trusted_key_new(&host->node.key) == STATUS_OK);
    key = trusted_key_public(&host->node.key);
    entropy_fill(host->nonce, sizeof host->nonce);
    hello.version = PROTOCOL_VERSION;
    hello.role = TCCP__ATTESTER_ROLE__ATTESTER_NODE;
    hello.nonce = protobuf_data(VIEW_OF_ARRAY(host->nonce));
    hello.ek_certificate = protobuf_data(bytes_view(&host->node.ek_certificate));
    hello.ek_public = protobuf_data(soft_key_public(&host->node.ek));
    hello.ak_public = protobuf_data(soft_key_public(&host->node.ak));
    hello.tk_sign = protobuf_data(key.sign);
    hello.tk_kem = protobuf_data(key.kem);
    bytes_free(&host->hello);
    ASSERT(protobuf_pack(&hello.base, REGISTRATION_HELLO_SIZE_MAX, &host->hello) == STATUS_OK);
    host->state = HOST_SAID_HELLO;
    send_message(host, TCCP__NODE_MESSAGE_KIND__REGISTER_HELLO, bytes_view(&host->hello));
}

/* The quote, the activated secret, and the proof that the trusted key is ours. */
static void answer_challenge(struct fleet_host *host, struct view payload,
                             const Tccp__RegisterChallenge *challenge)
{
    const struct soft_node *node = &host->node;
    struct fleet *fleet = host->fleet;
    struct scope scope = bundle_scope(fleet->bundle);
    struct challenge_nonces nonces;
    Tccp__RegisterEvidence message = TCCP__REGISTER_EVIDENCE__INIT;
    OWN(soft_evidence) struct soft_evidence evidence = {0};
    OWN(bytes) struct bytes secret = {0}, input = {0}, possession = {0}, packed = {0}, log = {0};
    struct evidence_view view;
    Tccp__Evidence inner;
    struct digest transcript, qualifying, digest, mac;

    memcpy(nonces.host, host->nonce, NONCE_SIZE);
    memcpy(nonces.coordinator, challenge->nonce.data, NONCE_SIZE);
    qualifying = host_qualifying(&scope, ATTESTER_NODE, &nonces, tpm_name_view(&node->ek_name),
                                 tpm_name_view(&node->ak_name), trusted_key_public(&node->key),
                                 &host->channel);
    transcript = registration_transcript(&scope, bytes_view(&host->hello), payload, &host->channel);
    host->ima_sent = (struct soft_ima){0};
    if (host->demand.ima_log) {
        log = soft_ima_log(&host->ima_sent, 1);
    }
    soft_evidence_make(node, &qualifying, host->demand.pcr_mask, &host->ima_sent, time_boot_ms(),
                       &evidence);
    view = soft_evidence_view(node, &evidence);
    view.ak_public = (struct view){0}; /* the Hello's */
    view.ima_log = bytes_view(&log);
    digest = evidence_digest(&scope, &view);
    if (soft_activate(&node->ek, &node->ak_name, protobuf_view(challenge->credential_blob),
                      protobuf_view(challenge->credential_secret), &secret) != STATUS_OK) {
        die("a credential that is not for this host");
    }
    mac = activation_mac(&scope, bytes_view(&secret), &transcript, &digest);
    ASSERT(possession_input(&scope, &transcript, &digest, &input) == STATUS_OK);
    ASSERT(sign_message(node->key.sign, bytes_view(&input), &possession) == STATUS_OK);
    inner = evidence_view_to_message(&view);
    message.evidence = &inner;
    message.activation_mac = protobuf_data(digest_view(&mac));
    message.possession = protobuf_data(bytes_view(&possession));
    ASSERT(protobuf_pack(&message.base, REGISTRATION_MESSAGE_SIZE_MAX, &packed) == STATUS_OK);
    host->state = HOST_SENT_EVIDENCE;
    send_message(host, TCCP__NODE_MESSAGE_KIND__REGISTER_EVIDENCE, bytes_view(&packed));
}

static void take_register_challenge(struct fleet_host *host, struct view payload)
{
    Tccp__RegisterChallenge *challenge = (Tccp__RegisterChallenge *)protobuf_unpack(
        &tccp__register_challenge__descriptor, payload, REGISTRATION_MESSAGE_SIZE_MAX);

    host->challenged_at_ms = time_boot_ms();
    host->challenged_at_s = now_s();
    if (!challenge || challenge->nonce.len != NONCE_SIZE ||
        evidence_demand_of_message(challenge->demand, &host->demand) != STATUS_OK ||
        fleet_take_bundle(host->fleet, protobuf_view(challenge->bundle)) != STATUS_OK) {
        die("a challenge that cannot be answered");
    }
    answer_challenge(host, payload, challenge);
    tccp__register_challenge__free_unpacked(challenge, NULL);
}

static void take_accepted(struct fleet_host *host, struct view payload)
{
    struct fleet *fleet = host->fleet;
    Tccp__RegisterAccepted *accepted = (Tccp__RegisterAccepted *)protobuf_unpack(
        &tccp__register_accepted__descriptor, payload, REGISTRATION_MESSAGE_SIZE_MAX);

    if (!accepted || bytes_copy(protobuf_view(accepted->certificate), &host->certificate)) {
        die("an acceptance that cannot be read");
    }
    host->registration_id = accepted->registration_id;
    host->ima = host->ima_sent;
    host->state = HOST_LIVE;
    /* Now, as an agent does: when all come back at once there is no time for it. */
    host->tls = fleet_tls(fleet, host);
    client_set_tls(host->client, host->tls);
    client_confirm(host->client);
    client_set_spread(host->client, renewal_return_spread_ms(fleet->bundle->manifest->node_count,
                                                             accepted->lease_ms));
    lease_given(host, accepted->lease_ms);
    tccp__register_accepted__free_unpacked(accepted, NULL);
    bytes_free(&host->hello);
    if (fleet_watches(fleet, host)) {
        fleet->counts.registrations++;
        fleet_count_work(fleet);
    }
    if (host->is_awaited) {
        host->is_awaited = false;
        fleet_registered(fleet);
    }
}

/* --- renewing --- */

static void resume(struct fleet_host *host)
{
    Tccp__Resume message = TCCP__RESUME__INIT;
    OWN(bytes) struct bytes payload = {0};

    message.registration_id = host->registration_id;
    ASSERT(protobuf_pack(&message.base, REGISTRATION_HELLO_SIZE_MAX, &payload) == STATUS_OK);
    host->state = HOST_LIVE;
    send_message(host, TCCP__NODE_MESSAGE_KIND__RESUME, bytes_view(&payload));
    if (fleet_watches(host->fleet, host)) {
        fleet_count_work(host->fleet);
    }
}

static void take_renew_challenge(struct fleet_host *host, struct view payload)
{
    struct renewal_binding binding = {
        .scope = bundle_scope(host->fleet->bundle),
        .registration_id = host->registration_id,
        .trusted_key = trusted_key_public(&host->node.key),
        .channel = host->channel,
    };
    OWN(soft_evidence) struct soft_evidence evidence = {0};
    OWN(bytes) struct bytes message = {0}, log = {0};
    struct digest qualifying;
    struct evidence_view view;

    host->challenged_at_ms = time_boot_ms();
    host->challenged_at_s = now_s();
    if (renewal_read_challenge(payload, host->registration_id, binding.nonce, &host->demand,
                               NULL) != STATUS_OK) {
        die("a challenge for another registration");
    }
    if (host->manner == FLEET_MUTE) {
        return;
    }
    if (host->demand.ima_entries_known == host->ima_sent.count) {
        host->ima = host->ima_sent; /* It was appraised, and the answer got lost. */
    }
    host->ima_sent = host->ima;
    if (host->manner == FLEET_LOUD && host->demand.ima_log) {
        log = soft_ima_log(&host->ima_sent, LOUD_LOG_SIZE);
    }
    qualifying = renewal_quote_input(&binding);
    soft_evidence_make(&host->node, &qualifying, host->demand.pcr_mask, &host->ima_sent,
                       time_boot_ms(), &evidence);
    view = soft_evidence_view(&host->node, &evidence);
    view.ima_log = bytes_view(&log);
    ASSERT(renewal_evidence(&view, &message) == STATUS_OK);
    /* Where it cannot be sent the connection has ended, and on_failure follows. */
    (void)!evidence_outbox_send(
        &host->outbox, host->client,
        &(struct evidence_announcement){.kind = TCCP__NODE_MESSAGE_KIND__RENEW_EVIDENCE,
                                        .size = message.size},
        &message);
}

static void take_renew_accepted(struct fleet_host *host, struct view payload)
{
    struct fleet_counts *counts = &host->fleet->counts;
    Tccp__RenewAccepted *accepted = (Tccp__RenewAccepted *)protobuf_unpack(
        &tccp__renew_accepted__descriptor, payload, REGISTRATION_HELLO_SIZE_MAX);

    if (!accepted || accepted->registration_id != host->registration_id) {
        die("an acceptance for another registration");
    }
    client_confirm(host->client);
    /* Before the new one is counted: what ran out meanwhile was lost. */
    fleet_host_check_lease(host, time_boot_ms());
    host->ima = host->ima_sent;
    if (host->registration_id != 0) {
        lease_given(host, accepted->lease_ms);
    }
    tccp__renew_accepted__free_unpacked(accepted, NULL);
    if (fleet_watches(host->fleet, host)) {
        counts->renewals++;
        fleet_count_work(host->fleet);
        if (counts->latency_count < FLEET_LATENCY_MAX) {
            counts->latencies_ms[counts->latency_count++] =
                (float)((now_s() - host->challenged_at_s) * 1e3);
        }
    }
    if (host->registration_id == 0 || host->manner == FLEET_LOUD) {
        prepare_to_resume(host);
        (void)client_redirect(host->client, host->fleet->leader);
    }
}

/* --- the connection --- */

static void take_refused(struct fleet_host *host, struct view payload)
{
    struct refusal refusal = node_message_read_refused(payload);
    struct fleet_counts *counts = &host->fleet->counts;

    if (fleet_watches(host->fleet, host)) {
        if (counts->refusals++ == 0) {
            (void)snprintf(counts->first_refusal, sizeof counts->first_refusal, "%s: %.60s",
                           refusal_name(refusal.code), refusal.detail);
        }
    }
    if (refusal.code != REFUSAL_RATE && refusal.code != REFUSAL_NOT_READY) {
        lease_lost(host);
    }
    /* The connection ends, and on_failure follows. */
}

static void take_not_leader(struct fleet_host *host, struct view payload)
{
    Tccp__NotLeader *message = (Tccp__NotLeader *)protobuf_unpack(
        &tccp__not_leader__descriptor, payload, REGISTRATION_HELLO_SIZE_MAX);

    if (fleet_watches(host->fleet, host)) {
        host->fleet->counts.redirects++;
    }
    prepare_to_resume(host);
    (void)client_redirect(host->client, message ? message->address : NULL);
    if (message) {
        tccp__not_leader__free_unpacked(message, NULL);
    }
}

static void on_open(struct client *client, void *argument, const struct connection_peer *peer)
{
    struct fleet_host *host = argument;
    struct connection *connection = client_connection(client);
    struct digest exporter;

    if (tls_exporter(connection_tls(connection), EXPORTER_LABEL, (struct view){0}, &exporter) !=
        STATUS_OK) {
        die("a connection that cannot be bound to");
    }
    memcpy(host->channel.exporter, exporter.bytes, EXPORTER_SIZE);
    host->channel.server_certificate = sha256(peer->certificate);
    connection_set_frame_size_max(connection, FRAME_SIZE_MAX);
    if (fleet_watches(host->fleet, host)) {
        host->fleet->counts.connections++;
    }
    if (host->registration_id != 0) {
        resume(host);
    } else {
        say_hello(host);
    }
}

static void on_frame(struct client *client, void *argument, struct view frame)
{
    struct fleet_host *host = argument;
    Tccp__NodeMessage *message = node_message_unpack(frame);
    struct view payload = message ? protobuf_view(message->payload) : (struct view){0};

    if (!message) {
        die("a frame that is no message");
    } else if (message->kind == TCCP__NODE_MESSAGE_KIND__RENEW_CHALLENGE &&
               host->state == HOST_LIVE) {
        take_renew_challenge(host, payload);
    } else if (message->kind == TCCP__NODE_MESSAGE_KIND__RENEW_ACCEPTED &&
               host->state == HOST_LIVE) {
        take_renew_accepted(host, payload);
    } else if (message->kind == TCCP__NODE_MESSAGE_KIND__REGISTER_CHALLENGE &&
               host->state == HOST_SAID_HELLO) {
        take_register_challenge(host, payload);
    } else if (message->kind == TCCP__NODE_MESSAGE_KIND__REGISTER_ACCEPTED &&
               host->state == HOST_SENT_EVIDENCE) {
        take_accepted(host, payload);
    } else if (message->kind == TCCP__NODE_MESSAGE_KIND__EVIDENCE_GO && host->state == HOST_LIVE) {
        (void)!evidence_outbox_go(&host->outbox, client);
    } else if (message->kind == TCCP__NODE_MESSAGE_KIND__REFUSED) {
        take_refused(host, payload);
    } else if (message->kind == TCCP__NODE_MESSAGE_KIND__NOT_LEADER) {
        take_not_leader(host, payload);
    } else {
        die("a message out of order");
    }
    node_message_free(message);
}

static void on_failure(struct client *client, void *argument, enum status reason,
                       const char *detail, bool is_final)
{
    struct fleet_host *host = argument;

    (void)client, (void)reason, (void)is_final;
    if (fleet_watches(host->fleet, host)) {
        struct fleet_counts *counts = &host->fleet->counts;

        if (counts->disconnections++ == 0) {
            (void)snprintf(counts->first_failure, sizeof counts->first_failure, "%s", detail);
        }
    }
    prepare_to_resume(host);
}

static void on_drain(struct client *client, void *argument)
{
    struct fleet_host *host = argument;

    (void)!evidence_outbox_drained(&host->outbox, client);
}

void fleet_host_open(struct fleet_host *host, enum fleet_manner manner)
{
    struct fleet *fleet = host->fleet;
    bool is_slow = manner == FLEET_SLOW;
    struct client_config config = {
        .loop = fleet->loop,
        .addresses = is_slow ? (const char *const *)&fleet->slow_address : fleet->addresses,
        .address_count = is_slow ? 1 : fleet->address_count,
        .tls = fleet->anonymous,
        .limits = {.idle_timeout_ms = UINT32_MAX},
        .callbacks = {on_open, on_frame, on_failure, on_drain},
        .argument = host,
    };

    host->manner = manner;
    host->is_awaited = true;
    host->state = HOST_CONNECTING;
    ASSERT(!host->client && client_open(&config, &host->client) == STATUS_OK);
}

void fleet_host_close(struct fleet_host *host)
{
    if (host->client) {
        client_close(host->client);
        host->client = NULL;
        host->state = HOST_OFF;
        host->registration_id = 0;
        tls_context_release(host->tls);
        host->tls = NULL;
        evidence_outbox_clear(&host->outbox);
        bytes_free(&host->hello);
        bytes_free(&host->certificate);
    }
}
