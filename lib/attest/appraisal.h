/*
 * Appraisal: is what a TPM says of its host acceptable? The checks are numbered and ordered as in
 * docs/APPRAISAL.md; check 1 (the nonce is ours, fresh and bound to the session) and check 4
 * (credential activation) belong to the protocol that calls this.
 */
#ifndef TCCP_ATTEST_APPRAISAL_H
#define TCCP_ATTEST_APPRAISAL_H

#include "lib/attest/attestation_key.h"
#include "lib/attest/log_appraisal.h"
#include "lib/attest/pcr_policy.h"
#include "lib/attest/tpm_structures.h"

/* Evidence as it came (proto Evidence); nothing in it is believed. Views are empty where a field
 * is.
 */
struct evidence_view {
    struct view ek_certificate; /* DER */
    struct view ek_public;      /* TPMT_PUBLIC */
    struct view ak_public;      /* TPMT_PUBLIC */
    struct view quote;          /* TPMS_ATTEST */
    struct view signature;      /* TPMT_SIGNATURE */
    struct view event_log;      /* TCG, crypto-agile */
    struct view ima_log;        /* binary_runtime_measurements after the entries of `previous` */
    struct view pcr_values;     /* 32 bytes each, ascending over the quoted PCRs */
};

/* One boot of one TPM, as far as it was appraised: what a renewal continues from. */
struct boot_state {
    uint32_t reset_count, restart_count;
    uint64_t clock_ms; /* of the TPM, at the quote */
    uint64_t firmware; /* firmwareVersion of the TPM */
    struct ima_state ima;
    /* All quoted PCRs but IMA's: what the event log explained, and whatever else is judged by
     * value.
     */
    struct digest boot_pcrs;
    struct digest references; /* reference_list_digest() of the sets that it was appraised by */
};

/* How the AK is known to lie in the right TPM. */
enum ak_trust {
    /* Check 2 in full: certificate, template and public area of the EK. The caller proves by
     * credential activation that the AK lies beside it. */
    AK_TRUST_BY_EK,
    /* The AK is expected_ak, named in the manifest or activated at an earlier registration: the EK
     * fields of the evidence are not read. */
    AK_TRUST_BY_NAME,
};

/* The reference sets that a policy names. */
struct references {
    struct reference_list enforced; /* one has to accept; none: only the policy has to */
    struct reference_list staged;   /* appraised besides, and only reported */
    /* A place for each that is staged: its refusal, or REFUSAL_NONE; REFUSAL_NOT_READY where the
     * evidence was no good before it came to that. May be NULL where none is staged. */
    struct refusal *staged_refusals;
};

struct appraisal_inputs {
    const struct pcr_policy *policy;
    struct references references;
    uint32_t more_pcrs;     /* that the quote covers besides; only kept evidence has such */
    struct view qualifying; /* the extraData that the quote must carry; not empty */
    enum ak_trust ak_trust;
    /* With AK_TRUST_BY_EK: CAs of TPM manufacturers, DER. */
    const struct view *cas;
    size_t ca_count;
    /* Names that the keys must have; NULL where any will do. expected_ak is required with
     * AK_TRUST_BY_NAME, and expected_ek, from the manifest, should be given with AK_TRUST_BY_EK. */
    const struct tpm_name *expected_ek, *expected_ak;
    /* With AK_TRUST_BY_NAME: the key of that name, if the caller kept it; its public area in the
     * evidence is not read then. */
    const struct attestation_key *ak;
    /* The state that the last accepted appraisal of this registration left; NULL at a registration.
     */
    const struct boot_state *previous;
    /* With `previous`: the logs come from their beginning again, as they must after a change of
     * policy. Else only what is new in the IMA log, and no event log. */
    bool is_whole;
    uint64_t now_s; /* seconds since 1970 */
};

/* What a host is asked for. */
struct evidence_demand {
    uint32_t pcr_mask; /* the PCRs that the quote must cover, exactly */
    bool event_log, ima_log;
    uint64_t ima_entries_known; /* entries of the IMA log that may be left out */
};
/* Of a first appraisal: the whole logs. references may be NULL: there are none. */
struct evidence_demand appraisal_demand(const struct pcr_policy *policy,
                                        const struct references *references);

struct appraisal {
    struct tpm_name ek_name; /* empty with AK_TRUST_BY_NAME */
    struct tpm_name ak_name;
    struct boot_state boot;
    struct digest pcr_digest;  /* quoted */
    struct pcr_bank pcrs;      /* quoted values */
    struct digest accepted_by; /* the reference set that accepted the boot; zero where none had to,
                                  or where it was accepted before */
};

/*
 * STATUS_OK and *ret_appraisal when all holds; STATUS_REFUSED and *ret_refusal at the first check
 * that does not:
 *
 *  2. EK: certificate and template (ek_certificate.h), expected name: EK_NOT_IN_MANIFEST
 *  3. AK: attributes (attestation_key.h), expected name: AK_NAME
 *  5.-7. quote (quote.h) over exactly the PCRs of appraisal_demand()
 *  8. same boot as `previous`: RESET, CLOCK
 *  10. the values hash to the quote's pcrDigest (QUOTE_DIGEST)
 *  9.-17. the logs, where policy or references need them (log_appraisal.h, reference_list.h)
 *  then the values of the policy: PCR_NOT_ALLOWED
 *
 * A log that nobody needs is not read; one that only staged sets need refuses nobody.
 * STATUS_CONFLICT: the evidence continues an earlier appraisal that it cannot rest on, since PCRs
 * of the boot have another value or other reference sets judged it: ask for whole evidence.
 * STATUS_CRYPTO and STATUS_NO_MEMORY are our own trouble and say nothing about the evidence.
 */
WARN_UNUSED enum status appraisal_run(const struct evidence_view *evidence,
                                      const struct appraisal_inputs *inputs,
                                      struct appraisal *ret_appraisal, struct refusal *ret_refusal);

#endif
