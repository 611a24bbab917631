#include "lib/attest/pcr_bank.h"

#include <string.h>

enum { DRTM_PCR_FIRST = 17, DRTM_PCR_LAST = 22 };

void pcr_bank_reset(struct pcr_bank *bank)
{
    *bank = (struct pcr_bank){0};
    memset(&bank->values[DRTM_PCR_FIRST], 0xff,
           (DRTM_PCR_LAST - DRTM_PCR_FIRST + 1) * sizeof bank->values[0]);
}

void pcr_extend(struct digest *value, const struct digest *digest)
{
    *value = sha256_two(digest_view(value), digest_view(digest));
}

struct digest pcr_bank_digest(const struct pcr_bank *bank, uint32_t mask)
{
    struct sha256 hash;

    sha256_init(&hash);
    for (unsigned pcr = 0; pcr < PCR_COUNT; pcr++) {
        if (mask >> pcr & 1) {
            sha256_update(&hash, digest_view(&bank->values[pcr]));
        }
    }
    return sha256_final(&hash);
}

enum status pcr_bank_of_view(struct view values, uint32_t mask, struct pcr_bank *ret_bank)
{
    struct reader reader = reader_of(values);

    if (mask & ~(uint32_t)PCR_MASK_ALL) {
        return STATUS_MALFORMED;
    }
    *ret_bank = (struct pcr_bank){.mask = mask};
    for (unsigned pcr = 0; pcr < PCR_COUNT; pcr++) {
        if (mask >> pcr & 1) {
            reader_copy(&reader, ret_bank->values[pcr].bytes, SHA256_SIZE);
        }
    }
    return reader_done(&reader) ? STATUS_OK : STATUS_MALFORMED;
}
