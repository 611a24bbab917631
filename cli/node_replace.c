/* `node replace`: new hardware under an old name, written into the manifest's text for the people
 * who sign it. Offline. */
#include "cli/commands.h"
#include "cli/files.h"
#include "cli/output.h"

#include "lib/base/text.h"
#include "lib/perimeter/manifest_edit.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const struct column columns[] = {
    {"NODE", "node", false},  {"FILE", "file", false},         {"VERSION", "version", false},
    {"EK", "ek_name", false}, {"REPLACES", "replaces", false}, {"NEXT", "next", false},
    {NULL, NULL, false},
};

static enum exit_code ek_read(const struct cli *cli, struct tpm_name *ret_name)
{
    const char *text = option_value(cli, "ek");
    uint8_t bytes[TPM_NAME_SIZE_MAX];
    size_t size;

    if (!text) {
        return report_usage(cli, "--ek takes the TPM name of the new endorsement key, as "
                                 "`nodeagent --show-identity` prints it");
    }
    size = strlen(text) / 2;
    if (size > sizeof bytes || hex_decode(text, bytes, size) != STATUS_OK ||
        tpm_name_of_view((struct view){bytes, size}, ret_name) != STATUS_OK) {
        return report_usage(cli,
                            "%s is no TPM name: 000b and a SHA-256 digest, or 000c and a "
                            "SHA-384 digest, in hexadecimal",
                            text);
    }
    return EXIT_DONE;
}

static enum exit_code answer(const struct cli *cli, const char *path, struct view text)
{
    OWN(bytes) struct bytes bytes = {0};
    OWN(manifest) struct manifest *manifest = NULL;
    OWN(value) struct value *object = value_object();
    const struct manifest_node *node;
    struct text_error error;
    char next[512];

    /* It did a moment ago. */
    if (manifest_text_compile(text, &bytes, &error) != STATUS_OK ||
        manifest_parse(bytes_view(&bytes), &manifest, NULL) != STATUS_OK) {
        return report_status(cli, "read the manifest again", STATUS_MALFORMED);
    }
    node = manifest_node_by_name(manifest, argument_at(cli, 0));
    ASSERT(node);
    (void)snprintf(next, sizeof next,
                   "have it signed: `tccpctl ete sign %s --previous <the one in force>` shows "
                   "every signer what is replaced; then `tccpctl perimeter apply`. The old host's "
                   "registration ends with that; take `replaces` out in the version after it",
                   path);
    value_set_string(object, "node", node->name);
    value_set_string(object, "file", path);
    value_set_number(object, "version", manifest->version);
    value_set_hex(object, "ek_name", tpm_name_view(&node->ek_name));
    value_set_hex(object, "replaces", tpm_name_view(&node->replaces));
    value_set_string(object, "next", next);
    return output_object(cli, object, columns);
}

enum exit_code node_replace(struct cli *cli)
{
    const char *path = option_value(cli, "manifest");
    OWN(bytes) struct bytes before = {0};
    OWN(bytes) struct bytes after = {0};
    struct refusal refusal = {.code = REFUSAL_NONE};
    struct text_error error;
    struct tpm_name ek_name;
    struct stat info;
    enum exit_code exit_code;
    enum status status;

    if (!path) {
        return report_usage(cli, "--manifest takes the manifest's text");
    }
    exit_code = ek_read(cli, &ek_name);
    if (exit_code == EXIT_DONE) {
        exit_code = file_load(cli, path, MANIFEST_TEXT_SIZE_MAX, &before);
    }
    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    status = manifest_edit_replace(bytes_view(&before), argument_at(cli, 0), &ek_name, &after,
                                   &error, &refusal);
    if (status == STATUS_MALFORMED) {
        return report(cli, EXIT_FAILED, "", "%s:%u:%u: %s", path, error.line, error.column,
                      error.message);
    }
    if (status != STATUS_OK) {
        return report_either(cli, "replace the node", status, &refusal);
    }
    exit_code = file_store(cli, path, stat(path, &info) == 0 ? info.st_mode & 0777 : 0644,
                           bytes_view(&after));
    return exit_code == EXIT_DONE ? answer(cli, path, bytes_view(&after)) : exit_code;
}
