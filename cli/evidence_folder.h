/*
 * Evidence of one boot, kept in a folder:
 *
 *     eventlog.bin             binary_bios_measurements; may be missing
 *     ima.bin                  binary_runtime_measurements; may be missing
 *     quote/quote.attest       TPMS_ATTEST
 *     quote/quote.sig          TPMT_SIGNATURE
 *     quote/ak.tpmt            TPMT_PUBLIC of the attestation key
 *     quote/qualifying.bin     the extraData that was asked for
 *     quote/pcrs_quoted.bin    32 bytes for each PCR that was quoted, ascending
 *     quote/ek.tpmt, ek.crt    the endorsement key and its certificate; may be missing (the names
 *                              ek_rsa.tpmt, ek_rsa.crt are read as well)
 */
#ifndef TCCP_CLI_EVIDENCE_FOLDER_H
#define TCCP_CLI_EVIDENCE_FOLDER_H

#include "cli/cli.h"

#include "lib/attest/appraisal.h"

struct evidence_folder {
    struct bytes event_log, ima_log, quote, signature, ak_public, qualifying, pcr_values, ek_public,
        ek_certificate;
    uint32_t pcr_mask; /* that the quote says it covers; nothing is believed of it */
    uint64_t firmware;
};
void evidence_folder_free(struct evidence_folder *folder);
DEFINE_OWN_VALUE(evidence_folder, evidence_folder_free)

/* Reports what is missing or no quote at all. */
enum exit_code evidence_folder_load(const struct cli *cli, const char *path,
                                    struct evidence_folder *ret_folder);

/* Of evidence that lies in no folder yet; `name` is whose, for reports. All is copied. */
enum exit_code evidence_folder_of_view(const struct cli *cli, const char *name,
                                       const struct evidence_view *evidence, struct view qualifying,
                                       struct evidence_folder *ret_folder);

/* Is there a folder of this name in which files lie already, or something else? Reported then. */
enum exit_code evidence_folder_check_new(const struct cli *cli, const char *path);
/* Writes it to a new or empty folder: for its owner alone. */
enum exit_code evidence_folder_store(const struct cli *cli, const char *path,
                                     const struct evidence_folder *folder);

struct evidence_view evidence_folder_view(const struct evidence_folder *folder);

/* By a set alone, as the coordinator would appraise it; whose TPM it is only with CAs of
 * manufacturers (DER). As appraisal_run(). */
enum status evidence_folder_appraise(const struct evidence_folder *folder,
                                     const struct reference_set *set, const struct view *cas,
                                     size_t ca_count, struct refusal *ret_refusal);

#endif
