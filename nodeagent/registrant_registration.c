#include "nodeagent/registrant_internal.h"

#include "lib/base/log.h"
#include "lib/crypto/entropy.h"
#include "lib/daemon/file.h"
#include "lib/protocol/renewal.h"

#include <stdio.h>
#include <string.h>

/* The coordinator waits a minute for the evidence, counted from the handshake. */
enum { ATTEST_MS_MAX = 40 * 1000 };

void registrant_registration_begin(struct registrant *registrant)
{
    const struct tpm_identity *identity = host_identity(registrant->config.host);
    OWN(bytes) struct bytes hello = {0};
    struct attester_config config = {
        .role = ATTESTER_NODE,
        .perimeter_id = registrant->config.perimeter_id,
        .memory = registrant->memory,
        .channel = registrant->channel,
        .tc_sign = perimeter_key_view(&registrant->trust.endorsement.tc_sign),
        .ek_certificate = bytes_view(&identity->ek_certificate),
        .ek_public = bytes_view(&identity->ek_public),
        .ak_public = bytes_view(&identity->ak_public),
        .now_s = time_wall_s(),
    };
    enum status status;

    /* A key that was shown once is not shown again: the coordinator would refuse it. */
    registrant_own_clear(registrant);
    status = trusted_key_new(&registrant->own.key);
    if (status == STATUS_OK) {
        config.tk_sign = registrant->own.key.sign;
        memcpy(config.tk_kem, registrant->own.key.kem_point, sizeof config.tk_kem);
        entropy_fill(config.nonce, sizeof config.nonce);
        status = attester_new(&config, &registrant->attester);
    }
    if (status == STATUS_OK) {
        status = attester_begin(registrant->attester, &hello);
    }
    if (status != STATUS_OK) {
        registrant_fail(registrant, status, "the registration could not begin");
        return;
    }
    registrant->state = REGISTRANT_SAID_HELLO;
    registrant_send(registrant, TCCP__NODE_MESSAGE_KIND__REGISTER_HELLO, bytes_view(&hello));
}

/* What was verified is remembered before anything is done that rests on it. */
static enum status remember(struct registrant *registrant, const struct bundle *bundle)
{
    struct perimeter_memory memory = registrant->memory;
    char text[PERIMETER_MEMORY_TEXT_SIZE];

    if (!perimeter_memory_raise(&memory, &bundle->seen)) {
        return STATUS_OK;
    }
    perimeter_memory_print(&memory, text);
    /* What could not be written is not remembered, however often it is tried. */
    TRY(file_replace(registrant->memory_path, view_string(text)));
    registrant->memory = memory;
    return STATUS_OK;
}

static void attested(struct registrant *registrant, const struct host_report *report)
{
    OWN(bytes) struct bytes evidence = {0};
    enum status status;

    if (report->status != STATUS_OK) {
        registrant_fail(registrant, report->status, "this host could not attest: %s",
                        registrant_attest_error(report->status));
        return;
    }
    status = attester_evidence(
        registrant->attester,
        &(struct attester_result){.activated = secret_view(&report->activated),
                                  .evidence = host_evidence_view(&report->evidence)},
        &evidence);
    if (status != STATUS_OK) {
        registrant_fail(registrant, status, "the evidence could not be put together: %s",
                        status_text(status));
        return;
    }
    registrant->own.reset_count = report->evidence.reset_count;
    registrant->own.restart_count = report->evidence.restart_count;
    registrant->state = REGISTRANT_SENT_EVIDENCE;
    registrant_send_evidence(registrant, attester_announcement(registrant->attester), &evidence);
}

/* What a host's configuration says of development counts where the perimeter's owners say so too.
 */
static enum status check_memory(const struct registrant *registrant, struct refusal *ret_refusal)
{
    const struct manifest *manifest = attester_bundle(registrant->attester)->manifest;

    return registrant->config.memory_is_locked || manifest->development
               ? STATUS_OK
               : refuse(ret_refusal, REFUSAL_DEVELOPMENT, "its memory is not locked");
}

void registrant_registration_challenge(struct registrant *registrant, struct view payload)
{
    struct own_registration *own = &registrant->own;
    struct refusal refusal = {0};
    const struct bundle *bundle;
    struct attester_task task;
    enum status status = attester_challenge(registrant->attester, payload, &task, &refusal);

    if (status == STATUS_OK) {
        status = check_memory(registrant, &refusal);
    }
    if (status == STATUS_REFUSED) {
        registrant_refused(registrant, &refusal, true);
        return;
    }
    if (status == STATUS_OK) {
        status = remember(registrant, attester_bundle(registrant->attester));
    }
    if (status != STATUS_OK) {
        registrant_fail(registrant, status, "the challenge could not be taken up: %s",
                        status_text(status));
        return;
    }
    bundle = attester_bundle(registrant->attester);
    own->scope = bundle_scope(bundle);
    own->lease_max_ms = (uint64_t)bundle->manifest->lease_s * 1000;
    registrant->state = REGISTRANT_ATTESTING;
    registrant_attest(
        registrant,
        &(struct host_task){.credential_blob = task.credential_blob,
                            .credential_secret = task.credential_secret,
                            .qualifying = task.qualifying,
                            .demand = task.demand,
                            .deadline_ms = registrant->challenged_at_ms + ATTEST_MS_MAX},
        attested);
}

/* From now on connections are made under the certificate that names the registration. */
static enum status use_certificate(struct registrant *registrant, const struct admission *admission)
{
    static const char *const protocols[] = {ALPN_NODE, NULL};
    const struct view chain = bytes_view(&admission->certificate);
    struct tls_context *context;

    TRY(tls_context_new(&(struct tls_config){.role = TLS_CLIENT,
                                             .chain = &chain,
                                             .chain_count = 1,
                                             .private_key = registrant->own.key.sign,
                                             .alpn = protocols,
                                             .verify = registrant_verify_member,
                                             .verify_argument = registrant},
                        &context));
    client_set_tls(registrant->client, context);
    tls_context_release(context);
    return STATUS_OK;
}

void registrant_registration_accepted(struct registrant *registrant, struct view payload)
{
    const struct tpm_identity *identity = host_identity(registrant->config.host);
    OWN(admission) struct admission admission = {0};
    struct refusal refusal = {0};
    const struct manifest *manifest;
    const struct manifest_node *node;
    struct digest key_id; /* as public_key_id() */
    enum status status = attester_accepted(registrant->attester, payload, &admission, &refusal);

    if (status == STATUS_OK) {
        status = use_certificate(registrant, &admission);
    }
    if (status == STATUS_REFUSED) {
        registrant_refused(registrant, &refusal, true);
        return;
    }
    if (status != STATUS_OK) {
        registrant_fail(registrant, status, "the registration could not be taken up: %s",
                        status_text(status));
        return;
    }
    manifest = attester_bundle(registrant->attester)->manifest;
    node = manifest_node_by_ek(manifest, bytes_view(&identity->ek_name));
    client_set_spread(registrant->client,
                      renewal_return_spread_ms(manifest->node_count, admission.lease_ms));
    (void)snprintf(registrant->own.name, sizeof registrant->own.name, "%s", node ? node->name : "");
    registrant->own.id = admission.registration_id;
    registrant->own.tc_sign = registrant->trust.endorsement.tc_sign;
    registrant->own.ca_certificate = TAKE(admission.ca_certificate);
    registrant->own.certificate = TAKE(admission.certificate);
    registrant->known_connection = registrant->connection_number;
    attester_free(TAKE(registrant->attester));
    key_id = sha256(private_key_spki(registrant->own.key.sign));
    log_event(LOG_NOTICE, "registered", "node=%s registration=%llu key=%s coordinator=%s",
              registrant->own.name, (unsigned long long)registrant->own.id,
              hex_short(digest_view(&key_id)).text, client_address(registrant->client));
    registrant_lease_given(registrant, admission.lease_ms);
    if (registrant->own.id != 0 && registrant->config.callbacks.on_registered) {
        registrant->config.callbacks.on_registered(registrant->config.argument, registrant->own.id,
                                                   registrant->own.name);
    }
}
