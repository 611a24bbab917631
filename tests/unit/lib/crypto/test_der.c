#include "tests/support/test.h"

#include "lib/crypto/der.h"
#include "tests/support/hex.h"

static bool reads_value(const char *hex)
{
    OWN_HEX(bytes, hex);
    struct reader reader = reader_of(bytes_view(&bytes));

    (void)der_value(&reader, DER_OCTET_STRING);
    return reader_done(&reader);
}

static void lengths_in_another_form_are_malformed(void **state)
{
    (void)state;
    assert_true(reads_value("0402aabb"));
    assert_true(reads_value("0400"));
    /* long form where the short one would do; a leading zero; indefinite; too long; missing */
    assert_false(reads_value("048102aabb"));
    assert_false(reads_value("04820002aabb"));
    assert_false(reads_value("0480aabb0000"));
    assert_false(reads_value("048400000002aabb"));
    assert_false(reads_value("04ff"));
    assert_false(reads_value("04"));
    assert_false(reads_value(""));
}

static void contents_cut_short_or_of_another_tag_are_malformed(void **state)
{
    (void)state;
    assert_false(reads_value("0403aabb"));
    assert_false(reads_value("0401aabb"));
    assert_false(reads_value("0302aabb"));
    assert_false(reads_value("2402aabb"));
}

static bool reads_number(const char *hex, uint64_t expected)
{
    OWN_HEX(bytes, hex);
    struct reader reader = reader_of(bytes_view(&bytes));

    return der_number(&reader, DER_INTEGER) == expected && reader_done(&reader);
}

static void numbers_in_another_form_are_malformed(void **state)
{
    (void)state;
    assert_true(reads_number("020100", 0));
    assert_true(reads_number("02017f", 127));
    assert_true(reads_number("02020080", 128));
    assert_true(reads_number("020900ffffffffffffffff", UINT64_MAX));
    /* padded, negative, none, too large */
    assert_false(reads_number("02020000", 0));
    assert_false(reads_number("0202007f", 127));
    assert_false(reads_number("020180", 128));
    assert_false(reads_number("0200", 0));
    assert_false(reads_number("0209010000000000000000", 0));
    assert_false(reads_number("020a00ffffffffffffffffff", 0));
}

static void a_reader_inside_a_bad_one_is_bad(void **state)
{
    OWN_HEX(bytes, "3003020101");
    struct reader reader = reader_of(bytes_view(&bytes)), inner;

    (void)state;
    reader_require(&reader, false);
    inner = der_enter(&reader, DER_SEQUENCE);
    assert_true(inner.bad);
    assert_int_equal(der_number(&inner, DER_INTEGER), 0);
    assert_null(der_element(&reader, DER_SEQUENCE).data);
    assert_false(der_next_is(&reader, DER_SEQUENCE));
}

static void what_is_written_is_read_whatever_its_size(void **state)
{
    static const size_t sizes[] = {0, 1, 0x7f, 0x80, 0xff, 0x100, 0xffff, 0x10000, 0x12345};
    static uint8_t contents[0x12345];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        OWN(writer) struct writer writer = writer_new(1 << 20);
        size_t mark = der_begin(&writer, DER_SEQUENCE);
        struct reader reader, inner;

        der_put(&writer, DER_OCTET_STRING, (struct view){contents, sizes[i]});
        der_put_number(&writer, DER_INTEGER, UINT64_C(1) << (7 * i));
        der_end(&writer, mark);
        assert_int_equal(writer.status, STATUS_OK);
        reader = reader_of((struct view){writer.data, writer.size});
        inner = der_enter(&reader, DER_SEQUENCE);
        assert_int_equal(der_value(&inner, DER_OCTET_STRING).size, sizes[i]);
        assert_true(der_number(&inner, DER_INTEGER) == UINT64_C(1) << (7 * i));
        assert_true(reader_done(&inner) && reader_done(&reader));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lengths_in_another_form_are_malformed),
        cmocka_unit_test(contents_cut_short_or_of_another_tag_are_malformed),
        cmocka_unit_test(numbers_in_another_form_are_malformed),
        cmocka_unit_test(a_reader_inside_a_bad_one_is_bad),
        cmocka_unit_test(what_is_written_is_read_whatever_its_size),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
