/*
 * Evidence of this host: a quote, the values it covers, and the logs that explain them. The agent
 * and the coordinator's members collect it in the same way. Blocking, as all of lib/tpm.
 */
#ifndef TCCP_TPM_HOST_EVIDENCE_H
#define TCCP_TPM_HOST_EVIDENCE_H

#include "lib/attest/appraisal.h"
#include "lib/tpm/ima_log_file.h"
#include "lib/tpm/tpm.h"

/* As the kernel shows them; a host without measured boot has none. */
#define EVENT_LOG_PATH "/sys/kernel/security/tpm0/binary_bios_measurements"
#define IMA_LOG_PATH "/sys/kernel/security/ima/binary_runtime_measurements"

struct host_evidence_request {
    struct digest qualifying;
    struct evidence_demand demand;
    const char *event_log_path, *ima_log_path; /* where they lie, if they are demanded */
    struct ima_log_file
        *ima_log; /* how far it was read before; NULL: it is read from the beginning */
};

struct host_evidence {
    struct bytes ak_public;
    struct bytes quote, signature, pcr_values;
    struct bytes event_log, ima_log;
    /* As quoted: the boot of the TPM that this is about. */
    uint32_t reset_count, restart_count;
};
void host_evidence_free(struct host_evidence *evidence);
DEFINE_OWN_VALUE(host_evidence, host_evidence_free)

/*
 * Quotes first, then reads the values and the logs: a log may be longer than what was quoted, never
 * shorter. The PCRs may be extended between the quote and the reading; then it is done again, a few
 * times. STATUS_BUSY when they never stood still, STATUS_NOT_FOUND when a log that is asked for is
 * not there, STATUS_TOO_LARGE beyond a log's limit, STATUS_TPM.
 */
WARN_UNUSED enum status host_evidence_collect(struct tpm *tpm, const struct tpm_identity *identity,
                                              const struct host_evidence_request *request,
                                              struct host_evidence *ret_evidence);

/* Borrowed, for a message. */
struct evidence_view host_evidence_view(const struct host_evidence *evidence);

#endif
