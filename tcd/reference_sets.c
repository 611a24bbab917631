#include "tcd/reference_sets.h"

#include "lib/base/log.h"
#include "lib/base/table.h"
#include "lib/base/text.h"
#include "lib/daemon/worker.h"

#include <stdlib.h>

enum entry_state {
    ENTRY_WAITING, /* its bytes are not here, or nobody has begun to open them */
    ENTRY_OPENING,
    ENTRY_OPEN,
    ENTRY_UNUSABLE, /* the bytes are no reference set, and never will be */
};

/* A set that the manifest names. */
struct entry {
    struct digest digest;
    enum entry_state state;
    bool is_named;               /* by the manifest that is being followed */
    struct open_reference *open; /* ENTRY_OPEN */
};

struct reference_sets {
    struct reference_sets_config config;
    struct table entries;
};

/* One set that is being opened. Its bytes are held, so that the state may drop the set meanwhile.
 */
struct job {
    struct reference_sets *sets;
    struct digest digest;
    struct reference_bytes *bytes;
    size_t size;
    struct reference_set *set;
    enum status status;
    struct refusal refusal;
};

struct open_reference *open_reference_hold(struct open_reference *reference)
{
    reference->references++;
    return reference;
}

void open_reference_release(struct open_reference *reference)
{
    if (reference && --reference->references == 0) {
        reference->free(reference->owned);
        free(reference);
    }
}

enum status reference_sets_new(const struct reference_sets_config *config,
                               struct reference_sets **ret_sets)
{
    struct reference_sets *sets = calloc(1, sizeof *sets);

    if (!sets) {
        return STATUS_NO_MEMORY;
    }
    sets->config = *config;
    TABLE_INIT(&sets->entries, struct entry, digest);
    *ret_sets = sets;
    return STATUS_OK;
}

static void entry_drop(struct reference_sets *sets, struct entry *entry)
{
    ASSERT(table_remove(&sets->entries, &entry->digest) == entry);
    open_reference_release(entry->open);
    free(entry);
}

void reference_sets_free(struct reference_sets *sets)
{
    struct entry *entry;
    size_t cursor = 0;

    while ((entry = table_next(&sets->entries, &cursor))) {
        entry_drop(sets, entry);
    }
    table_free(&sets->entries);
    free(sets);
}

/* --- opening --- */

static void work(void *argument)
{
    struct job *job = argument;

    job->status = job->sets->config.open((struct view){job->bytes->data, job->size}, &job->set,
                                         &job->refusal);
}

/* The set goes over to the entry. */
static enum status entry_open(struct entry *entry, struct job *job)
{
    struct open_reference *open = calloc(1, sizeof *open);

    if (!open) {
        return STATUS_NO_MEMORY;
    }
    *open = (struct open_reference){
        .digest = job->digest,
        .set = job->set,
        .references = 1,
        .owned = TAKE(job->set),
        .free = job->sets->config.free,
    };
    entry->open = open;
    entry->state = ENTRY_OPEN;
    return STATUS_OK;
}

static void entry_settle(struct entry *entry, struct job *job)
{
    struct hex_short name = hex_short(digest_view(&job->digest));

    if (job->status == STATUS_OK) {
        job->status = entry_open(entry, job);
    }
    if (job->status == STATUS_OK) {
        log_event(LOG_NOTICE, "reference-opened", "digest=%s size=%zu", name.text, job->size);
    } else if (job->status == STATUS_REFUSED) {
        entry->state = ENTRY_UNUSABLE;
        log_event(LOG_ERROR, "reference-unusable", "digest=%s reason=%s detail=\"%s\"", name.text,
                  refusal_name(job->refusal.code), job->refusal.detail);
    } else {
        entry->state = ENTRY_WAITING; /* our own trouble: again later */
        log_event(LOG_ERROR, "reference-not-opened", "digest=%s reason=\"%s\"", name.text,
                  status_text(job->status));
    }
}

static void done(void *argument)
{
    struct job *job = argument;
    struct reference_sets *sets = job->sets;
    struct entry *entry = table_find(&sets->entries, &job->digest);
    bool is_open = false;

    if (entry && entry->state == ENTRY_OPENING) {
        entry_settle(entry, job);
        is_open = entry->state == ENTRY_OPEN;
    }
    if (job->set) {
        sets->config.free(job->set);
    }
    reference_bytes_release(job->bytes);
    free(job);
    if (is_open) {
        sets->config.on_opened(sets->config.argument);
    }
}

static void entry_start(struct reference_sets *sets, struct entry *entry,
                        const struct registry *registry)
{
    const struct reference_blob *blob = registry_reference(registry, &entry->digest);
    struct job *job;

    if (entry->state != ENTRY_WAITING || !blob || !reference_is_complete(blob)) {
        return;
    }
    job = calloc(1, sizeof *job);
    if (!job) {
        return;
    }
    *job = (struct job){
        .sets = sets,
        .digest = entry->digest,
        .bytes = reference_bytes_hold(blob->bytes),
        .size = (size_t)blob->size,
        .status = STATUS_CLOSED, /* if the worker ends before it comes to it */
    };
    if (worker_submit(sets->config.worker, work, done, job) != STATUS_OK) {
        reference_bytes_release(job->bytes);
        free(job);
        return;
    }
    entry->state = ENTRY_OPENING;
}

/* --- following --- */

static void entry_name(struct reference_sets *sets, const struct digest *digest)
{
    struct entry *entry = table_find(&sets->entries, digest);

    if (!entry) {
        entry = calloc(1, sizeof *entry);
        if (!entry) {
            return; /* It counts as not here, which lets nobody in. */
        }
        entry->digest = *digest;
        table_insert(&sets->entries, entry);
    }
    entry->is_named = true;
}

void reference_sets_follow(struct reference_sets *sets, const struct registry *registry,
                           const struct manifest *manifest)
{
    struct entry *entry;
    size_t cursor = 0;

    while ((entry = table_next(&sets->entries, &cursor))) {
        entry->is_named = false;
    }
    for (size_t i = 0; i < manifest->policy_count; i++) {
        const struct manifest_policy *policy = &manifest->policies[i];

        for (size_t k = 0; k < policy->reference_count; k++) {
            entry_name(sets, &policy->references[k].digest);
        }
    }
    cursor = 0;
    while ((entry = table_next(&sets->entries, &cursor))) {
        if (entry->is_named) {
            entry_start(sets, entry, registry);
        } else {
            entry_drop(sets, entry);
        }
    }
}

bool reference_sets_is_waiting(const struct reference_sets *sets)
{
    const struct entry *entry;
    size_t cursor = 0;

    while ((entry = table_next(&sets->entries, &cursor))) {
        if (entry->state == ENTRY_WAITING) {
            return true;
        }
    }
    return false;
}

/* --- reading --- */

struct open_reference *reference_sets_get(const struct reference_sets *sets,
                                          const struct digest *digest)
{
    const struct entry *entry = table_find(&sets->entries, digest);

    return entry ? entry->open : NULL;
}
