/* TPMT_SIGNATURE, up to OpenSSL: the bytes as the signature of a real quote, under an ECC and an
 * RSA key. None of them may hold. */
#include "lib/attest/quote.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The generator of P-256: a valid point that nobody quotes with. */
static const uint8_t generator[] = {
    0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5, 0x63, 0xa4, 0x40, 0xf2,
    0x77, 0x03, 0x7d, 0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4, 0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2, 0x96,
    0x4f, 0xe3, 0x42, 0xe2, 0xfe, 0x1a, 0x7f, 0x9b, 0x8e, 0xe7, 0xeb, 0x4a, 0x7c, 0x0f, 0x9e, 0x16,
    0x2b, 0xce, 0x33, 0x57, 0x6b, 0x31, 0x5e, 0xce, 0xcb, 0xb6, 0x40, 0x68, 0x37, 0xbf, 0x51, 0xf5};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t attest[] = {0xff, 'T', 'C', 'G', 0x80, 0x18};
    struct view signature_view = {data, size};
    struct tpm_public ak = {0};
    struct tpm_signature signature;
    struct tpm_quote_info info;
    struct refusal refusal;

    if (tpm_signature_parse(signature_view, &signature) != STATUS_OK) {
        return 0;
    }
    ak.scheme = signature.scheme;
    ak.scheme_hash = signature.hash;
    ak.name.size = 34;
    if (signature.scheme == TPM_ALGORITHM_ECDSA) {
        ak.type = TPM_ALGORITHM_ECC;
        ak.ecc.curve = TPM_CURVE_P256;
        ak.ecc.size = 32;
        memcpy(ak.ecc.x, generator, 32);
        memcpy(ak.ecc.y, generator + 32, 32);
    } else {
        ak.type = TPM_ALGORITHM_RSA;
        ak.rsa.bits = 2048;
        ak.rsa.exponent = 65537;
        ak.rsa.size = 256;
        memset(ak.rsa.modulus, 0xc5, 256);
    }
    ak.attributes = 0x00050072;
    ASSERT(quote_check(&ak, VIEW_OF_ARRAY(attest), signature_view, VIEW_OF_ARRAY(attest), 1, &info,
                       &refusal) == STATUS_REFUSED);
    return 0;
}
