/* Overlays that nodes share: what is taken for one, what becomes of the others, what is left. */
#include "tests/support/test.h"

#include "lib/base/text.h"
#include "lib/image/luks_image.h"
#include "nodeagent/image_overlay.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DISK_SIZE = 1 << 20, GENERATION = 7, PATH_SIZE = 192 };

struct fixture {
    char folder[40], elsewhere[40];
    struct overlay_order order;
    char id[HEX_SIZE(SHA256_SIZE)];
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);

    assert_non_null(fixture);
    strcpy(fixture->folder, "/tmp/tccp-shared-XXXXXX");
    strcpy(fixture->elsewhere, "/tmp/tccp-elsewhere-XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
    assert_non_null(mkdtemp(fixture->elsewhere));
    fixture->order = (struct overlay_order){
        .mode = OVERLAY_SHARED_NEW,
        .folder = fixture->folder,
        .vm = sha256(view_string("a VM")),
        .start_generation = GENERATION,
        .key = view_string("0123456789abcdef0123456789abcdef"),
    };
    hex_encode(digest_view(&fixture->order.vm), fixture->id);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    char command[128];

    (void)snprintf(command, sizeof command, "rm -rf %s %s", fixture->folder, fixture->elsewhere);
    assert_int_equal(system(command), 0);
    free(fixture);
    return 0;
}

/* The path of a file in the shared folder whose name is the VM's id and `rest`. */
static const char *path_of(const struct fixture *fixture, const char *rest,
                           char ret_path[PATH_SIZE])
{
    (void)snprintf(ret_path, PATH_SIZE, "%s/%s%s", fixture->folder, fixture->id, rest);
    return ret_path;
}

static void file_write(const char *path, const char *content)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_true(fputs(content, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void expect_content(const char *path, const char *content)
{
    char read[64] = "";
    FILE *file = fopen(path, "r");

    assert_non_null(file);
    assert_int_equal(fread(read, 1, sizeof read - 1, file), strlen(content));
    assert_int_equal(fclose(file), 0);
    assert_string_equal(read, content);
}

static bool exists(const char *path)
{
    struct stat info;

    return lstat(path, &info) == 0;
}

static unsigned entry_count(const char *path)
{
    DIR *folder = opendir(path);
    unsigned count = 0;

    assert_non_null(folder);
    while (readdir(folder)) {
        count++;
    }
    (void)closedir(folder);
    return count - 2;
}

static void overlay_make(const char *path, uint64_t size)
{
    struct refusal refusal = {0};

    assert_ok(
        luks_image_create(path, size, view_string("0123456789abcdef0123456789abcdef"), &refusal));
}

/* Refused for that reason when it is asked for, leaving no descriptor, and neither more nor fewer
 * files than before. */
static void expect_refused(const struct fixture *fixture, enum refusal_code code, const char *said)
{
    unsigned open_before = entry_count("/proc/self/fd"), files_before = 0;
    bool has_folder = exists(fixture->order.folder);
    struct refusal refusal = {0};
    int fd = -1;

    files_before = has_folder ? entry_count(fixture->order.folder) : 0;
    assert_refused(image_overlay_open(&fixture->order, DISK_SIZE, &fd, &refusal), refusal, code);
    if (!strstr(refusal.detail, said)) {
        fail_msg("%s", refusal.detail);
    }
    assert_int_equal(fd, -1);
    assert_int_equal(entry_count("/proc/self/fd"), open_before);
    assert_int_equal(has_folder ? entry_count(fixture->order.folder) : 0, files_before);
}

/* The same before anything long was begun. */
static void expect_refused_at_once(const struct fixture *fixture, enum refusal_code code,
                                   const char *said)
{
    unsigned open_before = entry_count("/proc/self/fd");
    struct refusal refusal = {0};

    assert_refused(image_overlay_check(&fixture->order, &refusal), refusal, code);
    assert_non_null(strstr(refusal.detail, said));
    assert_int_equal(entry_count("/proc/self/fd"), open_before);
    expect_refused(fixture, code, said);
}

static const enum overlay_mode shared_modes[] = {OVERLAY_SHARED_NEW, OVERLAY_SHARED_EXISTING};

/* --- refusals --- */

static void a_folder_that_is_missing_or_anybodys_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct refusal refusal = {0};
    char path[PATH_SIZE];

    for (unsigned i = 0; i < ARRAY_SIZE(shared_modes); i++) {
        fixture->order.mode = shared_modes[i];
        fixture->order.folder = "/nowhere/shared";
        expect_refused_at_once(fixture, REFUSAL_NOT_FOUND, "/nowhere/shared");
        file_write(path_of(fixture, ".file", path), "");
        fixture->order.folder = path;
        assert_refused(image_overlay_check(&fixture->order, &refusal), refusal, REFUSAL_NOT_FOUND);
        assert_int_equal(unlink(path), 0);
        fixture->order.folder = fixture->folder;
        assert_int_equal(chmod(fixture->folder, 0777), 0);
        expect_refused_at_once(fixture, REFUSAL_MALFORMED, "anybody");
        assert_int_equal(chmod(fixture->folder, 0700), 0);
    }
}

static void an_overlay_that_is_not_there_is_not_found(void **state)
{
    struct fixture *fixture = *state;
    char path[PATH_SIZE];

    fixture->order.mode = OVERLAY_SHARED_EXISTING;
    /* Of another generation, and one that is not whole. */
    overlay_make(path_of(fixture, ".6", path), DISK_SIZE);
    overlay_make(path_of(fixture, ".7.new", path), DISK_SIZE);
    expect_refused_at_once(fixture, REFUSAL_NOT_FOUND,
                           "the VM's disk is not in this node's shared directory");
    expect_refused_at_once(fixture, REFUSAL_NOT_FOUND, fixture->folder);
}

static void a_link_is_not_followed(void **state)
{
    static const char *const rests[] = {".7", ".7.new"};
    struct fixture *fixture = *state;
    char target[PATH_SIZE], path[PATH_SIZE];

    (void)snprintf(target, sizeof target, "%s/precious", fixture->elsewhere);
    overlay_make(target, DISK_SIZE);
    assert_int_equal(symlink(target, path_of(fixture, ".7", path)), 0);
    fixture->order.mode = OVERLAY_SHARED_EXISTING;
    expect_refused_at_once(fixture, REFUSAL_MALFORMED, "no regular file");
    assert_int_equal(unlink(path), 0);
    file_write(target, "precious");
    fixture->order.mode = OVERLAY_SHARED_NEW;
    for (unsigned i = 0; i < ARRAY_SIZE(rests); i++) {
        assert_int_equal(symlink(target, path_of(fixture, rests[i], path)), 0);
        expect_refused_at_once(fixture, REFUSAL_MALFORMED, "no regular file");
        assert_int_equal(unlink(path), 0);
    }
    /* One that leads nowhere would be made by whoever follows it. */
    assert_int_equal(unlink(target), 0);
    assert_int_equal(symlink(target, path_of(fixture, ".7", path)), 0);
    expect_refused_at_once(fixture, REFUSAL_MALFORMED, "no regular file");
    assert_false(exists(target));
}

static void a_pipe_and_a_folder_are_refused(void **state)
{
    struct fixture *fixture = *state;
    char path[PATH_SIZE];

    for (unsigned i = 0; i < ARRAY_SIZE(shared_modes); i++) {
        fixture->order.mode = shared_modes[i];
        assert_int_equal(mkfifo(path_of(fixture, ".7", path), 0600), 0);
        expect_refused_at_once(fixture, REFUSAL_MALFORMED, "no regular file");
        assert_int_equal(unlink(path), 0);
        assert_int_equal(mkdir(path, 0700), 0);
        expect_refused_at_once(fixture, REFUSAL_MALFORMED, "no regular file");
        assert_int_equal(rmdir(path), 0);
    }
}

static void a_file_that_is_no_overlay_of_that_disk_is_refused(void **state)
{
    struct fixture *fixture = *state;
    char path[PATH_SIZE];

    fixture->order.mode = OVERLAY_SHARED_EXISTING;
    file_write(path_of(fixture, ".7", path), "no overlay");
    expect_refused(fixture, REFUSAL_MALFORMED, "qcow2");
    expect_content(path, "no overlay");
    assert_int_equal(unlink(path), 0);
    overlay_make(path, 2 * DISK_SIZE);
    expect_refused(fixture, REFUSAL_MALFORMED, "2097152 bytes, not 1048576");
}

static void a_new_one_that_cannot_be_made_leaves_nothing(void **state)
{
    struct fixture *fixture = *state;
    char path[PATH_SIZE];

    fixture->order.key = view_string("short");
    expect_refused(fixture, REFUSAL_MALFORMED, "passphrase");
    /* Those of earlier generations are not given up for one that does not come. */
    file_write(path_of(fixture, ".6", path), "older");
    expect_refused(fixture, REFUSAL_MALFORMED, "passphrase");
    expect_content(path, "older");
}

static void a_folder_whose_name_is_too_long_is_refused(void **state)
{
    static char name[4080];
    struct fixture *fixture = *state;

    memset(name, '/', sizeof name - 1);
    fixture->order.folder = name;
    expect_refused(fixture, REFUSAL_MALFORMED, "too long a name");
}

/* --- new ones --- */

static void open_new(const struct fixture *fixture, struct stat *ret_info)
{
    struct refusal refusal = {0};
    uint64_t size = 0;
    char path[PATH_SIZE];
    struct stat named;
    int fd = -1;

    assert_ok(image_overlay_check(&fixture->order, &refusal));
    assert_ok(image_overlay_open(&fixture->order, DISK_SIZE, &fd, &refusal));
    assert_ok(luks_image_inspect(fd, &size, &refusal));
    assert_int_equal(size, DISK_SIZE);
    assert_int_equal(fcntl(fd, F_GETFL) & (O_ACCMODE | O_NONBLOCK), O_RDWR);
    assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    assert_int_equal(fstat(fd, ret_info), 0);
    assert_int_equal(close(fd), 0);
    assert_int_equal(ret_info->st_mode, S_IFREG | 0600);
    assert_int_equal(lstat(path_of(fixture, ".7", path), &named), 0);
    assert_int_equal(named.st_ino, ret_info->st_ino);
}

static void a_new_one_is_private_and_keeps_its_name(void **state)
{
    struct fixture *fixture = *state;
    struct stat info;

    (void)umask(0);
    open_new(fixture, &info);
    (void)umask(022);
    assert_int_equal(entry_count(fixture->folder), 1);
}

static void a_new_one_takes_the_place_of_what_a_failed_start_left(void **state)
{
    struct fixture *fixture = *state;
    char path[PATH_SIZE];
    struct stat before, after;

    file_write(path_of(fixture, ".7", path), "of a failed start");
    assert_int_equal(lstat(path, &before), 0);
    file_write(path_of(fixture, ".7.new", path), "of another");
    open_new(fixture, &after);
    assert_int_not_equal(after.st_ino, before.st_ino);
    assert_int_equal(entry_count(fixture->folder), 1);
}

static void a_new_one_ends_those_of_lower_generations_and_no_others(void **state)
{
    static const char *const older[] = {".1", ".6", ".6.new"};
    static const char *const others[] = {"",
                                         ".",
                                         ".8",
                                         ".10",
                                         ".8.new",
                                         ".06",
                                         ".+6",
                                         ".6 ",
                                         ".6x",
                                         "-6",
                                         ".6.old",
                                         ".6.new2",
                                         ".18446744073709551616",
                                         ".-10",
                                         ".6.",
                                         "..6"};
    struct fixture *fixture = *state;
    char path[PATH_SIZE], other_vm[PATH_SIZE];
    struct stat info;

    for (unsigned i = 0; i < ARRAY_SIZE(older); i++) {
        file_write(path_of(fixture, older[i], path), "older");
    }
    for (unsigned i = 0; i < ARRAY_SIZE(others); i++) {
        file_write(path_of(fixture, others[i], path), "other");
    }
    (void)snprintf(other_vm, sizeof other_vm, "%s/%064d.6", fixture->folder, 0);
    file_write(other_vm, "other");
    /* Nothing that we would have made. */
    assert_int_equal(symlink("x", path_of(fixture, ".2", path)), 0);
    assert_int_equal(mkdir(path_of(fixture, ".3", path), 0700), 0);
    open_new(fixture, &info);
    for (unsigned i = 0; i < ARRAY_SIZE(older); i++) {
        assert_false(exists(path_of(fixture, older[i], path)));
    }
    for (unsigned i = 0; i < ARRAY_SIZE(others); i++) {
        expect_content(path_of(fixture, others[i], path), "other");
    }
    expect_content(other_vm, "other");
    assert_true(exists(path_of(fixture, ".2", path)));
    assert_true(exists(path_of(fixture, ".3", path)));
}

/* --- existing ones, and the end of any --- */

static void an_existing_one_is_opened_as_it_is(void **state)
{
    static uint8_t before[4 << 20], after[4 << 20];
    struct fixture *fixture = *state;
    struct refusal refusal = {0};
    struct stat made, found;
    char path[PATH_SIZE];
    int fd = -1;

    open_new(fixture, &made);
    file_write(path_of(fixture, ".6", path), "older");
    assert_true(made.st_size <= (off_t)sizeof before);
    fd = open(path_of(fixture, ".7", path), O_RDONLY | O_CLOEXEC);
    assert_int_equal(pread(fd, before, sizeof before, 0), made.st_size);
    assert_int_equal(close(fd), 0);
    fixture->order.mode = OVERLAY_SHARED_EXISTING;
    fixture->order.key = (struct view){NULL, 0};
    assert_ok(image_overlay_check(&fixture->order, &refusal));
    assert_ok(image_overlay_open(&fixture->order, DISK_SIZE, &fd, &refusal));
    assert_int_equal(fstat(fd, &found), 0);
    assert_int_equal(found.st_ino, made.st_ino);
    assert_int_equal(found.st_mtim.tv_nsec, made.st_mtim.tv_nsec);
    assert_int_equal(fcntl(fd, F_GETFL) & (O_ACCMODE | O_NONBLOCK), O_RDWR);
    assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    assert_int_equal(pread(fd, after, sizeof after, 0), made.st_size);
    assert_memory_equal(before, after, (size_t)made.st_size);
    assert_int_equal(close(fd), 0);
    /* Its source may still be needed. */
    assert_int_equal(entry_count(fixture->folder), 2);
}

static void the_end_of_a_vm_removes_its_overlay_and_nothing_else(void **state)
{
    struct fixture *fixture = *state;
    char target[PATH_SIZE], path[PATH_SIZE];

    image_overlay_remove("/nowhere/shared", &fixture->order.vm, GENERATION);
    image_overlay_remove(fixture->folder, &fixture->order.vm, GENERATION);
    file_write(path_of(fixture, ".6", path), "other");
    file_write(path_of(fixture, ".8", path), "other");
    file_write(path_of(fixture, ".7.new", path), "not whole");
    file_write(path_of(fixture, ".7", path), "ended");
    image_overlay_remove(fixture->folder, &fixture->order.vm, GENERATION);
    assert_int_equal(entry_count(fixture->folder), 2);
    expect_content(path_of(fixture, ".6", path), "other");
    expect_content(path_of(fixture, ".8", path), "other");
    (void)snprintf(target, sizeof target, "%s/precious", fixture->elsewhere);
    file_write(target, "precious");
    assert_int_equal(symlink(target, path_of(fixture, ".7", path)), 0);
    image_overlay_remove(fixture->folder, &fixture->order.vm, GENERATION);
    assert_true(exists(path));
    expect_content(target, "precious");
}

static void a_private_one_has_no_name(void **state)
{
    struct fixture *fixture = *state;
    struct refusal refusal = {0};
    struct stat info;
    int fd = -1;

    fixture->order.mode = OVERLAY_PRIVATE;
    assert_ok(image_overlay_check(&fixture->order, &refusal));
    assert_ok(image_overlay_open(&fixture->order, DISK_SIZE, &fd, &refusal));
    assert_int_equal(fstat(fd, &info), 0);
    assert_int_equal(info.st_nlink, 0);
    assert_int_equal(close(fd), 0);
    assert_int_equal(entry_count(fixture->folder), 0);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(a_folder_that_is_missing_or_anybodys_is_refused),
        CASE(an_overlay_that_is_not_there_is_not_found),
        CASE(a_link_is_not_followed),
        CASE(a_pipe_and_a_folder_are_refused),
        CASE(a_file_that_is_no_overlay_of_that_disk_is_refused),
        CASE(a_new_one_that_cannot_be_made_leaves_nothing),
        CASE(a_folder_whose_name_is_too_long_is_refused),
        CASE(a_new_one_is_private_and_keeps_its_name),
        CASE(a_new_one_takes_the_place_of_what_a_failed_start_left),
        CASE(a_new_one_ends_those_of_lower_generations_and_no_others),
        CASE(an_existing_one_is_opened_as_it_is),
        CASE(the_end_of_a_vm_removes_its_overlay_and_nothing_else),
        CASE(a_private_one_has_no_name),
    };
#undef CASE

    return cmocka_run_group_tests_name("image overlay", tests, NULL, NULL);
}
