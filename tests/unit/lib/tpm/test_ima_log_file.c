/* The kernel's IMA log as it grows: each renewal reads what is new, and who asks for more gets it.
 */
#include "lib/tpm/ima_log_file.h"

#include "lib/attest/ima.h"
#include "tests/support/swtpm.h"
#include "tests/unit/lib/attest/evidence_files.h"
#include "tests/unit/lib/attest/log_writer.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MANY = 100000 };

struct fixture {
    char folder[SWTPM_PATH_SIZE], path[SWTPM_PATH_SIZE + 8];
    struct ima_log_file file;
    unsigned written;
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);

    folder_make(fixture->folder);
    (void)snprintf(fixture->path, sizeof fixture->path, "%s/ima", fixture->folder);
    ima_log_file_init(&fixture->file);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    ima_log_file_free(&fixture->file);
    folder_remove(fixture->folder);
    free(fixture);
    return 0;
}

static void file_append(struct fixture *fixture, struct view data)
{
    FILE *file = fopen(fixture->path, "a");

    assert_non_null(file);
    assert_int_equal(fwrite(data.data, 1, data.size, file), data.size);
    assert_int_equal(fclose(file), 0);
}

/* Entries whose paths are their numbers. */
static void entries_append(struct fixture *fixture, unsigned count)
{
    static const struct digest digest = {{0xf1, 0x1e}};
    OWN(writer) struct writer writer = writer_new(LOG_SIZE_MAX);

    for (unsigned i = 0; i < count; i++) {
        char path[32];

        (void)snprintf(path, sizeof path, "/usr/bin/%u", fixture->written++);
        ima_write(&writer, PCR_IMA, &digest, path, NULL, false);
    }
    file_append(fixture, written(&writer));
}

/* Reads, and expects exactly the entries from `known` on. */
static void expect_from(struct fixture *fixture, uint64_t known)
{
    OWN(bytes) struct bytes entries = {0};
    struct reader reader;
    uint64_t number = known;

    assert_ok(ima_log_file_read(&fixture->file, fixture->path, known, &entries));
    reader = reader_of(bytes_view(&entries));
    while (reader.left > 0) {
        struct ima_entry entry;
        char path[32];

        assert_ok(ima_entry_read(&reader, &entry));
        (void)snprintf(path, sizeof path, "/usr/bin/%llu", (unsigned long long)number++);
        assert_true(view_equal(entry.path, view_string(path)));
    }
    assert_int_equal(number, fixture->written);
}

static enum status read_from(struct fixture *fixture, uint64_t known)
{
    OWN(bytes) struct bytes entries = {0};

    return ima_log_file_read(&fixture->file, fixture->path, known, &entries);
}

static void what_is_no_log_is_refused(void **state)
{
    struct fixture *fixture = *state;

    assert_status(read_from(fixture, 0), STATUS_NOT_FOUND);
    /* Whoever opens it waits for a writer. */
    assert_int_equal(mkfifo(fixture->path, 0600), 0);
    assert_status(read_from(fixture, 0), STATUS_NOT_FOUND);
    assert_int_equal(unlink(fixture->path), 0);
    assert_int_equal(symlink("/dev/zero", fixture->path), 0);
    assert_status(read_from(fixture, 0), STATUS_NOT_FOUND);
}

static void a_log_of_the_maximum_size_plus_one_is_refused(void **state)
{
    struct fixture *fixture = *state;
    OWN(bytes) struct bytes entries = {0};
    int fd = open(fixture->path, O_CREAT | O_WRONLY, 0600);

    assert_int_equal(ftruncate(fd, (off_t)IMA_LOG_SIZE_MAX + 1), 0);
    assert_status(read_from(fixture, 0), STATUS_TOO_LARGE);
    assert_int_equal(ftruncate(fd, IMA_LOG_SIZE_MAX), 0);
    assert_ok(ima_log_file_read(&fixture->file, fixture->path, 0, &entries));
    assert_int_equal(entries.size, IMA_LOG_SIZE_MAX);
    close(fd);
}

static void a_shorter_log_than_before_is_of_another_boot(void **state)
{
    struct fixture *fixture = *state;

    entries_append(fixture, 10);
    expect_from(fixture, 0);
    assert_status(read_from(fixture, 11), STATUS_CONFLICT);
    /* And it is read again from its beginning. */
    expect_from(fixture, 3);
}

static void malformed_entries_are_the_verifiers_to_judge_unless_they_hide_where_to_begin(
    void **state)
{
    struct fixture *fixture = *state;
    OWN(bytes) struct bytes entries = {0};

    entries_append(fixture, 3);
    file_append(fixture, view_string("rubbish"));
    assert_ok(ima_log_file_read(&fixture->file, fixture->path, 1, &entries));
    assert_true(entries.size > 7);
    assert_status(read_from(fixture, 4), STATUS_MALFORMED);
}

static void each_reader_gets_what_came_after_what_it_knows(void **state)
{
    struct fixture *fixture = *state;

    entries_append(fixture, 100);
    expect_from(fixture, 0);
    expect_from(fixture, 0);
    entries_append(fixture, 5);
    /* The quote covered less than what was sent. */
    expect_from(fixture, 98);
    expect_from(fixture, 98);
    entries_append(fixture, 7);
    expect_from(fixture, 105);
    expect_from(fixture, 112);
    entries_append(fixture, 1);
    expect_from(fixture, 112);
    /* A leader that did not see the last renewals, and one that begins anew. */
    expect_from(fixture, 20);
    expect_from(fixture, 0);
    expect_from(fixture, 113);
}

/* What was read is not read again: it may even be gone. */
static void a_renewal_reads_what_is_new_and_keeps_little(void **state)
{
    struct fixture *fixture = *state;
    OWN(bytes) struct bytes zeroes = {0};
    struct stat about;
    int fd;

    entries_append(fixture, MANY);
    expect_from(fixture, 0);
    assert_true(fixture->file.tail.size > 0 && fixture->file.tail.size <= IMA_TAIL_SIZE_MAX);
    expect_from(fixture, MANY - 10);
    assert_int_equal(stat(fixture->path, &about), 0);
    zeroes.data = calloc(1, (size_t)about.st_size);
    zeroes.size = (size_t)about.st_size;
    assert_non_null(zeroes.data);
    fd = open(fixture->path, O_WRONLY);
    assert_int_equal(write(fd, zeroes.data, zeroes.size), (ssize_t)zeroes.size);
    close(fd);
    entries_append(fixture, 3);
    expect_from(fixture, MANY - 4);
    expect_from(fixture, MANY + 3);
}

int main(void)
{
#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        WITH(what_is_no_log_is_refused),
        WITH(a_log_of_the_maximum_size_plus_one_is_refused),
        WITH(a_shorter_log_than_before_is_of_another_boot),
        WITH(malformed_entries_are_the_verifiers_to_judge_unless_they_hide_where_to_begin),
        WITH(each_reader_gets_what_came_after_what_it_knows),
        WITH(a_renewal_reads_what_is_new_and_keeps_little),
    };

    return cmocka_run_group_tests_name("IMA log file", tests, NULL, NULL);
}
