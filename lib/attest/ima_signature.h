/* The signature of a file as IMA keeps it in security.ima. */
#ifndef TCCP_ATTEST_IMA_SIGNATURE_H
#define TCCP_ATTEST_IMA_SIGNATURE_H

#include "lib/base/bytes.h"

/* struct signature_v2_hdr of Linux: {u8 type 3, u8 version 2, u8 hash, u32 key id, u16 size,
 * octets}; integers big-endian. */
struct ima_signature {
    const char *hash_name; /* "sha256", "sha384" or "sha512", static */
    uint32_t key_id;       /* last four bytes of the SHA-1 of the subject public key */
    struct view octets;    /* RSA PKCS #1 v1.5, or ECDSA in DER */
};
/* Exact. STATUS_UNSUPPORTED: another kind of attribute (a plain hash, EVM, fs-verity), or SHA-1. */
WARN_UNUSED enum status ima_signature_parse(struct view attribute,
                                            struct ima_signature *ret_signature);

#endif
