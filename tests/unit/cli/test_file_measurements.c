/* Folders, Debian packages and initramfs archives, made by the tools that make them. */
#include "cli/file_measurements.h"

#include "tests/support/test.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SEEN_COUNT_MAX = 64, NOBODY = 65534 };

struct fixture {
    char folder[64];
};

static int open_folder(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);

    assert_non_null(fixture);
    strcpy(fixture->folder, "/tmp/tccp-files-XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
    assert_int_equal(chmod(fixture->folder, 0755), 0);
    *state = fixture;
    return 0;
}

static int close_folder(void **state)
{
    struct fixture *fixture = *state;
    char command[128];

    (void)snprintf(command, sizeof command, "rm -rf %s", fixture->folder);
    assert_int_equal(system(command), 0);
    free(fixture);
    return 0;
}

/* In the folder; what the tools say goes to FOLDER/log. */
static PRINTF_LIKE(2, 3) void run(const struct fixture *fixture, const char *format, ...)
{
    char command[2048], full[2304];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(command, sizeof command, format, arguments);
    va_end(arguments);
    (void)snprintf(full, sizeof full, "cd %s && exec >log 2>&1 && %s", fixture->folder, command);
    if (system(full) != 0) {
        fail_msg("failed: %s", command);
    }
}

static const char *path_in(const struct fixture *fixture, const char *name, char path[256])
{
    (void)snprintf(path, 256, "%s/%s", fixture->folder, name);
    return path;
}

static struct bytes load(const struct fixture *fixture, const char *name)
{
    char path[256];
    FILE *file = fopen(path_in(fixture, name, path), "rb");
    struct bytes bytes = {malloc(1 << 22), 0};

    assert_non_null(file);
    assert_non_null(bytes.data);
    bytes.size = fread(bytes.data, 1, 1 << 22, file);
    (void)fclose(file);
    return bytes;
}

/* What was visited. */
struct seen {
    size_t count, stop_at;
    struct {
        char path[128];
        struct digest digest;
        uint64_t size;
    } files[SEEN_COUNT_MAX];
    uint64_t progress_files, progress_bytes;
};

static enum status visit(void *context, struct view path, const struct digest *digest,
                         uint64_t size)
{
    struct seen *seen = context;

    if (seen->stop_at > 0 && seen->count + 1 == seen->stop_at) {
        return STATUS_NO_MEMORY;
    }
    assert_true(seen->count < SEEN_COUNT_MAX && path.size < sizeof seen->files[0].path);
    memcpy(seen->files[seen->count].path, path.data, path.size);
    seen->files[seen->count].digest = *digest;
    seen->files[seen->count++].size = size;
    return STATUS_OK;
}

static void progress(void *context, uint64_t file_count, uint64_t byte_count)
{
    struct seen *seen = context;

    assert_true(file_count >= seen->progress_files && byte_count >= seen->progress_bytes);
    seen->progress_files = file_count;
    seen->progress_bytes = byte_count;
}

enum source { ROOT, PACKAGE, INITRAMFS };

static enum status measure(const struct fixture *fixture, enum source source, const char *name,
                           struct seen *seen, struct refusal *refusal)
{
    struct file_visitor visitor = {seen, visit, progress};
    char path[256];

    *refusal = (struct refusal){0};
    switch (source) {
    case ROOT:
        return file_measurements_of_root(path_in(fixture, name, path), &visitor, refusal);
    case PACKAGE:
        return file_measurements_of_package(path_in(fixture, name, path), &visitor, refusal);
    case INITRAMFS:
        break;
    }
    OWN(bytes) struct bytes bytes = load(fixture, name);

    return file_measurements_of_initramfs(bytes_view(&bytes), &visitor, refusal);
}

static void refused(const struct fixture *fixture, enum source source, const char *name,
                    enum refusal_code code, const char *why)
{
    struct seen seen = {0};
    struct refusal refusal;

    assert_refused(measure(fixture, source, name, &seen, &refusal), refusal, code);
    if (!strstr(refusal.detail, why)) {
        fail_msg("\"%s\" says nothing of \"%s\"", refusal.detail, why);
    }
}

static int by_path(const void *left, const void *right)
{
    return strcmp(left, right); /* a path is first in its file */
}

/* Exactly these, which are sorted: path, content, path, content..., NULL. */
static void has_files(const struct fixture *fixture, enum source source, const char *name, ...)
{
    struct seen seen = {0};
    struct refusal refusal;
    va_list arguments;
    const char *path;
    size_t count = 0;

    if (measure(fixture, source, name, &seen, &refusal) != STATUS_OK) {
        fail_msg("%s refused: %s", name, refusal.detail);
    }
    qsort(seen.files, seen.count, sizeof seen.files[0], by_path);
    va_start(arguments, name);
    while ((path = va_arg(arguments, const char *))) {
        struct view content = view_string(va_arg(arguments, const char *));
        struct digest digest = sha256(content);

        assert_true(count < seen.count);
        assert_string_equal(seen.files[count].path, path);
        assert_int_equal(seen.files[count].size, content.size);
        assert_memory_equal(seen.files[count].digest.bytes, digest.bytes, SHA256_SIZE);
        count++;
    }
    va_end(arguments);
    assert_int_equal(seen.count, count);
}

static void refuses_a_root_that_is_no_folder(void **state)
{
    const struct fixture *fixture = *state;

    run(fixture, "touch file");
    refused(fixture, ROOT, "missing", REFUSAL_UNREADABLE, "/missing: No such file");
    refused(fixture, ROOT, "file", REFUSAL_UNREADABLE, "/file: Not a directory");
}

static void refuses_a_root_of_which_something_cannot_be_read(void **state)
{
    const struct fixture *fixture = *state;
    bool root = geteuid() == 0;

    run(fixture, "mkdir -p r/a s/closed && echo x >r/a/secret && chmod 000 r/a/secret s/closed");
    if (root) {
        assert_int_equal(seteuid(NOBODY), 0);
    }
    refused(fixture, ROOT, "r", REFUSAL_UNREADABLE, "r/a/secret: Permission denied");
    refused(fixture, ROOT, "s", REFUSAL_UNREADABLE, "s/closed: Permission denied");
    if (root) {
        assert_int_equal(seteuid(0), 0);
    }
}

static void a_root_has_its_regular_files_alone(void **state)
{
    const struct fixture *fixture = *state;

    run(fixture, "mkdir -p r/usr/bin r/bin r/dev && printf one >r/usr/bin/one && : >r/empty && "
                 "ln r/usr/bin/one r/usr/bin/two && ln -s one r/usr/bin/link && "
                 "ln -s usr r/folder && ln -s /etc/passwd r/passwd && mkfifo r/dev/fifo && "
                 "printf x >r/bin/x && printf y >'r/bin/n\xc3\xa4me with blanks'");
    has_files(fixture, ROOT, "r", "/bin/n\xc3\xa4me with blanks", "y", "/bin/x", "x", "/empty", "",
              "/usr/bin/one", "one", "/usr/bin/two", "one", NULL);
    has_files(fixture, ROOT, "r/usr/", "/bin/one", "one", "/bin/two", "one", NULL);
}

static void a_large_file_is_hashed_whole(void **state)
{
    const struct fixture *fixture = *state;
    struct seen seen = {0};
    struct refusal refusal;
    OWN(bytes) struct bytes content = {0};
    struct digest digest;

    run(fixture, "mkdir r && head -c 1000001 /dev/urandom >r/large && echo >r/small");
    content = load(fixture, "r/large");
    digest = sha256(bytes_view(&content));
    assert_ok(measure(fixture, ROOT, "r", &seen, &refusal));
    assert_int_equal(seen.count, 2);
    assert_int_equal(seen.files[0].size, 1000001);
    assert_memory_equal(seen.files[0].digest.bytes, digest.bytes, SHA256_SIZE);
    assert_int_equal(seen.progress_files, 2);
    assert_int_equal(seen.progress_bytes, 1000002);
}

static void the_visitor_ends_the_walk(void **state)
{
    const struct fixture *fixture = *state;
    static const char *const names[] = {"r", "x.deb", "x.cpio"};

    run(fixture, "mkdir -p r/DEBIAN && printf 'Package: x\\nVersion: 1\\nArchitecture: all\\n"
                 "Maintainer: x <x@example.org>\\nDescription: x\\n' >r/DEBIAN/control && "
                 "echo 1 >r/1 && echo 2 >r/2 && dpkg-deb --root-owner-group -b r x.deb && "
                 "(cd r && ls | cpio -o -H newc) >x.cpio");
    for (unsigned source = ROOT; source <= INITRAMFS; source++) {
        struct seen seen = {.stop_at = 2};
        struct refusal refusal;

        assert_status(measure(fixture, (enum source)source, names[source], &seen, &refusal),
                      STATUS_NO_MEMORY);
        assert_int_equal(seen.count, 1);
    }
}

/* A package of data.tar, however that was made. */
static void package_wrap(const struct fixture *fixture)
{
    run(fixture, "printf '2.0\\n' >debian-binary && tar -cf control.tar -T /dev/null && "
                 "rm -f x.deb && ar rcD x.deb debian-binary control.tar data.tar");
}

static void refuses_what_is_no_package(void **state)
{
    const struct fixture *fixture = *state;

    refused(fixture, PACKAGE, "missing.deb", REFUSAL_UNREADABLE, "No such file");
    run(fixture, "echo text >text.deb && tar -cf tar.deb log && : >empty.deb && "
                 "printf '2.0\\n' >debian-binary && printf '3.0\\n' >new && "
                 "ar rcD none.deb debian-binary && tar -cf data.tar log && "
                 "ar rcD unsaid.deb data.tar && cp new debian-binary && "
                 "ar rcD new.deb debian-binary data.tar");
    refused(fixture, PACKAGE, "text.deb", REFUSAL_MALFORMED, "text.deb");
    refused(fixture, PACKAGE, "tar.deb", REFUSAL_MALFORMED, "tar.deb");
    refused(fixture, PACKAGE, "empty.deb", REFUSAL_MALFORMED, "empty.deb");
    refused(fixture, PACKAGE, "none.deb", REFUSAL_MALFORMED, "no files");
    refused(fixture, PACKAGE, "unsaid.deb", REFUSAL_MALFORMED, "no Debian package");
    refused(fixture, PACKAGE, "new.deb", REFUSAL_MALFORMED, "no Debian package");
}

static void refuses_paths_that_lead_out_of_a_package(void **state)
{
    static const char *const names[] = {"../evil", "usr/../../evil", "usr/./x", "usr//x", ".."};
    const struct fixture *fixture = *state;

    run(fixture, "echo x >file");
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        run(fixture, "rm -f data.tar && tar -P --transform 's,.*,%s,' -cf data.tar file", names[i]);
        package_wrap(fixture);
        refused(fixture, PACKAGE, "x.deb", REFUSAL_MALFORMED, "leads elsewhere");
    }
}

static void refuses_paths_through_a_link_of_the_package(void **state)
{
    const struct fixture *fixture = *state;

    run(fixture, "mkdir d && cd d && ln -s /etc a && tar -cf ../data.tar a && rm a && mkdir a && "
                 "echo x >a/passwd && tar -rf ../data.tar a/passwd");
    package_wrap(fixture);
    refused(fixture, PACKAGE, "x.deb", REFUSAL_MALFORMED, "symbolic link");
}

static void refuses_a_hard_link_to_nothing(void **state)
{
    const struct fixture *fixture = *state;

    run(fixture, "echo x >a && ln a b && tar --transform 's,^a$,c,Rh' -cf data.tar a b");
    package_wrap(fixture);
    refused(fixture, PACKAGE, "x.deb", REFUSAL_MALFORMED, "link to nothing");
}

static void refuses_a_package_that_is_cut_short(void **state)
{
    const struct fixture *fixture = *state;
    struct stat info;
    char path[256];

    run(fixture, "head -c 30000 /dev/urandom >a && tar -cf data.tar a");
    package_wrap(fixture);
    assert_int_equal(stat(path_in(fixture, "x.deb", path), &info), 0);
    for (off_t size = 0; size < 30000; size += 997) {
        assert_int_equal(truncate(path, size), 0);
        refused(fixture, PACKAGE, "x.deb", REFUSAL_MALFORMED, "");
        package_wrap(fixture);
    }
}

static void a_package_has_its_files_and_those_of_merged_folders_below_usr_too(void **state)
{
    static const char *const compressions[] = {"none", "gzip", "xz", "zstd"};
    const struct fixture *fixture = *state;

    run(fixture,
        "mkdir -p r/DEBIAN r/bin r/usr/bin r/lib64 r/library && printf 'Package: x\\nVersion: 1\\n"
        "Architecture: all\\nMaintainer: x <x@example.org>\\nDescription: x\\n' >r/DEBIAN/control "
        "&& printf one >r/bin/one && printf two >r/usr/bin/two && ln r/usr/bin/two r/usr/bin/twin "
        "&& ln -s two r/usr/bin/link && ln r/usr/bin/link r/usr/bin/link2 && : >r/lib64/empty && "
        "printf n >'r/library/n\xc3\xa4me'");
    for (size_t i = 0; i < ARRAY_SIZE(compressions); i++) {
        struct seen seen = {0};
        struct refusal refusal;

        run(fixture, "dpkg-deb --root-owner-group -Z%s -b r x.deb", compressions[i]);
        assert_ok(measure(fixture, PACKAGE, "x.deb", &seen, &refusal));
        assert_int_equal(seen.progress_files, 5);
        has_files(fixture, PACKAGE, "x.deb", "/bin/one", "one", "/lib64/empty", "",
                  "/library/n\xc3\xa4me", "n", "/usr/bin/one", "one", "/usr/bin/twin", "two",
                  "/usr/bin/two", "two", "/usr/lib64/empty", "", NULL);
    }
}

static void refuses_an_initramfs_that_is_no_archive(void **state)
{
    const struct fixture *fixture = *state;

    run(fixture, "echo text >text && echo text | gzip >text.gz && echo 1 >f && "
                 "(echo f | cpio -o -H newc) >x && (cat x; echo junk) >junk && "
                 "(cat x; echo junk) | gzip >junk.gz && gzip -c x | head -c 60 >cut.gz && "
                 "(gzip -c x; echo junk) >behind && (head -c 1 /dev/zero; cat x) >moved && (echo f "
                 "| cpio -o -H odc) >odc");
    refused(fixture, INITRAMFS, "text", REFUSAL_MALFORMED, "no archive");
    refused(fixture, INITRAMFS, "text.gz", REFUSAL_MALFORMED, "no archive");
    refused(fixture, INITRAMFS, "junk", REFUSAL_MALFORMED, "no archive");
    refused(fixture, INITRAMFS, "junk.gz", REFUSAL_MALFORMED, "no archive");
    refused(fixture, INITRAMFS, "cut.gz", REFUSAL_MALFORMED, "no archive");
    refused(fixture, INITRAMFS, "behind", REFUSAL_MALFORMED, "no archive");
    /* The kernel looks for archives at multiples of four. */
    refused(fixture, INITRAMFS, "moved", REFUSAL_MALFORMED, "no archive");
    refused(fixture, INITRAMFS, "odc", REFUSAL_MALFORMED, "newc");
}

static void refuses_paths_that_lead_elsewhere_in_an_initramfs(void **state)
{
    const struct fixture *fixture = *state;

    run(fixture, "mkdir -p a/b && echo x >a/x && echo a/b/../x | cpio -o -H newc >dots && "
                 "mkdir c && ln -s /etc c/d && (cd c && echo d | cpio -o -H newc) >through && "
                 "rm c/d && mkdir c/d && echo x >c/d/x && "
                 "(cd c && echo d/x | cpio -o -H newc) >>through");
    refused(fixture, INITRAMFS, "dots", REFUSAL_MALFORMED, "leads elsewhere");
    refused(fixture, INITRAMFS, "through", REFUSAL_MALFORMED, "symbolic link");
}

static void an_initramfs_may_be_compressed_in_every_way_the_kernel_knows(void **state)
{
    static const char *const tools[] = {"cat",        "gzip -9n", "bzip2", "xz --check=crc32",
                                        "xz -F lzma", "lz4 -l",   "zstd",  "zstd -19 --no-check"};
    const struct fixture *fixture = *state;

    run(fixture, "mkdir -p r/usr/bin && printf one >r/usr/bin/one && ln -s one r/usr/bin/link && "
                 "printf i >r/init && (cd r && find . | LC_ALL=C sort | cpio -o -H newc) >x.cpio");
    for (size_t i = 0; i < ARRAY_SIZE(tools); i++) {
        run(fixture, "%s <x.cpio >x", tools[i]);
        has_files(fixture, INITRAMFS, "x", "/init", "i", "/usr/bin/one", "one", NULL);
        run(fixture, "head -c 7 /dev/zero >>x");
        has_files(fixture, INITRAMFS, "x", "/init", "i", "/usr/bin/one", "one", NULL);
    }
}

/* Microcode first, as Debian's and Fedora's are; and in each form what may come after. */
static void an_initramfs_may_be_several_archives(void **state)
{
    static const char *const tools[] = {"cat", "gzip -n", "xz --check=crc32", "bzip2", "lz4 -l"};
    const struct fixture *fixture = *state;

    run(fixture, "mkdir -p early/kernel late && printf m >early/kernel/microcode && printf i "
                 ">late/init && (cd early && find . | cpio -o -H newc) >early.cpio && "
                 "(cd late && echo init | cpio -o -H newc) >late.cpio");
    for (size_t i = 0; i < ARRAY_SIZE(tools); i++) {
        run(fixture, "(cat early.cpio; %s <late.cpio) >x", tools[i]);
        has_files(fixture, INITRAMFS, "x", "/init", "i", "/kernel/microcode", "m", NULL);
        run(fixture, "cat early.cpio late.cpio | %s >x", tools[i]);
        has_files(fixture, INITRAMFS, "x", "/init", "i", "/kernel/microcode", "m", NULL);
    }
    /* As systemd-stub appends its own: padded, not compressed. */
    run(fixture, "gzip -n <late.cpio >x && truncate -s %%4 x && cat early.cpio >>x");
    has_files(fixture, INITRAMFS, "x", "/init", "i", "/kernel/microcode", "m", NULL);
    run(fixture, "gzip -n <late.cpio >x && gzip -n <early.cpio >>x");
    has_files(fixture, INITRAMFS, "x", "/init", "i", "/kernel/microcode", "m", NULL);
}

static void names_of_one_inode_have_its_contents_and_the_last_of_a_path_counts(void **state)
{
    const struct fixture *fixture = *state;

    run(fixture, "mkdir r && printf same >r/a && ln r/a r/b && ln r/a r/c && "
                 "(cd r && ls | cpio -o -H newc) >x && rm r/* && printf other >r/b && "
                 "printf d >r/d && (cd r && ls | cpio -o -H newc) >>x && rm r/d && "
                 "ln -s b r/d && (cd r && echo d | cpio -o -H newc) >>x");
    has_files(fixture, INITRAMFS, "x", "/a", "same", "/b", "other", "/c", "same", NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_folder, close_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(refuses_a_root_that_is_no_folder),
        TEST(refuses_a_root_of_which_something_cannot_be_read),
        TEST(refuses_what_is_no_package),
        TEST(refuses_paths_that_lead_out_of_a_package),
        TEST(refuses_paths_through_a_link_of_the_package),
        TEST(refuses_a_hard_link_to_nothing),
        TEST(refuses_a_package_that_is_cut_short),
        TEST(refuses_an_initramfs_that_is_no_archive),
        TEST(refuses_paths_that_lead_elsewhere_in_an_initramfs),
        TEST(a_root_has_its_regular_files_alone),
        TEST(a_large_file_is_hashed_whole),
        TEST(the_visitor_ends_the_walk),
        TEST(a_package_has_its_files_and_those_of_merged_folders_below_usr_too),
        TEST(an_initramfs_may_be_compressed_in_every_way_the_kernel_knows),
        TEST(an_initramfs_may_be_several_archives),
        TEST(names_of_one_inode_have_its_contents_and_the_last_of_a_path_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
