#include "tcd/staged_verdicts.h"

#include "lib/base/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct staged_verdicts {
    struct table nodes;
};

enum status staged_verdicts_new(struct staged_verdicts **ret_verdicts)
{
    struct staged_verdicts *verdicts = calloc(1, sizeof *verdicts);

    if (!verdicts) {
        return STATUS_NO_MEMORY;
    }
    TABLE_INIT(&verdicts->nodes, struct staged_node, node);
    *ret_verdicts = verdicts;
    return STATUS_OK;
}

static void node_free(struct staged_node *node)
{
    for (size_t i = 0; node && i < node->count; i++) {
        free(node->verdicts[i].refusal);
    }
    free(node);
}

void staged_verdicts_free(struct staged_verdicts *verdicts)
{
    struct staged_node *node;

    if (!verdicts) {
        return;
    }
    while ((node = table_first(&verdicts->nodes))) {
        node_free(table_remove(&verdicts->nodes, &node->node));
    }
    table_free(&verdicts->nodes);
    free(verdicts);
}

static struct core_name key_of(const char *node)
{
    struct core_name key;

    memset(&key, 0, sizeof key);
    (void)snprintf(key.text, sizeof key.text, "%s", node);
    return key;
}

static struct staged_node *node_find(const struct staged_verdicts *verdicts, const char *name)
{
    const struct core_name key = key_of(name);

    return table_find(&verdicts->nodes, &key);
}

const struct staged_node *staged_verdicts_find(const struct staged_verdicts *verdicts,
                                               const char *node)
{
    return node_find(verdicts, node);
}

static struct staged_verdict *verdict_find(struct staged_node *node, const struct digest *set)
{
    for (size_t i = 0; i < node->count; i++) {
        if (digest_equal(&node->verdicts[i].set, set)) {
            return &node->verdicts[i];
        }
    }
    return NULL;
}

/* What does not fit into memory is missing, and asked for again. */
static void verdict_note(struct staged_node *node, const struct digest *set,
                         const struct refusal *refusal, bool is_whole, uint64_t now_s)
{
    struct staged_verdict *verdict = verdict_find(node, set);
    struct refusal *copy = NULL;

    if (refusal->code == REFUSAL_NOT_READY || (!is_whole && (!verdict || verdict->refusal))) {
        return;
    }
    if (refusal->code != REFUSAL_NONE) {
        copy = malloc(sizeof *copy);
        if (!copy) {
            return;
        }
        *copy = *refusal;
    }
    if (!verdict) {
        if (node->count == REFERENCE_LIST_COUNT_MAX) {
            free(copy);
            return; /* Of an older manifest: it is followed in a moment. */
        }
        verdict = &node->verdicts[node->count++];
        *verdict = (struct staged_verdict){.set = *set};
    }
    free(verdict->refusal);
    verdict->refusal = copy;
    verdict->at_s = now_s;
}

void staged_verdicts_note(struct staged_verdicts *verdicts, const char *name,
                          const struct references *references, bool is_whole, uint64_t now_s)
{
    struct staged_node *node = node_find(verdicts, name);

    if (references->staged.count == 0) {
        return;
    }
    if (!node) {
        node = calloc(1, sizeof *node);
        if (!node) {
            return;
        }
        node->node = key_of(name);
        table_insert(&verdicts->nodes, node);
    }
    for (size_t i = 0; i < references->staged.count; i++) {
        verdict_note(node, &references->staged.sets[i]->digest, &references->staged_refusals[i],
                     is_whole, now_s);
    }
}

bool staged_verdicts_are_complete(const struct staged_verdicts *verdicts, const char *name,
                                  const struct reference_list *staged)
{
    struct staged_node *node = node_find(verdicts, name);

    for (size_t i = 0; i < staged->count; i++) {
        if (!node || !verdict_find(node, &staged->sets[i]->digest)) {
            return false;
        }
    }
    return true;
}

static bool is_staged(const struct manifest_node *entry, const struct digest *set)
{
    const struct manifest_reference *reference = manifest_policy_reference(entry->policy, set);

    return reference && reference->staged;
}

static void node_follow(struct staged_node *node, const struct manifest_node *entry)
{
    size_t kept = 0;

    for (size_t i = 0; i < node->count; i++) {
        if (is_staged(entry, &node->verdicts[i].set)) {
            node->verdicts[kept++] = node->verdicts[i];
        } else {
            free(node->verdicts[i].refusal);
        }
    }
    node->count = kept;
}

void staged_verdicts_follow(struct staged_verdicts *verdicts, const struct manifest *manifest)
{
    struct staged_node *node;
    size_t cursor = 0;

    while ((node = table_next(&verdicts->nodes, &cursor))) {
        const struct manifest_node *entry = manifest_node_by_name(manifest, node->node.text);

        if (entry) {
            node_follow(node, entry);
        }
        if (!entry || node->count == 0) {
            node_free(table_remove(&verdicts->nodes, &node->node));
        }
    }
}

void staged_verdicts_count(const struct staged_verdicts *verdicts, const struct digest *set,
                           uint64_t *ret_accepted, uint64_t *ret_refused)
{
    struct staged_node *node;
    size_t cursor = 0;

    *ret_accepted = *ret_refused = 0;
    while ((node = table_next(&verdicts->nodes, &cursor))) {
        const struct staged_verdict *verdict = verdict_find(node, set);

        if (verdict) {
            *(verdict->refusal ? ret_refused : ret_accepted) += 1;
        }
    }
}
