/* `image`: disk images sealed for a customer's VM, offline. */
#include "cli/commands.h"
#include "cli/files.h"
#include "cli/image_folder.h"
#include "cli/output.h"
#include "cli/passphrase.h"
#include "cli/settings.h"
#include "cli/size_text.h"

#include "lib/base/text.h"
#include "lib/crypto/entropy.h"
#include "lib/image/image_copy.h"
#include "lib/image/luks_image.h"
#include "lib/protocol/vm_keys.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Kernels and initrds are read whole. */
enum { KERNEL_SIZE_MAX = 512 << 20, FOLDER_MODE = 0755, BLOB_MODE = 0644 };
#define DISK_FILE "disk"

static const struct column columns[] = {
    {"IMAGE", "image", false},
    {"DISK", "disk", false},
    {"DISK SIZE", "disk_size", true},
    {"KERNEL", "kernel", false},
    {"INITRD", "initrd", false},
    {"COMMAND LINE", "command_line", false},
    {"VCPU", "vcpu_count", false},
    {"MEMORY", "memory_size", false},
    {"KEY", "key_file", false},
    {"VERIFIED", "verified", false},
    {NULL, NULL, false},
};

static void set_blob(struct value *object, const char *name, const struct image_blob *blob)
{
    char key[32];

    if (blob->size == 0) {
        return;
    }
    value_set_hex(object, name, digest_view(&blob->digest));
    (void)snprintf(key, sizeof key, "%s_size", name);
    value_set_number(object, key, blob->size);
}

static struct value *manifest_value(const struct image_manifest *manifest,
                                    const struct digest *image)
{
    struct value *object = value_object();

    value_set_hex(object, "image", digest_view(image));
    set_blob(object, "disk", &manifest->disk);
    set_blob(object, "kernel", &manifest->kernel);
    set_blob(object, "initrd", &manifest->initrd);
    if (manifest->kernel.size) {
        value_set_string(object, "command_line", manifest->command_line);
    }
    value_set_number(object, "vcpu_count", manifest->vcpu_count);
    value_set_number(object, "memory_size", manifest->memory_size);
    return object;
}

/* --- image seal --- */

/* An image in the making: a folder of its own, which gets its name when all of it is there. */
struct sealing_work {
    char out[IMAGE_PATH_SIZE], folder[IMAGE_PATH_SIZE]; /* absolute; folder "": not made yet */
    char key_path[IMAGE_PATH_SIZE];                     /* elsewhere, once it was written; or "" */
    struct secret key;                                  /* K_VM */
    struct image_manifest manifest;
};

static void folder_remove(const char *path)
{
    DIR *folder = opendir(path);
    const struct dirent *entry;

    while (folder && (entry = readdir(folder))) {
        (void)unlinkat(dirfd(folder), entry->d_name, 0);
    }
    if (folder) {
        (void)closedir(folder);
    }
    (void)rmdir(path);
}

/* Whatever was not finished goes away. */
static void sealing_work_free(struct sealing_work *work)
{
    if (work->folder[0]) {
        folder_remove(work->folder);
    }
    if (work->key_path[0]) {
        (void)unlink(work->key_path);
    }
    secret_free(&work->key);
}
DEFINE_OWN_VALUE(sealing_work, sealing_work_free)

static enum exit_code shape_read(const struct cli *cli, struct image_manifest *manifest)
{
    const char *vcpu = option_value(cli, "vcpu"), *memory = option_value(cli, "memory");
    const char *append = option_value(cli, "append");
    uint64_t count;

    if (!option_value(cli, "out") || !vcpu || !memory) {
        return report_usage(cli, "--out, --vcpu and --memory are needed");
    }
    if (number_parse(vcpu, &count) != STATUS_OK || count == 0 || count > IMAGE_VCPU_COUNT_MAX) {
        return report_usage(cli, "--vcpu takes a number from 1 to %d, not %s", IMAGE_VCPU_COUNT_MAX,
                            vcpu);
    }
    manifest->vcpu_count = (uint32_t)count;
    if (size_parse(memory, &manifest->memory_size) != STATUS_OK || manifest->memory_size == 0 ||
        manifest->memory_size % IMAGE_MEMORY_UNIT != 0 ||
        manifest->memory_size > IMAGE_MEMORY_SIZE_MAX) {
        return report_usage(cli, "--memory takes a size in whole MiB such as 512M, not %s", memory);
    }
    if (!option_is_set(cli, "kernel") && (append || option_is_set(cli, "initrd"))) {
        return report_usage(cli, "--initrd and --append need --kernel");
    }
    if (append && strlen(append) > IMAGE_COMMAND_LINE_LENGTH_MAX) {
        return report_usage(cli, "--append is longer than %d characters",
                            IMAGE_COMMAND_LINE_LENGTH_MAX);
    }
    (void)snprintf(manifest->command_line, sizeof manifest->command_line, "%s",
                   append ? append : "");
    return EXIT_DONE;
}

static enum exit_code work_begin(const struct cli *cli, struct sealing_work *work)
{
    const char *out = option_value(cli, "out"), *key_file = option_value(cli, "key-file");
    char parent[IMAGE_PATH_SIZE], beside[IMAGE_PATH_SIZE], *absolute, *name;
    size_t length;

    (void)snprintf(work->out, sizeof work->out, "%s", out);
    for (length = strlen(work->out); length > 1 && work->out[length - 1] == '/'; length--) {
        work->out[length - 1] = '\0';
    }
    if (file_exists(work->out)) {
        return report(cli, EXIT_FAILED, "name a folder that does not exist yet",
                      "cannot seal the image: %s exists already", work->out);
    }
    if (key_file && file_exists(key_file)) {
        return report(cli, EXIT_FAILED, "a key is for one image; name another file",
                      "cannot seal the image: %s exists already", key_file);
    }
    path_beside(work->out, ".", sizeof beside, beside);
    absolute = realpath(beside, NULL);
    if (!absolute) {
        return report(cli, EXIT_NOT_FOUND, "", "cannot open the folder %s: %s", beside,
                      strerror(errno));
    }
    (void)snprintf(parent, sizeof parent, "%s", absolute);
    free(absolute);
    name = strrchr(work->out, '/');
    (void)snprintf(beside, sizeof beside, "%s", name ? name + 1 : work->out);
    if (snprintf(work->out, sizeof work->out, "%s/%s", parent, beside) >= (int)sizeof work->out ||
        snprintf(work->folder, sizeof work->folder, "%s/%s.%ld.new", parent, beside,
                 (long)getpid()) >= (int)sizeof work->folder) {
        work->folder[0] = '\0';
        return report_usage(cli, "the path %s is too long", out);
    }
    if (mkdir(work->folder, 0700) != 0) {
        enum exit_code exit_code = report(cli, errno == EACCES ? EXIT_DENIED : EXIT_FAILED, "",
                                          "cannot make %s: %s", work->folder, strerror(errno));

        work->folder[0] = '\0';
        return exit_code;
    }
    if (secret_new(VM_KEY_SIZE, &work->key) != STATUS_OK) {
        return report_status(cli, "make a key", STATUS_NO_MEMORY);
    }
    entropy_fill(work->key.data, work->key.size);
    return EXIT_DONE;
}

/* Gives a finished blob its name. */
static enum exit_code blob_name(const struct cli *cli, const struct sealing_work *work,
                                const char *path, const struct digest *digest)
{
    char name[HEX_SIZE(SHA256_SIZE)], target[IMAGE_PATH_SIZE];
    enum exit_code exit_code;

    hex_encode(digest_view(digest), name);
    exit_code = path_in(cli, work->folder, name, target);
    if (exit_code == EXIT_DONE && (chmod(path, BLOB_MODE) != 0 || rename(path, target) != 0)) {
        exit_code = report(cli, EXIT_FAILED, "", "cannot write %s: %s", target, strerror(errno));
    }
    return exit_code;
}

static enum exit_code disk_seal(const struct cli *cli, struct sealing_work *work)
{
    const char *raw = argument_at(cli, 0);
    char target[IMAGE_PATH_SIZE], *source = realpath(raw, NULL);
    OWN(secret) struct secret passphrase = {0};
    struct refusal refusal = {.code = REFUSAL_NONE};
    struct image_blob *disk = &work->manifest.disk;
    enum exit_code exit_code = path_in(cli, work->folder, DISK_FILE, target);
    enum status status;
    int fd;

    if (exit_code != EXIT_DONE || !source) {
        free(source);
        return exit_code != EXIT_DONE
                   ? exit_code
                   : report(cli, EXIT_NOT_FOUND, "", "cannot open %s: %s", raw, strerror(errno));
    }
    note(cli, "encrypting %s ...", raw);
    status = vm_image_key(secret_view(&work->key), &passphrase);
    if (status == STATUS_OK) {
        status = luks_image_seal(source, target, secret_view(&passphrase), &refusal);
    }
    free(source);
    if (status != STATUS_OK) {
        return report_either(cli, "encrypt the disk", status, &refusal);
    }
    fd = open(target, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return report(cli, EXIT_FAILED, "", "cannot open %s: %s", target, strerror(errno));
    }
    note(cli, "hashing it ...");
    status = image_digest(fd, &disk->digest, &disk->size);
    if (status == STATUS_OK && fsync(fd) != 0) {
        status = STATUS_IO;
    }
    (void)close(fd);
    return status == STATUS_OK ? blob_name(cli, work, target, &disk->digest)
                               : report_status(cli, "read the encrypted disk", status);
}

/* A kernel or initrd, which travels as it is. */
static enum exit_code blob_copy(const struct cli *cli, const struct sealing_work *work,
                                const char *option, struct image_blob *ret_blob)
{
    const char *source = option_value(cli, option);
    char name[HEX_SIZE(SHA256_SIZE)], target[IMAGE_PATH_SIZE];
    OWN(bytes) struct bytes content = {0};
    enum exit_code exit_code;

    if (!source) {
        return EXIT_DONE;
    }
    exit_code = file_load(cli, source, KERNEL_SIZE_MAX, &content);
    if (exit_code == EXIT_DONE && content.size == 0) {
        exit_code = report(cli, EXIT_FAILED, "", "%s is empty", source);
    }
    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    *ret_blob = (struct image_blob){sha256(bytes_view(&content)), content.size};
    hex_encode(digest_view(&ret_blob->digest), name);
    exit_code = path_in(cli, work->folder, name, target);
    /* Both may be the same file. */
    return exit_code == EXIT_DONE ? file_store(cli, target, BLOB_MODE, bytes_view(&content))
                                  : exit_code;
}

static enum exit_code work_store(const struct cli *cli, const struct sealing_work *work,
                                 const char *name, mode_t mode, struct view content)
{
    char path[IMAGE_PATH_SIZE];
    enum exit_code exit_code = path_in(cli, work->folder, name, path);

    return exit_code == EXIT_DONE ? file_create(cli, path, mode, content) : exit_code;
}

static enum exit_code manifest_sign(const struct cli *cli, const struct sealing_work *work,
                                    const struct private_key *key,
                                    const struct digest *perimeter_id, struct digest *ret_image)
{
    OWN(bytes) struct bytes document = {0}, signature = {0};
    const struct signer signer = signer_of_key(key);
    enum exit_code exit_code;
    enum status status = image_manifest_build(&work->manifest, &document);

    if (status == STATUS_OK) {
        status = image_manifest_sign(bytes_view(&document), perimeter_id, &signer, &signature);
    }
    if (status != STATUS_OK) {
        return report_status(cli, "make the image's manifest", status);
    }
    *ret_image = image_manifest_digest(bytes_view(&document));
    exit_code = work_store(cli, work, IMAGE_SIGNATURE_FILE, BLOB_MODE, bytes_view(&signature));
    return exit_code == EXIT_DONE
               ? work_store(cli, work, IMAGE_MANIFEST_FILE, BLOB_MODE, bytes_view(&document))
               : exit_code;
}

static enum exit_code key_write(const struct cli *cli, struct sealing_work *work)
{
    const char *path = option_value(cli, "key-file");
    enum exit_code exit_code;

    if (!path) {
        return work_store(cli, work, IMAGE_KEY_FILE, 0600, secret_view(&work->key));
    }
    exit_code = file_create(cli, path, 0600, secret_view(&work->key));
    if (exit_code == EXIT_DONE) {
        (void)snprintf(work->key_path, sizeof work->key_path, "%s", path);
    }
    return exit_code;
}

static enum exit_code work_end(const struct cli *cli, struct sealing_work *work)
{
    /* rename() would take the place of an empty folder, and of nothing else. */
    if (chmod(work->folder, FOLDER_MODE) != 0 || rename(work->folder, work->out) != 0) {
        return report(cli, EXIT_FAILED, "", "cannot make %s: %s", work->out, strerror(errno));
    }
    work->folder[0] = work->key_path[0] = '\0';
    return EXIT_DONE;
}

enum exit_code image_seal(struct cli *cli)
{
    OWN(sealing_work) struct sealing_work work = {.out = ""};
    OWN(private_key) struct private_key *key = NULL;
    OWN(value) struct value *object = NULL;
    const char *identity = setting_identity(cli), *key_file = option_value(cli, "key-file");
    struct digest perimeter_id, image;
    char key_path[IMAGE_PATH_SIZE + sizeof IMAGE_KEY_FILE + 1];
    enum exit_code exit_code = shape_read(cli, &work.manifest);

    if (exit_code == EXIT_DONE && !identity) {
        exit_code = report_usage(cli, "--identity is missing: the key that signs the image");
    }
    if (exit_code == EXIT_DONE) {
        exit_code = setting_perimeter_id(cli, &perimeter_id);
    }
    if (exit_code == EXIT_DONE) {
        exit_code = key_load(cli, identity, &key);
    }
    if (exit_code == EXIT_DONE) {
        exit_code = work_begin(cli, &work);
    }
    if (exit_code == EXIT_DONE) {
        exit_code = blob_copy(cli, &work, "kernel", &work.manifest.kernel);
    }
    if (exit_code == EXIT_DONE) {
        exit_code = blob_copy(cli, &work, "initrd", &work.manifest.initrd);
    }
    if (exit_code == EXIT_DONE) {
        exit_code = disk_seal(cli, &work);
    }
    if (exit_code == EXIT_DONE) {
        exit_code = manifest_sign(cli, &work, key, &perimeter_id, &image);
    }
    if (exit_code == EXIT_DONE) {
        exit_code = key_write(cli, &work);
    }
    if (exit_code == EXIT_DONE) {
        exit_code = work_end(cli, &work);
    }
    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    (void)snprintf(key_path, sizeof key_path, "%s/%s", work.out, IMAGE_KEY_FILE);
    note(cli,
         "keep %s to yourself, and a copy of it: whoever has it can read the image; publish "
         "the other files only",
         key_file ? key_file : key_path);
    object = manifest_value(&work.manifest, &image);
    value_set_string(object, "key_file", key_file ? key_file : key_path);
    return output_object(cli, object, columns);
}

/* --- image inspect, image verify --- */

enum exit_code image_inspect(struct cli *cli)
{
    OWN(image_folder) struct image_folder folder = {.path = ""};
    OWN(value) struct value *object = NULL;
    enum exit_code exit_code = image_folder_load(cli, argument_at(cli, 0), &folder);

    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    note(cli, "neither signature nor files were verified: `tccpctl image verify` does that");
    object = manifest_value(&folder.manifest, &folder.image);
    return output_object(cli, object, columns);
}

/* --public-key, or what lies beside the identity: the private key is not needed. */
static enum exit_code signer_load(const struct cli *cli, struct public_key **ret_key)
{
    const char *path = option_value(cli, "public-key"), *identity = setting_identity(cli);
    char beside[IMAGE_PATH_SIZE];

    if (!path && !identity) {
        return report_usage(cli, "--public-key or --identity is missing: whose image it is");
    }
    if (!path && snprintf(beside, sizeof beside, "%s.pub", identity) >= (int)sizeof beside) {
        return report_usage(cli, "the path %s is too long", identity);
    }
    return public_key_load(cli, path ? path : beside, ret_key);
}

enum exit_code image_verify(struct cli *cli)
{
    OWN(image_folder) struct image_folder folder = {.path = ""};
    OWN(public_key) struct public_key *key = NULL;
    OWN(value) struct value *object = NULL;
    struct digest perimeter_id;
    enum exit_code exit_code = setting_perimeter_id(cli, &perimeter_id);

    if (exit_code == EXIT_DONE) {
        exit_code = signer_load(cli, &key);
    }
    if (exit_code == EXIT_DONE) {
        exit_code = image_folder_load(cli, argument_at(cli, 0), &folder);
    }
    if (exit_code == EXIT_DONE) {
        exit_code = image_folder_check_signature(cli, &folder, &perimeter_id, key);
    }
    if (exit_code == EXIT_DONE) {
        exit_code = image_folder_check_blobs(cli, &folder, true);
    }
    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    object = manifest_value(&folder.manifest, &folder.image);
    value_set_bool(object, "verified", true);
    return output_object(cli, object, columns);
}
