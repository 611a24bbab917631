#include "lib/attest/ek_certificate.h"

#include <openssl/asn1.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <stdlib.h>
#include <string.h>

/* TCG EK Credential Profile. */
#define OID_EK_CERTIFICATE "2.23.133.8.1"
#define OID_TPM_MANUFACTURER "2.23.133.2.1"
#define OID_TPM_MODEL "2.23.133.2.2"
#define OID_TPM_VERSION "2.23.133.2.3"
#define OID_RSA_ENCRYPTION "1.2.840.113549.1.1.1"
#define OID_RSAES_OAEP "1.2.840.113549.1.1.7"
#define OID_EC_PUBLIC_KEY "1.2.840.10045.2.1"
#define OID_P256 "1.2.840.10045.3.1.7"
#define OID_P384 "1.3.132.0.34"

enum { OID_TEXT_SIZE = 80, CHAIN_DEPTH_MAX = 6, CHAIN_SECURITY_LEVEL = 2 };

static inline void x509_cleanup(X509 **certificate)
{
    X509_free(*certificate);
}
static inline void x509_store_ctx_cleanup(X509_STORE_CTX **context)
{
    X509_STORE_CTX_free(*context);
}

static bool oid_is(const ASN1_OBJECT *object, const char *oid)
{
    char text[OID_TEXT_SIZE];
    int size = OBJ_obj2txt(text, sizeof text, object, 1);

    return size > 0 && (size_t)size < sizeof text && strcmp(text, oid) == 0;
}

static enum status certificate_parse(struct view der, X509 **ret_certificate)
{
    const uint8_t *at = der.data;

    *ret_certificate = NULL;
    if (der.size == 0 || der.size > EK_CERTIFICATE_SIZE_MAX) {
        return STATUS_MALFORMED;
    }
    *ret_certificate = d2i_X509(NULL, &at, (long)der.size);
    return *ret_certificate && at == der.data + der.size ? STATUS_OK : STATUS_MALFORMED;
}

struct ek_authorities {
    X509_STORE *store; /* looks nowhere else */
    struct refusal
        refusal; /* of every certificate; REFUSAL_NONE where the CAs are what they should be */
};

static enum status store_fill(struct ek_authorities *authorities, const struct view *cas,
                              size_t ca_count)
{
    if (ca_count > EK_CA_COUNT_MAX) {
        authorities->refusal = refusal_make(REFUSAL_EK_CHAIN, "more than %d CAs", EK_CA_COUNT_MAX);
        return STATUS_OK;
    }
    for (size_t i = 0; i < ca_count; i++) {
        __attribute__((cleanup(x509_cleanup))) X509 *ca = NULL;

        if (certificate_parse(cas[i], &ca) != STATUS_OK) {
            authorities->refusal =
                refusal_make(REFUSAL_EK_CHAIN, "CA %zu of the manifest is no certificate", i + 1);
            return STATUS_OK;
        }
        if (X509_STORE_add_cert(authorities->store, ca) != 1) {
            return STATUS_NO_MEMORY;
        }
    }
    return STATUS_OK;
}

enum status ek_authorities_new(const struct view *cas, size_t ca_count,
                               struct ek_authorities **ret_authorities)
{
    OWN(ek_authorities) struct ek_authorities *authorities = calloc(1, sizeof *authorities);
    X509_VERIFY_PARAM *parameters;
    enum status status;

    if (!authorities) {
        return STATUS_NO_MEMORY;
    }
    authorities->store = X509_STORE_new();
    if (!authorities->store) {
        return STATUS_NO_MEMORY;
    }
    parameters = X509_STORE_get0_param(authorities->store);
    /* The manifest may name an intermediate without its root. */
    if (X509_VERIFY_PARAM_set_flags(parameters, X509_V_FLAG_PARTIAL_CHAIN) != 1) {
        return STATUS_CRYPTO;
    }
    X509_VERIFY_PARAM_set_depth(parameters, CHAIN_DEPTH_MAX);
    X509_VERIFY_PARAM_set_auth_level(parameters, CHAIN_SECURITY_LEVEL);
    status = store_fill(authorities, cas, ca_count);
    ERR_clear_error(); /* What OpenSSL complained about is in the refusal. */
    TRY(status);
    *ret_authorities = TAKE(authorities);
    return STATUS_OK;
}

void ek_authorities_free(struct ek_authorities *authorities)
{
    if (authorities) {
        X509_STORE_free(authorities->store);
        free(authorities);
    }
}

static enum status chain_check(X509 *certificate, const struct ek_authorities *authorities,
                               uint64_t now_s, struct refusal *refusal)
{
    __attribute__((cleanup(x509_store_ctx_cleanup))) X509_STORE_CTX *context = X509_STORE_CTX_new();
    char issuer[128] = "";
    int error, depth;

    if (!context) {
        return STATUS_NO_MEMORY;
    }
    if (authorities->refusal.code != REFUSAL_NONE) {
        return refuse(refusal, authorities->refusal.code, "%s", authorities->refusal.detail);
    }
    if (X509_STORE_CTX_init(context, authorities->store, certificate, NULL) != 1) {
        return STATUS_CRYPTO;
    }
    X509_VERIFY_PARAM_set_time(X509_STORE_CTX_get0_param(context), (time_t)now_s);
    if (X509_verify_cert(context) == 1) {
        /* A certificate that is itself listed among the CAs would be a chain of one. */
        return X509_STORE_CTX_get0_chain(context) &&
                       sk_X509_num(X509_STORE_CTX_get0_chain(context)) > 1
                   ? STATUS_OK
                   : refuse(refusal, REFUSAL_EK_CHAIN, "the certificate is its own issuer");
    }
    error = X509_STORE_CTX_get_error(context);
    depth = X509_STORE_CTX_get_error_depth(context);
    if (error == X509_V_ERR_OUT_OF_MEM) {
        return STATUS_NO_MEMORY;
    }
    if (error == X509_V_ERR_CERT_HAS_EXPIRED) {
        return refuse(refusal, REFUSAL_CERTIFICATE_EXPIRED, "%s of the endorsement key has expired",
                      depth ? "the issuer of the certificate" : "the certificate");
    }
    if (error == X509_V_ERR_CERT_NOT_YET_VALID) {
        return refuse(refusal, REFUSAL_NOT_YET_VALID, "%s of the endorsement key is not valid yet",
                      depth ? "the issuer of the certificate" : "the certificate");
    }
    (void)X509_NAME_oneline(X509_get_issuer_name(certificate), issuer, sizeof issuer);
    return refuse(refusal, REFUSAL_EK_CHAIN, "issued by %s: %s", issuer,
                  X509_verify_cert_error_string(error));
}

static bool has_ek_usage(X509 *certificate)
{
    EXTENDED_KEY_USAGE *usages = X509_get_ext_d2i(certificate, NID_ext_key_usage, NULL, NULL);
    bool found = false;

    for (int i = 0; usages && i < sk_ASN1_OBJECT_num(usages); i++) {
        found |= oid_is(sk_ASN1_OBJECT_value(usages, i), OID_EK_CERTIFICATE);
    }
    EXTENDED_KEY_USAGE_free(usages);
    return found;
}

/* The directory name in the subject alternative name has a text for this attribute. */
static bool name_has(const X509_NAME *name, const char *oid)
{
    for (int i = 0; i < X509_NAME_entry_count(name); i++) {
        const X509_NAME_ENTRY *entry = X509_NAME_get_entry(name, i);

        if (oid_is(X509_NAME_ENTRY_get_object(entry), oid) &&
            ASN1_STRING_length(X509_NAME_ENTRY_get_data(entry)) > 0) {
            return true;
        }
    }
    return false;
}

static bool names_tpm(X509 *certificate)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    bool found = false;

    for (int i = 0; names && i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

        found |= name->type == GEN_DIRNAME &&
                 name_has(name->d.directoryName, OID_TPM_MANUFACTURER) &&
                 name_has(name->d.directoryName, OID_TPM_MODEL) &&
                 name_has(name->d.directoryName, OID_TPM_VERSION);
    }
    GENERAL_NAMES_free(names);
    return found;
}

static enum status extensions_check(X509 *certificate, const struct tpm_public *ek,
                                    struct refusal *refusal)
{
    uint32_t needed =
        ek->type == TPM_ALGORITHM_RSA ? (uint32_t)KU_KEY_ENCIPHERMENT : (uint32_t)KU_KEY_AGREEMENT;
    uint32_t usage;

    if (X509_get_extension_flags(certificate) & EXFLAG_CA) {
        return refuse(refusal, REFUSAL_EK_CERTIFICATE, "it is a CA's");
    }
    if (!has_ek_usage(certificate)) {
        return refuse(refusal, REFUSAL_EK_CERTIFICATE,
                      "extended key usage " OID_EK_CERTIFICATE " is missing");
    }
    usage = X509_get_key_usage(certificate); /* All bits, so refused, where it is missing. */
    if (!(usage & needed) || (usage & (KU_KEY_CERT_SIGN | KU_CRL_SIGN))) {
        return refuse(refusal, REFUSAL_EK_CERTIFICATE, "key usage 0x%x", usage);
    }
    if (!names_tpm(certificate)) {
        return refuse(refusal, REFUSAL_EK_CERTIFICATE,
                      "manufacturer, model or version of the TPM is missing");
    }
    return STATUS_OK;
}

/* DER of RSAPublicKey (RFC 8017, A.1.1), as the subjectPublicKey of a certificate holds it. */
static struct view rsa_public_key(const struct tpm_public *ek, uint8_t *buffer)
{
    /* 2048 bits with the first bit set: the INTEGER is of 257 octets; 65537 is 01 00 01. */
    static const uint8_t before[] = {0x30, 0x82, 0x01, 0x0a, 0x02, 0x82, 0x01, 0x01, 0x00};
    static const uint8_t after[] = {0x02, 0x03, 0x01, 0x00, 0x01};

    memcpy(buffer, before, sizeof before);
    memcpy(buffer + sizeof before, ek->rsa.modulus, ek->rsa.size);
    memcpy(buffer + sizeof before + ek->rsa.size, after, sizeof after);
    return (struct view){buffer, sizeof before + ek->rsa.size + sizeof after};
}

static struct view ecc_point(const struct tpm_public *ek, uint8_t *buffer)
{
    buffer[0] = 0x04;
    memcpy(buffer + 1, ek->ecc.x, ek->ecc.size);
    memcpy(buffer + 1 + ek->ecc.size, ek->ecc.y, ek->ecc.size);
    return (struct view){buffer, 1 + 2 * ek->ecc.size};
}

/* The algorithm in the certificate is the one of the key. OpenSSL does not take apart keys marked
 * id-RSAES-OAEP, which the profile allows: so the encodings are compared, not the numbers. */
static bool algorithm_matches(const X509_ALGOR *algorithm, const struct tpm_public *ek)
{
    const ASN1_OBJECT *object;
    const void *parameter;
    int parameter_type;

    X509_ALGOR_get0(&object, &parameter_type, &parameter, algorithm);
    if (ek->type == TPM_ALGORITHM_RSA) {
        return oid_is(object, OID_RSA_ENCRYPTION) || oid_is(object, OID_RSAES_OAEP);
    }
    return oid_is(object, OID_EC_PUBLIC_KEY) && parameter_type == V_ASN1_OBJECT &&
           oid_is(parameter, ek->ecc.curve == TPM_CURVE_P256 ? OID_P256 : OID_P384);
}

static enum status key_check(X509 *certificate, const struct tpm_public *ek,
                             struct refusal *refusal)
{
    uint8_t buffer[TPM_RSA_SIZE_MAX + 32];
    struct view expected =
        ek->type == TPM_ALGORITHM_RSA ? rsa_public_key(ek, buffer) : ecc_point(ek, buffer);
    const uint8_t *octets;
    X509_ALGOR *algorithm;
    int size;

    if (X509_PUBKEY_get0_param(NULL, &octets, &size, &algorithm,
                               X509_get_X509_PUBKEY(certificate)) != 1 ||
        !algorithm_matches(algorithm, ek) ||
        !view_equal((struct view){octets, (size_t)size}, expected)) {
        return refuse(refusal, REFUSAL_EK_MISMATCH,
                      "the certificate is for another key than the public area");
    }
    return STATUS_OK;
}

static enum status profile_check(X509 *certificate, const struct tpm_public *ek,
                                 struct refusal *refusal)
{
    TRY(extensions_check(certificate, ek, refusal));
    TRY(ek_template_check(ek, refusal));
    return key_check(certificate, ek, refusal);
}

static enum status certificate_read(struct view der, X509 **ret_certificate,
                                    struct refusal *refusal)
{
    if (certificate_parse(der, ret_certificate) != STATUS_OK) {
        return refuse(refusal, REFUSAL_EK_CERTIFICATE, "not one X.509 certificate (%zu bytes)",
                      der.size);
    }
    return STATUS_OK;
}

enum status ek_certificate_profile_check(struct view der, const struct tpm_public *ek,
                                         struct refusal *refusal)
{
    __attribute__((cleanup(x509_cleanup))) X509 *certificate = NULL;
    enum status status = certificate_read(der, &certificate, refusal);

    if (status == STATUS_OK) {
        status = profile_check(certificate, ek, refusal);
    }
    ERR_clear_error(); /* What OpenSSL complained about is in the refusal. */
    return status;
}

enum status ek_certificate_check_by(struct view der, const struct tpm_public *ek,
                                    const struct ek_authorities *authorities, uint64_t now_s,
                                    struct refusal *refusal)
{
    __attribute__((cleanup(x509_cleanup))) X509 *certificate = NULL;
    enum status status = certificate_read(der, &certificate, refusal);

    if (status == STATUS_OK) {
        status = chain_check(certificate, authorities, now_s, refusal);
    }
    if (status == STATUS_OK) {
        status = profile_check(certificate, ek, refusal);
    }
    ERR_clear_error();
    return status;
}

enum status ek_certificate_check(struct view der, const struct tpm_public *ek,
                                 const struct view *cas, size_t ca_count, uint64_t now_s,
                                 struct refusal *refusal)
{
    OWN(ek_authorities) struct ek_authorities *authorities = NULL;

    TRY(ek_authorities_new(cas, ca_count, &authorities));
    return ek_certificate_check_by(der, ek, authorities, now_s, refusal);
}
