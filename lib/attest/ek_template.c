#include "lib/attest/ek_certificate.h"

#include <string.h>

/* Attributes of the templates: fixedTPM, fixedParent, sensitiveDataOrigin, adminWithPolicy,
 * restricted, decrypt; those of the high range have userWithAuth, too. */
enum {
    ATTRIBUTES_LOW = TPM_OBJECT_FIXED_TPM | TPM_OBJECT_FIXED_PARENT |
                     TPM_OBJECT_SENSITIVE_DATA_ORIGIN | TPM_OBJECT_ADMIN_WITH_POLICY |
                     TPM_OBJECT_RESTRICTED | TPM_OBJECT_DECRYPT,
    ATTRIBUTES_HIGH = ATTRIBUTES_LOW | TPM_OBJECT_USER_WITH_AUTH,
};

/* PolicyA: PolicySecret(endorsement authorisation), SHA-256. */
static const uint8_t policy_a_sha256[] = {
    0x83, 0x71, 0x97, 0x67, 0x44, 0x84, 0xb3, 0xf8, 0x1a, 0x90, 0xcc, 0x8d, 0x46, 0xa5, 0xd7, 0x24,
    0xfd, 0x52, 0xd7, 0x6e, 0x06, 0x52, 0x0b, 0x64, 0xf2, 0xa1, 0xda, 0x1b, 0x33, 0x14, 0x69, 0xaa};
/* PolicyB: PolicyOR(PolicyA, PolicyC), PolicyC being PolicyAuthorizeNV(index 0x01c07f02); SHA-384.
 */
static const uint8_t policy_b_sha384[] = {
    0xb2, 0x6e, 0x7d, 0x28, 0xd1, 0x1a, 0x50, 0xbc, 0x53, 0xd8, 0x82, 0xbc, 0xf5, 0xfd, 0x3a, 0x1a,
    0x07, 0x41, 0x48, 0xbb, 0x35, 0xd3, 0xb4, 0xe4, 0xcb, 0x1c, 0x0a, 0xd9, 0xbd, 0xe4, 0x19, 0xca,
    0xcb, 0x47, 0xba, 0x09, 0x69, 0x96, 0x46, 0x15, 0x0f, 0x9f, 0xc0, 0x00, 0xf3, 0xf8, 0x0e, 0x12};

static const struct template
{
    const char *name;
    uint16_t type, bits_or_curve, name_algorithm, symmetric_bits;
    uint32_t attributes;
    struct view policy;
}
templates[] = {
    {"L-1",
     TPM_ALGORITHM_RSA,
     2048,
     TPM_ALGORITHM_SHA256,
     128,
     ATTRIBUTES_LOW,
     {policy_a_sha256, sizeof policy_a_sha256}},
    {"L-2",
     TPM_ALGORITHM_ECC,
     TPM_CURVE_P256,
     TPM_ALGORITHM_SHA256,
     128,
     ATTRIBUTES_LOW,
     {policy_a_sha256, sizeof policy_a_sha256}},
    {"H-3",
     TPM_ALGORITHM_ECC,
     TPM_CURVE_P384,
     TPM_ALGORITHM_SHA384,
     256,
     ATTRIBUTES_HIGH,
     {policy_b_sha384, sizeof policy_b_sha384}},
};

static enum status differs(const struct template *template, const char *what,
                           struct refusal *refusal)
{
    return refuse(refusal, REFUSAL_EK_MISMATCH, "%s is not as in template %s", what,
                  template->name);
}

static enum status template_check(const struct template *template, const struct tpm_public *ek,
                                  struct refusal *refusal)
{
    if (ek->name_algorithm != template->name_algorithm) {
        return differs(template, "the name algorithm", refusal);
    }
    if (ek->attributes != template->attributes) {
        return refuse(refusal, REFUSAL_EK_MISMATCH, "attributes 0x%08x, template %s has 0x%08x",
                      ek->attributes, template->name, template->attributes);
    }
    if (!view_equal((struct view){ek->policy.bytes, ek->policy.size}, template->policy)) {
        return differs(template, "the policy", refusal);
    }
    if (ek->symmetric.algorithm != TPM_ALGORITHM_AES ||
        ek->symmetric.key_bits != template->symmetric_bits ||
        ek->symmetric.mode != TPM_ALGORITHM_CFB) {
        return differs(template, "the symmetric algorithm", refusal);
    }
    if (ek->scheme != TPM_ALGORITHM_NULL) {
        return differs(template, "the scheme", refusal);
    }
    if (ek->type == TPM_ALGORITHM_RSA && ek->rsa.exponent != 65537) {
        return differs(template, "the exponent", refusal);
    }
    return STATUS_OK;
}

enum status ek_template_check(const struct tpm_public *ek, struct refusal *refusal)
{
    uint16_t bits_or_curve = ek->type == TPM_ALGORITHM_RSA ? ek->rsa.bits : ek->ecc.curve;

    for (size_t i = 0; i < ARRAY_SIZE(templates); i++) {
        if (templates[i].type == ek->type && templates[i].bits_or_curve == bits_or_curve) {
            return template_check(&templates[i], ek, refusal);
        }
    }
    return refuse(refusal, REFUSAL_EK_MISMATCH, "no template has keys of type 0x%04x and size %u",
                  ek->type, bits_or_curve);
}
