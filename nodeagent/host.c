#include "nodeagent/host.h"

#include "lib/base/log.h"
#include "lib/base/text.h"
#include "lib/daemon/worker.h"

#include <stdlib.h>

enum { WAITING_MAX = 16, ATTEMPTS = 2 };

struct host {
    struct host_config config;
    struct worker *worker;
    struct tpm_identity identity;
    struct tpm *tpm; /* the worker's thread's; NULL while it has to be opened again */
};

struct job {
    struct host *host;
    struct host_task task;
    struct bytes credential_blob, credential_secret;
    struct host_report report;
    void (*done)(void *argument, const struct host_report *report);
    void *argument;
};

static void host_free(struct host *host)
{
    if (host->tpm) {
        tpm_close(host->tpm);
    }
    tpm_identity_free(&host->identity);
    free(host);
}
DEFINE_OWN_POINTER(host, host_free)

enum status host_open(const struct host_config *config, struct host **ret_host)
{
    OWN(host) struct host *host = calloc(1, sizeof *host);

    if (!host) {
        return STATUS_NO_MEMORY;
    }
    host->config = *config;
    TRY(tpm_open(config->tcti, &host->tpm));
    TRY(tpm_identity(host->tpm, &host->identity));
    TRY(worker_open(config->loop, 1, WAITING_MAX, &host->worker));
    *ret_host = TAKE(host);
    return STATUS_OK;
}

const struct tpm_identity *host_identity(const struct host *host)
{
    return &host->identity;
}

void host_close(struct host *host)
{
    worker_close(host->worker);
    host_free(host);
}

/* --- on the worker's thread --- */

/* A TPM that was exchanged or cleared while we ran is another host. */
static enum status identity_require_same(const struct host *host)
{
    OWN(tpm_identity) struct tpm_identity now = {0};

    TRY(tpm_identity(host->tpm, &now));
    if (!view_equal(bytes_view(&now.ek_name), bytes_view(&host->identity.ek_name)) ||
        !view_equal(bytes_view(&now.ak_name), bytes_view(&host->identity.ak_name))) {
        log_event(LOG_ERROR, "tpm-changed", "ek=%s hint=\"restart the agent\"",
                  hex_short(bytes_view(&now.ek_name)).text);
        return STATUS_CONFLICT;
    }
    return STATUS_OK;
}

static enum status tpm_ensure(struct host *host)
{
    enum status status;

    if (host->tpm) {
        return STATUS_OK;
    }
    TRY(tpm_open(host->config.tcti, &host->tpm));
    status = identity_require_same(host);
    if (status != STATUS_OK) {
        tpm_close(TAKE(host->tpm));
    } else {
        log_event(LOG_NOTICE, "tpm-reopened", "tcti=\"%s\"", host->config.tcti);
    }
    return status;
}

static enum status task_do(struct job *job)
{
    const struct host_task *task = &job->task;
    struct host *host = job->host;
    OWN(secret) struct secret activated = {0};

    if (job->credential_blob.size > 0) {
        TRY(tpm_activate_credential(host->tpm, bytes_view(&job->credential_blob),
                                    bytes_view(&job->credential_secret), &activated));
    }
    TRY(host_evidence_collect(
        host->tpm, &host->identity,
        &(struct host_evidence_request){.qualifying = task->qualifying,
                                        .demand = task->demand,
                                        .event_log_path = host->config.event_log_path,
                                        .ima_log_path = host->config.ima_log_path},
        &job->report.evidence));
    job->report.activated = TAKE(activated);
    return STATUS_OK;
}

static void job_work(void *argument)
{
    struct job *job = argument;
    struct host *host = job->host;
    enum status status = STATUS_TPM;

    /* The second attempt is for a TPM that was reset since the last task. */
    for (unsigned i = 0; i < ATTEMPTS && status == STATUS_TPM; i++) {
        status = tpm_ensure(host);
        if (status == STATUS_OK) {
            status = task_do(job);
        }
        if (status == STATUS_TPM && host->tpm) {
            tpm_close(TAKE(host->tpm));
        }
    }
    job->report.status = status;
}

/* --- on the loop --- */

static void job_free(struct job *job)
{
    bytes_free(&job->credential_blob);
    bytes_free(&job->credential_secret);
    secret_free(&job->report.activated);
    host_evidence_free(&job->report.evidence);
    free(job);
}
DEFINE_OWN_POINTER(job, job_free)

static void job_done(void *argument)
{
    OWN(job) struct job *job = argument;

    job->done(job->argument, &job->report);
}

enum status host_submit(struct host *host, const struct host_task *task,
                        void (*done)(void *argument, const struct host_report *report),
                        void *argument)
{
    OWN(job) struct job *job = calloc(1, sizeof *job);

    if (!job) {
        return STATUS_NO_MEMORY;
    }
    job->host = host;
    job->task = *task;
    job->done = done;
    job->argument = argument;
    /* For tasks that never run because the host is closed. */
    job->report.status = STATUS_CLOSED;
    if (task->credential_blob.size > 0) {
        TRY(bytes_copy(task->credential_blob, &job->credential_blob));
        TRY(bytes_copy(task->credential_secret, &job->credential_secret));
    }
    TRY(worker_submit(host->worker, job_work, job_done, job));
    job = NULL;
    return STATUS_OK;
}
