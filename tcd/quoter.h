/*
 * The coordinator's own quotes. A TPM is slow (a hardware one takes up to seconds), and every
 * registration needs the coordinator's evidence: one quote serves all challenges that wait while
 * the TPM is busy (docs/PROTOCOL.md, section 3).
 */
#ifndef TCCP_TCD_QUOTER_H
#define TCCP_TCD_QUOTER_H

#include "lib/daemon/worker.h"
#include "lib/protocol/registration.h"
#include "lib/tpm/host_evidence.h"

struct quoter;

enum { QUOTER_WAITING_MAX = 4096 };

struct quoter_config {
    struct worker *tpm_worker; /* one thread: the TPM's */
    struct tpm *tpm;           /* used on that thread only */
    const struct tpm_identity *identity;
    const char *event_log_path, *ima_log_path; /* where the member's policy asks for them */
};
WARN_UNUSED enum status quoter_new(const struct quoter_config *config, struct quoter **ret_quoter);
/* After the worker was closed. */
void quoter_free(struct quoter *quoter);

/* What a quote came with: all who waited for it share it. References are counted on the loop's
 * thread. */
struct quote;
struct quote *quote_hold(struct quote *quote);
void quote_release(struct quote *quote); /* NULL is ignored */

/* Both are NULL unless status is STATUS_OK. evidence itself is valid during the call; a copy of it
 * as long as the quote is held. */
typedef void (*quoter_done)(void *argument, enum status status,
                            const struct coordinator_evidence *evidence, struct quote *quote);

/*
 * Has the leaf covered by the next quote that starts. All leaves of a batch have the same scope and
 * PCRs; STATUS_BUSY for another one meanwhile (the epoch or policy just changed), and when
 * QUOTER_WAITING_MAX wait.
 */
WARN_UNUSED enum status quoter_request(struct quoter *quoter, const struct scope *scope,
                                       const struct pcr_policy *policy, const struct digest *leaf,
                                       quoter_done done, void *argument);
/* The requester is gone: done will not be called for it. False: nothing of it waited. */
bool quoter_cancel(struct quoter *quoter, void *argument);

#endif
