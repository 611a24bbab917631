#include "lib/base/bytes.h"

#include "tests/support/test.h"

static void a_short_read_is_remembered(void **state)
{
    const uint8_t data[] = {1, 2, 3};
    struct reader reader = reader_of(VIEW_OF_ARRAY(data));

    (void)state;
    assert_int_equal(reader_u16(&reader), 0x0102);
    assert_int_equal(reader_u32(&reader), 0);
    assert_int_equal(reader_u8(&reader),
                     0); /* One byte is left, but nothing is read after a bad read. */
    assert_false(reader_done(&reader));
}

static void trailing_bytes_are_not_done(void **state)
{
    const uint8_t data[] = {1, 2};
    struct reader reader = reader_of(VIEW_OF_ARRAY(data));

    (void)state;
    assert_int_equal(reader_u8(&reader), 1);
    assert_false(reader_done(&reader));
    assert_int_equal(reader_u8(&reader), 2);
    assert_true(reader_done(&reader));
}

static void a_length_beyond_the_limit_or_the_data_is_refused(void **state)
{
    const uint8_t data[] = {0, 2, 'a', 'b'};
    struct reader over_limit = reader_of(VIEW_OF_ARRAY(data));
    struct reader over_data = reader_of((struct view){data, 3});
    struct reader good = reader_of(VIEW_OF_ARRAY(data));

    (void)state;
    (void)reader_sized16(&over_limit, 1);
    assert_true(over_limit.bad);
    (void)reader_sized16(&over_data, 2);
    assert_true(over_data.bad);
    assert_true(view_equal(reader_sized16(&good, 2), view_string("ab")));
    assert_true(reader_done(&good));
}

static void both_byte_orders_are_read(void **state)
{
    const uint8_t data[] = {1, 2, 3, 4, 1, 2, 3, 4};
    struct reader reader = reader_of(VIEW_OF_ARRAY(data));

    (void)state;
    assert_int_equal(reader_u32(&reader), 0x01020304);
    assert_int_equal(reader_u32_le(&reader), 0x04030201);
}

static void a_writer_never_passes_its_limit(void **state)
{
    struct writer writer = writer_new(6);
    struct bytes bytes;

    (void)state;
    writer_u32(&writer, 7);
    writer_u32(&writer, 7);
    assert_status(writer_take(&writer, &bytes), STATUS_TOO_LARGE);
    writer_u8(&writer, 7);
    assert_status(writer_take(&writer, &bytes), STATUS_TOO_LARGE); /* A bad writer stays bad. */
    writer_free(&writer);
}

static void what_is_written_is_read_back(void **state)
{
    struct writer writer = writer_new(1024);
    struct reader reader;
    struct bytes bytes;

    (void)state;
    writer_u8(&writer, 1);
    writer_u64(&writer, UINT64_C(0x0102030405060708));
    writer_sized32(&writer, view_string("text"));
    assert_ok(writer_take(&writer, &bytes));
    reader = reader_of(bytes_view(&bytes));
    assert_int_equal(reader_u8(&reader), 1);
    assert_int_equal(reader_u64(&reader), UINT64_C(0x0102030405060708));
    assert_true(view_equal(reader_sized32(&reader, 4), view_string("text")));
    assert_true(reader_done(&reader));
    bytes_free(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_short_read_is_remembered),
        cmocka_unit_test(trailing_bytes_are_not_done),
        cmocka_unit_test(a_length_beyond_the_limit_or_the_data_is_refused),
        cmocka_unit_test(both_byte_orders_are_read),
        cmocka_unit_test(a_writer_never_passes_its_limit),
        cmocka_unit_test(what_is_written_is_read_back),
    };
    return cmocka_run_group_tests_name("bytes", tests, NULL, NULL);
}
