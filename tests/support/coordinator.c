#include "tests/support/coordinator.h"

#include "lib/base/protobuf.h"
#include "lib/crypto/entropy.h"
#include "lib/crypto/x509.h"
#include "lib/net/timer.h"
#include "lib/protocol/node_message.h"

#include "tests/support/test.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DAY_S = 86400, TEXT_SIZE_MAX = 1 << 20, DER_SIZE_MAX = 4096, SKEW_S = 300 };

struct coordinator_session {
    struct coordinator *coordinator;
    struct connection *connection;
    struct channel channel;
    struct verifier *verifier;
    struct renewal_binding binding;
};

/* --- the perimeter --- */

static void ca_write(struct writer *writer, const char *folder, const char *name)
{
    char path[2 * SWTPM_PATH_SIZE], text[2 * DER_SIZE_MAX];
    uint8_t der[DER_SIZE_MAX];
    size_t size;
    FILE *file;

    (void)snprintf(path, sizeof path, "%s/ca/%s.der", folder, name);
    file = fopen(path, "rb");
    assert_non_null(file);
    size = fread(der, 1, sizeof der, file);
    (void)fclose(file);
    base64_encode((struct view){der, size}, text);
    writer_format(writer, "    manufacturer_ca = ");
    writer_view(writer, view_string(text));
    writer_format(writer, "\n");
}

static void policy_write(struct writer *writer, const char *name)
{
    char zero[HEX_SIZE(SHA256_SIZE)];

    hex_encode((struct view){(const uint8_t[SHA256_SIZE]){0}, SHA256_SIZE}, zero);
    writer_format(writer, "policy %s {\n", name);
    for (unsigned pcr = 0; COORDINATOR_QUOTED_PCRS >> pcr; pcr++) {
        writer_format(writer, "    pcr %u = %s\n", pcr, zero);
    }
    writer_format(writer, "}\n");
}

static struct bytes manifest_make(struct coordinator *coordinator, const char *folder,
                                  struct view node_ek_name)
{
    OWN(writer) struct writer writer = writer_new(TEXT_SIZE_MAX);
    OWN(bytes) struct bytes text = {0};
    char id[PERIMETER_ID_TEXT_SIZE], ek[HEX_SIZE(TPM_NAME_SIZE_MAX)],
        ak[HEX_SIZE(TPM_NAME_SIZE_MAX)], node[HEX_SIZE(TPM_NAME_SIZE_MAX)];
    struct text_error error;
    struct bytes bytes;

    perimeter_id_print(&coordinator->perimeter->root.id, id);
    hex_encode(bytes_view(&coordinator->identity.ek_name), ek);
    hex_encode(bytes_view(&coordinator->identity.ak_name), ak);
    hex_encode(node_ek_name, node);
    writer_format(&writer,
                  "manifest {\n    perimeter = %s\n    version = 3\n    epoch = 2\n"
                  "    not_before = 2020-01-01\n    not_after = 2099-01-01\n"
                  "    member_policy = members\n",
                  id);
    ca_write(&writer, folder, "root");
    ca_write(&writer, folder, "issuer");
    writer_format(&writer,
                  "}\nmember tc1 {\n    ek = %s\n    ak = %s\n    address = 127.0.0.1:1\n"
                  "    raft_address = 127.0.0.1:2\n}\n"
                  "node n1 {\n    ek = %s\n    policy = compute\n}\n",
                  ek, ak, node);
    policy_write(&writer, "members");
    policy_write(&writer, "compute");
    assert_ok(writer_take(&writer, &text));
    if (manifest_text_compile(bytes_view(&text), &bytes, &error) != STATUS_OK) {
        fail_msg("line %u, column %u: %s", error.line, error.column, error.message);
    }
    return bytes;
}

static struct bytes endorsement_make(const struct coordinator *coordinator)
{
    struct view spki = private_key_spki(coordinator->perimeter->tc_sign);
    struct endorsement endorsement = {
        .perimeter_id = coordinator->perimeter->root.id,
        .epoch = 2,
        .tc_sign = {.size = spki.size},
        .not_before_s = time_wall_s() - DAY_S,
        .not_after_s = time_wall_s() + DAY_S,
    };
    struct bytes bytes;

    memcpy(endorsement.tc_sign.spki, spki.data, spki.size);
    private_key_point(coordinator->perimeter->tc_kem, endorsement.tc_kem);
    assert_ok(endorsement_build(&endorsement, &bytes));
    return bytes;
}

static void certificates_make(struct coordinator *coordinator, Tccp__PerimeterBundle *bundle,
                              struct private_key *leaf)
{
    const struct private_key *tc_sign = coordinator->perimeter->tc_sign;
    OWN(bytes) struct bytes extension = {0};
    struct certificate content = {.role = ROLE_MEMBER,
                                  .scope = {coordinator->perimeter->root.id, 2},
                                  .subject = "tc1",
                                  .serial = {1},
                                  .serial_size = 1,
                                  .spki_size = private_key_spki(leaf).size,
                                  .registration_id = 1,
                                  .not_before_s = time_wall_s() - SKEW_S,
                                  .not_after_s = time_wall_s() + DAY_S};

    memcpy(content.spki, private_key_spki(leaf).data, content.spki_size);
    assert_ok(cluster_trust_extension(bundle, &extension));
    assert_ok(certificate_make_authority(tc_sign, bytes_view(&extension), content.not_before_s,
                                         content.not_after_s, &coordinator->ca_certificate));
    assert_ok(certificate_issue(tc_sign, &content, &coordinator->certificate));
}

static void perimeter_make(struct coordinator *coordinator, const char *folder,
                           struct view node_ek_name, struct private_key *leaf)
{
    OWN(bytes) struct bytes manifest = {0};
    OWN(bytes) struct bytes endorsement = {0};
    Tccp__PerimeterBundle bundle = TCCP__PERIMETER_BUNDLE__INIT;
    struct refusal refusal = {0};

    coordinator->perimeter = perimeter_test_new();
    manifest = manifest_make(coordinator, folder, node_ek_name);
    endorsement = endorsement_make(coordinator);
    bundle.root = protobuf_data(bytes_view(&coordinator->perimeter->root_bytes));
    bundle.manifest = perimeter_test_signed(coordinator->perimeter, DOCUMENT_MANIFEST, 2,
                                            bytes_view(&manifest), 3);
    bundle.endorsement = perimeter_test_signed(coordinator->perimeter, DOCUMENT_ENDORSEMENT, 2,
                                               bytes_view(&endorsement), 3);
    assert_ok(protobuf_pack(&bundle.base, BUNDLE_SIZE_MAX, &coordinator->bundle_bytes));
    certificates_make(coordinator, &bundle, leaf);
    tccp__signed_document__free_unpacked(bundle.manifest, NULL);
    tccp__signed_document__free_unpacked(bundle.endorsement, NULL);
    if (bundle_check(bytes_view(&coordinator->bundle_bytes),
                     &(struct bundle_expectation){.perimeter_id = coordinator->perimeter->root.id,
                                                  .now_s = time_wall_s()},
                     &coordinator->bundle, &refusal) != STATUS_OK) {
        fail_msg("%s: %s", refusal_name(refusal.code), refusal.detail);
    }
    assert_ok(
        public_key_parse(private_key_spki(coordinator->perimeter->tc_sign), &coordinator->tc_sign));
}

/* --- a session --- */

static void session_send(struct coordinator_session *session, Tccp__NodeMessageKind kind,
                         struct view payload)
{
    OWN(bytes) struct bytes frame = {0};

    assert_ok(node_message_pack(kind, payload, &frame));
    assert_ok(connection_send(session->connection, bytes_view(&frame)));
}

static void session_refuse(struct coordinator_session *session, const struct refusal *refusal)
{
    OWN(bytes) struct bytes frame = {0};

    session->coordinator->last_refusal = refusal->code;
    assert_ok(node_message_refused(refusal, &frame));
    assert_ok(connection_send(session->connection, bytes_view(&frame)));
    connection_close(session->connection);
}

static void not_leader(struct coordinator_session *session)
{
    OWN(bytes) struct bytes frame = {0};

    session->coordinator->not_leader_times--;
    assert_ok(node_message_not_leader(session->coordinator->address, &frame));
    assert_ok(connection_send(session->connection, bytes_view(&frame)));
}

/* One quote for one challenge. */
static void challenge_send(struct coordinator_session *session, const struct digest *leaf)
{
    struct coordinator *coordinator = session->coordinator;
    const struct scope scope = bundle_scope(coordinator->bundle);
    struct digest root = merkle_root_of(leaf, 1);
    struct host_evidence_request request = {.qualifying = coordinator_qualifying(&scope, &root),
                                            .demand = {.pcr_mask = COORDINATOR_QUOTED_PCRS}};
    struct coordinator_evidence evidence = {.leaf_count = 1};
    OWN(host_evidence) struct host_evidence quoted = {0};
    OWN(bytes) struct bytes challenge = {0};

    assert_ok(host_evidence_collect(coordinator->tpm, &coordinator->identity, &request, &quoted));
    evidence.evidence = host_evidence_view(&quoted);
    assert_ok(verifier_challenge(session->verifier, &evidence, &challenge));
    session_send(session, TCCP__NODE_MESSAGE_KIND__REGISTER_CHALLENGE, bytes_view(&challenge));
}

static void take_hello(struct coordinator_session *session, struct view payload)
{
    struct coordinator *coordinator = session->coordinator;
    struct verifier_config config = {.bundle = coordinator->bundle,
                                     .bundle_bytes = bytes_view(&coordinator->bundle_bytes),
                                     .channel = session->channel,
                                     .now_s = time_wall_s()};
    struct refusal refusal = {0};
    struct digest leaf;

    coordinator->hellos++;
    if (coordinator->not_leader_times > 0) {
        not_leader(session);
        return;
    }
    entropy_fill(config.nonce, sizeof config.nonce);
    entropy_fill(config.credential_secret, sizeof config.credential_secret);
    entropy_fill(config.credential_entropy, sizeof config.credential_entropy);
    assert_ok(verifier_new(&config, &session->verifier));
    if (coordinator->answers_wrongly) {
        session_send(session, TCCP__NODE_MESSAGE_KIND__REGISTER_ACCEPTED, payload);
    } else if (verifier_hello(session->verifier, payload, &leaf, &refusal) != STATUS_OK) {
        session_refuse(session, &refusal);
    } else {
        challenge_send(session, &leaf);
    }
}

static void node_remember(struct coordinator *coordinator, const struct registration_facts *facts)
{
    coordinator->registrations++;
    coordinator->registration_id = 100 + coordinator->registrations;
    coordinator->tk_sign = sha256(facts->trusted_key.sign);
    coordinator->ak_name = facts->ak_name;
    coordinator->boot = facts->appraisal.boot;
    bytes_free(&coordinator->tk_spki);
    assert_ok(bytes_copy(facts->trusted_key.sign, &coordinator->tk_spki));
    memcpy(coordinator->tk_kem, facts->trusted_key.kem.data, P256_POINT_SIZE);
}

static void binding_make(struct coordinator_session *session)
{
    struct coordinator *coordinator = session->coordinator;

    session->binding = (struct renewal_binding){
        .scope = bundle_scope(coordinator->bundle),
        .registration_id = coordinator->registration_id,
        .trusted_key = {bytes_view(&coordinator->tk_spki), VIEW_OF_ARRAY(coordinator->tk_kem)},
        .channel = session->channel};
}

static void take_evidence(struct coordinator_session *session, struct view payload)
{
    struct coordinator *coordinator = session->coordinator;
    OWN(admission) struct admission admission = {.lease_ms = coordinator->lease_ms};
    OWN(bytes) struct bytes accepted = {0};
    struct registration_facts facts;
    struct refusal refusal = {0};
    struct certificate content;

    coordinator->evidences++;
    if (verifier_evidence(session->verifier, payload, &facts, &refusal) != STATUS_OK) {
        session_refuse(session, &refusal);
        return;
    }
    node_remember(coordinator, &facts);
    content = (struct certificate){.role = ROLE_NODE,
                                   .scope = bundle_scope(coordinator->bundle),
                                   .subject = "n1",
                                   .serial = {2},
                                   .serial_size = 1,
                                   .spki_size = facts.trusted_key.sign.size,
                                   .registration_id = coordinator->registration_id,
                                   .not_before_s = time_wall_s() - SKEW_S,
                                   .not_after_s = time_wall_s() + DAY_S};
    memcpy(content.spki, facts.trusted_key.sign.data, content.spki_size);
    admission.registration_id = coordinator->registration_id;
    assert_ok(certificate_issue(coordinator->perimeter->tc_sign, &content, &admission.certificate));
    assert_ok(bytes_copy(bytes_view(&coordinator->ca_certificate), &admission.ca_certificate));
    assert_ok(verifier_accept(session->verifier, &admission, &accepted));
    session_send(session, TCCP__NODE_MESSAGE_KIND__REGISTER_ACCEPTED, bytes_view(&accepted));
    binding_make(session);
}

static void renewal_ask(struct coordinator_session *session)
{
    const struct evidence_demand demand = appraisal_demand(
        &manifest_policy_by_name(session->coordinator->bundle->manifest, "compute")->pcrs, NULL);
    OWN(bytes) struct bytes challenge = {0};

    entropy_fill(session->binding.nonce, NONCE_SIZE);
    assert_ok(renewal_challenge(&session->binding, &demand, &challenge));
    session_send(session, TCCP__NODE_MESSAGE_KIND__RENEW_CHALLENGE, bytes_view(&challenge));
}

static void take_resume(struct coordinator_session *session, struct view payload)
{
    struct coordinator *coordinator = session->coordinator;
    struct view shown = connection_peer(session->connection)->certificate;
    const struct scope scope = bundle_scope(coordinator->bundle);
    struct certificate certificate;
    struct refusal refusal;

    (void)payload;
    coordinator->resumes++;
    assert_ok(certificate_check(shown, coordinator->tc_sign, &scope, time_wall_s(), &certificate,
                                &refusal));
    assert_ok(certificate_require_role(&certificate, ROLE_NODE, &refusal));
    assert_int_equal(certificate.registration_id, coordinator->registration_id);
    binding_make(session);
    renewal_ask(session);
}

static void take_renewal(struct coordinator_session *session, struct view payload)
{
    struct coordinator *coordinator = session->coordinator;
    Tccp__RenewAccepted message = TCCP__RENEW_ACCEPTED__INIT;
    const struct renewal_appraiser appraiser = {
        .policy = &manifest_policy_by_name(coordinator->bundle->manifest, "compute")->pcrs,
        .is_whole = true,
        .ak_name = &coordinator->ak_name,
        .previous = &coordinator->boot,
        .now_s = time_wall_s(),
    };
    OWN(bytes) struct bytes accepted = {0};
    struct refusal refusal = {0};
    struct appraisal appraisal;

    if (renewal_appraise(&session->binding, payload, &appraiser, &appraisal, &refusal) !=
        STATUS_OK) {
        session_refuse(session, &refusal);
        return;
    }
    coordinator->boot = appraisal.boot;
    message.registration_id = coordinator->registration_id;
    message.renewal = ++coordinator->renewals;
    message.lease_ms = coordinator->lease_ms;
    assert_ok(protobuf_pack(&message.base, NODE_MESSAGE_SIZE_MAX, &accepted));
    session_send(session, TCCP__NODE_MESSAGE_KIND__RENEW_ACCEPTED, bytes_view(&accepted));
}

/* --- the connection --- */

static enum status verify_node(void *argument, const struct view *chain, size_t count,
                               struct refusal *ret_refusal)
{
    const struct coordinator *coordinator = argument;
    const struct scope scope = bundle_scope(coordinator->bundle);
    struct certificate certificate;

    (void)count;
    return certificate_check(chain[0], coordinator->tc_sign, &scope, time_wall_s(), &certificate,
                             ret_refusal);
}

static void on_open(struct connection *connection, void *argument,
                    const struct connection_peer *peer)
{
    struct coordinator *coordinator = argument;
    struct coordinator_session *session = calloc(1, sizeof *session);
    struct digest exporter;

    (void)peer;
    session->coordinator = coordinator;
    session->connection = connection;
    coordinator->session = session;
    connection_set_argument(connection, session);
    connection_set_frame_size_max(connection, FRAME_SIZE_MAX);
    assert_ok(
        tls_exporter(connection_tls(connection), EXPORTER_LABEL, (struct view){0}, &exporter));
    memcpy(session->channel.exporter, exporter.bytes, EXPORTER_SIZE);
    session->channel.server_certificate = sha256(tls_own_certificate(connection_tls(connection)));
}

static void on_frame(struct connection *connection, void *argument, struct view frame)
{
    struct coordinator_session *session = argument;
    Tccp__NodeMessage *message = node_message_unpack(frame);
    struct view payload;

    (void)connection;
    assert_non_null(message);
    payload = protobuf_view(message->payload);
    if (session->coordinator->is_silent) {
        node_message_free(message);
        return;
    }
    if (message->kind == TCCP__NODE_MESSAGE_KIND__REGISTER_HELLO) {
        take_hello(session, payload);
    } else if (message->kind == TCCP__NODE_MESSAGE_KIND__REGISTER_EVIDENCE) {
        take_evidence(session, payload);
    } else if (message->kind == TCCP__NODE_MESSAGE_KIND__RESUME) {
        take_resume(session, payload);
    } else if (message->kind == TCCP__NODE_MESSAGE_KIND__RENEW_EVIDENCE) {
        take_renewal(session, payload);
    } else {
        fail_msg("message %d", (int)message->kind);
    }
    node_message_free(message);
}

static void on_close(struct connection *connection, void *argument, enum status reason,
                     const char *detail)
{
    struct coordinator_session *session = argument;

    (void)connection;
    (void)reason;
    (void)detail;
    if (session->coordinator->session == session) {
        session->coordinator->session = NULL;
    }
    verifier_free(session->verifier);
    free(session);
}

void coordinator_renew(struct coordinator *coordinator)
{
    assert_non_null(coordinator->session);
    renewal_ask(coordinator->session);
}

void coordinator_end_registration(struct coordinator *coordinator)
{
    struct refusal refusal = {.code = REFUSAL_NO_LEASE};

    assert_non_null(coordinator->session);
    session_refuse(coordinator->session, &refusal);
}

void coordinator_disconnect(struct coordinator *coordinator)
{
    assert_non_null(coordinator->session);
    connection_abort(coordinator->session->connection, STATUS_IO, "the test says so");
}

void coordinator_open(struct coordinator *coordinator, uv_loop_t *loop, const char *folder,
                      struct view node_ek_name, unsigned lease_ms)
{
    static const char *const protocols[] = {"tccp-node/1", NULL};
    OWN(private_key) struct private_key *leaf = NULL;
    char error[LISTENER_ERROR_SIZE];

    *coordinator = (struct coordinator){.loop = loop, .lease_ms = lease_ms};
    swtpm_new(folder, "tc1", "p256", &coordinator->swtpm);
    assert_ok(tpm_open(coordinator->swtpm.tcti, &coordinator->tpm));
    assert_ok(tpm_identity(coordinator->tpm, &coordinator->identity));
    assert_ok(private_key_generate(KEY_ECDSA_P256, &leaf));
    perimeter_make(coordinator, folder, node_ek_name, leaf);
    const struct view chain[] = {bytes_view(&coordinator->certificate),
                                 bytes_view(&coordinator->ca_certificate)};
    assert_ok(tls_context_new(&(struct tls_config){.role = TLS_SERVER,
                                                   .chain = chain,
                                                   .chain_count = 2,
                                                   .private_key = leaf,
                                                   .alpn = protocols,
                                                   .peer_policy = TLS_PEER_OPTIONAL,
                                                   .verify = verify_node,
                                                   .verify_argument = coordinator},
                              &coordinator->tls));
    if (listener_open(&(struct listener_config){.loop = loop,
                                                .address = "127.0.0.1:0",
                                                .tls = coordinator->tls,
                                                .callbacks = {on_open, on_frame, NULL, on_close},
                                                .argument = coordinator},
                      &coordinator->listener, error) != STATUS_OK) {
        fail_msg("%s", error);
    }
    (void)snprintf(coordinator->address, sizeof coordinator->address, "127.0.0.1:%u",
                   listener_port(coordinator->listener));
}

void coordinator_close(struct coordinator *coordinator)
{
    listener_close(coordinator->listener, NULL, NULL);
}

void coordinator_free(struct coordinator *coordinator)
{
    tls_context_release(coordinator->tls);
    public_key_free(coordinator->tc_sign);
    bytes_free(&coordinator->ca_certificate);
    bytes_free(&coordinator->certificate);
    bytes_free(&coordinator->bundle_bytes);
    bytes_free(&coordinator->tk_spki);
    bundle_free(coordinator->bundle);
    perimeter_test_free(coordinator->perimeter);
    tpm_identity_free(&coordinator->identity);
    tpm_close(coordinator->tpm);
    swtpm_free(&coordinator->swtpm);
}
