#include "lib/daemon/file.h"

#include "tests/support/test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_SIZE = 64 };

struct fixture {
    char folder[PATH_SIZE], path[PATH_SIZE + 8], temporary[PATH_SIZE + 16];
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);

    strcpy(fixture->folder, "/tmp/tccp.XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
    (void)snprintf(fixture->path, sizeof fixture->path, "%s/state", fixture->folder);
    (void)snprintf(fixture->temporary, sizeof fixture->temporary, "%s.new", fixture->path);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    (void)unlink(fixture->path);
    (void)unlink(fixture->temporary);
    (void)rmdir(fixture->folder);
    free(fixture);
    return 0;
}

static void assert_content(const struct fixture *fixture, const char *expected)
{
    OWN(bytes) struct bytes content = {0};

    assert_ok(file_read(fixture->path, 100, &content));
    assert_true(view_equal(bytes_view(&content), view_string(expected)));
}

static void what_is_not_there_or_too_large_is_told_apart(void **state)
{
    struct fixture *fixture = *state;
    struct bytes content;

    assert_status(file_read(fixture->path, 100, &content), STATUS_NOT_FOUND);
    assert_ok(file_replace(fixture->path, view_string("12345")));
    assert_status(file_read(fixture->path, 4, &content), STATUS_TOO_LARGE);
    assert_status(file_read(fixture->folder, 4, &content), STATUS_IO);
    assert_status(file_read("/dev/zero", 100, &content), STATUS_TOO_LARGE);
}

static void a_link_is_not_followed(void **state)
{
    struct fixture *fixture = *state;
    struct bytes content;

    assert_int_equal(symlink("/etc/passwd", fixture->path), 0);
    assert_status(file_read(fixture->path, 1 << 20, &content), STATUS_IO);
    /* One in the way of the temporary file is not written through either. */
    assert_int_equal(symlink("/nonexistent/file", fixture->temporary), 0);
    assert_ok(file_replace(fixture->path, view_string("mine")));
    assert_content(fixture, "mine");
}

static void a_write_that_fails_leaves_the_old_file(void **state)
{
    struct fixture *fixture = *state;
    char large[300];
    struct rlimit before, tiny;
    enum status status;

    memset(large, 'x', sizeof large);
    assert_ok(file_replace(fixture->path, view_string("old")));
    /* The file size limit stands for a full disk: the write fails in the middle. */
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    tiny = (struct rlimit){100, before.rlim_max};
    assert_true(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tiny), 0);
    status = file_replace(fixture->path, VIEW_OF_ARRAY(large));
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_status(status, STATUS_IO);
    assert_content(fixture, "old");
    assert_int_equal(access(fixture->temporary, F_OK), -1);
    assert_status(file_replace("/nonexistent/file", view_string("x")), STATUS_IO);
}

static void a_file_is_replaced_and_only_its_owner_reads_it(void **state)
{
    struct fixture *fixture = *state;
    struct stat about;

    assert_ok(file_replace(fixture->path, view_string("one")));
    assert_ok(file_replace(fixture->path, view_string("two")));
    assert_content(fixture, "two");
    assert_int_equal(stat(fixture->path, &about), 0);
    assert_int_equal(about.st_mode & 07777, 0600);
    assert_int_equal(access(fixture->temporary, F_OK), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_not_there_or_too_large_is_told_apart, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_link_is_not_followed, setup, teardown),
        cmocka_unit_test_setup_teardown(a_write_that_fails_leaves_the_old_file, setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_is_replaced_and_only_its_owner_reads_it, setup,
                                        teardown),
    };

    return cmocka_run_group_tests_name("files", tests, NULL, NULL);
}
