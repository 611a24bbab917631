/*
 * The reference sets that the manifest in force names, opened: what nodes are appraised by. Each is
 * opened once, from the bytes in the replicated state, on a worker's thread (some ms a MiB), and
 * shared by all appraisals. Until it is open, nobody can be appraised by a policy that enforces it.
 *
 * Level-triggered: reference_sets_follow() looks at what is there and at what is named, and does
 * what is still to be done. All calls are for the loop's thread.
 */
#ifndef TCCP_TCD_REFERENCE_SETS_H
#define TCCP_TCD_REFERENCE_SETS_H

#include "lib/attest/reference_set.h"
#include "lib/perimeter/manifest.h"
#include "tcd/core/registry.h"

struct worker;
struct reference_sets;

/* An open set. It never changes; other threads may read it while somebody holds it. */
struct open_reference {
    struct digest digest;
    const struct reference_set *set;
    unsigned references; /* counted on the loop's thread */
    struct reference_set *owned;
    void (*free)(struct reference_set *set);
};
struct open_reference *open_reference_hold(struct open_reference *reference);
void open_reference_release(struct open_reference *reference); /* NULL is ignored */
DEFINE_OWN_POINTER(open_reference, open_reference_release)

struct reference_sets_config {
    struct worker *worker;
    /* On a worker's thread: reference_set_open(), reference_set_free(). */
    enum status (*open)(struct view bytes, struct reference_set **ret_set,
                        struct refusal *ret_refusal);
    void (*free)(struct reference_set *set);
    /* A set was opened. */
    void (*on_opened)(void *argument);
    void *argument;
};

WARN_UNUSED enum status reference_sets_new(const struct reference_sets_config *config,
                                           struct reference_sets **ret_sets);
/* Once the worker has ended: its jobs point here. */
void reference_sets_free(struct reference_sets *sets);
DEFINE_OWN_POINTER(reference_sets, reference_sets_free)

/* Opens what the manifest names, where the state has it; lets go what it does not name any more.
 * To be called when another manifest is in force, when a set is complete, when the state was
 * replaced, and again now and then while reference_sets_is_waiting(). */
void reference_sets_follow(struct reference_sets *sets, const struct registry *registry,
                           const struct manifest *manifest);
/* Something that is named is neither open nor being opened, because it is not here yet or the
 * worker was busy. */
bool reference_sets_is_waiting(const struct reference_sets *sets);

/* NULL: not here yet, or it is no reference set. Hold it for as long as a job uses it. */
struct open_reference *reference_sets_get(const struct reference_sets *sets,
                                          const struct digest *digest);
#endif
