/* What a VM is started from: where it may come from, and what is left when it is not right. */
#include "tests/support/test.h"

#include "lib/base/text.h"
#include "lib/image/image_copy.h"
#include "lib/image/luks_image.h"
#include "nodeagent/image_fetch.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char key[] = "0123456789abcdef0123456789abcdef";

struct fixture {
    char place[32], own[48], shared[48];
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
    (void)snprintf(fixture->shared, sizeof fixture->shared, "%s/shared", fixture->place);
    assert_int_equal(mkdir(fixture->own, 0700), 0);
    assert_int_equal(mkdir(fixture->shared, 0700), 0);
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
        .overlay_key = view_string(key),
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

/* --- overlays that nodes share --- */

static struct image_order shared_order(const struct fixture *fixture, enum overlay_mode mode)
{
    return (struct image_order){
        .manifest = &fixture->manifest,
        .location = fixture->place,
        .folder = fixture->own,
        .vm = sha256(view_string("a VM")),
        .overlay_mode = mode,
        .shared_folder = fixture->shared,
        .start_generation = 7,
        .overlay_key = view_string(key),
    };
}

/* Instead of the disk that nobody encrypted. */
static void disk_make(struct fixture *fixture)
{
    char name[HEX_SIZE(SHA256_SIZE)], path[160], target[160];
    struct image_blob *disk = &fixture->manifest.disk;
    struct refusal refusal;
    int fd;

    (void)snprintf(path, sizeof path, "%s/disk", fixture->place);
    assert_ok(luks_image_create(path, 1 << 20, view_string(key), &refusal));
    fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_ok(image_digest(fd, &disk->digest, &disk->size));
    assert_int_equal(close(fd), 0);
    hex_encode(digest_view(&disk->digest), name);
    (void)snprintf(target, sizeof target, "%s/%s", fixture->place, name);
    assert_int_equal(rename(path, target), 0);
}

static void a_shared_disk_that_is_missing_is_told_before_anything_is_copied(void **state)
{
    struct fixture *fixture = *state;
    struct image_order order = shared_order(fixture, OVERLAY_SHARED_EXISTING);
    struct image_set set = IMAGE_SET_NONE;
    struct refusal refusal;

    order.location = "/nowhere";
    assert_refused(image_fetch(&order, &set, &refusal), refusal, REFUSAL_NOT_FOUND);
    assert_non_null(strstr(refusal.detail, fixture->shared));
}

static void a_start_that_fails_leaves_no_shared_overlay_not_even_an_earlier_one(void **state)
{
    struct fixture *fixture = *state;
    const struct image_order order = shared_order(fixture, OVERLAY_SHARED_NEW);
    struct image_set set = IMAGE_SET_NONE;
    char id[HEX_SIZE(SHA256_SIZE)], path[160];
    struct refusal refusal;
    FILE *file;

    hex_encode(digest_view(&order.vm), id);
    (void)snprintf(path, sizeof path, "%s/%s.7", fixture->shared, id);
    file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fclose(file), 0);
    assert_refused(image_fetch(&order, &set, &refusal), refusal, REFUSAL_MALFORMED);
    assert_int_equal(rmdir(fixture->own), 0);
    assert_int_equal(rmdir(fixture->shared), 0);
}

static void a_destination_that_fails_leaves_the_source_its_overlay(void **state)
{
    struct fixture *fixture = *state;
    struct image_order order = shared_order(fixture, OVERLAY_SHARED_NEW);
    struct image_set set = IMAGE_SET_NONE;
    struct refusal refusal;

    disk_make(fixture);
    assert_ok(image_fetch(&order, &set, &refusal));
    image_set_close(&set);
    order.overlay_mode = OVERLAY_SHARED_EXISTING;
    order.location = "/nowhere";
    assert_refused(image_fetch(&order, &set, &refusal), refusal, REFUSAL_NOT_FOUND);
    assert_non_null(strstr(refusal.detail, "/nowhere"));
    order.location = fixture->place;
    assert_ok(image_fetch(&order, &set, &refusal));
    image_set_close(&set);
}

static void source_and_destination_have_one_overlay(void **state)
{
    struct fixture *fixture = *state;
    struct image_order order = shared_order(fixture, OVERLAY_SHARED_NEW);
    struct image_set source = IMAGE_SET_NONE, destination = IMAGE_SET_NONE;
    struct refusal refusal;
    struct stat here, there;

    disk_make(fixture);
    assert_ok(image_fetch(&order, &source, &refusal));
    order.overlay_mode = OVERLAY_SHARED_EXISTING;
    assert_ok(image_fetch(&order, &destination, &refusal));
    assert_int_equal(fstat(source.overlay, &here), 0);
    assert_int_equal(fstat(destination.overlay, &there), 0);
    assert_int_equal(here.st_ino, there.st_ino);
    assert_int_equal(here.st_nlink, 1);
    image_set_close(&source);
    image_set_close(&destination);
    assert_int_equal(rmdir(fixture->own), 0);
    image_overlay_remove(fixture->shared, &order.vm, order.start_generation);
    assert_int_equal(rmdir(fixture->shared), 0);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(only_folders_are_fetched_from),
        CASE(a_wrong_byte_of_each_blob_is_refused),
        CASE(a_missing_blob_a_pipe_and_a_folder_are_refused),
        CASE(a_disk_that_is_not_encrypted_and_a_kernel_alone_are_refused),
        CASE(a_shared_disk_that_is_missing_is_told_before_anything_is_copied),
        CASE(a_start_that_fails_leaves_no_shared_overlay_not_even_an_earlier_one),
        CASE(a_destination_that_fails_leaves_the_source_its_overlay),
        CASE(source_and_destination_have_one_overlay),
    };
#undef CASE

    return cmocka_run_group_tests(tests, NULL, NULL);
}
