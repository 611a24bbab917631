#include "lib/base/table.h"

#include "tests/support/test.h"

#include <stdlib.h>

struct item {
    int payload;
    uint32_t id;
};

enum { ITEM_COUNT = 5000 };

static struct item items[ITEM_COUNT];

static void fill(struct table *table)
{
    TABLE_INIT(table, struct item, id);
    for (uint32_t i = 0; i < ITEM_COUNT; i++) {
        items[i] = (struct item){.payload = (int)i, .id = i * 2654435761U};
        table_insert(table, &items[i]);
    }
}

static void nothing_is_found_in_an_empty_table(void **state)
{
    struct table table;
    size_t cursor = 0;
    uint32_t id = 7;

    (void)state;
    TABLE_INIT(&table, struct item, id);
    assert_null(table_find(&table, &id));
    assert_null(table_remove(&table, &id));
    assert_null(table_first(&table));
    assert_null(table_next(&table, &cursor));
    table_free(&table);
}

static void a_removed_record_is_not_found(void **state)
{
    struct table table;

    (void)state;
    fill(&table);
    for (uint32_t i = 0; i < ITEM_COUNT; i += 3) {
        assert_ptr_equal(table_remove(&table, &items[i].id), &items[i]);
        assert_null(table_remove(&table, &items[i].id));
    }
    for (uint32_t i = 0; i < ITEM_COUNT; i++) {
        assert_ptr_equal(table_find(&table, &items[i].id), i % 3 == 0 ? NULL : &items[i]);
    }
    table_free(&table);
}

static void order_is_that_of_insertion_whatever_was_removed(void **state)
{
    struct table table;
    struct item *item;
    size_t cursor = 0;
    int last = -1;
    size_t count = 0;

    (void)state;
    fill(&table);
    for (uint32_t i = 1; i < ITEM_COUNT; i += 2) {
        assert_non_null(table_remove(&table, &items[i].id));
    }
    /* Comes back at the end, twice over, so that the table closes its gaps in between. */
    for (unsigned round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < ITEM_COUNT; i += 4) {
            assert_ptr_equal(table_remove(&table, &items[i].id), &items[i]);
            items[i].payload = (int)(i + (round + 1) * ITEM_COUNT);
            table_insert(&table, &items[i]);
        }
    }
    while ((item = table_next(&table, &cursor))) {
        assert_true(item->payload > last);
        last = item->payload;
        count++;
    }
    assert_int_equal(count, ITEM_COUNT / 2);
    assert_int_equal(table.count, count);
    assert_ptr_equal(table_first(&table), &items[2]);
    table_free(&table);
}

static void the_record_just_listed_may_be_removed(void **state)
{
    struct table table;
    struct item *item;
    size_t cursor = 0;

    (void)state;
    fill(&table);
    while ((item = table_next(&table, &cursor))) {
        assert_ptr_equal(table_remove(&table, &item->id), item);
    }
    assert_int_equal(table.count, 0);
    assert_null(table_first(&table));
    table_free(&table);
}

static void a_queue_that_turns_over_stays_small(void **state)
{
    struct table table;
    struct item *item;

    (void)state;
    TABLE_INIT(&table, struct item, id);
    for (uint32_t i = 0; i < 100 * ITEM_COUNT; i++) {
        item = &items[i % ITEM_COUNT];
        if (table.count == 100) {
            struct item *oldest = table_first(&table);

            assert_int_equal(oldest->payload, (int)(i - 100));
            assert_non_null(table_remove(&table, &oldest->id));
        }
        *item = (struct item){.payload = (int)i, .id = i};
        table_insert(&table, item);
    }
    assert_true(table.slot_capacity < 1000);
    table_free(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_found_in_an_empty_table),
        cmocka_unit_test(a_removed_record_is_not_found),
        cmocka_unit_test(order_is_that_of_insertion_whatever_was_removed),
        cmocka_unit_test(the_record_just_listed_may_be_removed),
        cmocka_unit_test(a_queue_that_turns_over_stays_small),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
