#include "lib/base/merkle.h"

#include "tests/support/test.h"

enum { LEAVES = 70 };

static struct digest leaves[LEAVES];

static int make_leaves(void **state)
{
    (void)state;
    for (uint8_t i = 0; i < LEAVES; i++) {
        leaves[i] = merkle_leaf_hash((struct view){&i, 1});
    }
    return 0;
}

/* The recursive definition of RFC 9162, section 2.1.1, as an independent reference. */
static struct digest reference_root(const struct digest *hashes, size_t count)
{
    size_t split = 1;
    uint8_t node[1 + 2 * SHA256_SIZE] = {0x01};
    struct digest left, right;

    if (count == 1) {
        return hashes[0];
    }
    while (2 * split < count) {
        split *= 2;
    }
    left = reference_root(hashes, split);
    right = reference_root(hashes + split, count - split);
    for (size_t i = 0; i < SHA256_SIZE; i++) {
        node[1 + i] = left.bytes[i];
        node[1 + SHA256_SIZE + i] = right.bytes[i];
    }
    return sha256(VIEW_OF_ARRAY(node));
}

static void the_root_follows_the_rfc_at_every_size(void **state)
{
    struct merkle_frontier frontier = {0};

    (void)state;
    for (size_t count = 1; count <= LEAVES; count++) {
        struct digest expected = reference_root(leaves, count), root;

        merkle_append(&frontier, &leaves[count - 1]);
        root = merkle_root(&frontier);
        assert_memory_equal(root.bytes, expected.bytes, SHA256_SIZE);
    }
}

static void every_leaf_is_proved_and_no_other_passes(void **state)
{
    (void)state;
    for (size_t count = 1; count <= LEAVES; count++) {
        struct digest root = merkle_root_of(leaves, count);

        for (size_t index = 0; index < count; index++) {
            struct merkle_proof proof;

            merkle_inclusion_proof(leaves, count, index, &proof);
            assert_true(merkle_inclusion_holds(&leaves[index], index, count, &proof, &root));
            assert_false(
                merkle_inclusion_holds(&leaves[(index + 1) % LEAVES], index, count, &proof, &root));
            assert_false(merkle_inclusion_holds(&leaves[index], index + 1, count, &proof, &root));
            if (proof.count) {
                proof.count--;
                assert_false(merkle_inclusion_holds(&leaves[index], index, count, &proof, &root));
            }
        }
    }
}

static void growth_is_proved_and_rewritten_history_is_not(void **state)
{
    (void)state;
    for (size_t count = 1; count <= LEAVES; count++) {
        struct digest root = merkle_root_of(leaves, count);

        for (size_t old = 1; old <= count; old++) {
            struct digest old_root = merkle_root_of(leaves, old), other = old_root;
            struct merkle_proof proof;

            merkle_consistency_proof(leaves, count, old, &proof);
            assert_true(merkle_consistency_holds(old, &old_root, count, &root, &proof));
            other.bytes[0] ^= 1;
            assert_false(merkle_consistency_holds(old, &other, count, &root, &proof));
            assert_false(merkle_consistency_holds(old, &old_root, count, &other, &proof));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_root_follows_the_rfc_at_every_size),
        cmocka_unit_test(every_leaf_is_proved_and_no_other_passes),
        cmocka_unit_test(growth_is_proved_and_rewritten_history_is_not),
    };
    return cmocka_run_group_tests_name("merkle", tests, make_leaves, NULL);
}
