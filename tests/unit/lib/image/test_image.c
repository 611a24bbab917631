/* Images on real files, made by the real qemu-img. */
#include "tests/support/test.h"

#include "lib/image/image_copy.h"
#include "lib/image/luks_image.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { RAW_SIZE = 1024 * 1024 + 512, PATIENCE_MS = 10000, POLL_MS = 20 };

static const char passphrase[] = "0123456789abcdef0123456789abcdef";
static const char content[] = "a text that must not be seen in the encrypted image";

struct folder {
    char path[64], raw[96], sealed[96];
};

static int folder_open(void **state)
{
    struct folder *folder = calloc(1, sizeof *folder);
    FILE *raw;

    assert_non_null(folder);
    strcpy(folder->path, "/tmp/tccp-image-XXXXXX");
    assert_non_null(mkdtemp(folder->path));
    (void)snprintf(folder->raw, sizeof folder->raw, "%s/raw", folder->path);
    (void)snprintf(folder->sealed, sizeof folder->sealed, "%s/sealed", folder->path);
    raw = fopen(folder->raw, "wb");
    assert_non_null(raw);
    assert_int_equal(fwrite(content, 1, sizeof content, raw), sizeof content);
    assert_int_equal(ftruncate(fileno(raw), RAW_SIZE), 0);
    assert_int_equal(fclose(raw), 0);
    *state = folder;
    return 0;
}

static int folder_close(void **state)
{
    struct folder *folder = *state;

    (void)unlink(folder->raw);
    (void)unlink(folder->sealed);
    /* Nothing else may have been left behind. */
    assert_int_equal(rmdir(folder->path), 0);
    free(folder);
    return 0;
}

static int open_file(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    return fd;
}

static void digest_of(const char *path, struct digest *ret_digest, uint64_t *ret_size)
{
    int fd = open_file(path);

    assert_ok(image_digest(fd, ret_digest, ret_size));
    (void)close(fd);
}

static void sealing_over_an_image_that_exists_is_refused(void **state)
{
    struct folder *folder = *state;
    struct refusal refusal;
    struct digest before, after;
    uint64_t size;

    digest_of(folder->raw, &before, &size);
    assert_refused(luks_image_seal(folder->raw, folder->raw, view_string(passphrase), &refusal),
                   refusal, REFUSAL_ALREADY_EXISTS);
    digest_of(folder->raw, &after, &size);
    assert_true(digest_equal(&before, &after));
}

static void a_passphrase_that_is_short_or_no_text_is_refused(void **state)
{
    static const uint8_t binary[IMAGE_PASSPHRASE_SIZE_MIN];
    struct folder *folder = *state;
    struct refusal refusal;

    assert_refused(luks_image_seal(folder->raw, folder->sealed, view_string("short"), &refusal),
                   refusal, REFUSAL_MALFORMED);
    assert_refused(luks_image_seal(folder->raw, folder->sealed, VIEW_OF_ARRAY(binary), &refusal),
                   refusal, REFUSAL_MALFORMED);
}

static void a_failure_leaves_nothing_and_says_why(void **state)
{
    struct folder *folder = *state;
    struct refusal refusal;
    char missing[128];

    (void)snprintf(missing, sizeof missing, "%s/missing", folder->path);
    assert_refused(luks_image_seal(missing, folder->sealed, view_string(passphrase), &refusal),
                   refusal, REFUSAL_MALFORMED);
    assert_non_null(strstr(refusal.detail, "missing"));
    assert_int_equal(access(folder->sealed, F_OK), -1);
    assert_refused(luks_image_seal("json:{}", folder->sealed, view_string(passphrase), &refusal),
                   refusal, REFUSAL_MALFORMED);
}

/* Seals with a qemu-img that says who it is, and does not end. */
_Noreturn static void seal_without_end(const struct folder *folder)
{
    struct refusal refusal;
    char program[96], script[320];
    enum status status;
    FILE *file;

    (void)snprintf(program, sizeof program, "%s/qemu-img", folder->path);
    (void)snprintf(script, sizeof script,
                   "#!/bin/sh\necho $$ >%s/pid.new\n/bin/mv %s/pid.new %s/pid\n%s", folder->path,
                   folder->path, folder->path, "exec /bin/sleep 600\n");
    file = fopen(program, "w");
    if (file && fputs(script, file) >= 0 && fclose(file) == 0 && chmod(program, 0700) == 0 &&
        setenv("PATH", folder->path, 1) == 0) {
        status = luks_image_create(folder->sealed, 65536, view_string(passphrase), &refusal);
        _exit((int)status);
    }
    _exit(1);
}

static bool process_is_gone(pid_t pid)
{
    char path[64], line[128] = "";
    FILE *file;

    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    file = fopen(path, "re");
    if (!file) {
        return true;
    }
    if (!fgets(line, sizeof line, file)) {
        line[0] = '\0';
    }
    (void)fclose(file);
    return strstr(line, ") Z ") != NULL || line[0] == '\0';
}

static void qemu_img_does_not_outlive_its_caller(void **state)
{
    struct folder *folder = *state;
    char path[96], program[96];
    int pid = 0, status;
    FILE *file = NULL;
    pid_t caller = fork();

    assert_true(caller >= 0);
    if (caller == 0) {
        seal_without_end(folder);
    }
    (void)snprintf(path, sizeof path, "%s/pid", folder->path);
    (void)snprintf(program, sizeof program, "%s/qemu-img", folder->path);
    for (unsigned waited = 0; !file && waited < PATIENCE_MS; waited += POLL_MS) {
        file = fopen(path, "re");
        (void)usleep(file ? 0 : POLL_MS * 1000);
    }
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%d", &pid), 1);
    (void)fclose(file);
    assert_false(process_is_gone(pid));
    assert_int_equal(kill(caller, SIGKILL), 0);
    assert_int_equal(waitpid(caller, &status, 0), caller);
    for (unsigned waited = 0; !process_is_gone(pid) && waited < PATIENCE_MS; waited += POLL_MS) {
        (void)usleep(POLL_MS * 1000);
    }
    if (!process_is_gone(pid)) {
        (void)kill(pid, SIGKILL);
        fail_msg("a qemu-img that knows a passphrase outlived its caller");
    }
    assert_int_equal(unlink(path), 0);
    assert_int_equal(unlink(program), 0);
}

static void a_sealed_image_hides_its_content_and_is_private(void **state)
{
    struct folder *folder = *state;
    struct refusal refusal = {0};
    uint64_t disk_size = 0;
    struct stat info;
    char *bytes;
    int fd;

    assert_ok(luks_image_seal(folder->raw, folder->sealed, view_string(passphrase), &refusal));
    fd = open_file(folder->sealed);
    assert_ok(luks_image_inspect(fd, &disk_size, &refusal));
    assert_int_equal(disk_size, RAW_SIZE);
    assert_int_equal(fstat(fd, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    bytes = malloc((size_t)info.st_size);
    assert_non_null(bytes);
    assert_int_equal(read(fd, bytes, (size_t)info.st_size), info.st_size);
    assert_null(memmem(bytes, (size_t)info.st_size, content, sizeof content - 1));
    assert_null(memmem(bytes, (size_t)info.st_size, passphrase, sizeof passphrase - 1));
    free(bytes);
    (void)close(fd);
}

static void an_image_that_is_plain_or_rests_on_another_file_is_refused(void **state)
{
    struct folder *folder = *state;
    struct refusal refusal = {0};
    uint8_t header[LUKS_HEADER_SIZE];
    uint64_t disk_size = 0;
    int fd;

    fd = open_file(folder->raw);
    assert_refused(luks_image_inspect(fd, &disk_size, &refusal), refusal, REFUSAL_MALFORMED);
    (void)close(fd);
    assert_ok(luks_image_create(folder->sealed, 65536, view_string(passphrase), &refusal));
    fd = open_file(folder->sealed);
    assert_int_equal(pread(fd, header, sizeof header, 0), sizeof header);
    (void)close(fd);
    assert_ok(luks_image_parse(VIEW_OF_ARRAY(header), &disk_size, &refusal));
    assert_int_equal(disk_size, 65536);
    for (size_t size = 0; size < 80; size++) {
        assert_refused(luks_image_parse((struct view){header, size}, &disk_size, &refusal), refusal,
                       REFUSAL_MALFORMED);
    }
    header[15] = 1; /* a backing file's name at an offset */
    assert_refused(luks_image_parse(VIEW_OF_ARRAY(header), &disk_size, &refusal), refusal,
                   REFUSAL_MALFORMED);
    header[15] = 0;
    header[79] = 4; /* an external data file */
    assert_refused(luks_image_parse(VIEW_OF_ARRAY(header), &disk_size, &refusal), refusal,
                   REFUSAL_MALFORMED);
    header[79] = 0;
    header[35] = 0; /* no encryption */
    assert_refused(luks_image_parse(VIEW_OF_ARRAY(header), &disk_size, &refusal), refusal,
                   REFUSAL_MALFORMED);
}

static void a_copy_of_other_bytes_is_refused(void **state)
{
    struct folder *folder = *state;
    struct refusal refusal;
    struct digest digest;
    uint64_t size;
    int fd, copy = -1;

    digest_of(folder->raw, &digest, &size);
    assert_int_equal(size, RAW_SIZE);
    fd = open(folder->raw, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_refused(image_copy(fd, size - 1, &digest, IMAGE_IN_MEMORY, NULL, &copy, &refusal),
                   refusal, REFUSAL_IMAGE_DIGEST);
    assert_refused(image_copy(fd, size + 1, &digest, IMAGE_IN_MEMORY, NULL, &copy, &refusal),
                   refusal, REFUSAL_IMAGE_DIGEST);
    assert_int_equal(pwrite(fd, "x", 1, RAW_SIZE - 1), 1);
    assert_refused(image_copy(fd, size, &digest, IMAGE_IN_MEMORY, NULL, &copy, &refusal), refusal,
                   REFUSAL_IMAGE_DIGEST);
    assert_refused(image_copy(fd, size, &digest, IMAGE_IN_FOLDER, folder->path, &copy, &refusal),
                   refusal, REFUSAL_IMAGE_DIGEST);
    assert_int_equal(copy, -1);
    (void)close(fd);
}

static void a_copy_outlives_every_change_of_its_original(void **state)
{
    struct folder *folder = *state;
    struct refusal refusal = {0};
    struct digest digest, again;
    uint64_t size, again_size;

    digest_of(folder->raw, &digest, &size);
    for (int storage = IMAGE_IN_MEMORY; storage <= IMAGE_IN_FOLDER; storage++) {
        int fd = open(folder->raw, O_RDWR | O_CLOEXEC), copy;
        char byte;

        assert_ok(image_copy(fd, size, &digest, (enum image_storage)storage, folder->path, &copy,
                             &refusal));
        assert_int_equal(pread(fd, &byte, 1, 0), 1);
        assert_int_equal(pwrite(fd, "X", 1, 0), 1);
        assert_ok(image_digest(copy, &again, &again_size));
        assert_true(digest_equal(&digest, &again));
        assert_int_equal(pwrite(copy, "X", 1, 0), -1);
        assert_int_equal(pwrite(fd, &byte, 1, 0), 1);
        (void)close(copy);
        (void)close(fd);
    }
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, folder_open, folder_close)
    const struct CMUnitTest tests[] = {
        CASE(sealing_over_an_image_that_exists_is_refused),
        CASE(a_passphrase_that_is_short_or_no_text_is_refused),
        CASE(a_failure_leaves_nothing_and_says_why),
        CASE(qemu_img_does_not_outlive_its_caller),
        CASE(a_sealed_image_hides_its_content_and_is_private),
        CASE(an_image_that_is_plain_or_rests_on_another_file_is_refused),
        CASE(a_copy_of_other_bytes_is_refused),
        CASE(a_copy_outlives_every_change_of_its_original),
    };
#undef CASE

    return cmocka_run_group_tests(tests, NULL, NULL);
}
