#include "cli/documents.h"

#include "cli/files.h"

#include "lib/base/protobuf.h"
#include "lib/perimeter/manifest_text.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

void root_files_free(struct root_files *files)
{
    bytes_free(&files->root_bytes);
    for (size_t i = 0; i < files->succession_count; i++) {
        tccp__signed_document__free_unpacked(files->successions[i], NULL);
    }
}

enum exit_code signed_document_load(const struct cli *cli, const char *path,
                                    Tccp__SignedDocument **ret_document)
{
    OWN(bytes) struct bytes bytes = {0};
    enum exit_code exit_code = file_load(cli, path, SIGNED_DOCUMENT_SIZE_MAX, &bytes);
    struct refusal refusal = {.code = REFUSAL_NONE};
    enum status status;
    char what[PATH_MAX + 16];

    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    (void)snprintf(what, sizeof what, "read %s", path);
    status = signed_document_parse(bytes_view(&bytes), ret_document, &refusal);
    return status == STATUS_OK ? EXIT_DONE : report_either(cli, what, status, &refusal);
}

/* The next succession, where there is a file of it and enough keys have signed it. */
static enum exit_code succession_load(const struct cli *cli, struct root_files *files,
                                      bool *ret_more)
{
    OWN(signed_document) Tccp__SignedDocument *document = NULL;
    struct refusal refusal = {.code = REFUSAL_NONE};
    char name[32], path[PATH_MAX], what[PATH_MAX + 16];
    enum exit_code exit_code;
    enum status status;

    (void)snprintf(name, sizeof name, "succession-%zu.signed", files->succession_count + 1);
    path_beside(files->path, name, sizeof path, path);
    *ret_more = false;
    if (files->succession_count == SUCCESSION_COUNT_MAX || !file_exists(path)) {
        return EXIT_DONE;
    }
    exit_code = signed_document_load(cli, path, &document);
    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    status = root_apply_succession(&files->root, document, &refusal);
    if (status == STATUS_REFUSED && refusal.code == REFUSAL_TOO_FEW_SIGNATURES) {
        note(cli, "%s is not in force yet: %s", path, refusal.detail);
        return EXIT_DONE;
    }
    if (status != STATUS_OK) {
        (void)snprintf(what, sizeof what, "put %s in force", path);
        return report_either(cli, what, status, &refusal);
    }
    files->successions[files->succession_count++] = TAKE(document);
    *ret_more = true;
    return EXIT_DONE;
}

enum exit_code root_files_load(const struct cli *cli, const char *beside,
                               struct root_files *ret_files)
{
    const char *path = option_value(cli, "root");
    struct refusal refusal = {.code = REFUSAL_NONE};
    char what[PATH_MAX + 16];
    enum exit_code exit_code;
    enum status status;
    bool more = true;

    if (path) {
        (void)snprintf(ret_files->path, sizeof ret_files->path, "%s", path);
    } else {
        path_beside(beside, "perimeter.root", sizeof ret_files->path, ret_files->path);
    }
    exit_code = file_load(cli, ret_files->path, PERIMETER_ROOT_SIZE_MAX, &ret_files->root_bytes);
    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    status = root_parse(bytes_view(&ret_files->root_bytes), &ret_files->root, &refusal);
    if (status != STATUS_OK) {
        (void)snprintf(what, sizeof what, "read %s", ret_files->path);
        return report_either(cli, what, status, &refusal);
    }
    while (more) {
        exit_code = succession_load(cli, ret_files, &more);
        if (exit_code != EXIT_DONE) {
            return exit_code;
        }
    }
    return EXIT_DONE;
}

void manifest_file_free(struct manifest_file *file)
{
    if (file->manifest) {
        manifest_free(file->manifest);
    }
    tccp__signed_document__free_unpacked(file->document, NULL);
}

/* Both messages begin with their first field, a string of bytes; no text begins with that byte but
 * for an empty line, and no text holds a byte as their second field begins with. */
static bool is_text(struct view content)
{
    static const uint8_t first_field = 0x0a, second_field = 0x12;

    return content.size == 0 || content.data[0] != first_field ||
           !memchr(content.data, second_field, content.size);
}

static enum exit_code text_load(const struct cli *cli, const char *path, struct view text,
                                struct bytes *ret_bytes)
{
    struct text_error error;
    enum status status = manifest_text_compile(text, ret_bytes, &error);

    if (status == STATUS_MALFORMED && error.line) {
        return report(cli, EXIT_FAILED, "", "%s:%u:%u: %s", path, error.line, error.column,
                      error.message);
    }
    if (status == STATUS_MALFORMED) {
        return report(cli, EXIT_FAILED, "", "%s: %s", path, error.message);
    }
    return status == STATUS_OK ? EXIT_DONE : report_status(cli, "compile the manifest", status);
}

/* The signed manifest of a bundle, or the document itself. */
static Tccp__SignedDocument *document_of(struct view content, bool *ret_is_bundle)
{
    Tccp__PerimeterBundle *bundle = (Tccp__PerimeterBundle *)protobuf_unpack_strict(
        &tccp__perimeter_bundle__descriptor, content, BUNDLE_SIZE_MAX);
    Tccp__SignedDocument *document = NULL;

    if (bundle) {
        struct perimeter_root root;

        /* Field by field the two messages look alike: what begins with a root is a bundle. */
        if (root_parse(protobuf_view(bundle->root), &root, NULL) == STATUS_OK) {
            *ret_is_bundle = true;
            document = TAKE(bundle->manifest);
        }
        tccp__perimeter_bundle__free_unpacked(bundle, NULL);
    }
    if (!document && !*ret_is_bundle) {
        (void)!signed_document_parse(content, &document, NULL);
    }
    return document;
}

enum exit_code manifest_file_load(const struct cli *cli, const char *path,
                                  struct manifest_file *ret_file)
{
    OWN(bytes) struct bytes content = {0}, compiled = {0};
    struct refusal refusal = {.code = REFUSAL_NONE};
    char what[PATH_MAX + 16];
    enum exit_code exit_code;
    enum status status;

    exit_code = file_load(cli, path, MANIFEST_TEXT_SIZE_MAX, &content);
    if (exit_code == EXIT_DONE && is_text(bytes_view(&content))) {
        exit_code = text_load(cli, path, bytes_view(&content), &compiled);
    } else if (exit_code == EXIT_DONE) {
        ret_file->document = document_of(bytes_view(&content), &ret_file->is_bundle);
        if (!ret_file->document) {
            exit_code = report(cli, EXIT_FAILED, "",
                               "%s is neither the text of a manifest nor a signed one nor a bundle "
                               "with one",
                               path);
        }
    }
    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    status = manifest_parse(ret_file->document ? protobuf_view(ret_file->document->document)
                                               : bytes_view(&compiled),
                            &ret_file->manifest, &refusal);
    (void)snprintf(what, sizeof what, "read %s", path);
    return status == STATUS_OK ? EXIT_DONE : report_either(cli, what, status, &refusal);
}

void value_set_perimeter(struct value *object, const char *key, const struct digest *perimeter_id)
{
    char text[PERIMETER_ID_TEXT_SIZE];

    perimeter_id_print(perimeter_id, text);
    value_set_string(object, key, text);
}

/* Which policy names which reference set, and how. */
static struct value *references_describe(const struct manifest *manifest)
{
    struct value *list = value_list();

    for (size_t i = 0; i < manifest->policy_count; i++) {
        const struct manifest_policy *policy = &manifest->policies[i];

        for (size_t at = 0; at < policy->reference_count; at++) {
            struct value *entry = value_object();

            value_set_string(entry, "policy", policy->name);
            value_set_hex(entry, "digest", digest_view(&policy->references[at].digest));
            value_set_bool(entry, "enforced", !policy->references[at].staged);
            value_set_time(entry, "not_after", policy->references[at].not_after_s);
            value_add(list, entry);
        }
    }
    return list;
}

void manifest_describe(struct value *object, const struct manifest *manifest)
{
    value_set_number(object, "version", manifest->version);
    value_set_number(object, "epoch", manifest->epoch);
    value_set_time(object, "not_before", manifest->not_before_s);
    value_set_time(object, "not_after", manifest->not_after_s);
    value_set_number(object, "lease", manifest->lease_s);
    value_set_bool(object, "development", manifest->development);
    value_set_number(object, "members", manifest->member_count);
    value_set_number(object, "nodes", manifest->node_count);
    value_set_number(object, "operators", manifest->operator_count);
    value_set_number(object, "policies", manifest->policy_count);
    value_set(object, "references", references_describe(manifest));
    value_set_hex(object, "digest", digest_view(&manifest->digest));
}

void root_describe(struct value *object, const struct perimeter_root *root)
{
    struct value *keys = value_list();

    value_set_perimeter(object, "perimeter", &root->id);
    value_set_string(object, "name", root->name);
    value_set_number(object, "succession", root->succession);
    value_set_number(object, "threshold", root->threshold);
    for (size_t i = 0; i < root->key_count; i++) {
        char text[HEX_SIZE(SHA256_SIZE)];

        hex_encode(digest_view(&root->keys[i].id), text);
        value_add(keys, value_string(text));
    }
    value_set(object, "keys", keys);
}

void endorsement_describe(struct value *object, const struct endorsement *endorsement)
{
    struct value *part = value_object();

    value_set_number(part, "epoch", endorsement->epoch);
    value_set_hex(part, "tc_sign", digest_view(&endorsement->tc_sign.id));
    value_set_time(part, "not_before", endorsement->not_before_s);
    value_set_time(part, "not_after", endorsement->not_after_s);
    value_set(object, "endorsement", part);
}
