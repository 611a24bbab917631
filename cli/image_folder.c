#include "cli/image_folder.h"

#include "cli/files.h"

#include "lib/base/text.h"
#include "lib/image/image_copy.h"
#include "lib/image/luks_image.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void image_folder_free(struct image_folder *folder)
{
    bytes_free(&folder->manifest_bytes);
    bytes_free(&folder->signature);
}

enum exit_code path_in(const struct cli *cli, const char *folder, const char *name,
                       char ret_path[IMAGE_PATH_SIZE])
{
    return snprintf(ret_path, IMAGE_PATH_SIZE, "%s/%s", folder, name) < IMAGE_PATH_SIZE
               ? EXIT_DONE
               : report_usage(cli, "the path %s is too long", folder);
}

static enum exit_code load(const struct cli *cli, const char *folder, const char *name,
                           size_t size_max, struct bytes *ret_content)
{
    char path[IMAGE_PATH_SIZE];
    enum exit_code exit_code = path_in(cli, folder, name, path);

    return exit_code == EXIT_DONE ? file_load(cli, path, size_max, ret_content) : exit_code;
}

enum exit_code image_folder_load(const struct cli *cli, const char *path,
                                 struct image_folder *ret_folder)
{
    OWN(image_folder) struct image_folder folder = {.path = ""};
    struct refusal refusal = {.code = REFUSAL_NONE};
    char *absolute = realpath(path, NULL);
    enum exit_code exit_code;
    enum status status;

    if (!absolute || strlen(absolute) >= sizeof folder.path) {
        free(absolute);
        return report(cli, EXIT_NOT_FOUND, "`tccpctl image seal` makes one",
                      "there is no image folder %s: %s", path, strerror(errno));
    }
    strcpy(folder.path, absolute);
    free(absolute);
    exit_code = load(cli, folder.path, IMAGE_MANIFEST_FILE, IMAGE_MANIFEST_SIZE_MAX,
                     &folder.manifest_bytes);
    if (exit_code == EXIT_DONE) {
        exit_code =
            load(cli, folder.path, IMAGE_SIGNATURE_FILE, SIGNATURE_SIZE_MAX, &folder.signature);
    }
    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    status = image_manifest_parse(bytes_view(&folder.manifest_bytes), &folder.manifest, &refusal);
    if (status != STATUS_OK) {
        return report_either(cli, "read the image's manifest", status, &refusal);
    }
    folder.image = image_manifest_digest(bytes_view(&folder.manifest_bytes));
    *ret_folder = TAKE(folder);
    return EXIT_DONE;
}

enum exit_code image_folder_check_signature(const struct cli *cli,
                                            const struct image_folder *folder,
                                            const struct digest *perimeter_id,
                                            const struct public_key *cust_sign)
{
    struct refusal refusal = {.code = REFUSAL_NONE};
    enum status status =
        image_manifest_check(bytes_view(&folder->manifest_bytes), bytes_view(&folder->signature),
                             perimeter_id, cust_sign, &refusal);

    return status == STATUS_OK ? EXIT_DONE
                               : report_either(cli, "trust the image's manifest", status, &refusal);
}

/* --- blobs --- */

static enum status blob_compare(int fd, const struct image_blob *blob, bool whole,
                                struct refusal *ret_refusal)
{
    struct digest digest;
    struct stat about;
    uint64_t size;

    if (fstat(fd, &about) != 0 || !S_ISREG(about.st_mode)) {
        return STATUS_IO;
    }
    if ((uint64_t)about.st_size != blob->size) {
        return refuse(ret_refusal, REFUSAL_IMAGE_DIGEST, "%" PRIu64 " bytes, not %" PRIu64,
                      (uint64_t)about.st_size, blob->size);
    }
    if (!whole) {
        return STATUS_OK;
    }
    TRY(image_digest(fd, &digest, &size));
    return size == blob->size && digest_equal(&digest, &blob->digest)
               ? STATUS_OK
               : refuse(ret_refusal, REFUSAL_IMAGE_DIGEST, "the file has another SHA-256");
}

static enum exit_code blob_check(const struct cli *cli, const struct image_folder *folder,
                                 const char *what, const struct image_blob *blob, bool whole)
{
    char name[HEX_SIZE(SHA256_SIZE)], path[IMAGE_PATH_SIZE], sentence[64];
    struct refusal refusal = {.code = REFUSAL_NONE};
    enum exit_code exit_code;
    enum status status;
    uint64_t disk_size;
    int fd;

    if (blob->size == 0) {
        return EXIT_DONE;
    }
    (void)snprintf(sentence, sizeof sentence, "trust the image's %s", what);
    hex_encode(digest_view(&blob->digest), name);
    exit_code = path_in(cli, folder->path, name, path);
    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return report(cli, errno == ENOENT ? EXIT_NOT_FOUND : EXIT_FAILED, "",
                      "cannot open the image's %s: %s: %s", what, path, strerror(errno));
    }
    status = blob_compare(fd, blob, whole, &refusal);
    if (status == STATUS_OK && blob == &folder->manifest.disk) {
        status = luks_image_inspect(fd, &disk_size, &refusal);
    }
    (void)close(fd);
    if (status == STATUS_REFUSED && refusal.code == REFUSAL_MALFORMED) {
        return report(cli, EXIT_UNTRUSTED, "seal the image again",
                      "cannot trust the image's disk: %s", refusal.detail);
    }
    return status == STATUS_OK ? EXIT_DONE : report_either(cli, sentence, status, &refusal);
}

enum exit_code image_folder_check_blobs(const struct cli *cli, const struct image_folder *folder,
                                        bool whole)
{
    const struct image_manifest *manifest = &folder->manifest;
    enum exit_code exit_code = blob_check(cli, folder, "disk", &manifest->disk, whole);

    if (exit_code == EXIT_DONE) {
        exit_code = blob_check(cli, folder, "kernel", &manifest->kernel, whole);
    }
    return exit_code == EXIT_DONE ? blob_check(cli, folder, "initrd", &manifest->initrd, whole)
                                  : exit_code;
}

/* --- the key --- */

enum exit_code vm_key_load(const struct cli *cli, const char *folder, struct secret *ret_key)
{
    const char *path = option_value(cli, "key-file");
    OWN(secret) struct secret key = {0};
    char inside[IMAGE_PATH_SIZE];
    enum exit_code exit_code = EXIT_DONE;
    struct stat about;

    if (!path) {
        exit_code = path_in(cli, folder, IMAGE_KEY_FILE, inside);
        path = inside;
    }
    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    if (stat(path, &about) == 0 && (about.st_mode & 077)) {
        return report(cli, EXIT_DENIED,
                      "chmod 600 it, if nobody read it; else seal the image again",
                      "the VM's key %s can be read by others", path);
    }
    exit_code = file_load_secret(cli, path, &key);
    if (exit_code == EXIT_DONE && (key.size != VM_KEY_SIZE || view_is_zero(secret_view(&key)))) {
        exit_code = report(cli, EXIT_FAILED, "", "%s is no key of a VM: %d bytes are expected",
                           path, VM_KEY_SIZE);
    }
    if (exit_code == EXIT_DONE) {
        *ret_key = TAKE(key);
    }
    return exit_code;
}
