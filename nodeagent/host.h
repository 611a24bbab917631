/*
 * This host as its TPM and its logs show it. The TPM is slow, and it may be busy, be reset or be
 * gone for a while: what it has to do is done on a thread of its own, and tried again with backoff
 * until the task's deadline. The loop never waits for it.
 *
 * A TPM in trouble is reported once, with the reason and what to do, and once when it works again;
 * between the two it is looked for with backoff, whether anything is asked of it or not.
 */
#ifndef TCCP_NODEAGENT_HOST_H
#define TCCP_NODEAGENT_HOST_H

#include "lib/tpm/host_evidence.h"

struct uv_loop_s;
struct host;

struct host_config {
    struct uv_loop_s *loop;
    const char *tcti, *event_log_path, *ima_log_path; /* they outlive the host */
};

enum { HOST_ERROR_SIZE = 512 };

/* Blocks: opens the TPM and reads who it is. As tpm_open() and tpm_identity(); ret_error
 * (HOST_ERROR_SIZE characters) is one line for people. */
WARN_UNUSED enum status host_open(const struct host_config *config, struct host **ret_host,
                                  char *ret_error);
/* Never changes. */
const struct tpm_identity *host_identity(const struct host *host);

/* False from the report of a trouble to that of its end. */
bool host_is_well(const struct host *host);
/* on_health (NULL: none) runs on the loop when host_is_well() changed, before any task's done(). */
void host_watch(struct host *host, void (*on_health)(void *argument, bool is_well), void *argument);

struct host_task {
    /* To be activated first; both empty where there is nothing to activate. Copied. */
    struct view credential_blob, credential_secret;
    /* The quote, and the logs that go with it. */
    struct digest qualifying;
    struct evidence_demand demand;
    uint64_t deadline_ms; /* time_boot_ms(): by then it has to be done, or is of no use any more */
};

struct host_report {
    enum status status;
    struct secret activated; /* empty where nothing was to be activated */
    struct host_evidence evidence;
};

/*
 * Does the task; `done` runs once, on the loop, with a report that lasts for the call. In it,
 * STATUS_TIMEOUT: the TPM was in trouble, or did not answer, until the deadline; STATUS_BUSY: the
 * PCRs did not stand still until then; STATUS_REFUSED: the credential is not for this TPM;
 * STATUS_CLOSED: another task came after it, or the host was closed; otherwise as
 * host_evidence_collect(), but for STATUS_TPM.
 *
 * One task is under way at a time: who asks anew has no use for the answer to what was asked
 * before, and the done() of that is run from inside this call.
 */
WARN_UNUSED enum status host_submit(struct host *host, const struct host_task *task,
                                    void (*done)(void *argument, const struct host_report *report),
                                    void *argument);

/* Runs the callback of the task under way, waits for the TPM's thread, and frees the host in the
 * loop's next turns. A TPM that does not answer holds it up. */
void host_close(struct host *host);

#endif
