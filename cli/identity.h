/*
 * The user's identity: a private key, and beside it the certificate that the coordinator issued for
 * it (IDENTITY.crt, DER; `user enroll` writes it).
 */
#ifndef TCCP_CLI_IDENTITY_H
#define TCCP_CLI_IDENTITY_H

#include "cli/cli.h"

#include "lib/crypto/keys.h"

struct identity {
    char path[4096];
    struct private_key *key;
    struct bytes certificate;
};
void identity_free(struct identity *identity);
DEFINE_OWN_VALUE(identity, identity_free)

/* By --identity and its like. `bare`: with a self-signed certificate that says nothing but "I hold
 * this key", for enrolling; otherwise reports where no certificate was issued yet. */
enum exit_code identity_load(const struct cli *cli, bool bare, struct identity *ret_identity);
/* Keeps the certificate that was issued. */
enum exit_code identity_store_certificate(const struct cli *cli, const struct identity *identity,
                                          struct view certificate);

#endif
