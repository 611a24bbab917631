#include "tcd/seed_store.h"

#include "lib/base/log.h"
#include "lib/daemon/file.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

enum { FORMAT = 1, MAGIC_SIZE = 8 };
static const char magic[] = "TCCPSEED";

static void path_print(const char *folder, uint64_t epoch, char ret_path[PATH_MAX])
{
    (void)snprintf(ret_path, PATH_MAX, "%s/seed-%" PRIu64 ".sealed", folder, epoch);
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

enum status seed_store_write(const char *folder, const struct scope *scope, struct tpm *tpm,
                             uint32_t pcr_mask, const struct secret *seed)
{
    OWN(bytes) struct bytes content = {0};
    char path[PATH_MAX];

    path_print(folder, scope->epoch, path);
    TRY(file_make(scope, tpm, pcr_mask, seed, &content));
    TRY(file_replace(path, bytes_view(&content)));
    log_event(LOG_NOTICE, "seed-stored", "file=\"%s\" epoch=%" PRIu64 " pcrs=0x%06x", path,
              scope->epoch, pcr_mask);
    return STATUS_OK;
}

static bool scope_equal(const struct scope *left, const struct scope *right)
{
    return left->epoch == right->epoch && digest_equal(&left->perimeter_id, &right->perimeter_id);
}

static enum status damaged(const char *path, const char *why)
{
    log_event(LOG_ERROR, "seed-file-unusable", "file=\"%s\" reason=\"%s\"", path, why);
    return STATUS_MALFORMED;
}

enum status seed_store_read(const char *folder, const struct scope *scope, struct tpm *tpm,
                            size_t seed_size, struct secret *ret_seed)
{
    OWN(secret) struct secret content = {0};
    OWN(secret) struct secret expected = {0};
    OWN(secret) struct secret seed = {0};
    OWN(bytes) struct bytes file = {0};
    char path[PATH_MAX];
    struct scope found;
    struct view blob;
    enum status status;

    path_print(folder, scope->epoch, path);
    status = file_read(path, SEED_FILE_SIZE_MAX, &file);
    if (status == STATUS_TOO_LARGE) {
        return damaged(path, "it is larger than any");
    }
    TRY(status);
    if (seed_file_parse(bytes_view(&file), &found, &blob) != STATUS_OK) {
        return damaged(path, "it is damaged");
    }
    if (!scope_equal(&found, scope)) {
        return damaged(path, "it belongs to another perimeter or epoch");
    }
    TRY(tpm_unseal(tpm, blob, &content));
    if (content.size <= seed_size) {
        return damaged(path, "what is sealed in it is no seed");
    }
    TRY(secret_copy((struct view){content.data, seed_size}, &seed));
    TRY(content_make(scope, &seed, &expected));
    if (!secret_equal(secret_view(&content), secret_view(&expected))) {
        return damaged(path, "what is sealed in it belongs to another perimeter or epoch");
    }
    *ret_seed = TAKE(seed);
    return STATUS_OK;
}
