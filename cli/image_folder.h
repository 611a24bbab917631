/*
 * A sealed image as a folder:
 *
 *     manifest        ImageManifest (proto/vm.proto), the exact bytes that are signed
 *     manifest.sig    the customer's signature
 *     HEX             blobs, named by their SHA-256: disk, kernel, initrd
 *     vm.key          K_VM, 32 bytes, mode 0600; the customer's own, unless it lies elsewhere
 *
 * All but vm.key may be published: the disk is encrypted, and whoever changes anything is noticed.
 */
#ifndef TCCP_CLI_IMAGE_FOLDER_H
#define TCCP_CLI_IMAGE_FOLDER_H

#include "cli/cli.h"

#include "lib/protocol/image_manifest.h"
#include "lib/protocol/vm_secret.h"

#define IMAGE_MANIFEST_FILE "manifest"
#define IMAGE_SIGNATURE_FILE "manifest.sig"
#define IMAGE_KEY_FILE "vm.key"

enum { IMAGE_PATH_SIZE = 4096 };

struct image_folder {
    char path[IMAGE_PATH_SIZE]; /* absolute */
    struct bytes manifest_bytes, signature;
    struct image_manifest manifest;
    struct digest image; /* H(manifest) */
};
void image_folder_free(struct image_folder *folder);
DEFINE_OWN_VALUE(image_folder, image_folder_free)

/* "FOLDER/NAME"; reports where it is too long. */
enum exit_code path_in(const struct cli *cli, const char *folder, const char *name,
                       char ret_path[IMAGE_PATH_SIZE]);

/* Reads the manifest and its signature, and checks neither signature nor blobs. */
enum exit_code image_folder_load(const struct cli *cli, const char *path,
                                 struct image_folder *ret_folder);
/* bad-signature unless the customer signed the manifest for this perimeter. */
enum exit_code image_folder_check_signature(const struct cli *cli,
                                            const struct image_folder *folder,
                                            const struct digest *perimeter_id,
                                            const struct public_key *cust_sign);
/* image-digest unless all blobs are there as the manifest says; the disk must be encrypted. Without
 * `whole` sizes only, which takes no time. */
enum exit_code image_folder_check_blobs(const struct cli *cli, const struct image_folder *folder,
                                        bool whole);

/* K_VM, from --key-file or the folder's vm.key. Its file must be its owner's alone. */
enum exit_code vm_key_load(const struct cli *cli, const char *folder, struct secret *ret_key);

#endif
