#include "lib/attest/quote.h"

#include "lib/attest/pcr_bank.h"
#include "lib/attest/tpm_key.h"
#include "lib/base/text.h"

#include <openssl/err.h>
#include <openssl/rsa.h>

#include <string.h>

/* SEQUENCE of two INTEGERs, each of one coordinate and perhaps a zero octet before it. */
enum { ECDSA_DER_SIZE_MAX = 3 + 2 * (2 + 1 + TPM_COORDINATE_SIZE_MAX) };

/* A number, big-endian with leading zeros, as a DER INTEGER; returns its length. */
static size_t der_integer(const uint8_t *number, size_t size, uint8_t *destination)
{
    size_t pad;

    while (size > 1 && number[0] == 0) {
        number++;
        size--;
    }
    pad = number[0] >> 7;
    destination[0] = 0x02;
    destination[1] = (uint8_t)(size + pad);
    destination[2] = 0;
    memcpy(destination + 2 + pad, number, size);
    return 2 + pad + size;
}

/* Ecdsa-Sig-Value (RFC 3279), which is what OpenSSL verifies. */
static size_t der_signature(const struct tpm_signature *signature, uint8_t *destination)
{
    uint8_t content[ECDSA_DER_SIZE_MAX];
    size_t size = der_integer(signature->r, sizeof signature->r, content);

    size += der_integer(signature->s, sizeof signature->s, content + size);
    /* At most 2 * 51 = 102 bytes: one length octet. */
    destination[0] = 0x30;
    destination[1] = (uint8_t)size;
    memcpy(destination + 2, content, size);
    return 2 + size;
}

static enum status verify(EVP_PKEY *key, const struct tpm_signature *signature, struct view message,
                          bool *ret_holds)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    enum status status = STATUS_CRYPTO;
    uint8_t der[ECDSA_DER_SIZE_MAX];
    struct view octets = {signature->rsa, signature->rsa_size};
    EVP_PKEY_CTX *key_context;

    *ret_holds = false;
    if (!context) {
        return STATUS_NO_MEMORY;
    }
    if (signature->scheme == TPM_ALGORITHM_ECDSA) {
        octets = (struct view){der, der_signature(signature, der)};
    }
    if (EVP_DigestVerifyInit(context, &key_context, tpm_hash(signature->hash), NULL, key) == 1 &&
        (signature->scheme != TPM_ALGORITHM_RSAPSS ||
         (EVP_PKEY_CTX_set_rsa_padding(key_context, RSA_PKCS1_PSS_PADDING) > 0 &&
          EVP_PKEY_CTX_set_rsa_pss_saltlen(key_context, RSA_PSS_SALTLEN_AUTO) > 0))) {
        *ret_holds =
            EVP_DigestVerify(context, octets.data, octets.size, message.data, message.size) == 1;
        status = STATUS_OK;
    }
    EVP_MD_CTX_free(context);
    ERR_clear_error();
    return status;
}

/* Check 5. The AK says how it signs; the message has no say in it. */
static enum status signature_check(const struct attestation_key *key, struct view attest,
                                   struct view signature_octets, struct refusal *refusal)
{
    const struct tpm_public *ak = attestation_key_public(key);
    struct tpm_signature signature;
    enum status status = tpm_signature_parse(signature_octets, &signature);
    bool holds;

    if (status == STATUS_UNSUPPORTED) {
        return refuse(refusal, REFUSAL_QUOTE_SCHEME, "an unknown scheme, the key's is 0x%04x",
                      ak->scheme);
    }
    if (status != STATUS_OK) {
        return refuse(refusal, REFUSAL_QUOTE_SIGNATURE, "not a TPMT_SIGNATURE");
    }
    if (signature.scheme != ak->scheme || signature.hash != ak->scheme_hash) {
        return refuse(refusal, REFUSAL_QUOTE_SCHEME,
                      "scheme 0x%04x with hash 0x%04x, the key's are 0x%04x and 0x%04x",
                      signature.scheme, signature.hash, ak->scheme, ak->scheme_hash);
    }
    TRY(verify(attestation_key_handle(key), &signature, attest, &holds));
    return holds ? STATUS_OK
                 : refuse(refusal, REFUSAL_QUOTE_SIGNATURE, "%zu bytes under %s", attest.size,
                          hex_short(tpm_name_view(&ak->name)).text);
}

/* Check 6. */
static enum status content_check(struct view attest, struct view qualifying,
                                 struct tpm_quote_info *info, struct refusal *refusal)
{
    enum status status = tpm_quote_info_parse(attest, info);

    if (status == STATUS_UNSUPPORTED) {
        return refuse(refusal, REFUSAL_QUOTE_NOT_A_QUOTE, "an attestation of another type");
    }
    if (status != STATUS_OK) {
        return refuse(refusal, REFUSAL_QUOTE_NOT_A_QUOTE, "not a TPMS_ATTEST");
    }
    if (!view_equal((struct view){info->extra_data.bytes, info->extra_data.size}, qualifying)) {
        return refuse(refusal, REFUSAL_QUOTE_BINDING, "made for %s, expected %s",
                      hex_short((struct view){info->extra_data.bytes, info->extra_data.size}).text,
                      hex_short(qualifying).text);
    }
    return STATUS_OK;
}

/* Check 7. A TPM lists banks without any PCR, too, where it is asked to: they are still one
 * selection too many. */
static enum status selection_check(const struct tpm_quote_info *info, uint32_t pcr_mask,
                                   struct refusal *refusal)
{
    const struct tpm_selection *selection = &info->selections[0];

    if (info->selection_count != 1) {
        return refuse(refusal, REFUSAL_QUOTE_SELECTION, "%zu selections, expected one",
                      info->selection_count);
    }
    if (selection->hash != TPM_ALGORITHM_SHA256) {
        return refuse(refusal, REFUSAL_QUOTE_BANK, "bank 0x%04x, expected SHA-256 (0x%04x)",
                      selection->hash, TPM_ALGORITHM_SHA256);
    }
    if (selection->pcr_mask != pcr_mask) {
        return refuse(refusal, REFUSAL_QUOTE_SELECTION, "PCR mask 0x%06x, expected 0x%06x",
                      selection->pcr_mask, pcr_mask);
    }
    if (info->pcr_digest.size != SHA256_SIZE) {
        return refuse(refusal, REFUSAL_QUOTE_DIGEST, "a digest of %zu bytes",
                      info->pcr_digest.size);
    }
    return STATUS_OK;
}

enum status quote_check_by(const struct attestation_key *ak, struct view attest,
                           struct view signature, struct view qualifying, uint32_t pcr_mask,
                           struct tpm_quote_info *ret_info, struct refusal *refusal)
{
    struct tpm_quote_info info;

    /* A quote over nothing, or for nobody, proves nothing: to ask for one is our own mistake. */
    ASSERT(qualifying.size > 0 && pcr_mask != 0 && (pcr_mask & ~(uint32_t)PCR_MASK_ALL) == 0);
    TRY(signature_check(ak, attest, signature, refusal));
    TRY(content_check(attest, qualifying, &info, refusal));
    TRY(selection_check(&info, pcr_mask, refusal));
    *ret_info = info;
    return STATUS_OK;
}

enum status quote_check(const struct tpm_public *ak, struct view attest, struct view signature,
                        struct view qualifying, uint32_t pcr_mask, struct tpm_quote_info *ret_info,
                        struct refusal *refusal)
{
    OWN(attestation_key) struct attestation_key *key = NULL;

    TRY(attestation_key_new(ak, &key, refusal));
    return quote_check_by(key, attest, signature, qualifying, pcr_mask, ret_info, refusal);
}
