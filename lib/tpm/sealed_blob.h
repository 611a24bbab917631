/*
 * Inside lib/tpm only: the form of a sealed secret at rest.
 *
 *     u32 format (1) | u32 PCR mask | TPM2B_PUBLIC | TPM2B_PRIVATE
 */
#ifndef TCCP_TPM_SEALED_BLOB_H
#define TCCP_TPM_SEALED_BLOB_H

#include "lib/base/bytes.h"

#include <tss2/tss2_tpm2_types.h>

struct sealed_blob {
    uint32_t pcr_mask;
    TPM2B_PUBLIC public;
    TPM2B_PRIVATE private;
};

WARN_UNUSED enum status sealed_blob_write(const struct sealed_blob *blob, struct bytes *ret_bytes);
/* STATUS_MALFORMED unless it is exactly what sealed_blob_write() makes. */
WARN_UNUSED enum status sealed_blob_parse(struct view bytes, struct sealed_blob *ret_blob);

#endif
