#include "lib/image/image_copy.h"

#include "lib/base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { CHUNK_SIZE = 1024 * 1024 };

/* Reads until the chunk is full or the file is at its end. */
static enum status read_chunk(int fd, uint64_t offset, uint8_t *chunk, size_t *ret_size)
{
    size_t used = 0;

    while (used < CHUNK_SIZE) {
        ssize_t size = pread(fd, chunk + used, CHUNK_SIZE - used, (off_t)(offset + used));

        if (size < 0 && errno == EINTR) {
            continue;
        }
        if (size < 0) {
            return STATUS_IO;
        }
        if (size == 0) {
            break;
        }
        used += (size_t)size;
    }
    *ret_size = used;
    return STATUS_OK;
}

static enum status write_chunk(int fd, const uint8_t *chunk, size_t size)
{
    while (size) {
        ssize_t written = write(fd, chunk, size);

        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            return STATUS_IO;
        }
        chunk += written;
        size -= (size_t)written;
    }
    return STATUS_OK;
}

/* One pass: what goes to target_fd (-1: nowhere) is what is hashed. Stops beyond size_max. */
static enum status pass(int source_fd, int target_fd, uint64_t size_max, struct digest *ret_digest,
                        uint64_t *ret_size)
{
    uint8_t *chunk = malloc(CHUNK_SIZE);
    enum status status = chunk ? STATUS_OK : STATUS_NO_MEMORY;
    struct sha256 hash;
    uint64_t total = 0;
    size_t size = 0;

    sha256_init(&hash);
    while (status == STATUS_OK) {
        status = read_chunk(source_fd, total, chunk, &size);
        if (status != STATUS_OK || size == 0) {
            break;
        }
        total += size;
        if (total > size_max) {
            status = STATUS_TOO_LARGE;
            break;
        }
        sha256_update(&hash, (struct view){chunk, size});
        if (target_fd >= 0) {
            status = write_chunk(target_fd, chunk, size);
        }
    }
    free(chunk);
    TRY(status);
    *ret_digest = sha256_final(&hash);
    *ret_size = total;
    return STATUS_OK;
}

enum status image_digest(int fd, struct digest *ret_digest, uint64_t *ret_size)
{
    return pass(fd, -1, UINT64_MAX, ret_digest, ret_size);
}

static int storage_open(enum image_storage storage, const char *folder)
{
    if (storage == IMAGE_IN_MEMORY) {
        return memfd_create("tccp-image", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    }
    return open(folder, O_TMPFILE | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
}

/* No write comes after this: the copy's only descriptor left can only read. */
static enum status storage_close(enum image_storage storage, int fd, int *ret_fd)
{
    char path[64];

    if (storage == IMAGE_IN_MEMORY &&
        fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
        return STATUS_IO;
    }
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    *ret_fd = open(path, O_RDONLY | O_CLOEXEC);
    return *ret_fd >= 0 ? STATUS_OK : STATUS_IO;
}

static enum status fill(int source_fd, uint64_t size, const struct digest *digest, int target_fd,
                        struct refusal *ret_refusal)
{
    struct digest seen;
    uint64_t seen_size = 0;
    enum status status = pass(source_fd, target_fd, size, &seen, &seen_size);

    if (status == STATUS_TOO_LARGE || (status == STATUS_OK && seen_size < size)) {
        return refuse(ret_refusal, REFUSAL_IMAGE_DIGEST,
                      "the image is %s than the %" PRIu64 " bytes of its manifest",
                      status == STATUS_OK ? "shorter" : "longer", size);
    }
    if (status == STATUS_IO) {
        return refuse(ret_refusal, REFUSAL_NOT_FOUND, "the image cannot be copied: %s",
                      strerror(errno));
    }
    TRY(status);
    if (!digest_equal(&seen, digest)) {
        return refuse(ret_refusal, REFUSAL_IMAGE_DIGEST, "SHA-256 %s..., expected %s...",
                      hex_short(digest_view(&seen)).text, hex_short(digest_view(digest)).text);
    }
    return STATUS_OK;
}

enum status image_copy(int source_fd, uint64_t size, const struct digest *digest,
                       enum image_storage storage, const char *folder, int *ret_fd,
                       struct refusal *ret_refusal)
{
    int fd = storage_open(storage, folder);
    enum status status;

    if (fd < 0) {
        return refuse(ret_refusal, REFUSAL_NOT_FOUND, "no storage for the image in %.150s: %s",
                      folder ? folder : "memory", strerror(errno));
    }
    status = fill(source_fd, size, digest, fd, ret_refusal);
    if (status == STATUS_OK) {
        status = storage_close(storage, fd, ret_fd);
    }
    (void)close(fd);
    return status;
}
