#include "lib/image/luks_image.h"

#include "lib/base/secret.h"
#include "lib/crypto/entropy.h"
#include "lib/image/qcow2.h"
#include "lib/image/qemu_img.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum status passphrase_check(struct view passphrase, struct refusal *ret_refusal)
{
    bool good = passphrase.size >= IMAGE_PASSPHRASE_SIZE_MIN &&
                passphrase.size <= IMAGE_PASSPHRASE_SIZE_MAX;

    for (size_t i = 0; good && i < passphrase.size; i++) {
        good = passphrase.data[i] > 0x20 && passphrase.data[i] < 0x7f;
    }
    return good ? STATUS_OK
                : refuse(ret_refusal, REFUSAL_MALFORMED, "the passphrase is no text of %d to %d",
                         IMAGE_PASSPHRASE_SIZE_MIN, IMAGE_PASSPHRASE_SIZE_MAX);
}

static enum status path_check(const char *path, struct refusal *ret_refusal)
{
    if (path[0] != '/') {
        return refuse(ret_refusal, REFUSAL_MALFORMED, "%.200s is no absolute path", path);
    }
    return STATUS_OK;
}

static enum status size_check(uint64_t size, struct refusal *ret_refusal)
{
    if (size > QCOW2_DISK_SIZE_MAX) {
        return refuse(ret_refusal, REFUSAL_TOO_LARGE,
                      "a disk of %" PRIu64 " bytes; the most is %" PRIu64, size,
                      QCOW2_DISK_SIZE_MAX);
    }
    if (size == 0 || size % QCOW2_SECTOR_SIZE) {
        return refuse(ret_refusal, REFUSAL_MALFORMED,
                      "a disk of %" PRIu64 " bytes, not some sectors of %d", size,
                      QCOW2_SECTOR_SIZE);
    }
    return STATUS_OK;
}

/* What a person can mend has a name. */
static enum status refuse_write(const char *target, int error, struct refusal *ret_refusal)
{
    if (error == ENOSPC || error == EDQUOT || error == EFBIG) {
        return refuse(ret_refusal, REFUSAL_TOO_LARGE, "%.150s: %s", target, strerror(error));
    }
    return STATUS_IO;
}

static bool write_all(int fd, struct view bytes)
{
    while (bytes.size) {
        ssize_t written = write(fd, bytes.data, bytes.size);

        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written < 0) {
            return false;
        }
        bytes.data += written;
        bytes.size -= (size_t)written;
    }
    return true;
}

/* An empty image, into the empty file at fd. */
static enum status fill(int fd, const char *target, uint64_t size, struct view passphrase,
                        struct refusal *ret_refusal)
{
    OWN(secret) struct secret entropy = {0};
    OWN(bytes) struct bytes head = {0};
    uint64_t file_size;

    TRY(secret_new(sizeof(struct luks1_entropy), &entropy));
    entropy_fill(entropy.data, entropy.size);
    TRY(qcow2_format(size, passphrase, (const struct luks1_entropy *)entropy.data, &head,
                     &file_size));
    if (!write_all(fd, bytes_view(&head)) || ftruncate(fd, (off_t)file_size) != 0) {
        return refuse_write(target, errno, ret_refusal);
    }
    return STATUS_OK;
}

/* An empty image with the content of the raw image `source`, unless that is NULL. */
static enum status make(const char *target, uint64_t size, const char *source,
                        struct view passphrase, struct refusal *ret_refusal)
{
    enum status status;
    int fd;

    TRY(path_check(target, ret_refusal));
    TRY(passphrase_check(passphrase, ret_refusal));
    TRY(size_check(size, ret_refusal));
    fd = open(target, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return refuse(ret_refusal, errno == EEXIST ? REFUSAL_ALREADY_EXISTS : REFUSAL_NOT_FOUND,
                      "%.150s: %s", target, strerror(errno));
    }
    status = fill(fd, target, size, passphrase, ret_refusal);
    if (status == STATUS_OK && source) {
        status = qemu_img_convert(source, fd, passphrase, ret_refusal);
    }
    /* Some file systems say only here that they had no room. */
    if (close(fd) != 0 && status == STATUS_OK) {
        status = refuse_write(target, errno, ret_refusal);
    }
    if (status != STATUS_OK) {
        (void)unlink(target);
    }
    return status;
}

/* Of a raw image, a file or a block device; as QEMU sees it, in whole sectors. */
static enum status source_size(const char *source, uint64_t *ret_size, struct refusal *ret_refusal)
{
    /* A pipe with that name would hold us up. */
    int fd = open(source, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat info;
    off_t size = -1;

    if (fd < 0) {
        return refuse(ret_refusal, REFUSAL_NOT_FOUND, "%.150s: %s", source, strerror(errno));
    }
    if (fstat(fd, &info) == 0 && (S_ISREG(info.st_mode) || S_ISBLK(info.st_mode))) {
        size = lseek(fd, 0, SEEK_END);
    }
    (void)close(fd);
    if (size < 0) {
        return refuse(ret_refusal, REFUSAL_MALFORMED, "%.150s is neither a file nor a disk",
                      source);
    }
    *ret_size = ((uint64_t)size + QCOW2_SECTOR_SIZE - 1) / QCOW2_SECTOR_SIZE * QCOW2_SECTOR_SIZE;
    return STATUS_OK;
}

enum status luks_image_seal(const char *source, const char *target, struct view passphrase,
                            struct refusal *ret_refusal)
{
    uint64_t size;

    TRY(path_check(source, ret_refusal));
    TRY(source_size(source, &size, ret_refusal));
    return make(target, size, source, passphrase, ret_refusal);
}

enum status luks_image_create(const char *target, uint64_t size, struct view passphrase,
                              struct refusal *ret_refusal)
{
    return make(target, size, NULL, passphrase, ret_refusal);
}

enum status luks_image_parse(struct view header, uint64_t *ret_disk_size,
                             struct refusal *ret_refusal)
{
    struct reader reader = reader_of(header);
    uint32_t magic = reader_u32(&reader), version = reader_u32(&reader);
    uint64_t backing_offset = reader_u64(&reader);
    uint32_t backing_size = reader_u32(&reader), cluster_bits = reader_u32(&reader);
    uint64_t size = reader_u64(&reader), incompatible;
    uint32_t crypt_method = reader_u32(&reader);

    (void)reader_view(&reader, 36); /* l1_size to snapshots_offset */
    incompatible = reader_u64(&reader);
    if (reader.bad || magic != QCOW2_MAGIC || version != QCOW2_VERSION) {
        return refuse(ret_refusal, REFUSAL_MALFORMED, "not a qcow2 image of version 3");
    }
    if (crypt_method != QCOW2_CRYPT_LUKS) {
        return refuse(ret_refusal, REFUSAL_MALFORMED, "the image is not encrypted with LUKS");
    }
    if (backing_offset || backing_size) {
        return refuse(ret_refusal, REFUSAL_MALFORMED, "the image rests on another file");
    }
    if (incompatible & ~(uint64_t)QCOW2_INCOMPATIBLE_DIRTY) {
        return refuse(ret_refusal, REFUSAL_MALFORMED,
                      "features 0x%" PRIx64 ": an external data file, or damage", incompatible);
    }
    if (size == 0 || size % QCOW2_SECTOR_SIZE || cluster_bits < 9 || cluster_bits > 21) {
        return refuse(ret_refusal, REFUSAL_MALFORMED, "sizes that do not make sense");
    }
    *ret_disk_size = size;
    return STATUS_OK;
}

enum status luks_image_inspect(int fd, uint64_t *ret_disk_size, struct refusal *ret_refusal)
{
    uint8_t header[LUKS_HEADER_SIZE];
    ssize_t size = pread(fd, header, sizeof header, 0);

    if (size < 0) {
        return STATUS_IO;
    }
    return luks_image_parse((struct view){header, (size_t)size}, ret_disk_size, ret_refusal);
}
