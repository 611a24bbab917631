/* Reference sets on their way from the state to who appraises by them. */
#include "tcd/in_force.h"

#include "lib/daemon/worker.h"
#include "lib/perimeter/manifest_text.h"

#include "tests/support/core_fixture.h"
#include "tests/support/test.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

enum {
    BAD_SET = 9, /* its bytes are refused */
    NOW_S = 1700000000,
};

/* What the opening function does; it runs on another thread. */
static atomic_uint opened_count, freed_count, failures_left;

struct bench {
    struct fixture fixture;
    uv_loop_t loop;
    struct worker *worker;
    struct reference_sets *sets;
    unsigned told_count;
};

static enum status pretend_open(struct view bytes, struct reference_set **ret_set,
                                struct refusal *ret_refusal)
{
    struct digest digest = sha256(bytes), bad = fixture_set_digest(BAD_SET);

    atomic_fetch_add(&opened_count, 1);
    if (atomic_load(&failures_left) > 0) {
        atomic_fetch_sub(&failures_left, 1);
        return STATUS_NO_MEMORY;
    }
    if (digest_equal(&digest, &bad)) {
        return refuse(ret_refusal, REFUSAL_MALFORMED, "no reference set");
    }
    *ret_set = calloc(1, sizeof **ret_set);
    (*ret_set)->digest = digest;
    return STATUS_OK;
}

static void pretend_free(struct reference_set *set)
{
    atomic_fetch_add(&freed_count, 1);
    free(set);
}

static void on_opened(void *argument)
{
    struct bench *bench = argument;

    bench->told_count++;
}

static void bench_open(struct bench *bench)
{
    struct reference_sets_config config;

    *bench = (struct bench){.told_count = 0};
    atomic_store(&opened_count, 0);
    atomic_store(&freed_count, 0);
    atomic_store(&failures_left, 0);
    fixture_start(&bench->fixture, 1);
    assert_int_equal(uv_loop_init(&bench->loop), 0);
    assert_ok(worker_open(&bench->loop, 1, 100, &bench->worker));
    config = (struct reference_sets_config){
        .worker = bench->worker,
        .open = pretend_open,
        .free = pretend_free,
        .on_opened = on_opened,
        .argument = bench,
    };
    assert_ok(reference_sets_new(&config, &bench->sets));
}

static void bench_close(struct bench *bench)
{
    worker_close(bench->worker);
    reference_sets_free(bench->sets);
    (void)uv_run(&bench->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&bench->loop), 0);
    if (bench->fixture.registry) {
        fixture_stop(&bench->fixture);
    }
}

static void run(struct bench *bench)
{
    while (worker_load(bench->worker) > 0) {
        (void)uv_run(&bench->loop, UV_RUN_ONCE);
    }
}

/* A manifest with one policy of these lines, in which %SET-N% stands for a set's digest. */
static struct manifest *manifest_with(const char *lines)
{
    static const char head[] =
        "manifest {\n perimeter = tccp1-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n"
        " version = 1\n epoch = 1\n not_before = 2020-01-01\n not_after = 2090-01-01\n"
        " member_policy = m\n}\n"
        "policy m {\n pcr 0 = 1111111111111111111111111111111111111111111111111111111111111111\n}\n"
        "member tc1 {\n"
        " ek = 000b1111111111111111111111111111111111111111111111111111111111111111\n"
        " ak = 000b2222222222222222222222222222222222222222222222222222222222222222\n"
        " address = a:1\n raft_address = a:2\n}\n"
        "policy n {\n pcr 0 = 1111111111111111111111111111111111111111111111111111111111111111\n";
    OWN(writer) struct writer writer = writer_new(1 << 20);
    OWN(bytes) struct bytes text = {0}, bytes = {0};
    struct manifest *manifest;
    struct text_error error;

    writer_view(&writer, view_string(head));
    while (*lines) {
        unsigned set;

        if (*lines == '%' && sscanf(lines, "%%SET-%u", &set) == 1) {
            struct digest digest = fixture_set_digest(set);
            char hex[HEX_SIZE(SHA256_SIZE)];

            hex_encode(digest_view(&digest), hex);
            writer_view(&writer, view_string(hex));
            lines = strchr(lines + 1, '%') + 1;
        } else {
            writer_u8(&writer, (uint8_t)*lines++);
        }
    }
    writer_view(&writer, view_string("}\n"));
    assert_ok(writer_take(&writer, &text));
    if (manifest_text_compile(bytes_view(&text), &bytes, &error) != STATUS_OK) {
        fail_msg("%u:%u: %s", error.line, error.column, error.message);
    }
    assert_ok(manifest_parse(bytes_view(&bytes), &manifest, NULL));
    return manifest;
}

static void follow(struct bench *bench, const struct manifest *manifest)
{
    reference_sets_follow(bench->sets, bench->fixture.registry, manifest);
}

static struct open_reference *get(const struct bench *bench, unsigned set)
{
    struct digest digest = fixture_set_digest(set);

    return reference_sets_get(bench->sets, &digest);
}

static void a_set_is_opened_once_and_only_when_it_is_complete(void **state)
{
    OWN(manifest) struct manifest *manifest = manifest_with(" reference %SET-1% = staged\n");
    uint8_t storage[FIXTURE_SET_SIZE];
    struct digest digest = fixture_set_digest(1);
    struct command half;
    struct bench bench;

    (void)state;
    bench_open(&bench);
    follow(&bench, manifest);
    assert_true(reference_sets_is_waiting(bench.sets));
    half = fixture_chunk(&bench.fixture, &digest, FIXTURE_SET_SIZE, 0,
                         (struct view){fixture_set(1, storage).data, 100});
    assert_int_equal(fixture_do(&bench.fixture, &half), REFUSAL_NONE);
    follow(&bench, manifest);
    run(&bench);
    assert_null(get(&bench, 1));
    fixture_upload(&bench.fixture, 1);
    follow(&bench, manifest);
    assert_false(reference_sets_is_waiting(bench.sets));
    assert_null(get(&bench, 1)); /* not before the loop heard of it */
    follow(&bench, manifest);
    run(&bench);
    assert_non_null(get(&bench, 1));
    assert_true(digest_equal(&get(&bench, 1)->set->digest, &digest));
    follow(&bench, manifest);
    run(&bench);
    assert_int_equal(atomic_load(&opened_count), 1);
    assert_int_equal(bench.told_count, 1);
    bench_close(&bench);
    assert_int_equal(atomic_load(&freed_count), 1);
}

static void what_nobody_names_is_not_opened(void **state)
{
    OWN(manifest) struct manifest *manifest = manifest_with(" reference %SET-1% = staged\n");
    struct bench bench;

    (void)state;
    bench_open(&bench);
    fixture_upload(&bench.fixture, 2);
    follow(&bench, manifest);
    run(&bench);
    assert_int_equal(atomic_load(&opened_count), 0);
    assert_null(get(&bench, 2));
    bench_close(&bench);
}

static void what_is_no_reference_set_is_never_open(void **state)
{
    OWN(manifest) struct manifest *manifest = manifest_with(" reference %SET-9% = enforced\n");
    struct bench bench;

    (void)state;
    bench_open(&bench);
    fixture_upload(&bench.fixture, BAD_SET);
    for (unsigned i = 0; i < 3; i++) {
        follow(&bench, manifest);
        run(&bench);
        assert_null(get(&bench, BAD_SET));
        assert_false(reference_sets_is_waiting(bench.sets));
    }
    assert_int_equal(atomic_load(&opened_count), 1);
    assert_int_equal(bench.told_count, 0);
    bench_close(&bench);
}

static void own_trouble_is_tried_again(void **state)
{
    OWN(manifest) struct manifest *manifest = manifest_with(" reference %SET-1% = enforced\n");
    struct bench bench;

    (void)state;
    bench_open(&bench);
    atomic_store(&failures_left, 1);
    fixture_upload(&bench.fixture, 1);
    follow(&bench, manifest);
    run(&bench);
    assert_null(get(&bench, 1));
    assert_true(reference_sets_is_waiting(bench.sets));
    follow(&bench, manifest);
    run(&bench);
    assert_non_null(get(&bench, 1));
    bench_close(&bench);
}

static void who_holds_a_set_keeps_it_when_it_is_named_no_more(void **state)
{
    OWN(manifest) struct manifest *manifest = manifest_with(" reference %SET-1% = enforced\n");
    OWN(manifest) struct manifest *other = manifest_with(" reference %SET-2% = enforced\n");
    struct open_reference *held;
    struct bench bench;

    (void)state;
    bench_open(&bench);
    fixture_upload(&bench.fixture, 1);
    follow(&bench, manifest);
    run(&bench);
    held = open_reference_hold(get(&bench, 1));
    follow(&bench, other);
    assert_null(get(&bench, 1));
    assert_int_equal(atomic_load(&freed_count), 0);
    bench_close(&bench);
    assert_int_equal(atomic_load(&freed_count), 0);
    open_reference_release(held);
    assert_int_equal(atomic_load(&freed_count), 1);
}

static void a_set_that_is_named_no_more_while_it_is_opened_is_freed(void **state)
{
    OWN(manifest) struct manifest *manifest = manifest_with(" reference %SET-1% = enforced\n");
    OWN(manifest) struct manifest *other = manifest_with("");
    struct bench bench;

    (void)state;
    bench_open(&bench);
    fixture_upload(&bench.fixture, 1);
    follow(&bench, manifest);
    follow(&bench, other);
    run(&bench);
    assert_null(get(&bench, 1));
    assert_int_equal(atomic_load(&freed_count), atomic_load(&opened_count));
    assert_int_equal(bench.told_count, 0);
    bench_close(&bench);
}

/* A snapshot may replace the whole state meanwhile. */
static void the_state_may_go_while_a_set_is_opened(void **state)
{
    OWN(manifest) struct manifest *manifest = manifest_with(" reference %SET-1% = enforced\n");
    struct bench bench;

    (void)state;
    bench_open(&bench);
    fixture_upload(&bench.fixture, 1);
    follow(&bench, manifest);
    fixture_stop(&bench.fixture);
    run(&bench);
    assert_non_null(get(&bench, 1));
    bench_close(&bench);
}

static void closing_in_the_middle_leaves_nothing_behind(void **state)
{
    OWN(manifest)
    struct manifest *manifest =
        manifest_with(" reference %SET-1% = enforced\n reference %SET-2% = staged\n");
    struct bench bench;

    (void)state;
    bench_open(&bench);
    fixture_upload(&bench.fixture, 1);
    fixture_upload(&bench.fixture, 2);
    follow(&bench, manifest);
    bench_close(&bench);
    assert_int_equal(atomic_load(&freed_count), atomic_load(&opened_count));
}

/* --- what is in force --- */

struct hand {
    struct bench bench;
    struct bundle bundle;
    struct in_force in_force;
};

/* All of these sets are here and open. */
static void hand_open(struct hand *hand, struct manifest *manifest, unsigned set_count)
{
    bench_open(&hand->bench);
    hand->bundle = (struct bundle){.manifest = manifest};
    hand->in_force = (struct in_force){.references = 1, .bundle = &hand->bundle};
    for (unsigned set = 1; set <= set_count; set++) {
        fixture_upload(&hand->bench.fixture, set);
    }
    follow(&hand->bench, manifest);
    run(&hand->bench);
    in_force_take_references(&hand->in_force, hand->bench.sets);
    in_force_take_references(&hand->in_force, hand->bench.sets);
    assert_int_equal(hand->in_force.open_count, set_count);
}

static void hand_close(struct hand *hand)
{
    for (size_t i = 0; i < hand->in_force.open_count; i++) {
        open_reference_release(hand->in_force.open[i]);
    }
    free(hand->in_force.open);
    bench_close(&hand->bench);
    assert_int_equal(atomic_load(&freed_count), atomic_load(&opened_count));
}

static enum status references(const struct hand *hand, uint64_t now_s, struct references *ret)
{
    const struct manifest_policy *policy = manifest_policy_by_name(hand->bundle.manifest, "n");

    memset(ret, 0, sizeof *ret);
    return in_force_references(&hand->in_force, policy, now_s, ret);
}

static void a_policy_whose_sets_are_not_open_is_not_ready(void **state)
{
    OWN(manifest)
    struct manifest *manifest =
        manifest_with(" reference %SET-1% = enforced\n reference %SET-2% = enforced\n");
    struct references found;
    struct hand hand;

    (void)state;
    hand_open(&hand, manifest, 1);
    assert_status(references(&hand, NOW_S, &found), STATUS_NOT_READY);
    fixture_upload(&hand.bench.fixture, 2);
    follow(&hand.bench, manifest);
    run(&hand.bench);
    assert_status(references(&hand, NOW_S, &found), STATUS_NOT_READY);
    in_force_take_references(&hand.in_force, hand.bench.sets);
    assert_ok(references(&hand, NOW_S, &found));
    assert_int_equal(found.enforced.count, 2);
    hand_close(&hand);
}

/* An empty list would mean that the values of PCRs are enough. */
static void a_policy_whose_sets_have_all_ended_accepts_nobody(void **state)
{
    OWN(manifest)
    struct manifest *manifest =
        manifest_with(" reference %SET-1% = 2026-01-01\n reference %SET-2% = staged\n"
                      " reference %SET-3% = 2026-02-01\n");
    struct references found;
    struct hand hand;

    (void)state;
    hand_open(&hand, manifest, 3);
    assert_ok(references(&hand, 1767225600, &found)); /* the last second of set 1 */
    assert_int_equal(found.enforced.count, 2);
    assert_ok(references(&hand, 1767225601, &found));
    assert_int_equal(found.enforced.count, 1);
    assert_ok(references(&hand, 1769904000, &found));
    assert_status(references(&hand, 1769904001, &found), STATUS_EXPIRED);
    hand_close(&hand);
}

static void staged_sets_are_not_waited_for(void **state)
{
    OWN(manifest) struct manifest *manifest = manifest_with(" reference %SET-1% = staged\n");
    struct references found;
    struct hand hand;

    (void)state;
    hand_open(&hand, manifest, 0);
    assert_ok(references(&hand, NOW_S, &found));
    assert_int_equal(found.enforced.count, 0);
    hand_close(&hand);
}

/* The refusal that a node is told is that of the last one: the one that is there to stay. */
static void what_ends_first_comes_first(void **state)
{
    OWN(manifest)
    struct manifest *manifest =
        manifest_with(" reference %SET-1% = enforced\n reference %SET-2% = 2027-01-01\n"
                      " reference %SET-3% = 2026-01-01\n reference %SET-4% = 2028-01-01\n");
    static const unsigned expected[] = {3, 2, 4, 1};
    struct references found;
    struct hand hand;

    (void)state;
    hand_open(&hand, manifest, 4);
    assert_ok(references(&hand, NOW_S, &found));
    assert_int_equal(found.enforced.count, ARRAY_SIZE(expected));
    for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
        struct digest digest = fixture_set_digest(expected[i]);

        assert_true(digest_equal(&found.enforced.sets[i]->digest, &digest));
    }
    hand_close(&hand);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_set_is_opened_once_and_only_when_it_is_complete),
        cmocka_unit_test(what_nobody_names_is_not_opened),
        cmocka_unit_test(what_is_no_reference_set_is_never_open),
        cmocka_unit_test(own_trouble_is_tried_again),
        cmocka_unit_test(who_holds_a_set_keeps_it_when_it_is_named_no_more),
        cmocka_unit_test(a_set_that_is_named_no_more_while_it_is_opened_is_freed),
        cmocka_unit_test(the_state_may_go_while_a_set_is_opened),
        cmocka_unit_test(closing_in_the_middle_leaves_nothing_behind),
        cmocka_unit_test(a_policy_whose_sets_are_not_open_is_not_ready),
        cmocka_unit_test(a_policy_whose_sets_have_all_ended_accepts_nobody),
        cmocka_unit_test(staged_sets_are_not_waited_for),
        cmocka_unit_test(what_ends_first_comes_first),
    };
    return cmocka_run_group_tests_name("reference_sets", tests, NULL, NULL);
}
