#include "tests/support/credentials.h"

#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct credentials credentials_make(const char *name)
{
    struct credentials credentials = {0};
    X509 *certificate = X509_new();
    EVP_PKEY *handle;
    X509_NAME *subject;
    uint8_t *der = NULL;
    int size;

    ASSERT(private_key_generate(KEY_ECDSA_P256, &credentials.key) == STATUS_OK && certificate);
    handle = private_key_handle(credentials.key);
    ASSERT(X509_set_version(certificate, X509_VERSION_3) == 1);
    ASSERT(ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1) == 1);
    ASSERT(X509_gmtime_adj(X509_getm_notBefore(certificate), 0) != NULL);
    ASSERT(X509_gmtime_adj(X509_getm_notAfter(certificate), 86400) != NULL);
    subject = X509_get_subject_name(certificate);
    ASSERT(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const uint8_t *)name, -1, -1,
                                      0) == 1);
    ASSERT(X509_set_issuer_name(certificate, subject) == 1);
    ASSERT(X509_set_pubkey(certificate, handle) == 1);
    ASSERT(X509_sign(certificate, handle, EVP_sha256()) > 0);
    size = i2d_X509(certificate, &der);
    ASSERT(size > 0);
    ASSERT(bytes_copy((struct view){der, (size_t)size}, &credentials.certificate) == STATUS_OK);
    OPENSSL_free(der);
    X509_free(certificate);
    return credentials;
}

void credentials_save(const struct credentials *credentials, const char *path)
{
    OWN(secret) struct secret pem = {0};
    FILE *file = fopen(path, "w");
    const uint8_t *at = credentials->certificate.data;
    X509 *certificate = d2i_X509(NULL, &at, (long)credentials->certificate.size);

    ASSERT(file && certificate);
    ASSERT(private_key_to_pem(credentials->key, (struct view){NULL, 0}, &pem) == STATUS_OK);
    ASSERT(fwrite(pem.data, 1, pem.size, file) == pem.size);
    ASSERT(PEM_write_X509(file, certificate) == 1);
    ASSERT(fclose(file) == 0);
    X509_free(certificate);
}

struct credentials credentials_load(const char *path)
{
    struct credentials credentials = {0};
    char text[8192];
    FILE *file = fopen(path, "r");
    size_t size;
    char *split;
    X509 *certificate;
    uint8_t *der = NULL;
    int der_size;

    ASSERT(file);
    size = fread(text, 1, sizeof text - 1, file);
    text[size] = 0;
    split = strstr(text, "-----BEGIN CERTIFICATE");
    ASSERT(split);
    ASSERT(private_key_of_pem((struct view){(const uint8_t *)text, (size_t)(split - text)},
                              (struct view){NULL, 0}, &credentials.key) == STATUS_OK);
    rewind(file);
    certificate = PEM_read_X509(file, NULL, NULL, NULL);
    ASSERT(certificate);
    (void)fclose(file);
    der_size = i2d_X509(certificate, &der);
    ASSERT(der_size > 0);
    ASSERT(bytes_copy((struct view){der, (size_t)der_size}, &credentials.certificate) == STATUS_OK);
    OPENSSL_free(der);
    X509_free(certificate);
    return credentials;
}

void credentials_free(struct credentials *credentials)
{
    private_key_free(credentials->key);
    bytes_free(&credentials->certificate);
    credentials->key = NULL;
}

void credentials_name(struct view certificate, char *ret_name)
{
    const uint8_t *at = certificate.data;
    X509 *parsed = d2i_X509(NULL, &at, (long)certificate.size);

    ASSERT(parsed);
    ASSERT(X509_NAME_get_text_by_NID(X509_get_subject_name(parsed), NID_commonName, ret_name, 64) >
           0);
    X509_free(parsed);
}

enum status credentials_verify(void *argument, const struct view *chain, size_t count,
                               struct refusal *ret_refusal)
{
    const char *expected = argument;
    char name[64];

    (void)count;
    credentials_name(chain[0], name);
    if (expected && strcmp(name, expected) != 0) {
        return refuse(ret_refusal, REFUSAL_CERTIFICATE_ROLE, "%s instead of %s", name, expected);
    }
    return STATUS_OK;
}

struct tls_context *credentials_context(const struct credentials *credentials, enum tls_role role,
                                        const char *alpn, const char *peer)
{
    const char *const protocols[] = {alpn, NULL};
    struct view chain = credentials ? bytes_view(&credentials->certificate) : (struct view){0};
    struct tls_config config = {
        .role = role,
        .chain = &chain,
        .chain_count = credentials ? 1 : 0,
        .private_key = credentials ? credentials->key : NULL,
        .alpn = protocols,
        .verify = credentials_verify,
        .verify_argument = (void *)(uintptr_t)peer,
    };
    struct tls_context *context;

    ASSERT(tls_context_new(&config, &context) == STATUS_OK);
    return context;
}
