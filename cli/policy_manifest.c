/* `policy stage`, `enable` and `rollback`: which reference sets a manifest's policy names, written
 * into the manifest's text for the people who sign it. Offline. */
#include "cli/commands.h"
#include "cli/files.h"
#include "cli/output.h"
#include "cli/policy_file.h"

#include "lib/base/text.h"
#include "lib/base/time_text.h"
#include "lib/perimeter/manifest_diff.h"
#include "lib/perimeter/manifest_edit.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const struct column columns[] = {
    {"POLICY", "policy", false}, {"SET", "set", false},         {"NOW", "now", false},
    {"FILE", "file", false},     {"VERSION", "version", false}, {"NEXT", "next", false},
    {NULL, NULL, false},
};

/* A file with a set or the text of a policy; or the digest itself. */
static enum exit_code set_read(const struct cli *cli, const char *argument,
                               struct digest *ret_digest)
{
    OWN(reference_set) struct reference_set *set = NULL;
    enum exit_code exit_code;

    if (!file_exists(argument) &&
        hex_decode(argument, ret_digest->bytes, SHA256_SIZE) == STATUS_OK) {
        return EXIT_DONE;
    }
    exit_code = reference_file_open(cli, argument, &set, NULL);
    if (exit_code == EXIT_DONE) {
        *ret_digest = set->digest;
    }
    return exit_code;
}

/* The text of a manifest while it is worked on. */
struct draft {
    const char *path;
    struct bytes text; /* owned */
    uint64_t version;  /* of the text in the file */
};

static enum exit_code edited(const struct cli *cli, const struct draft *draft, enum status status,
                             const struct text_error *error, const struct refusal *refusal)
{
    if (status == STATUS_MALFORMED) {
        return report(cli, EXIT_FAILED, "", "%s:%u:%u: %s", draft->path, error->line, error->column,
                      error->message);
    }
    return status == STATUS_OK ? EXIT_DONE : report_either(cli, draft->path, status, refusal);
}

static enum exit_code draft_name(const struct cli *cli, struct draft *draft, const char *policy,
                                 const struct digest *set, const char *value)
{
    struct refusal refusal = {.code = REFUSAL_NONE};
    OWN(bytes) struct bytes after = {0};
    struct text_error error;
    enum status status = manifest_edit_reference(bytes_view(&draft->text), policy, set, value,
                                                 &after, &error, &refusal);

    if (status == STATUS_OK) {
        bytes_free(&draft->text);
        draft->text = TAKE(after);
    }
    return edited(cli, draft, status, &error, &refusal);
}

static enum status text_open(struct view text, struct manifest **ret_manifest,
                             struct text_error *ret_error, struct refusal *ret_refusal)
{
    OWN(bytes) struct bytes bytes = {0};

    TRY(manifest_text_compile(text, &bytes, ret_error));
    return manifest_parse(bytes_view(&bytes), ret_manifest, ret_refusal);
}

/* The other sets that the policy enforces get an end. */
static enum exit_code others_end(const struct cli *cli, struct draft *draft, const char *policy,
                                 const struct digest *set, const char *until)
{
    struct refusal refusal = {.code = REFUSAL_NONE};
    OWN(manifest) struct manifest *manifest = NULL;
    struct text_error error;
    enum status status = text_open(bytes_view(&draft->text), &manifest, &error, &refusal);
    const struct manifest_policy *entry =
        manifest ? manifest_policy_by_name(manifest, policy) : NULL;
    enum exit_code exit_code = edited(cli, draft, status, &error, &refusal);

    for (size_t i = 0; exit_code == EXIT_DONE && entry && i < entry->reference_count; i++) {
        const struct manifest_reference *other = &entry->references[i];

        if (!other->staged && !digest_equal(&other->digest, set)) {
            exit_code = draft_name(cli, draft, policy, &other->digest, until);
        }
    }
    return exit_code;
}

/* What changed, or what would: the file is written unless --dry-run. */
static enum exit_code draft_end(const struct cli *cli, const struct draft *draft,
                                const struct manifest *before, const char *policy,
                                const struct digest *set, const char *now)
{
    OWN(manifest) struct manifest *after = NULL;
    OWN(value) struct value *object = value_object();
    OWN(bytes) struct bytes changes = {0};
    struct refusal refusal = {.code = REFUSAL_NONE};
    struct text_error error;
    struct stat info;
    char next[512];
    enum status status = text_open(bytes_view(&draft->text), &after, &error, &refusal);
    enum exit_code exit_code = edited(cli, draft, status, &error, &refusal);

    if (exit_code == EXIT_DONE && manifest_diff(before, after, &changes) != STATUS_OK) {
        exit_code = report_status(cli, "compare the manifests", STATUS_NO_MEMORY);
    }
    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    note(cli, "%.*s", (int)changes.size, (const char *)changes.data);
    if (!option_is_set(cli, "dry-run")) {
        exit_code =
            file_store(cli, draft->path, stat(draft->path, &info) == 0 ? info.st_mode & 0777 : 0644,
                       bytes_view(&draft->text));
    }
    (void)snprintf(next, sizeof next,
                   "upload the set (`tccpctl policy upload`), have the manifest signed (`tccpctl "
                   "ete sign %s --with <the set>`), and apply it (`tccpctl perimeter apply`)",
                   draft->path);
    value_set_string(object, "policy", policy);
    value_set_hex(object, "set", digest_view(set));
    value_set_string(object, "now", now);
    value_set_string(object, "file", option_is_set(cli, "dry-run") ? NULL : draft->path);
    value_set_number(object, "version", after->version);
    value_set_string(object, "next", next);
    return exit_code == EXIT_DONE ? output_object(cli, object, columns) : exit_code;
}

/* One verb: the set is named in this way (NULL: not any more), the others until then. */
static enum exit_code run(const struct cli *cli, const char *value, const char *others_until)
{
    const char *policy = argument_at(cli, 0);
    OWN(manifest) struct manifest *before = NULL;
    struct draft draft = {.path = option_value(cli, "manifest")};
    struct refusal refusal = {.code = REFUSAL_NONE};
    struct text_error error;
    struct digest set;
    enum exit_code exit_code;

    if (!draft.path) {
        return report_usage(cli, "--manifest takes the manifest's text");
    }
    exit_code = set_read(cli, argument_at(cli, 1), &set);
    if (exit_code == EXIT_DONE) {
        exit_code = file_load(cli, draft.path, MANIFEST_TEXT_SIZE_MAX, &draft.text);
    }
    if (exit_code == EXIT_DONE) {
        exit_code =
            edited(cli, &draft, text_open(bytes_view(&draft.text), &before, &error, &refusal),
                   &error, &refusal);
    }
    if (exit_code == EXIT_DONE) {
        exit_code = draft_name(cli, &draft, policy, &set, value);
    }
    if (exit_code == EXIT_DONE && others_until) {
        exit_code = others_end(cli, &draft, policy, &set, others_until);
    }
    if (exit_code == EXIT_DONE) {
        exit_code = draft_end(cli, &draft, before, policy, &set, value ? value : "gone");
    }
    bytes_free(&draft.text);
    return exit_code;
}

enum exit_code policy_stage(struct cli *cli)
{
    return run(cli, "staged", NULL);
}

enum exit_code policy_enable(struct cli *cli)
{
    const char *until = option_value(cli, "others-until");
    uint64_t time_s;

    if (until && time_parse(view_string(until), &time_s) != STATUS_OK) {
        return report_usage(cli, "--others-until takes a time such as 2027-01-31T00:00:00Z");
    }
    return run(cli, "enforced", until);
}

enum exit_code policy_rollback(struct cli *cli)
{
    return run(cli, NULL, NULL);
}
