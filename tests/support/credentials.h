/* Identities for tests of connections: a key, and a self-signed certificate that says nothing but a
 * name. */
#ifndef TCCP_TESTS_SUPPORT_CREDENTIALS_H
#define TCCP_TESTS_SUPPORT_CREDENTIALS_H

#include "lib/net/tls.h"

struct credentials {
    struct private_key *key;
    struct bytes certificate; /* DER */
};

/* Aborts where it cannot: tests have no use for less. */
struct credentials credentials_make(const char *name);
/* The private key and certificate as one file, and back. */
void credentials_save(const struct credentials *credentials, const char *path);
struct credentials credentials_load(const char *path);
void credentials_free(struct credentials *credentials);
DEFINE_OWN_VALUE(credentials, credentials_free)

/* A verify function: `argument` is the name (const char *) that the peer must have; NULL: any.
 * Refuses with REFUSAL_CERTIFICATE_ROLE. */
enum status credentials_verify(void *argument, const struct view *chain, size_t count,
                               struct refusal *ret_refusal);
/* The name in a certificate; ret_name holds 64 characters. */
void credentials_name(struct view certificate, char *ret_name);

/* A context that shows these credentials (NULL: none) and demands `peer` of the other side. */
struct tls_context *credentials_context(const struct credentials *credentials, enum tls_role role,
                                        const char *alpn, const char *peer);

#endif
