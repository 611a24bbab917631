/* `ete sign`: a manifest, looked at and signed by one key. Offline. */
#include "cli/commands.h"
#include "cli/files.h"
#include "cli/ledger.h"
#include "cli/output.h"
#include "cli/policy_review.h"
#include "cli/signing.h"

#include "lib/base/text.h"
#include "lib/perimeter/manifest_diff.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct column columns[] = {
    {"FILE", "file", false},           {"SIGNATURES", "signatures", false},
    {"THRESHOLD", "threshold", false}, {"COMPLETE", "complete", false},
    {"PERIMETER", "perimeter", false}, {"VERSION", "version", false},
    {"EPOCH", "epoch", false},         {"NOT BEFORE", "not_before", false},
    {"NOT AFTER", "not_after", false}, {"MEMBERS", "members", false},
    {"NODES", "nodes", false},         {"OPERATORS", "operators", false},
    {"POLICIES", "policies", false},   {"DEVELOPMENT", "development", false},
    {"DIGEST", "digest", false},       {NULL, NULL, false},
};

/* FILE.txt and FILE.manifest become FILE.signed; what is signed already stays where it is. */
static void out_path_of(const struct cli *cli, const struct manifest_file *file, size_t size,
                        char *ret_path)
{
    const char *path = argument_at(cli, 0), *out = option_value(cli, "out");
    size_t length = strlen(path);

    if (out || (file->document && !file->is_bundle)) {
        (void)snprintf(ret_path, size, "%s", out ? out : path);
        return;
    }
    if (length > 4 && strcmp(path + length - 4, ".txt") == 0) {
        length -= 4;
    } else if (length > 9 && strcmp(path + length - 9, ".manifest") == 0) {
        length -= 9;
    }
    (void)snprintf(ret_path, size, "%.*s.signed", (int)length, path);
}

/* New hardware under an old name: people look at it, whatever else has changed. */
static void replacement_add(struct value *list, const char *kind, const char *name,
                            const struct tpm_name *replaces)
{
    char key[HEX_SIZE(TPM_NAME_SIZE_MAX)], text[256];

    if (replaces->size > 0) {
        hex_encode(tpm_name_view(replaces), key);
        (void)snprintf(text, sizeof text, "%s %s is REPLACED by other hardware; it was %s", kind,
                       name, key);
        value_add(list, value_string(text));
    }
}

/* What a reviewer should know of a manifest before signing it. */
static void warnings_add(struct value *list, const struct manifest *manifest)
{
    if (manifest->development) {
        value_add(list, value_string("development = yes: the PCRs of this perimeter protect "
                                     "nothing, and every proof says so"));
    }
    if (now_s() > manifest->not_after_s) {
        value_add(list, value_string("the manifest has expired"));
    }
    for (size_t i = 0; i < manifest->member_count; i++) {
        replacement_add(list, "member", manifest->members[i].name, &manifest->members[i].replaces);
    }
    for (size_t i = 0; i < manifest->node_count; i++) {
        replacement_add(list, "node", manifest->nodes[i].name, &manifest->nodes[i].replaces);
    }
}

static void review_print(const struct cli *cli, struct view changes, const struct value *warnings)
{
    if (changes.size) {
        note(cli, "Changes:\n%.*s", (int)changes.size, (const char *)changes.data);
    }
    for (size_t i = 0; i < value_count(warnings); i++) {
        char *text = value_text(value_at(warnings, i));

        note(cli, "warning: %s", text);
        free(text);
    }
}

static enum exit_code changes_find(const struct cli *cli, const struct manifest *manifest,
                                   struct bytes *ret_changes)
{
    const char *path = option_value(cli, "previous");
    OWN(manifest_file) struct manifest_file previous = {.manifest = NULL};
    struct refusal undeclared = {.code = REFUSAL_NONE};
    enum exit_code exit_code;
    enum status status;

    if (path) {
        exit_code = manifest_file_load(cli, path, &previous);
        if (exit_code != EXIT_DONE) {
            return exit_code;
        }
        if (previous.manifest->version >= manifest->version) {
            struct refusal refusal = {.code = REFUSAL_NONE};

            (void)!refuse(&refusal, REFUSAL_OLD_VERSION,
                          "version %" PRIu64 "; the previous one has %" PRIu64, manifest->version,
                          previous.manifest->version);
            return report_refusal(cli, "sign this manifest", &refusal);
        }
        status = manifest_replacements_check(previous.manifest, manifest, &undeclared);
        if (status != STATUS_OK) {
            return report_either(cli, "sign this manifest", status, &undeclared);
        }
    }
    status = manifest_diff(previous.manifest, manifest, ret_changes);
    return status == STATUS_OK ? EXIT_DONE : report_status(cli, "compare the manifests", status);
}

static enum exit_code answer(const struct cli *cli, const struct signing *signing,
                             const struct signing_job *job, const struct manifest *manifest,
                             size_t count, struct view changes, struct value *warnings)
{
    OWN(value) struct value *object = value_object();
    char *text = strndup(changes.size ? (const char *)changes.data : "", changes.size);

    ASSERT(text);
    signing_describe(object, signing, job, count);
    value_set_perimeter(object, "perimeter", &manifest->perimeter_id);
    manifest_describe(object, manifest);
    value_set_string(object, "changes", text);
    value_set(object, "warnings", warnings);
    free(text);
    return output_object(cli, object, columns);
}

enum exit_code ete_sign(struct cli *cli)
{
    OWN(manifest_file) struct manifest_file file = {.manifest = NULL};
    OWN(signing) struct signing signing = {.key = NULL};
    OWN(signed_document) Tccp__SignedDocument *so_far = NULL;
    OWN(bytes) struct bytes changes = {0};
    OWN(value) struct value *warnings = value_list();
    struct signing_job job = {.kind = DOCUMENT_MANIFEST};
    char out_path[PATH_MAX], question[128];
    enum exit_code exit_code;
    size_t count = 0;

    exit_code = manifest_file_load(cli, argument_at(cli, 0), &file);
    if (exit_code == EXIT_DONE) {
        exit_code = signing_begin(cli, &signing);
    }
    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    if (!digest_equal(&file.manifest->perimeter_id, &signing.files.root.id)) {
        struct refusal refusal = {.code = REFUSAL_NONE};

        (void)!refuse(&refusal, REFUSAL_WRONG_PERIMETER, "the root is %s", signing.files.path);
        return report_refusal(cli, "sign this manifest", &refusal);
    }
    out_path_of(cli, &file, sizeof out_path, out_path);
    job.scope = (struct scope){file.manifest->perimeter_id, file.manifest->epoch};
    job.document = bytes_view(&file.manifest->bytes);
    job.out_path = out_path;
    exit_code = signing_look(cli, &signing, &job, &so_far);
    if (exit_code == EXIT_DONE) {
        exit_code = changes_find(cli, file.manifest, &changes);
    }
    if (exit_code == EXIT_DONE) {
        warnings_add(warnings, file.manifest);
        exit_code = policies_review(cli, file.manifest, warnings);
    }
    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    review_print(cli, bytes_view(&changes), warnings);
    (void)snprintf(question, sizeof question, "Sign version %" PRIu64 " of epoch %" PRIu64,
                   file.manifest->version, file.manifest->epoch);
    exit_code = confirm(cli, question);
    if (exit_code == EXIT_DONE) {
        exit_code = ledger_note(cli, signing.key_path, LEDGER_MANIFEST, file.manifest->version,
                                &file.manifest->digest);
    }
    if (exit_code == EXIT_DONE) {
        exit_code = signing_end(cli, &signing, &job, so_far, &count);
    }
    return exit_code == EXIT_DONE ? answer(cli, &signing, &job, file.manifest, count,
                                           bytes_view(&changes), TAKE(warnings))
                                  : exit_code;
}
