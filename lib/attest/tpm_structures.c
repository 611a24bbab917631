/* SHA384() in one call: names with a SHA-384 nameAlg (template H-3) are computed here, too. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "lib/attest/tpm_structures.h"

#include <openssl/sha.h>

#include <string.h>

size_t tpm_hash_size(uint16_t algorithm)
{
    switch (algorithm) {
    case TPM_ALGORITHM_SHA1:
        return 20;
    case TPM_ALGORITHM_SHA256:
        return 32;
    case TPM_ALGORITHM_SHA384:
        return 48;
    case TPM_ALGORITHM_SHA512:
        return 64;
    default: /* a number of the TCG registry, from outside */
        return 0;
    }
}

size_t tpm_curve_size(uint16_t curve)
{
    return curve == TPM_CURVE_P256 ? 32 : curve == TPM_CURVE_P384 ? 48 : 0;
}

static bool name_algorithm_is_known(uint16_t algorithm)
{
    return algorithm == TPM_ALGORITHM_SHA256 || algorithm == TPM_ALGORITHM_SHA384;
}

bool tpm_name_equal(const struct tpm_name *left, const struct tpm_name *right)
{
    return view_equal(tpm_name_view(left), tpm_name_view(right));
}

enum status tpm_name_of_view(struct view view, struct tpm_name *ret_name)
{
    struct reader reader = reader_of(view);
    uint16_t algorithm = reader_u16(&reader);

    if (reader.bad || !name_algorithm_is_known(algorithm) ||
        reader.left != tpm_hash_size(algorithm)) {
        return STATUS_MALFORMED;
    }
    *ret_name = (struct tpm_name){.size = view.size};
    memcpy(ret_name->bytes, view.data, view.size);
    return STATUS_OK;
}

/* Part 1, section 16: nameAlg, then the hash of the whole public area. */
static void name_compute(struct view public_area, uint16_t algorithm, struct tpm_name *ret_name)
{
    ret_name->size = 2 + tpm_hash_size(algorithm);
    ret_name->bytes[0] = (uint8_t)(algorithm >> 8);
    ret_name->bytes[1] = (uint8_t)algorithm;
    if (algorithm == TPM_ALGORITHM_SHA384) {
        (void)SHA384(public_area.data, public_area.size, ret_name->bytes + 2);
    } else {
        struct digest digest = sha256(public_area);

        memcpy(ret_name->bytes + 2, digest.bytes, sizeof digest.bytes);
    }
}

/* A TPM2B of at most size_max bytes into a buffer of that size; returns its length. */
static size_t read_buffer(struct reader *reader, uint8_t *destination, size_t size_max)
{
    struct view view = reader_sized16(reader, size_max);

    if (view.size) {
        memcpy(destination, view.data, view.size);
    }
    return view.size;
}

/* A number as a TPM2B, into exactly `size` bytes, padded on the left: some TPMs strip leading
 * zeros. */
static void read_padded(struct reader *reader, uint8_t *destination, size_t size)
{
    struct view view = reader_sized16(reader, size);

    memset(destination, 0, size);
    if (view.size) {
        memcpy(destination + size - view.size, view.data, view.size);
    }
}

static bool scheme_is_known(uint16_t type, uint16_t scheme)
{
    if (type == TPM_ALGORITHM_RSA) {
        return scheme == TPM_ALGORITHM_RSASSA || scheme == TPM_ALGORITHM_RSAPSS;
    }
    return scheme == TPM_ALGORITHM_ECDSA;
}

/* TPMT_SYM_DEF_OBJECT and TPMT_RSA_SCHEME or TPMT_ECC_SCHEME: the beginning of TPMS_RSA_PARMS and
 * TPMS_ECC_PARMS alike. */
static enum status read_parameters(struct reader *reader, struct tpm_public *public_area)
{
    public_area->symmetric.algorithm = reader_u16(reader);
    if (public_area->symmetric.algorithm == TPM_ALGORITHM_AES) {
        public_area->symmetric.key_bits = reader_u16(reader);
        public_area->symmetric.mode = reader_u16(reader);
    } else if (public_area->symmetric.algorithm != TPM_ALGORITHM_NULL) {
        return reader->bad ? STATUS_MALFORMED : STATUS_UNSUPPORTED;
    }
    public_area->scheme = reader_u16(reader);
    if (public_area->scheme == TPM_ALGORITHM_NULL) {
        return STATUS_OK;
    }
    if (!scheme_is_known(public_area->type, public_area->scheme)) {
        return reader->bad ? STATUS_MALFORMED : STATUS_UNSUPPORTED;
    }
    public_area->scheme_hash = reader_u16(reader);
    return STATUS_OK;
}

static enum status read_rsa(struct reader *reader, struct tpm_public *public_area)
{
    public_area->rsa.bits = reader_u16(reader);
    public_area->rsa.exponent = reader_u32(reader);
    if (public_area->rsa.exponent == 0) {
        public_area->rsa.exponent_is_default = true;
        public_area->rsa.exponent = 65537;
    }
    public_area->rsa.size = read_buffer(reader, public_area->rsa.modulus, TPM_RSA_SIZE_MAX);
    /* The modulus is as long as it says, to the bit: its first bit is set. */
    return !reader->bad && public_area->rsa.size * 8 == public_area->rsa.bits &&
                   public_area->rsa.size > 0 && (public_area->rsa.modulus[0] & 0x80)
               ? STATUS_OK
               : STATUS_MALFORMED;
}

static enum status read_ecc(struct reader *reader, struct tpm_public *public_area)
{
    public_area->ecc.curve = reader_u16(reader);
    public_area->ecc.kdf = reader_u16(reader);
    public_area->ecc.size = tpm_curve_size(public_area->ecc.curve);
    if (public_area->ecc.size == 0 || public_area->ecc.kdf != TPM_ALGORITHM_NULL) {
        return reader->bad ? STATUS_MALFORMED : STATUS_UNSUPPORTED;
    }
    read_padded(reader, public_area->ecc.x, public_area->ecc.size);
    read_padded(reader, public_area->ecc.y, public_area->ecc.size);
    return reader->bad ? STATUS_MALFORMED : STATUS_OK;
}

enum status tpm_public_parse(struct view view, struct tpm_public *ret_public)
{
    struct reader reader = reader_of(view);
    struct tpm_public public_area = {0};

    if (view.size > TPM_PUBLIC_SIZE_MAX) {
        return STATUS_MALFORMED;
    }
    public_area.type = reader_u16(&reader);
    public_area.name_algorithm = reader_u16(&reader);
    public_area.attributes = reader_u32(&reader);
    public_area.policy.size = read_buffer(&reader, public_area.policy.bytes, TPM_HASH_SIZE_MAX);
    if (reader.bad) {
        return STATUS_MALFORMED;
    }
    if (!name_algorithm_is_known(public_area.name_algorithm) ||
        (public_area.type != TPM_ALGORITHM_RSA && public_area.type != TPM_ALGORITHM_ECC)) {
        return STATUS_UNSUPPORTED;
    }
    TRY(read_parameters(&reader, &public_area));
    TRY(public_area.type == TPM_ALGORITHM_RSA ? read_rsa(&reader, &public_area)
                                              : read_ecc(&reader, &public_area));
    if (!reader_done(&reader)) {
        return STATUS_MALFORMED;
    }
    name_compute(view, public_area.name_algorithm, &public_area.name);
    *ret_public = public_area;
    return STATUS_OK;
}

/* TPMS_PCR_SELECTION: PCR n is bit n % 8 of octet n / 8. */
static void read_selection(struct reader *reader, struct tpm_selection *ret_selection)
{
    struct view octets;

    ret_selection->hash = reader_u16(reader);
    octets = reader_view(reader, reader_u8(reader));
    reader_require(reader, octets.size <= 4);
    ret_selection->pcr_mask = 0;
    for (size_t i = 0; i < octets.size && i < 4; i++) {
        ret_selection->pcr_mask |= (uint32_t)octets.data[i] << (8 * i);
    }
    reader_require(reader, ret_selection->pcr_mask >> TPM_PCR_COUNT == 0);
}

enum status tpm_quote_info_parse(struct view attest, struct tpm_quote_info *ret_info)
{
    struct reader reader = reader_of(attest);
    struct tpm_quote_info info = {0};
    uint32_t selection_count;
    uint8_t safe;

    if (attest.size > TPM_ATTEST_SIZE_MAX || reader_u32(&reader) != TPM_GENERATED_MAGIC) {
        return STATUS_MALFORMED;
    }
    if (reader_u16(&reader) != TPM_ATTEST_QUOTE) {
        return reader.bad ? STATUS_MALFORMED : STATUS_UNSUPPORTED;
    }
    info.qualified_signer.size =
        read_buffer(&reader, info.qualified_signer.bytes, sizeof info.qualified_signer.bytes);
    info.extra_data.size =
        read_buffer(&reader, info.extra_data.bytes, sizeof info.extra_data.bytes);
    info.clock_ms = reader_u64(&reader);
    info.reset_count = reader_u32(&reader);
    info.restart_count = reader_u32(&reader);
    safe = reader_u8(&reader);
    reader_require(&reader, safe <= 1);
    info.clock_safe = safe;
    info.firmware = reader_u64(&reader);
    selection_count = reader_u32(&reader);
    reader_require(&reader, selection_count <= TPM_SELECTION_COUNT_MAX);
    for (uint32_t i = 0; !reader.bad && i < selection_count; i++) {
        read_selection(&reader, &info.selections[info.selection_count++]);
    }
    info.pcr_digest.size = read_buffer(&reader, info.pcr_digest.bytes, TPM_HASH_SIZE_MAX);
    if (!reader_done(&reader)) {
        return STATUS_MALFORMED;
    }
    *ret_info = info;
    return STATUS_OK;
}

enum status tpm_signature_parse(struct view view, struct tpm_signature *ret_signature)
{
    struct reader reader = reader_of(view);
    struct tpm_signature signature = {0};

    if (view.size > TPM_SIGNATURE_SIZE_MAX) {
        return STATUS_MALFORMED;
    }
    signature.scheme = reader_u16(&reader);
    signature.hash = reader_u16(&reader);
    if (reader.bad) {
        return STATUS_MALFORMED;
    }
    switch (signature.scheme) {
    case TPM_ALGORITHM_ECDSA:
        read_padded(&reader, signature.r, sizeof signature.r);
        read_padded(&reader, signature.s, sizeof signature.s);
        break;
    case TPM_ALGORITHM_RSASSA:
    case TPM_ALGORITHM_RSAPSS:
        signature.rsa_size = read_buffer(&reader, signature.rsa, sizeof signature.rsa);
        break;
    default: /* a number of the TCG registry, from outside */
        return STATUS_UNSUPPORTED;
    }
    if (!reader_done(&reader)) {
        return STATUS_MALFORMED;
    }
    *ret_signature = signature;
    return STATUS_OK;
}
