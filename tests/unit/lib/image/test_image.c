/* Images on real files, and what the real qemu-img and qemu-io make of them. */
#include "tests/support/test.h"

#include "lib/image/image_copy.h"
#include "lib/image/luks_image.h"
#include "lib/image/qcow2.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { RAW_SIZE = 1024 * 1024 + 512, PATIENCE_MS = 10000, POLL_MS = 20 };

static const char passphrase[] = "0123456789abcdef0123456789abcdef";
static const char other_passphrase[] = "fedcba9876543210fedcba9876543210";
static const char content[] = "a text that must not be seen in the encrypted image";

/* What write() may do at once, of what it is asked for. */
static size_t write_size_max = SIZE_MAX;

ssize_t __real_write(int fd, const void *data, size_t size);
ssize_t __wrap_write(int fd, const void *data, size_t size);

ssize_t __wrap_write(int fd, const void *data, size_t size)
{
    return __real_write(fd, data, size < write_size_max ? size : write_size_max);
}

struct folder {
    char path[64], raw[96], sealed[96], overlay[96];
    char key[96], other_key[96]; /* the passphrases, for qemu-img */
    char output[8192];           /* of the last tool */
};

static void file_write(const char *path, const char *text)
{
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
}

static int folder_open(void **state)
{
    struct folder *folder = calloc(1, sizeof *folder);
    FILE *raw;

    assert_non_null(folder);
    strcpy(folder->path, "/tmp/tccp-image-XXXXXX");
    assert_non_null(mkdtemp(folder->path));
    (void)snprintf(folder->raw, sizeof folder->raw, "%s/raw", folder->path);
    (void)snprintf(folder->sealed, sizeof folder->sealed, "%s/sealed", folder->path);
    (void)snprintf(folder->overlay, sizeof folder->overlay, "%s/overlay", folder->path);
    (void)snprintf(folder->key, sizeof folder->key, "%s/key", folder->path);
    (void)snprintf(folder->other_key, sizeof folder->other_key, "%s/other-key", folder->path);
    file_write(folder->key, passphrase);
    file_write(folder->other_key, other_passphrase);
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
    (void)unlink(folder->overlay);
    (void)unlink(folder->key);
    (void)unlink(folder->other_key);
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

static bool file_has(const char *path, struct view what)
{
    int fd = open_file(path);
    struct stat info;
    char *bytes;
    bool has;

    assert_int_equal(fstat(fd, &info), 0);
    bytes = malloc((size_t)info.st_size);
    assert_non_null(bytes);
    assert_int_equal(read(fd, bytes, (size_t)info.st_size), info.st_size);
    has = memmem(bytes, (size_t)info.st_size, what.data, what.size) != NULL;
    free(bytes);
    (void)close(fd);
    return has;
}

static void digest_of(const char *path, struct digest *ret_digest, uint64_t *ret_size)
{
    int fd = open_file(path);

    assert_ok(image_digest(fd, ret_digest, ret_size));
    (void)close(fd);
}

/* Runs a command; true when it ends with 0. What it says is in folder->output. */
PRINTF_LIKE(2, 3)
static bool tool(struct folder *folder, const char *format, ...)
{
    char command[2048];
    va_list arguments;
    size_t used;
    FILE *pipe;

    va_start(arguments, format);
    used = (size_t)vsnprintf(command, sizeof command, format, arguments);
    va_end(arguments);
    assert_true(used + sizeof " 2>&1" <= sizeof command);
    strcpy(command + used, " 2>&1");
    pipe = popen(command, "r");
    assert_non_null(pipe);
    used = fread(folder->output, 1, sizeof folder->output - 1, pipe);
    folder->output[used] = '\0';
    return pclose(pipe) == 0;
}

/* Secrets "key" and "other" for the tools, and an image as they take it. */
#define SECRETS "--object secret,id=key,file=%s --object secret,id=other,file=%s"
#define IMAGE "driver=qcow2,encrypt.format=luks,encrypt.key-secret=%s,file.filename=%s"

#define assert_tool(folder, ...)                                                                   \
    do {                                                                                           \
        if (!tool(folder, __VA_ARGS__)) {                                                          \
            fail_msg("%s", (folder)->output);                                                      \
        }                                                                                          \
    } while (0)
#define assert_says(folder, text)                                                                  \
    do {                                                                                           \
        if (!strstr((folder)->output, text)) {                                                     \
            fail_msg("no \"%s\" in: %s", text, (folder)->output);                                  \
        }                                                                                          \
    } while (0)

/* qemu-io, which writes and reads patterns: what is read must be what is expected. */
PRINTF_LIKE(4, 5)
static bool io(struct folder *folder, const char *image, const char *secret, const char *format,
               ...)
{
    char commands[512];
    va_list arguments;

    va_start(arguments, format);
    assert_true(vsnprintf(commands, sizeof commands, format, arguments) < (int)sizeof commands);
    va_end(arguments);
    return tool(folder, "qemu-io " SECRETS " %s --image-opts " IMAGE, folder->key,
                folder->other_key, commands, secret, image) &&
           !strstr(folder->output, "Pattern verification failed") &&
           !strstr(folder->output, "failed:");
}

static void check_clean(struct folder *folder, const char *image)
{
    assert_tool(folder, "qemu-img check " SECRETS " --image-opts " IMAGE, folder->key,
                folder->other_key, "key", image);
    assert_says(folder, "No errors were found on the image.");
}

/* A file system with room for so many bytes of a file, as far as we and our children are told. */
static void room_set(rlim_t size)
{
    struct rlimit limit;

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = size == RLIM_INFINITY ? limit.rlim_max : size;
    assert_true(signal(SIGXFSZ, size == RLIM_INFINITY ? SIG_DFL : SIG_IGN) != SIG_ERR);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
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
                   refusal, REFUSAL_NOT_FOUND);
    assert_non_null(strstr(refusal.detail, "missing"));
    assert_int_equal(access(folder->sealed, F_OK), -1);
    assert_refused(luks_image_seal("json:{}", folder->sealed, view_string(passphrase), &refusal),
                   refusal, REFUSAL_MALFORMED);
    assert_refused(luks_image_seal(folder->path, folder->sealed, view_string(passphrase), &refusal),
                   refusal, REFUSAL_MALFORMED);
    (void)snprintf(missing, sizeof missing, "%s/missing/image", folder->path);
    assert_refused(luks_image_create(missing, 65536, view_string(passphrase), &refusal), refusal,
                   REFUSAL_NOT_FOUND);
    assert_refused(luks_image_create("image", 65536, view_string(passphrase), &refusal), refusal,
                   REFUSAL_MALFORMED);
    assert_refused(luks_image_create(folder->raw, 65536, view_string(passphrase), &refusal),
                   refusal, REFUSAL_ALREADY_EXISTS);
}

static void a_disk_of_no_whole_sectors_or_beyond_the_limit_is_refused(void **state)
{
    static const uint64_t sizes[] = {0, 1, 511, 513, (UINT64_C(4) << 40) + 1};
    struct folder *folder = *state;
    struct refusal refusal;

    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        assert_refused(
            luks_image_create(folder->sealed, sizes[i], view_string(passphrase), &refusal), refusal,
            REFUSAL_MALFORMED);
    }
    assert_refused(luks_image_create(folder->sealed, QCOW2_DISK_SIZE_MAX + 512,
                                     view_string(passphrase), &refusal),
                   refusal, REFUSAL_TOO_LARGE);
    assert_refused(luks_image_create(folder->sealed, UINT64_MAX, view_string(passphrase), &refusal),
                   refusal, REFUSAL_TOO_LARGE);
    assert_int_equal(access(folder->sealed, F_OK), -1);
}

static void a_full_disk_is_named_and_leaves_nothing(void **state)
{
    static const rlim_t rooms[] = {0, 300000, 1000000};
    struct folder *folder = *state;
    struct refusal refusal;

    /* The first write fails; a later one does; the file cannot be made as long as it has to be. */
    for (size_t i = 0; i < ARRAY_SIZE(rooms); i++) {
        room_set(rooms[i]);
        assert_refused(luks_image_create(folder->sealed, 65536, view_string(passphrase), &refusal),
                       refusal, REFUSAL_TOO_LARGE);
        room_set(RLIM_INFINITY);
        assert_non_null(strstr(refusal.detail, strerror(EFBIG)));
        assert_int_equal(access(folder->sealed, F_OK), -1);
    }
    /* Room for an empty image, but not for what qemu-img puts into it. */
    assert_tool(folder, "head -c 4194304 /dev/urandom >%s", folder->raw);
    room_set(4194304);
    assert_refused(luks_image_seal(folder->raw, folder->sealed, view_string(passphrase), &refusal),
                   refusal, REFUSAL_MALFORMED);
    room_set(RLIM_INFINITY);
    assert_non_null(strstr(refusal.detail, "qemu-img"));
    assert_int_equal(access(folder->sealed, F_OK), -1);
}

static void an_empty_image_does_not_open_with_another_passphrase(void **state)
{
    struct folder *folder = *state;
    struct refusal refusal = {0};

    assert_ok(luks_image_create(folder->sealed, 65536, view_string(passphrase), &refusal));
    assert_false(io(folder, folder->sealed, "other", "-c 'read 0 512'"));
    assert_says(folder, "Invalid password");
    assert_true(io(folder, folder->sealed, "key", "-c 'read -P 0 0 512'"));
}

static void an_empty_image_is_one_to_qemu_at_every_size(void **state)
{
    /* Around what one entry of the first table, and one cluster of them, is for. */
    static const uint64_t sizes[] = {
        512,
        65536 + 512,
        UINT64_C(512) << 20,
        (UINT64_C(512) << 20) + 512,
        UINT64_C(4) << 40,
        (UINT64_C(4) << 40) + 512,
        QCOW2_DISK_SIZE_MAX,
    };
    struct folder *folder = *state;
    struct refusal refusal = {0};

    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        char text[64];
        struct stat info;

        assert_ok(luks_image_create(folder->sealed, sizes[i], view_string(passphrase), &refusal));
        assert_int_equal(stat(folder->sealed, &info), 0);
        assert_int_equal(info.st_mode & 0777, 0600);
        check_clean(folder, folder->sealed);
        assert_tool(folder, "qemu-img info --output=json %s", folder->sealed);
        (void)snprintf(text, sizeof text, "\"virtual-size\": %" PRIu64 ",", sizes[i]);
        assert_says(folder, text);
        assert_says(folder, "\"encrypted\": true");
        assert_says(folder, "\"format\": \"luks\"");
        /* The last sector can be written, and read by another process. */
        assert_true(io(folder, folder->sealed, "key", "-c 'write -P 0x5a %" PRIu64 " 512'",
                       sizes[i] - 512));
        assert_true(
            io(folder, folder->sealed, "key", "-c 'read -P 0x5a %" PRIu64 " 512'", sizes[i] - 512));
        check_clean(folder, folder->sealed);
        assert_int_equal(unlink(folder->sealed), 0);
    }
}

static void what_is_written_into_an_empty_image_is_encrypted(void **state)
{
    struct folder *folder = *state;
    struct refusal refusal = {0};

    assert_ok(luks_image_create(folder->sealed, 1 << 30, view_string(passphrase), &refusal));
    assert_true(io(folder, folder->sealed, "key", "-c 'write -P 0x5a 12345344 4194304'"));
    assert_true(io(folder, folder->sealed, "key",
                   "-c 'read -P 0x5a 12345344 4194304' -c 'read -P 0 0 12345344' "
                   "-c 'read -P 0 16539648 1000000'"));
    check_clean(folder, folder->sealed);
    assert_false(file_has(folder->sealed, view_string("ZZZZZZZZZZZZZZZZ")));
}

static void an_image_of_many_short_writes_is_whole(void **state)
{
    struct folder *folder = *state;
    struct refusal refusal = {0};

    write_size_max = 1000;
    assert_ok(luks_image_create(folder->sealed, 65536, view_string(passphrase), &refusal));
    write_size_max = SIZE_MAX;
    check_clean(folder, folder->sealed);
}

static void no_two_images_share_a_key(void **state)
{
    enum { MATERIAL_AT = 3 * 65536 + LUKS1_ALIGNMENT, SIZE = 65536 };
    static uint8_t first[SIZE], second[SIZE];
    struct folder *folder = *state;
    struct refusal refusal = {0};
    int fd;

    assert_ok(luks_image_create(folder->sealed, 65536, view_string(passphrase), &refusal));
    assert_ok(luks_image_create(folder->overlay, 65536, view_string(passphrase), &refusal));
    fd = open_file(folder->sealed);
    assert_int_equal(pread(fd, first, SIZE, MATERIAL_AT), SIZE);
    (void)close(fd);
    fd = open_file(folder->overlay);
    assert_int_equal(pread(fd, second, SIZE, MATERIAL_AT), SIZE);
    (void)close(fd);
    for (size_t i = 0; i < SIZE; i += 16) {
        assert_memory_not_equal(first + i, second + i, 16);
    }
}

static void an_overlay_shows_its_base_and_keeps_what_is_written(void **state)
{
    struct folder *folder = *state;
    struct refusal refusal = {0};
    struct digest before, after;
    uint64_t size;
    char image[512];

    assert_tool(folder, "head -c 3145728 /dev/zero | tr '\\0' '\\101' >%s", folder->raw);
    assert_ok(luks_image_seal(folder->raw, folder->sealed, view_string(passphrase), &refusal));
    assert_ok(luks_image_create(folder->overlay, 3145728, view_string(other_passphrase), &refusal));
    digest_of(folder->sealed, &before, &size);
    /* As a node says it: what lies beneath is no affair of the overlay's file. */
    (void)snprintf(image, sizeof image,
                   "%s,backing.driver=qcow2,backing.encrypt.format=luks,"
                   "backing.encrypt.key-secret=key,backing.file.filename=%s",
                   folder->overlay, folder->sealed);
    assert_true(
        io(folder, image, "other", "-c 'read -P 0x41 0 3145728' -c 'write -P 0x5a 1000448 512'"));
    assert_true(io(folder, image, "other",
                   "-c 'read -P 0x5a 1000448 512' -c 'read -P 0x41 0 1000448' "
                   "-c 'read -P 0x41 1000960 2144768'"));
    digest_of(folder->sealed, &after, &size);
    assert_true(digest_equal(&before, &after));
}

static void a_sealed_image_opens_to_what_was_sealed(void **state)
{
    struct folder *folder = *state;
    struct refusal refusal = {0};

    /* No whole sectors: QEMU fills them up with zeros. */
    assert_tool(folder, "head -c 3000001 /dev/urandom >>%s", folder->raw);
    assert_ok(luks_image_seal(folder->raw, folder->sealed, view_string(passphrase), &refusal));
    check_clean(folder, folder->sealed);
    assert_tool(folder, "qemu-img convert " SECRETS " --image-opts -O raw " IMAGE " %s",
                folder->key, folder->other_key, "key", folder->sealed, folder->overlay);
    assert_tool(folder, "truncate -s %%512 %s", folder->raw);
    assert_tool(folder, "cmp %s %s", folder->raw, folder->overlay);
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
        status = luks_image_seal(folder->raw, folder->sealed, view_string(passphrase), &refusal);
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
    int fd;

    assert_ok(luks_image_seal(folder->raw, folder->sealed, view_string(passphrase), &refusal));
    fd = open_file(folder->sealed);
    assert_ok(luks_image_inspect(fd, &disk_size, &refusal));
    assert_int_equal(disk_size, RAW_SIZE);
    assert_int_equal(fstat(fd, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    (void)close(fd);
    assert_true(file_has(folder->raw, view_string(content)));
    assert_false(file_has(folder->sealed, view_string(content)));
    assert_false(file_has(folder->sealed, view_string(passphrase)));
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
        CASE(a_disk_of_no_whole_sectors_or_beyond_the_limit_is_refused),
        CASE(a_full_disk_is_named_and_leaves_nothing),
        CASE(an_empty_image_does_not_open_with_another_passphrase),
        CASE(an_empty_image_is_one_to_qemu_at_every_size),
        CASE(what_is_written_into_an_empty_image_is_encrypted),
        CASE(an_image_of_many_short_writes_is_whole),
        CASE(no_two_images_share_a_key),
        CASE(an_overlay_shows_its_base_and_keeps_what_is_written),
        CASE(a_sealed_image_opens_to_what_was_sealed),
        CASE(qemu_img_does_not_outlive_its_caller),
        CASE(a_sealed_image_hides_its_content_and_is_private),
        CASE(an_image_that_is_plain_or_rests_on_another_file_is_refused),
        CASE(a_copy_of_other_bytes_is_refused),
        CASE(a_copy_outlives_every_change_of_its_original),
    };
#undef CASE

    return cmocka_run_group_tests(tests, NULL, NULL);
}
