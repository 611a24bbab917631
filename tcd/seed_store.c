#include "tcd/seed_store.h"

#include "lib/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FORMAT = 1, MAGIC_SIZE = 8, NAME_SIZE = 64 };
static const char magic[] = "TCCPSEED";

struct file {
    int fd;
};
static void file_close(struct file *file)
{
    if (file->fd >= 0) {
        (void)close(file->fd);
    }
}
DEFINE_OWN_VALUE(file, file_close)

static enum status io_failed(const char *what, const char *name)
{
    log_event(LOG_ERROR, "seed-store-failed", "operation=%s file=\"%s\" error=\"%s\"", what, name,
              strerror(errno));
    return STATUS_IO;
}

static void name_print(uint64_t epoch, char ret_name[NAME_SIZE])
{
    (void)snprintf(ret_name, NAME_SIZE, "seed-%" PRIu64 ".sealed", epoch);
}

static enum status folder_open(const char *folder, struct file *ret_folder)
{
    ret_folder->fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return ret_folder->fd >= 0 ? STATUS_OK : io_failed("open", folder);
}

/* What the TPM seals. */
static enum status content_make(const struct scope *scope, const struct secret *seed,
                                struct secret *ret_content)
{
    uint8_t epoch[sizeof scope->epoch];

    for (size_t i = 0; i < sizeof epoch; i++) {
        epoch[i] = (uint8_t)(scope->epoch >> (8 * (sizeof epoch - 1 - i)));
    }
    TRY(secret_new(seed->size + SHA256_SIZE + sizeof epoch, ret_content));
    memcpy(ret_content->data, seed->data, seed->size);
    memcpy(ret_content->data + seed->size, scope->perimeter_id.bytes, SHA256_SIZE);
    memcpy(ret_content->data + seed->size + SHA256_SIZE, epoch, sizeof epoch);
    return STATUS_OK;
}

static enum status file_make(const struct scope *scope, struct tpm *tpm, uint32_t pcr_mask,
                             const struct secret *seed, struct bytes *ret_file)
{
    OWN(writer) struct writer writer = writer_new(SEED_FILE_SIZE_MAX);
    OWN(secret) struct secret content = {0};
    OWN(bytes) struct bytes blob = {0};

    TRY(content_make(scope, seed, &content));
    TRY(tpm_seal(tpm, &content, pcr_mask, &blob));
    writer_view(&writer, view_string(magic));
    writer_u32(&writer, FORMAT);
    writer_view(&writer, digest_view(&scope->perimeter_id));
    writer_u64(&writer, scope->epoch);
    writer_sized32(&writer, bytes_view(&blob));
    return writer_take(&writer, ret_file);
}

enum status seed_file_parse(struct view bytes, struct scope *ret_scope, struct view *ret_blob)
{
    struct reader reader = reader_of(bytes);

    reader_require(&reader, view_equal(reader_view(&reader, MAGIC_SIZE), view_string(magic)));
    reader_require(&reader, reader_u32(&reader) == FORMAT);
    reader_copy(&reader, ret_scope->perimeter_id.bytes, SHA256_SIZE);
    ret_scope->epoch = reader_u64(&reader);
    *ret_blob = reader_sized32(&reader, TPM_SEALED_BLOB_SIZE_MAX);
    return reader_done(&reader) ? STATUS_OK : STATUS_MALFORMED;
}

static enum status content_write(int fd, const char *name, struct view content)
{
    while (content.size > 0) {
        ssize_t count = write(fd, content.data, content.size);

        if (count < 0 && errno != EINTR) {
            return io_failed("write", name);
        }
        if (count > 0) {
            content.data += count;
            content.size -= (size_t)count;
        }
    }
    return fsync(fd) == 0 ? STATUS_OK : io_failed("fsync", name);
}

/* Writes a new file beside the one it replaces; after a crash it is either of them. */
static enum status file_replace(int folder, const char *name, struct view content)
{
    OWN(file) struct file file = {-1};
    char temporary[NAME_SIZE + 4];
    enum status status;

    (void)snprintf(temporary, sizeof temporary, "%s.new", name);
    /* Left by a crash; whatever it is, we do not write through it. */
    if (unlinkat(folder, temporary, 0) != 0 && errno != ENOENT) {
        return io_failed("unlink", temporary);
    }
    file.fd = openat(folder, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (file.fd < 0) {
        return io_failed("create", temporary);
    }
    status = content_write(file.fd, temporary, content);
    if (status == STATUS_OK && renameat(folder, temporary, folder, name) != 0) {
        status = io_failed("rename", temporary);
    }
    if (status != STATUS_OK) {
        (void)unlinkat(folder, temporary, 0);
        return status;
    }
    return fsync(folder) == 0 ? STATUS_OK : io_failed("fsync", "folder");
}

enum status seed_store_write(const char *folder, const struct scope *scope, struct tpm *tpm,
                             uint32_t pcr_mask, const struct secret *seed)
{
    OWN(file) struct file directory = {-1};
    OWN(bytes) struct bytes content = {0};
    char name[NAME_SIZE];

    name_print(scope->epoch, name);
    TRY(folder_open(folder, &directory));
    TRY(file_make(scope, tpm, pcr_mask, seed, &content));
    TRY(file_replace(directory.fd, name, bytes_view(&content)));
    log_event(LOG_NOTICE, "seed-stored", "file=\"%s/%s\" epoch=%" PRIu64 " pcrs=0x%06x", folder,
              name, scope->epoch, pcr_mask);
    return STATUS_OK;
}

static enum status file_read(const char *folder, const char *name,
                             uint8_t ret_content[SEED_FILE_SIZE_MAX], size_t *ret_size)
{
    OWN(file) struct file directory = {-1};
    size_t size = 0;

    TRY(folder_open(folder, &directory));
    OWN(file) struct file file = {openat(directory.fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)};
    if (file.fd < 0) {
        return errno == ENOENT ? STATUS_NOT_FOUND : io_failed("open", name);
    }
    for (;;) {
        ssize_t count = read(file.fd, ret_content + size, SEED_FILE_SIZE_MAX - size);

        if (count < 0 && errno != EINTR) {
            return io_failed("read", name);
        }
        if (count == 0) {
            break;
        }
        size += count > 0 ? (size_t)count : 0;
    }
    *ret_size = size;
    return STATUS_OK;
}

static bool scope_equal(const struct scope *left, const struct scope *right)
{
    return left->epoch == right->epoch && digest_equal(&left->perimeter_id, &right->perimeter_id);
}

static enum status damaged(const char *name, const char *why)
{
    log_event(LOG_ERROR, "seed-file-unusable", "file=\"%s\" reason=\"%s\"", name, why);
    return STATUS_MALFORMED;
}

enum status seed_store_read(const char *folder, const struct scope *scope, struct tpm *tpm,
                            size_t seed_size, struct secret *ret_seed)
{
    OWN(secret) struct secret content = {0};
    OWN(secret) struct secret expected = {0};
    OWN(secret) struct secret seed = {0};
    uint8_t file[SEED_FILE_SIZE_MAX];
    char name[NAME_SIZE];
    struct scope found;
    struct view blob;
    size_t size;

    name_print(scope->epoch, name);
    TRY(file_read(folder, name, file, &size));
    if (seed_file_parse((struct view){file, size}, &found, &blob) != STATUS_OK) {
        return damaged(name, "it is damaged");
    }
    if (!scope_equal(&found, scope)) {
        return damaged(name, "it belongs to another perimeter or epoch");
    }
    TRY(tpm_unseal(tpm, blob, &content));
    if (content.size <= seed_size) {
        return damaged(name, "what is sealed in it is no seed");
    }
    TRY(secret_copy((struct view){content.data, seed_size}, &seed));
    TRY(content_make(scope, &seed, &expected));
    if (!secret_equal(secret_view(&content), secret_view(&expected))) {
        return damaged(name, "what is sealed in it belongs to another perimeter or epoch");
    }
    *ret_seed = TAKE(seed);
    return STATUS_OK;
}
