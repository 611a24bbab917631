/*
 * Evidence that somebody asked to see (`tccpctl node get --save-evidence`): which nodes' is waited
 * for, and what came, until it was read. It is kept nowhere else, and not for long.
 *
 * Bounded: a few nodes at once, one tap a node, which all who ask for that node share. One that
 * nobody asks about any more is closed; what was read to its end makes room when there is none.
 *
 * Pure: time and entropy are arguments. No part of the replicated state: a new leader has none, and
 * is asked anew.
 */
#ifndef TCCP_TCD_EVIDENCE_TAP_H
#define TCCP_TCD_EVIDENCE_TAP_H

#include "lib/base/refusal.h"
#include "tcd/core/registry.h"

enum {
    EVIDENCE_TAP_COUNT_MAX = 4,
    EVIDENCE_SIZE_MAX = 40 << 20, /* of one node: the longest logs, and a little */
    EVIDENCE_TOKEN_SIZE = 16,
    EVIDENCE_UNASKED_MS = 10000, /* whoever waits or reads asks again before */
    EVIDENCE_PAUSE_PARTS = 10,   /* a node is asked again after a tenth of its lease */
};

struct evidence_tap;

WARN_UNUSED enum status evidence_tap_new(struct evidence_tap **ret_tap);
/* NULL is fine. */
void evidence_tap_free(struct evidence_tap *tap);
DEFINE_OWN_POINTER(evidence_tap, evidence_tap_free)

/*
 * Somebody wants to see what `node` shows next, or goes on wanting it: *ret_token names the tap
 * from now on. `fresh`: EVIDENCE_TOKEN_SIZE bytes that nobody can guess, for a new one. Refused
 * (NOT_READY) when all are in use.
 */
WARN_UNUSED enum status evidence_tap_open(struct evidence_tap *tap, const char *node,
                                          struct view fresh, uint64_t now_ms,
                                          struct view *ret_token, struct refusal *ret_refusal);

/* Is this node's evidence waited for? */
bool evidence_tap_wants(const struct evidence_tap *tap, const char *node);
/* The nodes that are waited for; start with *cursor = 0. NULL: no more. */
const char *evidence_tap_next(const struct evidence_tap *tap, size_t *cursor);
/* It came: taken if it is waited for, freed otherwise. */
void evidence_tap_put(struct evidence_tap *tap, const char *node, struct bytes *evidence,
                      uint64_t now_ms);

/*
 * The bytes from `offset` on, at most `size_max`; *ret_size of the whole. STATUS_NOT_READY: they
 * have not come yet. STATUS_NOT_FOUND: no such tap, any more. STATUS_MALFORMED: the evidence ends
 * before that. The view is valid until the next call.
 */
WARN_UNUSED enum status evidence_tap_read(struct evidence_tap *tap, struct view token,
                                          uint64_t offset, size_t size_max, uint64_t now_ms,
                                          struct view *ret_piece, uint64_t *ret_size);

/* Closes those that were left. */
void evidence_tap_tick(struct evidence_tap *tap, uint64_t now_ms);
/* Closes all: this member does not lead any more. */
void evidence_tap_clear(struct evidence_tap *tap);

#endif
