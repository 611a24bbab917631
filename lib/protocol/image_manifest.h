/* What a VM runs: the customer's signed description of an encrypted image (docs/PROTOCOL.md,
 * section 4). */
#ifndef TCCP_PROTOCOL_IMAGE_MANIFEST_H
#define TCCP_PROTOCOL_IMAGE_MANIFEST_H

#include "lib/protocol/signed_message.h"

enum {
    IMAGE_MANIFEST_SIZE_MAX = 4096,
    IMAGE_COMMAND_LINE_LENGTH_MAX = 2047,
    IMAGE_VCPU_COUNT_MAX = 1024,
};
#define IMAGE_BLOB_SIZE_MAX (UINT64_C(1) << 46)   /* bytes */
#define IMAGE_MEMORY_UNIT (UINT64_C(1) << 20)     /* bytes */
#define IMAGE_MEMORY_SIZE_MAX (UINT64_C(1) << 44) /* bytes */

struct image_blob {
    struct digest digest; /* SHA-256 */
    uint64_t size;        /* bytes; 0: there is none */
};

struct image_manifest {
    struct image_blob disk; /* always */
    struct image_blob kernel, initrd;
    char command_line[IMAGE_COMMAND_LINE_LENGTH_MAX + 1]; /* only with a kernel */
    struct digest kernel_profile;                         /* zeroes: none */
    uint32_t vcpu_count;
    uint64_t memory_size; /* bytes, a multiple of IMAGE_MEMORY_UNIT */
};

/* The document's bytes. STATUS_MALFORMED where image_manifest_parse() would refuse them. */
WARN_UNUSED enum status image_manifest_build(const struct image_manifest *manifest,
                                             struct bytes *ret_document);
/* REFUSAL_MALFORMED, saying which field; REFUSAL_TOO_LARGE. Not signatures. */
WARN_UNUSED enum status image_manifest_parse(struct view document,
                                             struct image_manifest *ret_manifest,
                                             struct refusal *refusal);
/* H(manifest) of all that is bound to it: SHA-256 of the exact bytes. */
static inline struct digest image_manifest_digest(struct view document)
{
    return sha256(document);
}

/* The customer's signature, over the perimeter and epoch 0: an image outlives epochs. */
WARN_UNUSED enum status image_manifest_sign(struct view document, const struct digest *perimeter_id,
                                            const struct signer *cust_sign,
                                            struct bytes *ret_signature);
WARN_UNUSED enum status image_manifest_check(struct view document, struct view signature,
                                             const struct digest *perimeter_id,
                                             const struct public_key *cust_sign,
                                             struct refusal *refusal);

#endif
