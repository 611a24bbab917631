/*
 * What staged reference sets say of the nodes, as this leader has seen it: before a set is enabled,
 * an operator looks at whom it would shut out, and whom let in. No part of the replicated state:
 * nothing follows from it, and a new leader asks each node for whole evidence once, at its next
 * renewal.
 *
 * Pure: the time is an argument.
 */
#ifndef TCCP_TCD_STAGED_VERDICTS_H
#define TCCP_TCD_STAGED_VERDICTS_H

#include "lib/attest/appraisal.h"
#include "lib/perimeter/manifest.h"
#include "tcd/core/registry.h"

struct staged_verdict {
    struct digest set;
    uint64_t at_s;
    struct refusal *refusal; /* owned; NULL: it accepts the node */
};

/* Of one node. */
struct staged_node {
    struct core_name node; /* key */
    size_t count;
    struct staged_verdict verdicts[REFERENCE_LIST_COUNT_MAX];
};

struct staged_verdicts;

WARN_UNUSED enum status staged_verdicts_new(struct staged_verdicts **ret_verdicts);
/* NULL is fine. */
void staged_verdicts_free(struct staged_verdicts *verdicts);
DEFINE_OWN_POINTER(staged_verdicts, staged_verdicts_free)

/* The node was appraised by these. is_whole: by all of its evidence; else what was refused before
 * stays refused, since only what is new was looked at. */
void staged_verdicts_note(struct staged_verdicts *verdicts, const char *node,
                          const struct references *references, bool is_whole, uint64_t now_s);
/* Of every staged set there is a verdict on the node. */
bool staged_verdicts_are_complete(const struct staged_verdicts *verdicts, const char *node,
                                  const struct reference_list *staged);
/* Another manifest is in force: forgets nodes that it does not name, and sets that the node's
 * policy does not stage any more. */
void staged_verdicts_follow(struct staged_verdicts *verdicts, const struct manifest *manifest);

/* NULL: none. Valid until the next call of the two that change something. */
const struct staged_node *staged_verdicts_find(const struct staged_verdicts *verdicts,
                                               const char *node);
/* How many nodes the set accepts and refuses. */
void staged_verdicts_count(const struct staged_verdicts *verdicts, const struct digest *set,
                           uint64_t *ret_accepted, uint64_t *ret_refused);

#endif
