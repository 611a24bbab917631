/*
 * Merkle trees of RFC 9162 (Certificate Transparency 2.0), section 2.1: the audit log, and the
 * batches of registration challenges that one TPM quote of the coordinator serves.
 */
#ifndef TCCP_BASE_MERKLE_H
#define TCCP_BASE_MERKLE_H

#include "lib/base/sha256.h"

/* Enough for 2^64 leaves. */
enum { MERKLE_DEPTH_MAX = 64 };

/* SHA-256(0x00 | leaf), section 2.1.1. */
struct digest merkle_leaf_hash(struct view leaf);

/* A tree that only grows: the roots of its complete subtrees, largest first. All that appending
 * needs. */
struct merkle_frontier {
    uint64_t size; /* leaves */
    struct digest peaks[MERKLE_DEPTH_MAX];
};

/* The empty tree is all zeroes. */
void merkle_append(struct merkle_frontier *frontier, const struct digest *leaf_hash);
/* MTH of section 2.1.1; SHA-256 of the empty string for the empty tree. */
struct digest merkle_root(const struct merkle_frontier *frontier);
/* Peaks in use: the number of one bits in the size. */
unsigned merkle_peak_count(const struct merkle_frontier *frontier);

struct merkle_proof {
    unsigned count;
    struct digest nodes[MERKLE_DEPTH_MAX];
};

/* Root of, and inclusion proof in, a tree whose leaf hashes are all at hand. index < count, count >
 * 0. */
struct digest merkle_root_of(const struct digest *leaf_hashes, size_t count);
void merkle_inclusion_proof(const struct digest *leaf_hashes, size_t count, size_t index,
                            struct merkle_proof *ret_proof);
/* Proof that the first `old_count` leaves are a prefix; 0 < old_count <= count. Section 2.1.4.1. */
void merkle_consistency_proof(const struct digest *leaf_hashes, size_t count, size_t old_count,
                              struct merkle_proof *ret_proof);

/*
 * The root to which a leaf and its proof lead (section 2.1.3.2). False when the proof does not fit
 * the tree's shape; whether the root is the right one is for the caller to check.
 */
bool merkle_inclusion_root(const struct digest *leaf_hash, uint64_t index, uint64_t size,
                           const struct merkle_proof *proof, struct digest *ret_root);
bool merkle_inclusion_holds(const struct digest *leaf_hash, uint64_t index, uint64_t size,
                            const struct merkle_proof *proof, const struct digest *root);
/* Section 2.1.4.2. */
bool merkle_consistency_holds(uint64_t old_size, const struct digest *old_root, uint64_t size,
                              const struct digest *root, const struct merkle_proof *proof);

#endif
