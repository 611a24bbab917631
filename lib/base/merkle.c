#include "lib/base/merkle.h"

#include <string.h>

struct digest merkle_leaf_hash(struct view leaf)
{
    static const uint8_t prefix = 0x00;

    return sha256_two((struct view){&prefix, 1}, leaf);
}

static struct digest node_hash(const struct digest *left, const struct digest *right)
{
    static const uint8_t prefix = 0x01;

    return sha256_list((struct view[]){{&prefix, 1}, digest_view(left), digest_view(right)}, 3);
}

unsigned merkle_peak_count(const struct merkle_frontier *frontier)
{
    return (unsigned)__builtin_popcountll(frontier->size);
}

void merkle_append(struct merkle_frontier *frontier, const struct digest *leaf_hash)
{
    unsigned count = merkle_peak_count(frontier);
    struct digest hash = *leaf_hash;

    /* As in binary addition: each trailing one bit of the size is a complete subtree that the carry
     * swallows. */
    for (uint64_t size = frontier->size; size & 1; size >>= 1) {
        hash = node_hash(&frontier->peaks[--count], &hash);
    }
    frontier->peaks[count] = hash;
    frontier->size++;
}

struct digest merkle_root(const struct merkle_frontier *frontier)
{
    unsigned count = merkle_peak_count(frontier);
    struct digest root;

    if (count == 0) {
        return sha256((struct view){0});
    }
    root = frontier->peaks[--count];
    while (count > 0) {
        root = node_hash(&frontier->peaks[--count], &root);
    }
    return root;
}

/* Largest power of two smaller than count; count > 1. */
static size_t split_of(size_t count)
{
    return (size_t)1 << (63 - __builtin_clzll((unsigned long long)count - 1));
}

struct digest merkle_root_of(const struct digest *leaf_hashes, size_t count)
{
    struct merkle_frontier frontier = {0};

    ASSERT(count > 0);
    for (size_t i = 0; i < count; i++) {
        merkle_append(&frontier, &leaf_hashes[i]);
    }
    return merkle_root(&frontier);
}

void merkle_inclusion_proof(const struct digest *leaf_hashes, size_t count, size_t index,
                            struct merkle_proof *ret_proof)
{
    struct digest down[MERKLE_DEPTH_MAX]; /* Siblings from the root downwards; the proof lists them
                                             upwards. */
    unsigned depth = 0;

    ASSERT(index < count);
    while (count > 1) {
        size_t split = split_of(count);

        ASSERT(depth < MERKLE_DEPTH_MAX);
        if (index < split) {
            down[depth++] = merkle_root_of(leaf_hashes + split, count - split);
            count = split;
        } else {
            down[depth++] = merkle_root_of(leaf_hashes, split);
            leaf_hashes += split;
            index -= split;
            count -= split;
        }
    }
    ret_proof->count = depth;
    for (unsigned i = 0; i < depth; i++) {
        ret_proof->nodes[i] = down[depth - 1 - i];
    }
}

void merkle_consistency_proof(const struct digest *leaf_hashes, size_t count, size_t old_count,
                              struct merkle_proof *ret_proof)
{
    struct digest down[MERKLE_DEPTH_MAX];
    unsigned depth = 0;
    bool whole = true; /* SUBPROOF's b: the old tree is a complete subtree that the verifier knows
                          already. */

    ASSERT(old_count > 0 && old_count <= count);
    while (old_count != count) {
        size_t split = split_of(count);

        ASSERT(depth < MERKLE_DEPTH_MAX);
        if (old_count <= split) {
            down[depth++] = merkle_root_of(leaf_hashes + split, count - split);
            count = split;
        } else {
            down[depth++] = merkle_root_of(leaf_hashes, split);
            leaf_hashes += split;
            old_count -= split;
            count -= split;
            whole = false;
        }
    }
    ret_proof->count = 0;
    if (!whole) {
        ret_proof->nodes[ret_proof->count++] = merkle_root_of(leaf_hashes, count);
    }
    while (depth > 0) {
        ret_proof->nodes[ret_proof->count++] = down[--depth];
    }
}

bool merkle_inclusion_root(const struct digest *leaf_hash, uint64_t index, uint64_t size,
                           const struct merkle_proof *proof, struct digest *ret_root)
{
    struct digest hash = *leaf_hash;
    uint64_t node = index, last = size - 1;

    if (index >= size || proof->count > MERKLE_DEPTH_MAX) {
        return false;
    }
    for (unsigned i = 0; i < proof->count; i++) {
        if (last == 0) {
            return false;
        }
        if ((node & 1) || node == last) {
            hash = node_hash(&proof->nodes[i], &hash);
            while (!(node & 1) && node != 0) {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, &proof->nodes[i]);
        }
        node >>= 1;
        last >>= 1;
    }
    *ret_root = hash;
    return last == 0;
}

bool merkle_inclusion_holds(const struct digest *leaf_hash, uint64_t index, uint64_t size,
                            const struct merkle_proof *proof, const struct digest *root)
{
    struct digest reached;

    return merkle_inclusion_root(leaf_hash, index, size, proof, &reached) &&
           digest_equal(&reached, root);
}

bool merkle_consistency_holds(uint64_t old_size, const struct digest *old_root, uint64_t size,
                              const struct digest *root, const struct merkle_proof *proof)
{
    uint64_t node = old_size - 1, last = size - 1;
    struct digest old_hash, hash;
    unsigned next = 0;

    if (old_size == 0 || old_size > size || proof->count > MERKLE_DEPTH_MAX) {
        return false;
    }
    if (old_size == size) {
        return proof->count == 0 && digest_equal(old_root, root);
    }
    while (node & 1) {
        node >>= 1;
        last >>= 1;
    }
    if ((old_size & (old_size - 1)) == 0) {
        old_hash = hash = *old_root; /* A complete old tree is its own first proof node. */
    } else {
        if (proof->count == 0) {
            return false;
        }
        old_hash = hash = proof->nodes[next++];
    }
    for (; next < proof->count; next++) {
        if (last == 0) {
            return false;
        }
        if ((node & 1) || node == last) {
            old_hash = node_hash(&proof->nodes[next], &old_hash);
            hash = node_hash(&proof->nodes[next], &hash);
            while (!(node & 1) && node != 0) {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, &proof->nodes[next]);
        }
        node >>= 1;
        last >>= 1;
    }
    return last == 0 && digest_equal(&old_hash, old_root) && digest_equal(&hash, root);
}
