/* The fixed parts of our certificates, for making and for reading them. Not for use outside
 * lib/crypto. */
#ifndef TCCP_CRYPTO_X509_PROFILE_H
#define TCCP_CRYPTO_X509_PROFILE_H

#include "lib/crypto/der.h"
#include "lib/crypto/x509.h"

/* Contents of OBJECT IDENTIFIERs. */
extern const struct view x509_oid_common_name, x509_oid_basic_constraints, x509_oid_key_usage,
    x509_oid_identity, x509_oid_bundle;
/* Whole contents of extensions: basicConstraints of a leaf and of the authority (path length 0);
 * keyUsage digitalSignature, and keyCertSign. */
extern const struct view x509_leaf_constraints, x509_authority_constraints, x509_leaf_usage,
    x509_authority_usage;
/* Common names of the issuer of leaves, and of bare certificates. */
#define X509_AUTHORITY_NAME "tccp cluster authority"
#define X509_BARE_NAME "tccp bare key"

/* The AlgorithmIdentifier of signatures by such a key: ecdsa-with-SHA256 or Ed25519, as a whole
 * element. */
struct view x509_signature_algorithm(enum key_algorithm algorithm);

/* 9999-12-31 23:59:59, the last that X.509 can say. */
#define X509_TIME_MAX_S UINT64_C(253402300799)

enum { X509_TIME_SIZE_MAX = 15 };
struct x509_time {
    enum der_tag tag; /* UTCTime to the end of 2049, GeneralizedTime from then on */
    char text[X509_TIME_SIZE_MAX + 1];
};
/* RFC 5280, section 4.1.2.5. seconds: up to X509_TIME_MAX_S. */
struct x509_time x509_time_of(uint64_t seconds);
/* Only the one form that x509_time_of gives. */
uint64_t x509_read_time(struct reader *reader);

/* 1 to CERTIFICATE_SUBJECT_SIZE_MAX bytes of printable ASCII. */
bool x509_name_good(struct view name);

#endif
