#include "tcd/evidence_tap.h"

#include "tests/support/test.h"

#include <string.h>

struct world {
    struct evidence_tap *tap;
    uint8_t entropy[EVIDENCE_TOKEN_SIZE]; /* another one for each that asks */
    struct refusal refusal;
};

static int world_begin(void **state)
{
    static struct world world;

    memset(&world, 0, sizeof world);
    assert_ok(evidence_tap_new(&world.tap));
    *state = &world;
    return 0;
}

static int world_end(void **state)
{
    evidence_tap_free(((struct world *)*state)->tap);
    return 0;
}

struct token {
    uint8_t bytes[EVIDENCE_TOKEN_SIZE];
};

static enum status try_open(struct world *world, const char *node, uint64_t now_ms,
                            struct token *ret_token)
{
    struct view token;

    world->entropy[0]++;
    TRY(evidence_tap_open(world->tap, node, VIEW_OF_ARRAY(world->entropy), now_ms, &token,
                          &world->refusal));
    assert_int_equal(token.size, sizeof ret_token->bytes);
    memcpy(ret_token->bytes, token.data, token.size);
    return STATUS_OK;
}

static struct token open_tap(struct world *world, const char *node, uint64_t now_ms)
{
    struct token token;

    assert_ok(try_open(world, node, now_ms, &token));
    return token;
}

static void put(struct world *world, const char *node, const char *text, uint64_t now_ms)
{
    struct bytes evidence = {0};

    assert_ok(bytes_copy(view_string(text), &evidence));
    evidence_tap_put(world->tap, node, &evidence, now_ms);
    assert_null(evidence.data);
}

static enum status read_tap(struct world *world, const struct token *token, uint64_t offset,
                            size_t size_max, uint64_t now_ms, struct view *ret_piece)
{
    uint64_t size = 0;

    return evidence_tap_read(world->tap, VIEW_OF_ARRAY(token->bytes), offset, size_max, now_ms,
                             ret_piece, &size);
}

static void evidence_that_nobody_asked_for_is_not_kept(void **state)
{
    struct world *world = *state;
    struct token token = {{0}};
    struct view piece;

    assert_false(evidence_tap_wants(world->tap, "n1"));
    put(world, "n1", "evidence", 0);
    token = open_tap(world, "n1", 0);
    assert_status(read_tap(world, &token, 0, 100, 0, &piece), STATUS_NOT_READY);
    put(world, "n2", "of another node", 0);
    assert_status(read_tap(world, &token, 0, 100, 0, &piece), STATUS_NOT_READY);
}

static void without_its_token_nobody_reads_it(void **state)
{
    struct world *world = *state;
    struct token token = open_tap(world, "n1", 0), other = {{0}};
    struct view piece;
    uint64_t size;

    put(world, "n1", "evidence", 0);
    assert_status(read_tap(world, &other, 0, 100, 0, &piece), STATUS_NOT_FOUND);
    assert_status(
        evidence_tap_read(world->tap, (struct view){token.bytes, 3}, 0, 100, 0, &piece, &size),
        STATUS_NOT_FOUND);
    assert_status(evidence_tap_read(world->tap, (struct view){0}, 0, 100, 0, &piece, &size),
                  STATUS_NOT_FOUND);
    assert_ok(read_tap(world, &token, 0, 100, 0, &piece));
}

static void it_is_read_in_pieces_and_not_beyond_its_end(void **state)
{
    struct world *world = *state;
    struct token token = open_tap(world, "n1", 0);
    struct view piece;

    assert_true(evidence_tap_wants(world->tap, "n1"));
    put(world, "n1", "evidence", 0);
    assert_false(evidence_tap_wants(world->tap, "n1"));
    assert_ok(read_tap(world, &token, 0, 5, 0, &piece));
    assert_true(view_equal(piece, view_string("evide")));
    assert_ok(read_tap(world, &token, 5, 5, 0, &piece));
    assert_true(view_equal(piece, view_string("nce")));
    assert_status(read_tap(world, &token, 8, 5, 0, &piece), STATUS_MALFORMED);
    assert_status(read_tap(world, &token, UINT64_MAX, 5, 0, &piece), STATUS_MALFORMED);
}

static void what_comes_first_is_what_is_read(void **state)
{
    struct world *world = *state;
    struct token token = open_tap(world, "n1", 0);
    struct view piece;

    put(world, "n1", "one", 0);
    put(world, "n1", "other", 0);
    assert_ok(read_tap(world, &token, 0, 100, 0, &piece));
    assert_true(view_equal(piece, view_string("one")));
}

static void who_asks_for_the_same_node_shares_it_until_it_was_read(void **state)
{
    struct world *world = *state;
    struct token one = open_tap(world, "n1", 0), other = open_tap(world, "n1", 0);
    struct view piece;

    assert_memory_equal(&one, &other, sizeof one);
    put(world, "n1", "old", 0);
    other = open_tap(world, "n1", 0);
    assert_memory_equal(&one, &other, sizeof one);
    assert_ok(read_tap(world, &one, 0, 100, 0, &piece));
    /* An answer that was lost is asked for again. */
    assert_ok(read_tap(world, &one, 0, 100, 0, &piece));
    other = open_tap(world, "n1", 0);
    assert_memory_not_equal(&one, &other, sizeof one);
    assert_true(evidence_tap_wants(world->tap, "n1"));
    assert_status(read_tap(world, &one, 0, 100, 0, &piece), STATUS_NOT_FOUND);
}

static void there_are_few_and_what_was_read_makes_room(void **state)
{
    static const char *const nodes[EVIDENCE_TAP_COUNT_MAX] = {"n0", "n1", "n2", "n3"};
    struct world *world = *state;
    struct token token, second = {{0}};
    struct view piece;

    for (size_t i = 0; i < EVIDENCE_TAP_COUNT_MAX; i++) {
        token = open_tap(world, nodes[i], i);
        second = i == 1 ? token : second;
    }
    assert_refused(try_open(world, "one-more", 10, &token), world->refusal, REFUSAL_NOT_READY);
    put(world, "n1", "evidence", 10);
    assert_refused(try_open(world, "one-more", 10, &token), world->refusal, REFUSAL_NOT_READY);
    assert_ok(read_tap(world, &second, 0, 100, 10, &piece));
    token = open_tap(world, "one-more", 10);
    assert_status(read_tap(world, &second, 0, 100, 10, &piece), STATUS_NOT_FOUND);
    assert_true(evidence_tap_wants(world->tap, "n0"));
}

static void one_that_nobody_asks_about_any_more_is_closed(void **state)
{
    struct world *world = *state;
    struct token token = open_tap(world, "n1", 0);
    struct view piece;

    evidence_tap_tick(world->tap, EVIDENCE_UNASKED_MS - 1);
    assert_status(read_tap(world, &token, 0, 100, EVIDENCE_UNASKED_MS - 1, &piece),
                  STATUS_NOT_READY);
    evidence_tap_tick(world->tap, 2 * EVIDENCE_UNASKED_MS - 2);
    assert_true(evidence_tap_wants(world->tap, "n1"));
    evidence_tap_tick(world->tap, 2 * EVIDENCE_UNASKED_MS - 1);
    assert_false(evidence_tap_wants(world->tap, "n1"));
    assert_status(read_tap(world, &token, 0, 100, 0, &piece), STATUS_NOT_FOUND);
}

static void evidence_that_nobody_reads_is_freed(void **state)
{
    struct world *world = *state;
    struct token token = open_tap(world, "n1", 0);
    struct view piece;

    put(world, "n1", "evidence", 1000);
    evidence_tap_tick(world->tap, 1000 + EVIDENCE_UNASKED_MS - 1);
    assert_ok(read_tap(world, &token, 0, 1, 1000, &piece));
    evidence_tap_tick(world->tap, 1000 + EVIDENCE_UNASKED_MS);
    assert_status(read_tap(world, &token, 0, 1, 1000, &piece), STATUS_NOT_FOUND);
}

static void who_does_not_lead_any_more_keeps_none(void **state)
{
    struct world *world = *state;
    struct token token = open_tap(world, "n1", 0);
    struct view piece;
    size_t cursor = 0;

    put(world, "n1", "evidence", 0);
    (void)open_tap(world, "n2", 0);
    assert_string_equal(evidence_tap_next(world->tap, &cursor), "n2");
    assert_null(evidence_tap_next(world->tap, &cursor));
    evidence_tap_clear(world->tap);
    cursor = 0;
    assert_null(evidence_tap_next(world->tap, &cursor));
    assert_status(read_tap(world, &token, 0, 100, 0, &piece), STATUS_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(evidence_that_nobody_asked_for_is_not_kept, world_begin,
                                        world_end),
        cmocka_unit_test_setup_teardown(without_its_token_nobody_reads_it, world_begin, world_end),
        cmocka_unit_test_setup_teardown(it_is_read_in_pieces_and_not_beyond_its_end, world_begin,
                                        world_end),
        cmocka_unit_test_setup_teardown(what_comes_first_is_what_is_read, world_begin, world_end),
        cmocka_unit_test_setup_teardown(who_asks_for_the_same_node_shares_it_until_it_was_read,
                                        world_begin, world_end),
        cmocka_unit_test_setup_teardown(there_are_few_and_what_was_read_makes_room, world_begin,
                                        world_end),
        cmocka_unit_test_setup_teardown(one_that_nobody_asks_about_any_more_is_closed, world_begin,
                                        world_end),
        cmocka_unit_test_setup_teardown(evidence_that_nobody_reads_is_freed, world_begin,
                                        world_end),
        cmocka_unit_test_setup_teardown(who_does_not_lead_any_more_keeps_none, world_begin,
                                        world_end),
    };

    return cmocka_run_group_tests_name("evidence_tap", tests, NULL, NULL);
}
