/*
 * SHA-256 of the regular files that a host will have, under the paths by which IMA will name them:
 * of an unpacked root, of Debian packages, of an initramfs.
 *
 * Failures are refusals that name the file: REFUSAL_UNREADABLE; REFUSAL_MALFORMED for archives that
 * are no archives, are cut short, or have a path that leads out of them or through a symbolic link
 * of theirs; REFUSAL_TOO_LARGE above the limits. What the visitor says but STATUS_OK ends the walk.
 */
#ifndef TCCP_CLI_FILE_MEASUREMENTS_H
#define TCCP_CLI_FILE_MEASUREMENTS_H

#include "lib/base/refusal.h"
#include "lib/base/sha256.h"

enum {
    MEASURED_FILE_COUNT_MAX = 1 << 20, /* of one root, package or initramfs */
    MEASURED_PATH_SIZE_MAX = 4096,     /* bytes */
};
/* Bytes of the files of one package, or of one initramfs, once decompressed. */
#define MEASURED_PACKAGE_SIZE_MAX ((uint64_t)16 << 30)
#define MEASURED_INITRAMFS_SIZE_MAX ((size_t)2 << 30)

struct file_visitor {
    void *context;
    /* path: absolute, not terminated, valid during the call. */
    enum status (*visit)(void *context, struct view path, const struct digest *digest,
                         uint64_t size);
    /* After each file that was read: how many there were, and their bytes. May be NULL. */
    void (*progress)(void *context, uint64_t file_count, uint64_t byte_count);
};

/* Every regular file of the folder, each folder's in the order of their names, as if it were "/".
 * Symbolic links are not followed, special files passed over; of a file with several names each is
 * visited. */
WARN_UNUSED enum status file_measurements_of_root(const char *root,
                                                  const struct file_visitor *visitor,
                                                  struct refusal *ret_refusal);

/*
 * Every regular file that a Debian package ships, read from the package. What it ships below /bin,
 * /sbin or /lib* is visited below /usr too: that is where these lead on a host with merged /usr,
 * and IMA has the path of where the file is. What its scripts make or divert is not in it.
 */
WARN_UNUSED enum status file_measurements_of_package(const char *path,
                                                     const struct file_visitor *visitor,
                                                     struct refusal *ret_refusal);

/* Every regular file that is there once the kernel has unpacked the initramfs (the section .initrd
 * of an image, or a file): cpio archives, each compressed or not (gzip, bzip2, lzma, xz, lz4,
 * zstd). Of a path that comes twice the last counts. Behind an archive compressed with lzma, xz,
 * lz4 or zstd more of the same may come and up to 16 zeroes; other things there are refused. */
WARN_UNUSED enum status file_measurements_of_initramfs(struct view initramfs,
                                                       const struct file_visitor *visitor,
                                                       struct refusal *ret_refusal);

#endif
