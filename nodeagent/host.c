#include "nodeagent/host.h"

#include "lib/base/log.h"
#include "lib/base/text.h"
#include "lib/daemon/worker.h"
#include "lib/net/timer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    BACKOFF_BASE_MS = 100,
    BACKOFF_MAX_MS = 5000, /* so much later than the TPM itself an agent comes back at most */
    DEADLINE_MS_MAX = 60 * 60 * 1000,
};

/* A task on its way, or a look whether the TPM works again. */
struct job {
    struct host *host;
    struct host_task task;
    struct bytes credential_blob, credential_secret;
    bool is_look;
    void (*done)(void *argument, const struct host_report *report); /* the loop's; NULL: answered */
    void *argument;

    /* Of one attempt, written by the worker. */
    struct host_report report;
    bool is_trouble; /* of the TPM: to be tried again */
    char failure[TPM_FAILURE_SIZE];
    const char *hint;
};

struct host {
    struct host_config config;
    struct worker *worker;
    struct tpm_identity identity;
    struct tpm *tpm; /* the worker's thread's, and: */
    struct ima_log_file ima_log;

    struct job *wanted;  /* what was asked for and is not answered; NULL: nothing */
    struct job *running; /* what the worker has: `wanted`, one that came to nothing, or a look */
    struct timer *retry, *deadline;
    struct backoff backoff;
    bool is_closing;

    bool is_ill;
    uint64_t ill_since_ms; /* time_boot_ms() */
    void (*on_health)(void *argument, bool is_well);
    void *health_argument;
};

static void job_free(struct job *job)
{
    bytes_free(&job->credential_blob);
    bytes_free(&job->credential_secret);
    secret_free(&job->report.activated);
    host_evidence_free(&job->report.evidence);
    free(job);
}
DEFINE_OWN_POINTER(job, job_free)

/* --- on the worker's thread --- */

/* A TPM that was exchanged while we ran is another host. */
static enum status identity_require_same(struct job *job)
{
    const struct host *host = job->host;
    OWN(tpm_identity) struct tpm_identity now = {0};

    TRY(tpm_identity(host->tpm, &now));
    if (!view_equal(bytes_view(&now.ek_name), bytes_view(&host->identity.ek_name)) ||
        !view_equal(bytes_view(&now.ak_name), bytes_view(&host->identity.ak_name))) {
        (void)snprintf(job->failure, sizeof job->failure, "it is another TPM now, with the EK %s",
                       hex_short(bytes_view(&now.ek_name)).text);
        job->hint = "put the old one back, or restart the agent to register as that host";
        return STATUS_CONFLICT;
    }
    return STATUS_OK;
}

static enum status tpm_ensure(struct job *job)
{
    struct tpm *tpm = job->host->tpm;

    /* What failed may have left something in the TPM, which goes with the connection. */
    if (tpm_is_connected(tpm) && tpm_failure(tpm)[0]) {
        tpm_disconnect(tpm);
    }
    if (tpm_is_connected(tpm)) {
        return STATUS_OK;
    }
    TRY(tpm_connect(tpm));
    return identity_require_same(job);
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
                                        .ima_log_path = host->config.ima_log_path,
                                        .ima_log = &host->ima_log},
        &job->report.evidence));
    job->report.activated = TAKE(activated);
    return STATUS_OK;
}

static void attempt(struct job *job)
{
    struct tpm *tpm = job->host->tpm;
    enum status status = tpm_ensure(job);

    job->is_trouble = status != STATUS_OK;
    if (status == STATUS_OK && !job->is_look) {
        status = task_do(job);
        job->is_trouble = status == STATUS_TPM || status == STATUS_DENIED;
    }
    job->report.status = status;
    if (!job->is_trouble) {
        return;
    }
    if (!job->failure[0]) {
        (void)snprintf(job->failure, sizeof job->failure, "%s",
                       tpm_failure(tpm)[0] ? tpm_failure(tpm) : status_text(status));
        job->hint = tpm_failure_hint(tpm);
    }
    tpm_disconnect(tpm);
}

static void job_work(void *argument)
{
    struct job *job = argument;
    bool was_connected = tpm_is_connected(job->host->tpm);

    job->failure[0] = '\0';
    attempt(job);
    /* Reset since the last task: a connection made anew tells it from a TPM in trouble. */
    if (job->is_trouble && was_connected) {
        job->failure[0] = '\0';
        attempt(job);
    }
}

/* --- health, on the loop --- */

static void host_ill(struct host *host, const char *failure, const char *hint)
{
    if (host->is_ill) {
        return;
    }
    host->is_ill = true;
    host->ill_since_ms = time_boot_ms();
    log_event(LOG_ERROR, "tpm-unavailable", "tcti=\"%s\" reason=\"%s\"%s%s%s", host->config.tcti,
              failure, hint[0] ? " hint=\"" : "", hint, hint[0] ? "\"" : "");
    if (host->on_health) {
        host->on_health(host->health_argument, false);
    }
}

static void host_well(struct host *host)
{
    backoff_reset(&host->backoff);
    if (!host->is_ill) {
        return;
    }
    host->is_ill = false;
    log_event(LOG_NOTICE, "tpm-available", "tcti=\"%s\" after_ms=%llu", host->config.tcti,
              (unsigned long long)(time_boot_ms() - host->ill_since_ms));
    if (host->on_health) {
        host->on_health(host->health_argument, true);
    }
}

bool host_is_well(const struct host *host)
{
    return !host->is_ill;
}

void host_watch(struct host *host, void (*on_health)(void *argument, bool is_well), void *argument)
{
    host->on_health = on_health;
    host->health_argument = argument;
}

/* --- tasks, on the loop --- */

/* Nobody waits for the task any more; the worker may still have it. */
static void wanted_answer(struct host *host, const struct host_report *report)
{
    struct job *job = TAKE(host->wanted);
    void (*done)(void *argument, const struct host_report *report) = TAKE(job->done);
    void *argument = job->argument;

    timer_stop(host->deadline);
    done(argument, report);
}

static void wanted_end(struct host *host, enum status status)
{
    const struct host_report report = {.status = status};
    struct job *job = host->wanted;

    if (!job) {
        return;
    }
    wanted_answer(host, &report);
    if (job != host->running) {
        job_free(job);
    }
}

static void job_done(void *argument);

/* Gives the worker what there is to do, unless it is at work or told to wait. */
static void host_go_on(struct host *host)
{
    struct job *job = host->wanted;

    if (host->is_closing || host->running || timer_is_running(host->retry)) {
        return;
    }
    if (!job && host->is_ill) {
        job = calloc(1, sizeof *job);
        if (!job) {
            timer_start(host->retry, BACKOFF_MAX_MS);
            return;
        }
        job->host = host;
        job->is_look = true;
    }
    if (!job) {
        return;
    }
    host->running = job;
    if (worker_submit(host->worker, job_work, job_done, job) != STATUS_OK) {
        host->running = NULL;
        if (job != host->wanted) {
            job_free(job);
        }
        timer_start(host->retry, BACKOFF_MAX_MS);
    }
}

static void job_done(void *argument)
{
    struct job *job = argument;
    struct host *host = job->host;
    bool is_restless = job->report.status == STATUS_BUSY;

    host->running = NULL;
    if (!host->is_closing) {
        if (job->is_trouble) {
            host_ill(host, job->failure, job->hint);
        } else {
            host_well(host);
        }
        if (job->is_trouble || is_restless) {
            timer_start(host->retry, backoff_next_ms(&host->backoff));
        }
    }
    if (job != host->wanted) {
        job_free(job);
    } else if (!job->is_trouble && !is_restless) {
        wanted_answer(host, &job->report);
        job_free(job);
    }
    host_go_on(host);
}

static void on_retry(void *argument)
{
    host_go_on(argument);
}

static void on_deadline(void *argument)
{
    struct host *host = argument;
    bool is_running = host->wanted == host->running;
    bool is_restless = !is_running && host->wanted->report.status == STATUS_BUSY;

    if (is_running) {
        host_ill(host, "it does not answer",
                 "see whether it hangs; the agent goes on when it answers");
    }
    wanted_end(host, is_restless ? STATUS_BUSY : STATUS_TIMEOUT);
}

enum status host_submit(struct host *host, const struct host_task *task,
                        void (*done)(void *argument, const struct host_report *report),
                        void *argument)
{
    OWN(job) struct job *job = calloc(1, sizeof *job);
    uint64_t now_ms = time_boot_ms(), left_ms;

    if (!job) {
        return STATUS_NO_MEMORY;
    }
    job->host = host;
    job->task = *task;
    job->done = done;
    job->argument = argument;
    if (task->credential_blob.size > 0) {
        TRY(bytes_copy(task->credential_blob, &job->credential_blob));
        TRY(bytes_copy(task->credential_secret, &job->credential_secret));
    }
    wanted_end(host, STATUS_CLOSED);
    host->wanted = TAKE(job);
    left_ms = task->deadline_ms > now_ms ? task->deadline_ms - now_ms : 0;
    timer_start(host->deadline, left_ms < DEADLINE_MS_MAX ? left_ms : DEADLINE_MS_MAX);
    host_go_on(host);
    return STATUS_OK;
}

/* --- opening and closing --- */

static void host_free(struct host *host)
{
    if (host->retry) {
        timer_free(host->retry);
    }
    if (host->deadline) {
        timer_free(host->deadline);
    }
    if (host->tpm) {
        tpm_close(host->tpm);
    }
    ima_log_file_free(&host->ima_log);
    tpm_identity_free(&host->identity);
    free(host);
}
DEFINE_OWN_POINTER(host, host_free)

static enum status identity_read(struct host *host, char *ret_error)
{
    enum status status = tpm_connect(host->tpm);

    if (status == STATUS_OK) {
        status = tpm_identity(host->tpm, &host->identity);
    }
    if (status != STATUS_OK) {
        (void)snprintf(ret_error, HOST_ERROR_SIZE, "TPM at \"%s\": %s%s%s", host->config.tcti,
                       tpm_failure(host->tpm)[0] ? tpm_failure(host->tpm) : status_text(status),
                       tpm_failure_hint(host->tpm)[0] ? "; " : "", tpm_failure_hint(host->tpm));
    }
    return status;
}

enum status host_open(const struct host_config *config, struct host **ret_host, char *ret_error)
{
    OWN(host) struct host *host = calloc(1, sizeof *host);

    (void)snprintf(ret_error, HOST_ERROR_SIZE, "TPM at \"%s\" cannot be used", config->tcti);
    if (!host) {
        return STATUS_NO_MEMORY;
    }
    host->config = *config;
    ima_log_file_init(&host->ima_log);
    host->backoff = (struct backoff){.base_ms = BACKOFF_BASE_MS, .max_ms = BACKOFF_MAX_MS};
    TRY(tpm_new(config->tcti, &host->tpm));
    TRY(identity_read(host, ret_error));
    TRY(timer_new(config->loop, on_retry, host, &host->retry));
    TRY(timer_new(config->loop, on_deadline, host, &host->deadline));
    TRY(worker_open(config->loop, 1, 1, &host->worker));
    *ret_host = TAKE(host);
    return STATUS_OK;
}

const struct tpm_identity *host_identity(const struct host *host)
{
    return &host->identity;
}

void host_close(struct host *host)
{
    host->is_closing = true;
    wanted_end(host, STATUS_CLOSED);
    worker_close(host->worker);
    host_free(host);
}
