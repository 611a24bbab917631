/*
 * A seed on disk: one file for each epoch, sealed to this machine's TPM, never anything else.
 *
 *     "TCCPSEED" | u32 format (1) | perimeter_id (32) | epoch (u64) | blob of tpm_seal() (u32 size)
 *
 * What is sealed is seed | perimeter_id | epoch: the head tells a person and an early error what
 * the file is, what is inside is believed.
 */
#ifndef TCCP_TCD_SEED_STORE_H
#define TCCP_TCD_SEED_STORE_H

#include "lib/base/canonical.h"
#include "lib/tpm/tpm.h"

enum { SEED_FILE_SIZE_MAX = 4096 };

/* Replaces the file of this scope in the folder, whole or not at all: temporary file, fsync,
 * rename, fsync of the folder; mode 0600. */
WARN_UNUSED enum status seed_store_write(const char *folder, const struct scope *scope,
                                         struct tpm *tpm, uint32_t pcr_mask,
                                         const struct secret *seed);
/* STATUS_NOT_FOUND, STATUS_IO; STATUS_MALFORMED: damaged, or of another perimeter or epoch;
 * STATUS_REFUSED: the TPM does not open it. seed_size: what the seed must have. */
WARN_UNUSED enum status seed_store_read(const char *folder, const struct scope *scope,
                                        struct tpm *tpm, size_t seed_size, struct secret *ret_seed);

/* The form of the file, for the fuzz target as well. */
WARN_UNUSED enum status seed_file_parse(struct view file, struct scope *ret_scope,
                                        struct view *ret_blob);

#endif
