#include "lib/tpm/templates.h"

/* TPM2_PolicySecret(TPM_RH_ENDORSEMENT), SHA-256: "PolicyA" of the profile's B.3.3. */
static const TPM2B_DIGEST policy_a = {
    .size = 32,
    .buffer = {0x83, 0x71, 0x97, 0x67, 0x44, 0x84, 0xb3, 0xf8, 0x1a, 0x90, 0xcc,
               0x8d, 0x46, 0xa5, 0xd7, 0x24, 0xfd, 0x52, 0xd7, 0x6e, 0x06, 0x52,
               0x0b, 0x64, 0xf2, 0xa1, 0xda, 0x1b, 0x33, 0x14, 0x69, 0xaa},
};
/* "PolicyB", SHA-384, B.3.4. */
static const TPM2B_DIGEST policy_b_sha384 = {
    .size = 48,
    .buffer = {0xb2, 0x6e, 0x7d, 0x28, 0xd1, 0x1a, 0x50, 0xbc, 0x53, 0xd8, 0x82, 0xbc,
               0xf5, 0xfd, 0x3a, 0x1a, 0x07, 0x41, 0x48, 0xbb, 0x35, 0xd3, 0xb4, 0xe4,
               0xcb, 0x1c, 0x0a, 0xd9, 0xbd, 0xe4, 0x19, 0xca, 0xcb, 0x47, 0xba, 0x09,
               0x69, 0x96, 0x46, 0x15, 0x0f, 0x9f, 0xc0, 0x00, 0xf3, 0xf8, 0x0e, 0x12},
};

enum {
    BOUND_TO_TPM = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN,
    STORAGE = TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT,
};

static TPMT_SYM_DEF_OBJECT aes_cfb(TPMI_AES_KEY_BITS bits)
{
    return (TPMT_SYM_DEF_OBJECT){
        .algorithm = TPM2_ALG_AES, .keyBits.aes = bits, .mode.aes = TPM2_ALG_CFB};
}

static TPM2B_PUBLIC ecc_storage(TPMI_ECC_CURVE curve, TPMI_ALG_HASH name_hash,
                                TPMI_AES_KEY_BITS aes_bits, TPMA_OBJECT attributes)
{
    return (TPM2B_PUBLIC){
        .publicArea = {.type = TPM2_ALG_ECC,
                       .nameAlg = name_hash,
                       .objectAttributes = BOUND_TO_TPM | STORAGE | attributes,
                       .parameters.eccDetail = {.symmetric = aes_cfb(aes_bits),
                                                .scheme.scheme = TPM2_ALG_NULL,
                                                .curveID = curve,
                                                .kdf.scheme = TPM2_ALG_NULL}},
    };
}

static TPM2B_PUBLIC template_ek_p256(void)
{
    TPM2B_PUBLIC template =
        ecc_storage(TPM2_ECC_NIST_P256, TPM2_ALG_SHA256, 128, TPMA_OBJECT_ADMINWITHPOLICY);

    template.publicArea.authPolicy = policy_a;
    /* The low range says 32 zero bytes where others say nothing; they go into the derivation. */
    template.publicArea.unique.ecc.x.size = 32;
    template.publicArea.unique.ecc.y.size = 32;
    return template;
}

static TPM2B_PUBLIC template_ek_rsa2048(void)
{
    return (TPM2B_PUBLIC){
        .publicArea = {.type = TPM2_ALG_RSA,
                       .nameAlg = TPM2_ALG_SHA256,
                       .objectAttributes = BOUND_TO_TPM | STORAGE | TPMA_OBJECT_ADMINWITHPOLICY,
                       .authPolicy = policy_a,
                       .parameters.rsaDetail = {.symmetric = aes_cfb(128),
                                                .scheme.scheme = TPM2_ALG_NULL,
                                                .keyBits = 2048},
                       .unique.rsa.size = 256},
    };
}

static TPM2B_PUBLIC template_ek_p384(void)
{
    TPM2B_PUBLIC template = ecc_storage(TPM2_ECC_NIST_P384, TPM2_ALG_SHA384, 256,
                                        TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_ADMINWITHPOLICY);

    template.publicArea.authPolicy = policy_b_sha384;
    return template;
}

const struct ek_kind ek_kinds[EK_KIND_COUNT] = {
    {"p256", 0x01c0000a, template_ek_p256, true},
    {"rsa2048", 0x01c00002, template_ek_rsa2048, true},
    {"p384", 0x01c00016, template_ek_p384, false},
};

TPM2B_PUBLIC template_ak(void)
{
    return (TPM2B_PUBLIC){
        .publicArea = {.type = TPM2_ALG_ECC,
                       .nameAlg = TPM2_ALG_SHA256,
                       /* NODA: it has no password to guess, and with dictionary attack protection
                          a few power failures would lock it. */
                       .objectAttributes = BOUND_TO_TPM | TPMA_OBJECT_USERWITHAUTH |
                                           TPMA_OBJECT_NODA | TPMA_OBJECT_RESTRICTED |
                                           TPMA_OBJECT_SIGN_ENCRYPT,
                       .parameters.eccDetail = {.symmetric.algorithm = TPM2_ALG_NULL,
                                                .scheme = {.scheme = TPM2_ALG_ECDSA,
                                                           .details.ecdsa.hashAlg =
                                                               TPM2_ALG_SHA256},
                                                .curveID = TPM2_ECC_NIST_P256,
                                                .kdf.scheme = TPM2_ALG_NULL}},
    };
}

TPM2B_PUBLIC template_srk(void)
{
    TPM2B_PUBLIC template = ecc_storage(TPM2_ECC_NIST_P256, TPM2_ALG_SHA256, 128,
                                        TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_NODA);

    template.publicArea.unique.ecc.x.size = 32;
    template.publicArea.unique.ecc.y.size = 32;
    return template;
}

TPM2B_PUBLIC template_sealed(const TPM2B_DIGEST *policy)
{
    return (TPM2B_PUBLIC){
        .publicArea = {.type = TPM2_ALG_KEYEDHASH,
                       .nameAlg = TPM2_ALG_SHA256,
                       /* Without USERWITHAUTH: the empty password opens nothing. */
                       .objectAttributes =
                           TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_NODA,
                       .authPolicy = *policy,
                       .parameters.keyedHashDetail.scheme.scheme = TPM2_ALG_NULL},
    };
}
