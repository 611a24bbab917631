/*
 * A manufacturer of TPMs for tests: a CA that certifies endorsement keys, also as no manufacturer
 * should.
 */
#ifndef TCCP_TESTS_SUPPORT_SOFT_CA_H
#define TCCP_TESTS_SUPPORT_SOFT_CA_H

#include "tests/support/soft_tpm.h"

#include <openssl/x509.h>

/* A certificate of the test's own CA, as somebody would have to make it who wants to be let in. */
struct soft_recipe {
    const char *usage;        /* extended key usage; NULL for none */
    const char *key_usage;    /* NULL for none */
    const char *constraints;  /* NULL for none */
    const char *manufacturer; /* NULL leaves the alternative name out */
    const char *model, *version;
    bool self_signed;
    const EVP_MD *hash;
};

/* As the TCG EK Credential Profile wants them. */
extern const struct soft_recipe soft_recipe_rsa, soft_recipe_ecc;

struct soft_ca {
    EVP_PKEY *key;
    X509 *certificate;
    struct bytes der;
    uint64_t now_s;
};

/* Its certificates are valid for a day around now_s. */
struct soft_ca soft_ca_new(uint64_t now_s);
void soft_ca_free(struct soft_ca *ca);
DEFINE_OWN_VALUE(soft_ca, soft_ca_free)

/* An EK certificate, DER; the caller frees it. */
struct bytes soft_ca_issue(const struct soft_recipe *recipe, const struct soft_key *ek,
                           const struct soft_ca *ca);

#endif
