/* What a VM is started from: where it may come from, and what is left when it is not right. */
#include "tests/support/test.h"

#include "lib/base/text.h"
#include "nodeagent/image_fetch.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct fixture {
    char place[32], own[48];
    struct image_manifest manifest;
};

static void blob_write(const struct fixture *fixture, const char *content,
                       struct image_blob *ret_blob)
{
    char name[HEX_SIZE(SHA256_SIZE)], path[160];
    FILE *file;

    *ret_blob = (struct image_blob){sha256(view_string(content)), strlen(content)};
    hex_encode(digest_view(&ret_blob->digest), name);
    (void)snprintf(path, sizeof path, "%s/%s", fixture->place, name);
    file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(content, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);

    assert_non_null(fixture);
    (void)snprintf(fixture->place, sizeof fixture->place, "/tmp/tccp-fetch-XXXXXX");
    assert_non_null(mkdtemp(fixture->place));
    (void)snprintf(fixture->own, sizeof fixture->own, "%s/own", fixture->place);
    assert_int_equal(mkdir(fixture->own, 0700), 0);
    blob_write(fixture, "a kernel", &fixture->manifest.kernel);
    blob_write(fixture, "an initrd", &fixture->manifest.initrd);
    blob_write(fixture, "no disk that anybody encrypted", &fixture->manifest.disk);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    char command[80];

    (void)snprintf(command, sizeof command, "rm -rf %s", fixture->place);
    assert_int_equal(system(command), 0);
    free(fixture);
    return 0;
}

static unsigned descriptors_open(void)
{
    DIR *folder = opendir("/proc/self/fd");
    unsigned count = 0;

    assert_non_null(folder);
    while (readdir(folder)) {
        count++;
    }
    (void)closedir(folder);
    return count;
}

/* Refused, and neither descriptors nor files are left. */
static void expect_refused(const struct fixture *fixture, const char *location,
                           enum refusal_code code, const char *said)
{
    const struct image_order order = {
        .manifest = &fixture->manifest,
        .location = location,
        .folder = fixture->own,
        .overlay_name = "overlay",
        .overlay_key = view_string("0123456789abcdef0123456789abcdef"),
    };
    unsigned open_before = descriptors_open();
    struct image_set set = IMAGE_SET_NONE;
    struct refusal refusal;

    assert_refused(image_fetch(&order, &set, &refusal), refusal, code);
    assert_non_null(strstr(refusal.detail, said));
    assert_int_equal(descriptors_open(), open_before);
    assert_int_equal(rmdir(fixture->own), 0);
    assert_int_equal(mkdir(fixture->own, 0700), 0);
}

static void only_folders_are_fetched_from(void **state)
{
    static const char *const locations[] = {"",          "image",           "./image",
                                            "file://x/", "http://host/dir", "file:/image"};
    struct fixture *fixture = *state;

    for (unsigned i = 0; i < ARRAY_SIZE(locations); i++) {
        expect_refused(fixture, locations[i], REFUSAL_MALFORMED, "location");
    }
    assert_string_equal(image_location_folder("file:///srv/a"), "/srv/a");
    assert_string_equal(image_location_folder("/srv/a"), "/srv/a");
}

static void a_wrong_byte_of_each_blob_is_refused(void **state)
{
    static const char *const names[] = {"kernel", "initrd", "disk"};
    struct fixture *fixture = *state;
    struct image_blob *blobs[] = {&fixture->manifest.kernel, &fixture->manifest.initrd,
                                  &fixture->manifest.disk};

    for (unsigned i = 0; i < ARRAY_SIZE(blobs); i++) {
        char name[HEX_SIZE(SHA256_SIZE)], path[160];
        int fd;

        hex_encode(digest_view(&blobs[i]->digest), name);
        (void)snprintf(path, sizeof path, "%s/%s", fixture->place, name);
        fd = open(path, O_RDWR | O_CLOEXEC);
        assert_int_equal(pwrite(fd, "X", 1, 0), 1);
        expect_refused(fixture, fixture->place, REFUSAL_IMAGE_DIGEST, names[i]);
        assert_int_equal(pwrite(fd, i == 2 ? "n" : "a", 1, 0), 1);
        (void)close(fd);
    }
}

static void a_missing_blob_a_pipe_and_a_folder_are_refused(void **state)
{
    struct fixture *fixture = *state;
    char name[HEX_SIZE(SHA256_SIZE)], path[160];

    hex_encode(digest_view(&fixture->manifest.initrd.digest), name);
    (void)snprintf(path, sizeof path, "%s/%s", fixture->place, name);
    assert_int_equal(unlink(path), 0);
    expect_refused(fixture, fixture->place, REFUSAL_NOT_FOUND, "initrd");
    assert_int_equal(mkfifo(path, 0600), 0);
    expect_refused(fixture, fixture->place, REFUSAL_NOT_FOUND, "no regular file");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    expect_refused(fixture, fixture->place, REFUSAL_NOT_FOUND, "no regular file");
}

static void a_disk_that_is_not_encrypted_and_a_kernel_alone_are_refused(void **state)
{
    struct fixture *fixture = *state;

    expect_refused(fixture, fixture->place, REFUSAL_MALFORMED, "");
    fixture->manifest.initrd = (struct image_blob){.size = 0};
    expect_refused(fixture, fixture->place, REFUSAL_MALFORMED, "without an initrd");
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(only_folders_are_fetched_from),
        CASE(a_wrong_byte_of_each_blob_is_refused),
        CASE(a_missing_blob_a_pipe_and_a_folder_are_refused),
        CASE(a_disk_that_is_not_encrypted_and_a_kernel_alone_are_refused),
    };
#undef CASE

    return cmocka_run_group_tests(tests, NULL, NULL);
}
