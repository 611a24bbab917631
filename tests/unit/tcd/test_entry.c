#include "tcd/entry.h"

#include "tests/support/test.h"

#include <stdlib.h>
#include <string.h>

static const struct entry_header sample = {
    .raft_id = 7, .incarnation = 0x0102030405060708, .number = 9, .revision = 10, .count = 2};

static struct bytes sample_entry(void)
{
    struct bytes entry = {.size = entry_size(2, 5)};
    uint8_t *at;

    entry.data = malloc(entry.size);
    assert_non_null(entry.data);
    at = entry_write_header(entry.data, &sample);
    at = entry_write_command(at, view_string("abc"));
    at = entry_write_command(at, view_string("de"));
    entry_write_end(at, entry.data + entry.size);
    return entry;
}

static enum status read_status(struct view view)
{
    struct entry_header header;
    struct reader commands;

    return entry_read(view, &header, &commands);
}

static void what_is_not_exactly_an_entry_is_refused(void **state)
{
    OWN(bytes) struct bytes entry = sample_entry();
    uint8_t longer[256] = {0};
    size_t content = ENTRY_HEADER_SIZE + 2 * ENTRY_COMMAND_HEADER_SIZE + 5;

    (void)state;
    assert_ok(read_status(bytes_view(&entry)));
    for (size_t size = 0; size < entry.size; size++) {
        assert_status(read_status((struct view){entry.data, size}), STATUS_MALFORMED);
    }
    /* More padding than is needed, and padding that is not zero. */
    memcpy(longer, entry.data, entry.size);
    assert_status(read_status((struct view){longer, entry.size + ENTRY_ALIGNMENT}),
                  STATUS_MALFORMED);
    assert_true(content < entry.size);
    entry.data[entry.size - 1] = 1;
    assert_status(read_status(bytes_view(&entry)), STATUS_MALFORMED);
}

static void another_format_is_told_from_damage(void **state)
{
    OWN(bytes) struct bytes entry = sample_entry();

    (void)state;
    entry.data[3] = ENTRY_FORMAT + 1;
    assert_status(read_status(bytes_view(&entry)), STATUS_UNSUPPORTED);
}

static void no_commands_and_empty_commands_are_refused(void **state)
{
    OWN(bytes) struct bytes entry = sample_entry();
    uint8_t empty[ENTRY_HEADER_SIZE + 8] = {0};
    struct entry_header none = sample;

    (void)state;
    none.count = 0;
    (void)entry_write_header(empty, &none);
    assert_status(read_status((struct view){empty, entry_size(0, 0)}), STATUS_MALFORMED);
    memset(entry.data + ENTRY_HEADER_SIZE, 0, ENTRY_COMMAND_HEADER_SIZE);
    assert_status(read_status(bytes_view(&entry)), STATUS_MALFORMED);
}

static void an_entry_above_the_limit_is_refused(void **state)
{
    uint8_t *large = calloc(1, ENTRY_SIZE_MAX + ENTRY_ALIGNMENT);

    (void)state;
    assert_non_null(large);
    assert_status(read_status((struct view){large, ENTRY_SIZE_MAX + ENTRY_ALIGNMENT}),
                  STATUS_TOO_LARGE);
    free(large);
}

static void what_is_written_is_read_back(void **state)
{
    OWN(bytes) struct bytes entry = sample_entry();
    struct entry_header header;
    struct reader commands;

    (void)state;
    assert_int_equal(entry.size % ENTRY_ALIGNMENT, 0);
    assert_ok(entry_read(bytes_view(&entry), &header, &commands));
    assert_int_equal(header.raft_id, 7);
    assert_int_equal(header.incarnation, 0x0102030405060708);
    assert_int_equal(header.number, 9);
    assert_int_equal(header.revision, 10);
    assert_int_equal(header.count, 2);
    assert_true(view_equal(entry_read_command(&commands), view_string("abc")));
    assert_true(view_equal(entry_read_command(&commands), view_string("de")));
}

/* Logs keep for ever: this is what format 1 looks like. */
static void the_format_is_this(void **state)
{
    static const uint8_t expected[] = {
        0, 0, 0, 1,                                            /* format */
        0, 0, 0, 0, 0,   0,   0,   7,                          /* raft id */
        1, 2, 3, 4, 5,   6,   7,   8,                          /* incarnation */
        0, 0, 0, 0, 0,   0,   0,   9,                          /* number */
        0, 0, 0, 0, 0,   0,   0,   10,                         /* revision */
        0, 0, 0, 0, 0,   0,   0,   0,  0, 0, 0, 0, 0, 0, 0, 0, /* digest */
        0, 0, 0, 0, 0,   0,   0,   0,  0, 0, 0, 0, 0, 0, 0, 0, /**/
        0, 0, 0, 2,                                            /* count */
        0, 0, 0, 3, 'a', 'b', 'c',                             /**/
        0, 0, 0, 2, 'd', 'e',                                  /**/
        0, 0, 0,                                               /* to a multiple of 8 */
    };
    OWN(bytes) struct bytes entry = sample_entry();

    (void)state;
    assert_int_equal(entry.size, sizeof expected);
    assert_memory_equal(entry.data, expected, sizeof expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_exactly_an_entry_is_refused),
        cmocka_unit_test(another_format_is_told_from_damage),
        cmocka_unit_test(no_commands_and_empty_commands_are_refused),
        cmocka_unit_test(an_entry_above_the_limit_is_refused),
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(the_format_is_this),
    };
    return cmocka_run_group_tests_name("entry", tests, NULL, NULL);
}
