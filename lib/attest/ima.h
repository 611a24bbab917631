/*
 * Linux IMA's measurement log (binary_runtime_measurements, little-endian) and its replay: checks
 * 13, 14 and 16 of the appraisal. Pure.
 *
 * An entry is {u32 PCR, 20 bytes, u32 + template name, u32 + template data}. The TPM's SHA-256 bank
 * was extended with SHA-256(template data), or with 0xFF x 32 for a violation (an entry whose
 * header digest is zero: the file was open for writing while it was measured). The header digest is
 * always SHA-1 and is not looked at otherwise.
 */
#ifndef TCCP_ATTEST_IMA_H
#define TCCP_ATTEST_IMA_H

#include "lib/attest/pcr_bank.h"
#include "lib/base/refusal.h"

enum {
    IMA_LOG_SIZE_MAX = 32 << 20,
    IMA_ENTRY_COUNT_MAX = 1 << 20, /* over a whole boot */
    IMA_TEMPLATE_SIZE_MAX = 16384, /* bytes of template data: a path and a signature */
    IMA_PATH_SIZE_MAX = 8192,
    IMA_SIGNATURE_SIZE_MAX = 4096,
    IMA_FILE_DIGEST_SIZE_MAX = 64, /* SHA-512 */
};

/* Views point into the log. */
struct ima_entry {
    bool violation;
    struct view template_name; /* "ima-ng" or "ima-sig" */
    struct view template_data;
    struct view hash_name;   /* "sha256" */
    struct view file_digest; /* as long as the hash says; all zero in a violation */
    struct view path;        /* without its NUL; never empty */
    struct view signature;   /* security.ima, empty when the file has none */
};

/* The next entry of a log. STATUS_MALFORMED when it is not an exact entry of a known template for
 * PCR 10; the reader must not be used any more then. Call only while bytes are left. */
WARN_UNUSED enum status ima_entry_read(struct reader *log, struct ima_entry *ret_entry);
/* What the entry extended into PCR 10. */
struct digest ima_entry_digest(const struct ima_entry *entry);

/* How far into a boot's log an appraisal has come. All zeroes: nothing yet. A renewal continues
 * from the state of the one before it and is sent only what came after. */
struct ima_state {
    uint64_t count;               /* entries */
    struct digest aggregate;      /* PCR 10 after them */
    struct digest boot_aggregate; /* of the first entry; a state that was kept may leave it out */
};

/* Called for each entry as it is replayed, in order, before it is known that the quote covers it:
 * the caller must drop what it learned unless ima_replay succeeds. Not OK ends the replay. */
typedef enum status (*ima_visitor)(void *context, uint64_t number, const struct ima_entry *entry,
                                   struct refusal *ret_refusal);

/*
 * Replays `log` (the entries after `state`) until PCR 10 has the quoted value, and brings the state
 * there. The first entry of a boot must be a boot_aggregate, and no other may be one (kexec). What
 * comes after that prefix is not covered by the quote: it carries no weight and is not even parsed.
 *
 * REFUSAL_IMA_LOG when no prefix gives the quoted value, an entry before it is malformed, or a
 * limit is passed; the state is then unchanged. visitor may be NULL.
 */
WARN_UNUSED enum status ima_replay(struct ima_state *state, struct view log,
                                   const struct digest *quoted_pcr10, ima_visitor visitor,
                                   void *context, struct refusal *ret_refusal);

/* The boot_aggregate that follows from PCRs 0 to 9, as Linux 5.8 and newer compute it for SHA-256.
 */
struct digest ima_boot_aggregate(const struct pcr_bank *bank);

#endif
