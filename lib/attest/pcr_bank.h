/* Values of PCRs, SHA-256 bank, and the two operations on them (TPM 2.0 Library, Part 1, section
 * 17). */
#ifndef TCCP_ATTEST_PCR_BANK_H
#define TCCP_ATTEST_PCR_BANK_H

#include "lib/base/sha256.h"

enum { PCR_COUNT = 24, PCR_SECURE_BOOT = 7, PCR_IMA = 10, PCR_MASK_ALL = 0xffffff };

struct pcr_bank {
    uint32_t mask; /* the PCRs whose value is known: bit n is PCR n */
    struct digest values[PCR_COUNT];
};

/* As after a TPM2_Startup(CLEAR): all zeroes, 17 to 22 all ones; mask is empty. */
void pcr_bank_reset(struct pcr_bank *bank);
/* value = SHA-256(value | digest). */
void pcr_extend(struct digest *value, const struct digest *digest);
/* The pcrDigest that a quote over these PCRs holds: SHA-256 over the values, ascending. */
struct digest pcr_bank_digest(const struct pcr_bank *bank, uint32_t mask);
/* 32 bytes for each PCR of the mask, ascending, nothing else (Evidence.pcr_values). The bank's mask
 * becomes `mask`. STATUS_MALFORMED on another size or a PCR above 23. */
WARN_UNUSED enum status pcr_bank_of_view(struct view values, uint32_t mask,
                                         struct pcr_bank *ret_bank);

#endif
