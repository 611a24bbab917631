#include "lib/predict/pe_image.h"

#include "tests/unit/lib/predict/pe_maker.h"

#include <stdio.h>

static const char *const two[] = {".one", ".two"};

static struct digest digest_of(struct view file)
{
    struct pe_image image;
    struct refusal refusal = {0};

    if (pe_image_parse(file, &image, &refusal) != STATUS_OK) {
        fail_msg("refused: %s", refusal.detail);
    }
    return pe_image_digest(&image);
}

static void refused(const struct bytes *file)
{
    struct pe_image image;
    struct refusal refusal = {0};

    assert_refused(pe_image_parse(bytes_view(file), &image, &refusal), refusal, REFUSAL_MALFORMED);
}

/* Overwrites a field of an image of two sections, which is refused then. */
static void field_refused(size_t offset, uint64_t value, size_t size)
{
    OWN(bytes) struct bytes file = pe_make(two, 2, 16);

    (void)digest_of(bytes_view(&file));
    put_le(file.data + offset, value, size);
    refused(&file);
}

static void refuses_headers_that_are_not_of_a_program_for_uefi_on_x86_64(void **state)
{
    (void)state;
    field_refused(0, 0x4d5b, 2);
    field_refused(0x3c, 0x7fffffff, 4); /* and beyond the file */
    field_refused(PE_AT, 0x4551, 4);
    field_refused(PE_AT + 4, 0xaa64, 2);     /* another machine */
    field_refused(PE_AT + 6, 0, 2);          /* no section */
    field_refused(PE_AT + 6, 97, 2);         /* too many */
    field_refused(PE_OPTIONAL_AT, 0x10b, 2); /* PE32 */
}

/* The image with so many entries, and an optional header of a size for another number of them. Were
 * it not for the checks, these would be read: the sections are where that size puts them. */
static void directories_refused(size_t count, size_t room)
{
    static const char *const names[] = {"", ".two"};
    OWN(bytes) struct bytes file = pe_make(names, 2, 0);
    uint8_t sections[80];

    memcpy(sections, file.data + PE_SECTIONS_AT, sizeof sections);
    memset(file.data + PE_SECTIONS_AT, 0, sizeof sections);
    memcpy(file.data + PE_OPTIONAL_AT + 112 + room * 8, sections, sizeof sections);
    put_le(file.data + PE_OPTIONAL_AT + 108, count, 4);
    put_le(file.data + PE_AT + 20, 112 + room * 8, 2);
    refused(&file);
}

static void refuses_an_optional_header_whose_entries_do_not_fit(void **state)
{
    (void)state;
    directories_refused(4, 4); /* none for certificates */
    directories_refused(17, 17);
    directories_refused(16, 15);
    directories_refused(15, 16);
}

static void refuses_a_pe_header_inside_the_mz_header(void **state)
{
    OWN(bytes) struct bytes file = pe_make(two, 2, 0);

    (void)state;
    memmove(file.data + 0x20, file.data + PE_AT, PE_SECTIONS_AT + 80 - PE_AT);
    put_le(file.data + 0x3c, 0x20, 4); /* the size of the code, for the PE header */
    refused(&file);
}

static void refuses_headers_that_are_smaller_than_their_sections_or_larger_than_the_file(
    void **state)
{
    (void)state;
    field_refused(PE_OPTIONAL_AT + 60, PE_SECTIONS_AT + 79, 4);
    field_refused(PE_OPTIONAL_AT + 60, 0x7fffffff, 4);
    field_refused(PE_OPTIONAL_AT + 56, PE_HEADERS_SIZE, 4); /* no room for anything in memory */
}

static void refuses_more_sections_than_there_may_be(void **state)
{
    const char *names[PE_SECTION_COUNT_MAX + 1];
    OWN(bytes) struct bytes most = {0}, more = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        names[i] = ".x";
    }
    most = pe_make(names, PE_SECTION_COUNT_MAX, 0);
    (void)digest_of(bytes_view(&most));
    more = pe_make(names, PE_SECTION_COUNT_MAX + 1, 0);
    refused(&more);
}

static void refuses_an_image_that_has_no_memory_but_for_its_headers(void **state)
{
    OWN(bytes) struct bytes file = pe_make(two, 2, 0);

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        put_le(pe_section_field(&file, i, 8), 0, 4);
        put_le(pe_section_field(&file, i, 12), PE_HEADERS_SIZE, 4);
    }
    put_le(file.data + PE_OPTIONAL_AT + 56, PE_HEADERS_SIZE + 1, 4);
    (void)digest_of(bytes_view(&file));
    put_le(file.data + PE_OPTIONAL_AT + 56, PE_HEADERS_SIZE, 4);
    refused(&file);
}

static void refuses_sections_outside_the_file_or_the_memory(void **state)
{
    enum { SECOND = PE_SECTIONS_AT + 40 };

    (void)state;
    field_refused(SECOND + 16, PE_SECTION_SIZE + 17, 4); /* one byte too many */
    field_refused(SECOND + 16, 0xffffffff, 4);
    field_refused(SECOND + 20, 0xffffff00, 4);
    field_refused(PE_SECTIONS_AT + 20, PE_HEADERS_SIZE - 1, 4); /* in the headers */
    field_refused(PE_SECTIONS_AT + 12, PE_HEADERS_SIZE - 1, 4); /* and there in memory */
    field_refused(SECOND + 12, 0xfffffff0, 4);                  /* wraps around */
    field_refused(SECOND + 8, PE_IMAGE_SIZE - PE_SECTION_ADDRESS(1) + 1, 4); /* one byte too many */
}

static void refuses_sections_that_share_bytes(void **state)
{
    enum { SECOND = PE_SECTIONS_AT + 40 };

    (void)state;
    field_refused(SECOND + 20, PE_HEADERS_SIZE + PE_SECTION_SIZE - 1, 4);
    field_refused(SECOND + 12, PE_SECTION_ADDRESS(0) + PE_SECTION_SIZE - 1, 4);
    field_refused(PE_SECTIONS_AT + 8, 0x1001, 4);
}

static void refuses_a_certificate_table_that_is_not_there(void **state)
{
    OWN(bytes) struct bytes file = pe_make(two, 2, 16);

    (void)state;
    pe_set_certificates(&file, 17, 16); /* one byte too many */
    refused(&file);
    pe_set_certificates(&file, 16, 17); /* in a section */
    refused(&file);
    put_le(file.data + PE_DIRECTORY_AT, 0, 4); /* in the headers */
    refused(&file);
    pe_set_certificates(&file, 16, 16);
    (void)digest_of(bytes_view(&file));
}

static void refuses_every_image_that_is_cut_short(void **state)
{
    OWN(bytes) struct bytes file = pe_make(two, 2, 0);
    size_t size = file.size;

    (void)state;
    for (file.size = 0; file.size < size; file.size++) {
        refused(&file);
    }
}

static void refuses_an_image_above_the_limit(void **state)
{
    uint8_t byte = 'M';
    struct view file = {&byte, PE_IMAGE_SIZE_MAX + 1}; /* refused before it is read */
    struct pe_image image;
    struct refusal refusal = {0};

    (void)state;
    assert_refused(pe_image_parse(file, &image, &refusal), refusal, REFUSAL_TOO_LARGE);
}

static void sections_are_read_with_names_of_up_to_eight_characters(void **state)
{
    static const char *const names[] = {".cmdline", ".a"};
    OWN(bytes) struct bytes file = pe_make(names, 2, 0);
    struct pe_image image;

    (void)state;
    put_le(pe_section_field(&file, 1, 8), 7, 4);
    assert_ok(pe_image_parse(bytes_view(&file), &image, NULL));
    assert_int_equal(image.section_count, 2);
    assert_string_equal(image.sections[0].name, ".cmdline");
    assert_string_equal(image.sections[1].name, ".a");
    assert_int_equal(image.sections[1].memory_size, 7);
    assert_int_equal(image.sections[1].content.size, PE_SECTION_SIZE);
    assert_ptr_equal(image.sections[1].content.data, file.data + PE_HEADERS_SIZE + PE_SECTION_SIZE);
}

static bool same_digest(const struct bytes *left, const struct bytes *right)
{
    struct digest first = digest_of(bytes_view(left)), second = digest_of(bytes_view(right));

    return digest_equal(&first, &second);
}

static void the_digest_leaves_out_checksum_and_certificates_and_nothing_else(void **state)
{
    OWN(bytes) struct bytes file = pe_make(two, 2, 16), changed = {0};

    (void)state;
    pe_set_certificates(&file, 8, 8);
    assert_ok(bytes_copy(bytes_view(&file), &changed));
    for (size_t i = 0; i < file.size; i++) {
        bool checksum = i >= PE_OPTIONAL_AT + 64 && i < PE_OPTIONAL_AT + 68;
        bool certificates = i >= file.size - 8;
        struct pe_image image;

        /* Where the directory's entry lies, a change would move the table. */
        if (i >= PE_DIRECTORY_AT && i < PE_DIRECTORY_AT + 8) {
            continue;
        }
        changed.data[i] ^= 1;
        if (pe_image_parse(bytes_view(&changed), &image, NULL) == STATUS_OK) {
            assert_true(same_digest(&file, &changed) == (checksum || certificates));
        }
        changed.data[i] ^= 1;
    }
}

/* Appendix A of the specification, and EDK II: in the order of the file, not of the headers. */
static void the_digest_takes_sections_in_the_order_of_the_file(void **state)
{
    OWN(bytes) struct bytes file = pe_make(two, 2, 0);
    struct digest expected, seen;
    struct sha256 hash;

    (void)state;
    put_le(pe_section_field(&file, 0, 20), PE_HEADERS_SIZE + PE_SECTION_SIZE, 4);
    put_le(pe_section_field(&file, 1, 20), PE_HEADERS_SIZE, 4);
    sha256_init(&hash);
    sha256_update(&hash, (struct view){file.data, PE_OPTIONAL_AT + 64});
    sha256_update(&hash, (struct view){file.data + PE_OPTIONAL_AT + 68,
                                       PE_DIRECTORY_AT - PE_OPTIONAL_AT - 68});
    sha256_update(&hash,
                  (struct view){file.data + PE_DIRECTORY_AT + 8, file.size - PE_DIRECTORY_AT - 8});
    expected = sha256_final(&hash);
    seen = digest_of(bytes_view(&file));
    assert_true(digest_equal(&expected, &seen));
}

/* What EDK II does there: it counts from the end of what it hashed, and stops as many bytes before
 * the end as the table has. */
static void bytes_after_the_certificates_are_measured_as_the_firmware_does(void **state)
{
    OWN(bytes) struct bytes file = pe_make(two, 2, 24), other = {0};

    (void)state;
    pe_set_certificates(&file, 16, 24); /* and 8 bytes after it */
    assert_ok(bytes_copy(bytes_view(&file), &other));
    other.data[other.size - 1] ^= 1;
    assert_true(same_digest(&file, &other));
    other.data[other.size - 24] ^= 1;
    assert_false(same_digest(&file, &other));
}

/* {u32 size, u16 revision, u16 type, contents}. */
static void certificate_put(uint8_t *at, uint32_t size, uint16_t revision, uint16_t type)
{
    put_le(at, size, 4);
    put_le(at + 4, revision, 2);
    put_le(at + 6, type, 2);
}

static void signatures_are_walked_through_and_other_kinds_passed_over(void **state)
{
    OWN(bytes) struct bytes file = pe_make(two, 2, 48);
    uint8_t *table = file.data + file.size - 48;
    struct pe_image image;
    struct refusal refusal = {0};
    struct view pkcs7;
    size_t at = 0;

    (void)state;
    pe_set_certificates(&file, 48, 48);
    certificate_put(table, 11, 0x0200, 2);
    certificate_put(table + 16, 16, 0x0200, 0x0ef1); /* EFI_GUID */
    certificate_put(table + 32, 16, 0x0200, 2);
    assert_ok(pe_image_parse(bytes_view(&file), &image, NULL));
    assert_ok(pe_image_signature(&image, &at, &pkcs7, &refusal));
    assert_ptr_equal(pkcs7.data, table + 8);
    assert_int_equal(pkcs7.size, 3);
    assert_ok(pe_image_signature(&image, &at, &pkcs7, &refusal));
    assert_ptr_equal(pkcs7.data, table + 40);
    assert_int_equal(pkcs7.size, 8);
    assert_status(pe_image_signature(&image, &at, &pkcs7, &refusal), STATUS_NOT_FOUND);
}

static void refuses_certificates_that_are_longer_than_their_table(void **state)
{
    static const uint32_t sizes[] = {0, 8, 17, 0xffffffff};
    OWN(bytes) struct bytes file = pe_make(two, 2, 16);

    (void)state;
    pe_set_certificates(&file, 16, 16);
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        struct pe_image image;
        struct refusal refusal = {0};
        struct view pkcs7;
        size_t at = 0;

        certificate_put(file.data + file.size - 16, sizes[i], 0x0200, 2);
        assert_ok(pe_image_parse(bytes_view(&file), &image, NULL));
        assert_refused(pe_image_signature(&image, &at, &pkcs7, &refusal), refusal,
                       REFUSAL_MALFORMED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_headers_that_are_not_of_a_program_for_uefi_on_x86_64),
        cmocka_unit_test(refuses_an_optional_header_whose_entries_do_not_fit),
        cmocka_unit_test(refuses_a_pe_header_inside_the_mz_header),
        cmocka_unit_test(
            refuses_headers_that_are_smaller_than_their_sections_or_larger_than_the_file),
        cmocka_unit_test(refuses_more_sections_than_there_may_be),
        cmocka_unit_test(refuses_an_image_that_has_no_memory_but_for_its_headers),
        cmocka_unit_test(refuses_sections_outside_the_file_or_the_memory),
        cmocka_unit_test(refuses_sections_that_share_bytes),
        cmocka_unit_test(refuses_a_certificate_table_that_is_not_there),
        cmocka_unit_test(refuses_every_image_that_is_cut_short),
        cmocka_unit_test(refuses_an_image_above_the_limit),
        cmocka_unit_test(refuses_certificates_that_are_longer_than_their_table),
        cmocka_unit_test(sections_are_read_with_names_of_up_to_eight_characters),
        cmocka_unit_test(the_digest_leaves_out_checksum_and_certificates_and_nothing_else),
        cmocka_unit_test(the_digest_takes_sections_in_the_order_of_the_file),
        cmocka_unit_test(bytes_after_the_certificates_are_measured_as_the_firmware_does),
        cmocka_unit_test(signatures_are_walked_through_and_other_kinds_passed_over),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
