/*
 * What this member shows to others, and how it judges what they show: its certificate for a key
 * made at this start, and the TLS settings of its ports. Made anew when the endorsement changes.
 */
#ifndef TCCP_TCD_CREDENTIALS_H
#define TCCP_TCD_CREDENTIALS_H

#include "lib/net/tls.h"
#include "tcd/authority.h"
#include "tcd/in_force.h"

#define ALPN_NODE "tccp-node/1"
#define ALPN_ADMIN "tccp-admin/1"
#define ALPN_RAFT "tccp-raft/1"

/* How much a peer's clock may be behind ours. */
enum { CLOCK_SKEW_S = 300 };

struct credentials {
    struct scope scope;
    struct public_key *tc_sign;
    struct bytes ca_certificate; /* DER */
    struct bytes certificate;    /* our leaf, DER */
    struct digest certificate_digest;
    struct tls_context *api;         /* server: nodes, operators, customers */
    struct tls_context *raft_server; /* members only */
    struct tls_context *raft_client;
    struct credentials *previous; /* that these replaced: kept until the end */
};
void credentials_free(struct credentials *credentials);
DEFINE_OWN_POINTER(credentials, credentials_free)

/* entropy_fill() is used inside: for the key and the serial. raft_id goes into the certificate as
 * its registration. */
WARN_UNUSED enum status credentials_new(const struct authority *authority,
                                        const struct in_force *in_force, const char *member,
                                        uint64_t raft_id, uint64_t now_s,
                                        struct credentials **ret_credentials);

/* A leaf under the authority, for a key that was proved: valid from now until the endorsement ends.
 */
WARN_UNUSED enum status credentials_issue(const struct authority *authority,
                                          const struct in_force *in_force,
                                          enum certificate_role role, const char *subject,
                                          struct view spki, struct view kem_point,
                                          uint64_t registration_id, uint64_t now_s,
                                          struct bytes *ret_der);

/* Who is at the other end: ROLE_NONE for a bare certificate or none at all. */
WARN_UNUSED enum status credentials_identify(const struct credentials *credentials,
                                             struct view certificate, uint64_t now_s,
                                             struct certificate *ret_certificate,
                                             struct refusal *ret_refusal);

#endif
