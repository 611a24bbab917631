/*
 * This host as its TPM and its logs show it. The TPM is slow: what it has to do is done on a thread
 * of its own, one task after the other. A TPM that was reset or went away is opened again with the
 * next task.
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

/* Blocks: opens the TPM and reads who it is. As tpm_open() and tpm_identity(). */
WARN_UNUSED enum status host_open(const struct host_config *config, struct host **ret_host);
/* Never changes. */
const struct tpm_identity *host_identity(const struct host *host);

struct host_task {
    /* To be activated first; both empty where there is nothing to activate. Copied. */
    struct view credential_blob, credential_secret;
    /* The quote, and the logs that go with it. */
    struct digest qualifying;
    struct evidence_demand demand;
};

struct host_report {
    enum status status;
    struct secret activated; /* empty where nothing was to be activated */
    struct host_evidence evidence;
};

/*
 * Does the task; `done` runs on the loop with a report that lasts for the call. STATUS_BUSY when
 * too many wait. In the report, STATUS_REFUSED: the credential is not for this TPM;
 * STATUS_CONFLICT: the TPM is another one now; otherwise as host_evidence_collect().
 */
WARN_UNUSED enum status host_submit(struct host *host, const struct host_task *task,
                                    void (*done)(void *argument, const struct host_report *report),
                                    void *argument);

/* Waits for the task under way, runs the callbacks of all that wait, and frees the host in the
 * loop's next turns. */
void host_close(struct host *host);

#endif
