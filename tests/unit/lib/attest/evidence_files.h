/* A folder of tests/vectors/evidence: one measured boot, as its node would show it. */
#ifndef TCCP_TESTS_EVIDENCE_FILES_H
#define TCCP_TESTS_EVIDENCE_FILES_H

#include "lib/attest/appraisal.h"

#include "tests/support/test.h"
#include "tests/support/vectors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The captures quote PCRs 0 to 10; uki-sb 0 to 14. 2026-12-01: the certificates are valid. */
enum { EVIDENCE_MASK = 0x7ff, EVIDENCE_MASK_UKI = 0x7fff };
#define EVIDENCE_NOW_S ((uint64_t)1796083200)

struct evidence_files {
    struct bytes ek_certificate, ek_public, ak_public, quote, signature, event_log, ima_log,
        pcr_values, qualifying;
    struct bytes cas[2]; /* root and issuer */
};

static inline struct bytes evidence_file(const char *folder, const char *name)
{
    char path[128];

    (void)snprintf(path, sizeof path, "evidence/%s/%s", folder, name);
    return vector_load(path);
}

static inline struct evidence_files evidence_load(const char *folder)
{
    return (struct evidence_files){
        .ek_certificate = evidence_file(folder, "ek_rsa.crt"),
        .ek_public = evidence_file(folder, "ek_rsa.tpmt"),
        .ak_public = evidence_file(folder, "ak.tpmt"),
        .quote = evidence_file(folder, "quote.attest"),
        .signature = evidence_file(folder, "quote.sig"),
        .event_log = evidence_file(folder, "eventlog.bin"),
        .ima_log = evidence_file(folder, "ima.bin"),
        .pcr_values = evidence_file(folder, "pcrs_quoted.bin"),
        .qualifying = evidence_file(folder, "qualifying.bin"),
        .cas = {evidence_file("ca", "rootca.der"), evidence_file("ca", "issuercert.der")},
    };
}

static inline void evidence_files_free(struct evidence_files *files)
{
    bytes_free(&files->ek_certificate);
    bytes_free(&files->ek_public);
    bytes_free(&files->ak_public);
    bytes_free(&files->quote);
    bytes_free(&files->signature);
    bytes_free(&files->event_log);
    bytes_free(&files->ima_log);
    bytes_free(&files->pcr_values);
    bytes_free(&files->qualifying);
    bytes_free(&files->cas[0]);
    bytes_free(&files->cas[1]);
}
DEFINE_OWN_VALUE(evidence_files, evidence_files_free)

static inline struct evidence_view evidence_view_of(const struct evidence_files *files)
{
    return (struct evidence_view){
        .ek_certificate = bytes_view(&files->ek_certificate),
        .ek_public = bytes_view(&files->ek_public),
        .ak_public = bytes_view(&files->ak_public),
        .quote = bytes_view(&files->quote),
        .signature = bytes_view(&files->signature),
        .event_log = bytes_view(&files->event_log),
        .ima_log = bytes_view(&files->ima_log),
        .pcr_values = bytes_view(&files->pcr_values),
    };
}

/* A policy that allows exactly what this boot has, in every PCR but IMA's; both logs are needed. */
static inline struct pcr_policy evidence_policy(const struct evidence_files *files, uint32_t mask)
{
    struct pcr_policy policy = {.needs_event_log = true, .needs_ima_log = true};
    struct pcr_bank bank;

    assert_ok(pcr_bank_of_view(bytes_view(&files->pcr_values), mask, &bank));
    for (uint32_t pcr = 0; pcr < PCR_COUNT; pcr++) {
        if ((mask >> pcr & 1) && pcr != PCR_IMA) {
            assert_ok(pcr_policy_allow(&policy, pcr, &bank.values[pcr]));
        }
    }
    return policy;
}

/* A copy whose bytes a test may change. */
static inline struct bytes copy_of(struct view view)
{
    struct bytes copy;

    assert_ok(bytes_copy(view, &copy));
    return copy;
}

#endif
