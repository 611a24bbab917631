/* `perimeter`, offline: bundles and manifests verified, shown, compared. */
#include "cli/perimeter.h"

#include "cli/commands.h"
#include "cli/files.h"
#include "cli/remember.h"
#include "cli/settings.h"

#include "lib/base/protobuf.h"
#include "lib/perimeter/manifest_diff.h"
#include "lib/perimeter/manifest_text.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct column columns[] = {
    {"PERIMETER", "perimeter", false},
    {"NAME", "name", false},
    {"SUCCESSION", "succession", false},
    {"THRESHOLD", "threshold", false},
    {"KEYS", "keys", true},
    {"VERSION", "version", false},
    {"EPOCH", "epoch", false},
    {"NOT BEFORE", "not_before", false},
    {"NOT AFTER", "not_after", false},
    {"EXPIRED", "expired", false},
    {"LEASE", "lease", true},
    {"MEMBERS", "members", false},
    {"NODES", "nodes", false},
    {"OPERATORS", "operators", false},
    {"POLICIES", "policies", false},
    {"REFERENCES", "references", true},
    {"DEVELOPMENT", "development", false},
    {"DIGEST", "digest", true},
    {"ENDORSED", "endorsed", false},
    {"ENDORSEMENT", "endorsement", false},
    {NULL, NULL, false},
};

enum exit_code bundle_show(const struct cli *cli, const struct bundle *bundle)
{
    OWN(value) struct value *object = value_object();
    OWN(bytes) struct bytes text = {0};

    if (option_is_set(cli, "text")) {
        enum status status = manifest_print(bundle->manifest, &text);

        return status == STATUS_OK ? output_text(cli, "manifest", bytes_view(&text))
                                   : report_status(cli, "print the manifest", status);
    }
    root_describe(object, &bundle->root);
    manifest_describe(object, bundle->manifest);
    value_set_bool(object, "expired", bundle->manifest_expired);
    value_set_bool(object, "endorsed", bundle->endorsed);
    if (bundle->endorsed) {
        endorsement_describe(object, &bundle->endorsement);
    }
    if (bundle->manifest->development) {
        note(cli, "warning: this is a development perimeter: its PCRs protect nothing");
    }
    return output_object(cli, object, columns);
}

enum exit_code bundle_verify(const struct cli *cli, const char *what, struct view bytes,
                             struct bundle **ret_bundle)
{
    struct bundle_expectation expectation = {
        .now_s = now_s(),
        .tolerate_expired_manifest = option_is_set(cli, "allow-expired"),
        .tolerate_no_endorsement = option_is_set(cli, "allow-unendorsed"),
    };
    struct refusal refusal = {.code = REFUSAL_NONE};
    enum exit_code exit_code = setting_perimeter_id(cli, &expectation.perimeter_id);
    enum status status;

    if (exit_code == EXIT_DONE) {
        exit_code = remember_load(cli, &expectation.perimeter_id, &expectation.memory);
    }
    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    status = bundle_check(bytes, &expectation, ret_bundle, &refusal);
    return status == STATUS_OK ? remember(cli, &expectation.perimeter_id, &(*ret_bundle)->seen)
                               : report_either(cli, what, status, &refusal);
}

enum exit_code perimeter_verify(struct cli *cli)
{
    OWN(bytes) struct bytes bytes = {0};
    OWN(bundle) struct bundle *bundle = NULL;
    const char *path = argument_at(cli, 0);
    char what[PATH_MAX + 16];
    enum exit_code exit_code = file_load(cli, path, BUNDLE_SIZE_MAX, &bytes);

    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    (void)snprintf(what, sizeof what, "verify %s", path);
    exit_code = bundle_verify(cli, what, bytes_view(&bytes), &bundle);
    return exit_code == EXIT_DONE ? bundle_show(cli, bundle) : exit_code;
}

/* --- perimeter bundle --- */

static enum exit_code optional_document(const struct cli *cli, const char *option,
                                        Tccp__SignedDocument **ret_document)
{
    const char *path = option_value(cli, option);

    return path ? signed_document_load(cli, path, ret_document) : EXIT_DONE;
}

static enum exit_code bundle_write(const struct cli *cli, const struct root_files *files,
                                   const Tccp__PerimeterBundle *message)
{
    const char *path = argument_at(cli, 0);
    OWN(bytes) struct bytes bytes = {0};
    OWN(bundle) struct bundle *bundle = NULL;
    struct refusal refusal = {.code = REFUSAL_NONE};
    const struct bundle_expectation expectation = {
        .perimeter_id = files->root.id,
        .now_s = now_s(),
        .tolerate_no_endorsement = message->endorsement == NULL,
    };
    enum exit_code exit_code;
    enum status status = protobuf_pack(&message->base, BUNDLE_SIZE_MAX, &bytes);

    if (status == STATUS_OK) {
        status = bundle_check(bytes_view(&bytes), &expectation, &bundle, &refusal);
    }
    if (status != STATUS_OK) {
        return report_either(cli, "make this bundle", status, &refusal);
    }
    exit_code = file_store(cli, path, 0644, bytes_view(&bytes));
    return exit_code == EXIT_DONE ? bundle_show(cli, bundle) : exit_code;
}

enum exit_code perimeter_bundle(struct cli *cli)
{
    OWN(root_files) struct root_files files = {.path = ""};
    OWN(signed_document) Tccp__SignedDocument *manifest = NULL;
    OWN(signed_document) Tccp__SignedDocument *endorsement = NULL;
    Tccp__PerimeterBundle message = TCCP__PERIMETER_BUNDLE__INIT;
    const char *manifest_path = option_value(cli, "manifest");
    enum exit_code exit_code;

    if (!manifest_path) {
        return report_usage(cli, "--manifest is missing: the signed manifest");
    }
    exit_code = root_files_load(cli, manifest_path, &files);
    if (exit_code == EXIT_DONE) {
        exit_code = optional_document(cli, "manifest", &manifest);
    }
    if (exit_code == EXIT_DONE) {
        exit_code = optional_document(cli, "endorsement", &endorsement);
    }
    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    message.root = protobuf_data(bytes_view(&files.root_bytes));
    message.successions = files.successions;
    message.n_successions = files.succession_count;
    message.manifest = manifest;
    message.endorsement = endorsement;
    return bundle_write(cli, &files, &message);
}

/* --- perimeter diff --- */

enum exit_code perimeter_diff(struct cli *cli)
{
    OWN(manifest_file) struct manifest_file before = {.manifest = NULL};
    OWN(manifest_file) struct manifest_file after = {.manifest = NULL};
    OWN(bytes) struct bytes changes = {0};
    enum exit_code exit_code = manifest_file_load(cli, argument_at(cli, 0), &before);
    enum status status;

    if (exit_code == EXIT_DONE) {
        exit_code = manifest_file_load(cli, argument_at(cli, 1), &after);
    }
    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    status = manifest_diff(before.manifest, after.manifest, &changes);
    return status == STATUS_OK ? output_text(cli, "changes", bytes_view(&changes))
                               : report_status(cli, "compare the manifests", status);
}
