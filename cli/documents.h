/* The perimeter's documents as files. Everything that fails is reported. */
#ifndef TCCP_CLI_DOCUMENTS_H
#define TCCP_CLI_DOCUMENTS_H

#include "cli/cli.h"
#include "cli/value.h"

#include "lib/perimeter/bundle.h"

/*
 * The root, from --root or the file perimeter.root beside `beside`, with the successions beside it
 * (succession-1.signed, succession-2.signed, ...) as far as they are signed by enough keys.
 */
struct root_files {
    char path[4096];
    struct bytes root_bytes;
    struct perimeter_root root;
    size_t succession_count;
    Tccp__SignedDocument *successions[SUCCESSION_COUNT_MAX];
};
void root_files_free(struct root_files *files);
DEFINE_OWN_VALUE(root_files, root_files_free)
enum exit_code root_files_load(const struct cli *cli, const char *beside,
                               struct root_files *ret_files);

/* A manifest in any form: its text, a signed document, a bundle. The signatures are NOT looked at.
 */
struct manifest_file {
    struct manifest *manifest;
    Tccp__SignedDocument *document; /* NULL where it was a text */
    bool is_bundle;
};
void manifest_file_free(struct manifest_file *file);
DEFINE_OWN_VALUE(manifest_file, manifest_file_free)
enum exit_code manifest_file_load(const struct cli *cli, const char *path,
                                  struct manifest_file *ret_file);

enum exit_code signed_document_load(const struct cli *cli, const char *path,
                                    Tccp__SignedDocument **ret_document);

/* Adds what a manifest says in short to an answer. */
void manifest_describe(struct value *object, const struct manifest *manifest);
void root_describe(struct value *object, const struct perimeter_root *root);
void endorsement_describe(struct value *object, const struct endorsement *endorsement);
/* The id in its text form. */
void value_set_perimeter(struct value *object, const char *key, const struct digest *perimeter_id);

#endif
