#include "tcd/quoter.h"

#include "lib/base/log.h"
#include "lib/base/merkle.h"

#include <stdlib.h>
#include <string.h>

struct request {
    struct digest leaf;
    quoter_done done; /* NULL: cancelled */
    void *argument;
};

struct quote {
    unsigned references;
    struct host_evidence evidence;
};

struct batch {
    struct scope scope;
    struct evidence_demand demand;
    size_t count, capacity;
    struct request *requests;
};

struct quoter {
    struct quoter_config config;
    struct batch waiting; /* collects while the TPM works on the other */
    struct batch running;
    bool is_running;
    /* Of the running batch, written by the worker. */
    struct digest qualifying;
    struct quote *quote;
    enum status status;
};

struct quote *quote_hold(struct quote *quote)
{
    quote->references++;
    return quote;
}

void quote_release(struct quote *quote)
{
    if (quote && --quote->references == 0) {
        host_evidence_free(&quote->evidence);
        free(quote);
    }
}

enum status quoter_new(const struct quoter_config *config, struct quoter **ret_quoter)
{
    struct quoter *quoter = calloc(1, sizeof *quoter);

    if (!quoter) {
        return STATUS_NO_MEMORY;
    }
    quoter->config = *config;
    *ret_quoter = quoter;
    return STATUS_OK;
}

void quoter_free(struct quoter *quoter)
{
    if (!quoter) {
        return;
    }
    free(quoter->waiting.requests);
    free(quoter->running.requests);
    quote_release(quoter->quote);
    free(quoter);
}

static void work(void *argument)
{
    struct quoter *quoter = argument;
    const struct quoter_config *config = &quoter->config;
    const struct batch *batch = &quoter->running;

    quoter->status = host_evidence_collect(config->tpm, config->identity,
                                           &(struct host_evidence_request){
                                               .qualifying = quoter->qualifying,
                                               .demand = batch->demand,
                                               .event_log_path = config->event_log_path,
                                               .ima_log_path = config->ima_log_path,
                                           },
                                           &quoter->quote->evidence);
}

static void start(struct quoter *quoter);

static void answer(struct quoter *quoter, const struct digest *leaves)
{
    struct batch *batch = &quoter->running;

    for (size_t i = 0; i < batch->count; i++) {
        struct request *request = &batch->requests[i];
        struct coordinator_evidence evidence = {
            .leaf_index = i,
            .leaf_count = batch->count,
        };
        quoter_done done = request->done;

        request->done = NULL;
        if (!done) {
            continue;
        }
        if (quoter->status == STATUS_OK) {
            evidence.evidence = host_evidence_view(&quoter->quote->evidence);
            merkle_inclusion_proof(leaves, batch->count, i, &evidence.proof);
            done(request->argument, STATUS_OK, &evidence, quoter->quote);
        } else {
            done(request->argument, quoter->status, NULL, NULL);
        }
    }
}

static struct digest *leaves_of(const struct batch *batch)
{
    struct digest *leaves = malloc(batch->count * sizeof *leaves);

    for (size_t i = 0; leaves && i < batch->count; i++) {
        leaves[i] = batch->requests[i].leaf;
    }
    return leaves;
}

static void done(void *argument)
{
    struct quoter *quoter = argument;
    struct digest *leaves = leaves_of(&quoter->running);

    if (!leaves) {
        quoter->status = STATUS_NO_MEMORY;
    }
    if (quoter->status != STATUS_OK) {
        log_event(LOG_ERROR, "quote-failed", "reason=\"%s\" waiting=%zu",
                  status_text(quoter->status), quoter->running.count);
    }
    answer(quoter, leaves);
    free(leaves);
    quote_release(quoter->quote);
    quoter->quote = NULL;
    quoter->running.count = 0;
    quoter->is_running = false;
    if (quoter->waiting.count > 0) {
        start(quoter);
    }
}

static void start(struct quoter *quoter)
{
    struct batch batch = quoter->running;
    struct digest *leaves, root;
    enum status status;

    quoter->running = quoter->waiting;
    quoter->waiting = batch;
    quoter->waiting.count = 0;
    quoter->is_running = true;
    leaves = leaves_of(&quoter->running);
    quoter->quote = calloc(1, sizeof *quoter->quote);
    if (!leaves || !quoter->quote) {
        free(leaves);
        quoter->status = STATUS_NO_MEMORY;
        done(quoter);
        return;
    }
    quoter->quote->references = 1;
    root = merkle_root_of(leaves, quoter->running.count);
    free(leaves);
    quoter->qualifying = coordinator_qualifying(&quoter->running.scope, &root);
    /* Not into quoter->status: the worker may have written that before this call returns. */
    status = worker_submit(quoter->config.tpm_worker, work, done, quoter);
    if (status != STATUS_OK) {
        quoter->status = status;
        done(quoter);
    }
}

static bool batch_fits(const struct batch *batch, const struct scope *scope,
                       const struct pcr_policy *policy)
{
    return batch->count == 0 || (digest_equal(&batch->scope.perimeter_id, &scope->perimeter_id) &&
                                 batch->scope.epoch == scope->epoch &&
                                 batch->demand.pcr_mask == pcr_policy_mask(policy));
}

enum status quoter_request(struct quoter *quoter, const struct scope *scope,
                           const struct pcr_policy *policy, const struct digest *leaf,
                           quoter_done done_callback, void *argument)
{
    struct batch *batch = &quoter->waiting;

    /* Another epoch or policy in mid-batch: rare, and the peer comes again. */
    if (batch->count >= QUOTER_WAITING_MAX || !batch_fits(batch, scope, policy)) {
        return STATUS_BUSY;
    }
    if (batch->count == batch->capacity) {
        size_t capacity = batch->capacity ? 2 * batch->capacity : 16;
        struct request *requests = realloc(batch->requests, capacity * sizeof *requests);

        if (!requests) {
            return STATUS_NO_MEMORY;
        }
        batch->requests = requests;
        batch->capacity = capacity;
    }
    batch->scope = *scope;
    batch->demand = appraisal_demand(policy, NULL);
    batch->requests[batch->count++] =
        (struct request){.leaf = *leaf, .done = done_callback, .argument = argument};
    if (!quoter->is_running) {
        start(quoter);
    }
    return STATUS_OK;
}

static bool batch_cancel(struct batch *batch, const void *argument)
{
    bool found = false;

    for (size_t i = 0; i < batch->count; i++) {
        if (batch->requests[i].argument == argument && batch->requests[i].done) {
            batch->requests[i].done = NULL;
            found = true;
        }
    }
    return found;
}

bool quoter_cancel(struct quoter *quoter, void *argument)
{
    bool was_waiting = batch_cancel(&quoter->waiting, argument);

    return batch_cancel(&quoter->running, argument) || was_waiting;
}
