#include "lib/predict/cpio.h"

#include "tests/support/test.h"

#include <stdio.h>
#include <string.h>

enum { SIZE_MAX_TEST = 1 << 16 };

/* An entry as `cpio -H newc` writes it: all numbers but these are zero. */
static void entry_put(struct writer *writer, const char *magic, unsigned inode, unsigned mode,
                      unsigned links, const char *name, const char *content)
{
    char header[111];

    (void)snprintf(header, sizeof header, "%s%08x%08x%016x%08x%08x%08X%032x%08x%08x", magic, inode,
                   mode, 0, links, 0, (unsigned)strlen(content), 0, (unsigned)strlen(name) + 1, 0);
    writer_view(writer, view_string(header));
    writer_view(writer, (struct view){(const uint8_t *)name, strlen(name) + 1});
    while (writer->size % 4) {
        writer_u8(writer, 0);
    }
    writer_view(writer, view_string(content));
    while (writer->size % 4) {
        writer_u8(writer, 0);
    }
}

static void file_put(struct writer *writer, const char *name, const char *content)
{
    entry_put(writer, "070701", 1, 0100644, 1, name, content);
}

static void trailer_put(struct writer *writer)
{
    file_put(writer, "TRAILER!!!", "");
}

static struct view written(const struct writer *writer)
{
    assert_int_equal(writer->status, STATUS_OK);
    return (struct view){writer->data, writer->size};
}

static void refused(struct view bytes)
{
    struct cpio cpio = {.bytes = bytes};
    struct cpio_entry entry;
    struct refusal refusal = {0};
    enum status status;

    while ((status = cpio_next(&cpio, &entry, &refusal)) == STATUS_OK) {
    }
    assert_refused(status, refusal, REFUSAL_MALFORMED);
}

/* One file, with a byte of its header overwritten. */
static void byte_refused(size_t offset, char byte)
{
    OWN(writer) struct writer writer = writer_new(SIZE_MAX_TEST);

    file_put(&writer, "name", "content");
    trailer_put(&writer);
    writer.data[offset] = (uint8_t)byte;
    refused(written(&writer));
}

static void refuses_headers_of_another_form(void **state)
{
    (void)state;
    byte_refused(5, '7'); /* odc */
    byte_refused(5, '3');
    byte_refused(6, 'g'); /* not hexadecimal */
    byte_refused(13, ' ');
    byte_refused(94, 'f');  /* name of 4 GiB */
    byte_refused(98, '1');  /* of 4 KiB and more */
    byte_refused(101, '0'); /* of no bytes */
    byte_refused(101, '1'); /* its NUL only */
    byte_refused(101, '4'); /* without its NUL */
    byte_refused(101, '6'); /* with a NUL inside */
    byte_refused(54, 'f');  /* content of 4 GiB */
}

static void refuses_names_that_are_empty_or_too_long(void **state)
{
    char name[CPIO_NAME_SIZE_MAX + 2] = {0};
    OWN(writer) struct writer most = writer_new(SIZE_MAX_TEST), more = writer_new(SIZE_MAX_TEST);
    OWN(writer) struct writer empty = writer_new(SIZE_MAX_TEST);
    struct cpio cpio = {0};
    struct cpio_entry entry;

    (void)state;
    file_put(&empty, "", "content");
    trailer_put(&empty);
    refused(written(&empty));
    memset(name, 'x', CPIO_NAME_SIZE_MAX + 1);
    file_put(&more, name, "");
    trailer_put(&more);
    refused(written(&more));
    name[CPIO_NAME_SIZE_MAX] = '\0';
    file_put(&most, name, "");
    trailer_put(&most);
    cpio.bytes = written(&most);
    assert_ok(cpio_next(&cpio, &entry, NULL));
    assert_int_equal(entry.name.size, CPIO_NAME_SIZE_MAX);
}

static void refuses_an_archive_without_its_end(void **state)
{
    OWN(writer) struct writer writer = writer_new(SIZE_MAX_TEST);
    struct view whole;

    (void)state;
    file_put(&writer, "name", "content");
    whole = written(&writer);
    /* Nothing is the initramfs that there is not. */
    for (size_t size = 1; size <= whole.size; size++) {
        refused((struct view){whole.data, size});
    }
}

static void entries_of_archives_in_a_row_come_one_by_one(void **state)
{
    static const struct {
        unsigned archive;
        const char *name, *content;
    } expected[] = {{0, "a", ""}, {0, "usr/b", "bb"}, {1, "c", "c"}};
    OWN(writer) struct writer writer = writer_new(SIZE_MAX_TEST);
    struct cpio cpio = {0};
    struct cpio_entry entry;

    (void)state;
    file_put(&writer, "a", "");
    file_put(&writer, "usr/b", "bb");
    trailer_put(&writer);
    for (unsigned i = 0; i < 512; i++) {
        writer_u8(&writer, 0);
    }
    entry_put(&writer, "070702", 7, 0100755, 2, "c", "c");
    trailer_put(&writer);
    cpio.bytes = written(&writer);
    for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
        assert_ok(cpio_next(&cpio, &entry, NULL));
        assert_int_equal(entry.archive, expected[i].archive);
        assert_true(view_equal(entry.name, view_string(expected[i].name)));
        assert_true(view_equal(entry.content, view_string(expected[i].content)));
    }
    assert_int_equal(entry.inode, 7);
    assert_int_equal(entry.mode, 0100755);
    assert_int_equal(entry.links, 2);
    assert_status(cpio_next(&cpio, &entry, NULL), STATUS_NOT_FOUND);
    assert_int_equal(cpio.at, cpio.bytes.size);
}

/* The kernel looks for archives that are not compressed at multiples of four only. */
static void stops_where_something_else_begins(void **state)
{
    OWN(writer) struct writer writer = writer_new(SIZE_MAX_TEST);
    struct cpio cpio = {0};
    struct cpio_entry entry;
    size_t end;

    (void)state;
    file_put(&writer, "a", "");
    trailer_put(&writer);
    end = writer.size;
    writer_view(&writer, view_string("\x1f\x8b"));
    cpio.bytes = written(&writer);
    assert_ok(cpio_next(&cpio, &entry, NULL));
    assert_status(cpio_next(&cpio, &entry, NULL), STATUS_NOT_FOUND);
    assert_int_equal(cpio.at, end);
    writer.data[end] = 0;
    writer.data[end + 1] = '0';
    assert_status(cpio_next(&cpio, &entry, NULL), STATUS_NOT_FOUND);
    assert_int_equal(cpio.at, end + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_headers_of_another_form),
        cmocka_unit_test(refuses_names_that_are_empty_or_too_long),
        cmocka_unit_test(refuses_an_archive_without_its_end),
        cmocka_unit_test(entries_of_archives_in_a_row_come_one_by_one),
        cmocka_unit_test(stops_where_something_else_begins),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
