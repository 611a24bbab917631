#include "lib/attest/attestation_key.h"

#include "lib/attest/tpm_key.h"

#include <stdlib.h>

enum { RSA_BITS_MIN = 2048, RSA_EXPONENT = 65537 };

static const struct {
    uint32_t bit;
    const char *name;
} required[] = {
    {TPM_OBJECT_FIXED_TPM, "fixedTPM"},
    {TPM_OBJECT_FIXED_PARENT, "fixedParent"},
    {TPM_OBJECT_SENSITIVE_DATA_ORIGIN, "sensitiveDataOrigin"},
    {TPM_OBJECT_RESTRICTED, "restricted"},
    {TPM_OBJECT_SIGN, "sign"},
};

/* What else may be set: how the key's use is authorised says nothing about what it signs. */
enum {
    HARMLESS = TPM_OBJECT_ST_CLEAR | TPM_OBJECT_USER_WITH_AUTH | TPM_OBJECT_ADMIN_WITH_POLICY |
               TPM_OBJECT_NO_DA
};

static enum status attributes_check(const struct tpm_public *ak, struct refusal *refusal)
{
    uint32_t foreign = ak->attributes & ~(uint32_t)HARMLESS;

    for (size_t i = 0; i < ARRAY_SIZE(required); i++) {
        if (!(ak->attributes & required[i].bit)) {
            return refuse(refusal, REFUSAL_AK_ATTRIBUTES, "%s is not set (attributes 0x%08x)",
                          required[i].name, ak->attributes);
        }
        foreign &= ~required[i].bit;
    }
    if (foreign & TPM_OBJECT_DECRYPT) {
        return refuse(refusal, REFUSAL_AK_ATTRIBUTES, "decrypt is set (attributes 0x%08x)",
                      ak->attributes);
    }
    if (foreign) {
        return refuse(refusal, REFUSAL_AK_ATTRIBUTES, "attributes 0x%08x may not be set", foreign);
    }
    return STATUS_OK;
}

enum status attestation_key_check(const struct tpm_public *ak, struct refusal *refusal)
{
    TRY(attributes_check(ak, refusal));
    if (ak->scheme == TPM_ALGORITHM_NULL) {
        return refuse(refusal, REFUSAL_AK_ATTRIBUTES, "the key fixes no signature scheme");
    }
    /* The hash of the scheme is also the one of the quote's pcrDigest (Part 3, TPM2_Quote). */
    if (ak->scheme_hash != TPM_ALGORITHM_SHA256) {
        return refuse(refusal, REFUSAL_AK_ATTRIBUTES, "the key signs with hash 0x%04x",
                      ak->scheme_hash);
    }
    if (ak->type == TPM_ALGORITHM_RSA &&
        (ak->rsa.bits < RSA_BITS_MIN || ak->rsa.exponent != RSA_EXPONENT)) {
        return refuse(refusal, REFUSAL_AK_ATTRIBUTES, "RSA of %u bits, exponent %u", ak->rsa.bits,
                      ak->rsa.exponent);
    }
    return STATUS_OK;
}

struct attestation_key {
    struct tpm_public public_area;
    EVP_PKEY *handle;
};

enum status attestation_key_new(const struct tpm_public *ak, struct attestation_key **ret_key,
                                struct refusal *refusal)
{
    OWN(attestation_key) struct attestation_key *key = NULL;
    enum status status;

    TRY(attestation_key_check(ak, refusal));
    key = calloc(1, sizeof *key);
    if (!key) {
        return STATUS_NO_MEMORY;
    }
    key->public_area = *ak;
    status = tpm_key_import(ak, &key->handle);
    if (status == STATUS_MALFORMED) {
        return refuse(refusal, REFUSAL_AK_ATTRIBUTES, "the key is not on its curve");
    }
    TRY(status);
    *ret_key = TAKE(key);
    return STATUS_OK;
}

void attestation_key_free(struct attestation_key *key)
{
    if (key) {
        EVP_PKEY_free(key->handle);
        free(key);
    }
}

const struct tpm_public *attestation_key_public(const struct attestation_key *key)
{
    return &key->public_area;
}

EVP_PKEY *attestation_key_handle(const struct attestation_key *key)
{
    return key->handle;
}
