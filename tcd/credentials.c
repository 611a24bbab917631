#include "tcd/credentials.h"

#include "lib/crypto/entropy.h"
#include "lib/net/timer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SERIAL_SIZE = 16 };

enum status credentials_identify(const struct credentials *credentials, struct view certificate,
                                 uint64_t now_s, struct certificate *ret_certificate,
                                 struct refusal *ret_refusal)
{
    if (certificate.size == 0) {
        *ret_certificate = (struct certificate){.role = ROLE_NONE};
        return STATUS_OK;
    }
    if (certificate_check(certificate, credentials->tc_sign, &credentials->scope, now_s,
                          ret_certificate, ret_refusal) == STATUS_OK) {
        return STATUS_OK;
    }
    /* A bare certificate proves a key and no role; what was refused above is the better answer
     * otherwise. */
    return certificate_check_bare(certificate, now_s, ret_certificate, NULL) == STATUS_OK
               ? STATUS_OK
               : STATUS_REFUSED;
}

static enum status verify_api_peer(void *argument, const struct view *chain, size_t count,
                                   struct refusal *ret_refusal)
{
    struct certificate certificate;

    (void)count;
    return credentials_identify(argument, chain[0], time_wall_s(), &certificate, ret_refusal);
}

static enum status verify_member(void *argument, const struct view *chain, size_t count,
                                 struct refusal *ret_refusal)
{
    const struct credentials *credentials = argument;
    struct certificate certificate;

    (void)count;
    TRY(certificate_check(chain[0], credentials->tc_sign, &credentials->scope, time_wall_s(),
                          &certificate, ret_refusal));
    return certificate_require_role(&certificate, ROLE_MEMBER, ret_refusal);
}

enum status credentials_issue(const struct authority *authority, const struct in_force *in_force,
                              enum certificate_role role, const char *subject, struct view spki,
                              struct view kem_point, uint64_t registration_id, uint64_t now_s,
                              struct bytes *ret_der)
{
    struct certificate content = {
        .role = role,
        .serial_size = SERIAL_SIZE,
        .spki_size = spki.size,
        .registration_id = registration_id,
        .has_kem = kem_point.size == P256_POINT_SIZE,
        .not_before_s = now_s - CLOCK_SKEW_S,
        .not_after_s = in_force->bundle->endorsement.not_after_s,
    };

    ASSERT(spki.size <= sizeof content.spki);
    (void)snprintf(content.subject, sizeof content.subject, "%s", subject);
    memcpy(content.spki, spki.data, spki.size);
    if (content.has_kem) {
        memcpy(content.kem_point, kem_point.data, P256_POINT_SIZE);
    }
    entropy_fill(content.serial, SERIAL_SIZE);
    content.serial[0] = (uint8_t)(1 + content.serial[0] % 0x7f);
    return authority_issue_certificate(authority, &content, ret_der);
}

static enum status make_contexts(struct credentials *credentials, struct private_key *key)
{
    static const char *const api_protocols[] = {ALPN_NODE, ALPN_ADMIN, NULL};
    static const char *const raft_protocols[] = {ALPN_RAFT, NULL};
    struct view chain[] = {bytes_view(&credentials->certificate),
                           bytes_view(&credentials->ca_certificate)};
    struct tls_config config = {
        .role = TLS_SERVER,
        .chain = chain,
        .chain_count = ARRAY_SIZE(chain),
        .private_key = key,
        .alpn = api_protocols,
        .peer_policy = TLS_PEER_OPTIONAL,
        .verify = verify_api_peer,
        .verify_argument = credentials,
    };

    TRY(tls_context_new(&config, &credentials->api));
    config.alpn = raft_protocols;
    config.peer_policy = TLS_PEER_REQUIRED;
    config.verify = verify_member;
    TRY(tls_context_new(&config, &credentials->raft_server));
    config.role = TLS_CLIENT;
    return tls_context_new(&config, &credentials->raft_client);
}

enum status credentials_new(const struct authority *authority, const struct in_force *in_force,
                            const char *member, uint64_t raft_id, uint64_t now_s,
                            struct credentials **ret_credentials)
{
    const struct endorsement *endorsement = &in_force->bundle->endorsement;
    OWN(credentials) struct credentials *credentials = calloc(1, sizeof *credentials);
    OWN(private_key) struct private_key *key = NULL;

    if (!credentials) {
        return STATUS_NO_MEMORY;
    }
    credentials->scope = *authority_scope(authority);
    TRY(public_key_parse(authority_tc_sign_public(authority), &credentials->tc_sign));
    TRY(private_key_generate(KEY_ECDSA_P256, &key));
    TRY(authority_make_ca_certificate(authority, bytes_view(&in_force->ca_extension),
                                      endorsement->not_before_s, endorsement->not_after_s,
                                      &credentials->ca_certificate));
    TRY(credentials_issue(authority, in_force, ROLE_MEMBER, member, private_key_spki(key),
                          (struct view){0}, raft_id, now_s, &credentials->certificate));
    credentials->certificate_digest = sha256(bytes_view(&credentials->certificate));
    TRY(make_contexts(credentials, key));
    *ret_credentials = TAKE(credentials);
    return STATUS_OK;
}

void credentials_free(struct credentials *credentials)
{
    tls_context_release(credentials->api);
    tls_context_release(credentials->raft_server);
    tls_context_release(credentials->raft_client);
    public_key_free(credentials->tc_sign);
    bytes_free(&credentials->ca_certificate);
    bytes_free(&credentials->certificate);
    free(credentials);
}
