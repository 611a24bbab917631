#include "cli/signing.h"

#include "cli/files.h"
#include "cli/passphrase.h"

#include "lib/base/protobuf.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

void signing_free(struct signing *signing)
{
    if (signing->key) {
        private_key_free(signing->key);
    }
    root_files_free(&signing->files);
}

enum exit_code signing_begin(const struct cli *cli, struct signing *ret_signing)
{
    enum exit_code exit_code;

    ret_signing->key_path = option_value(cli, "key");
    if (!ret_signing->key_path) {
        return report_usage(cli, "--key is missing: the file of the key that signs");
    }
    exit_code = root_files_load(cli, ret_signing->key_path, &ret_signing->files);
    if (exit_code == EXIT_DONE) {
        exit_code = key_load(cli, ret_signing->key_path, &ret_signing->key);
    }
    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    ret_signing->key_id = sha256(private_key_spki(ret_signing->key));
    if (!root_key(&ret_signing->files.root, &ret_signing->key_id)) {
        struct refusal refusal = {.code = REFUSAL_NONE};

        (void)!refuse(&refusal, REFUSAL_UNKNOWN_SIGNER, "%s, of the root %s", ret_signing->key_path,
                      ret_signing->files.path);
        return report_refusal(cli, "sign", &refusal);
    }
    return EXIT_DONE;
}

static bool has_signed(const Tccp__SignedDocument *document, const struct digest *key_id)
{
    for (size_t i = 0; i < document->n_signatures; i++) {
        if (view_equal(protobuf_view(document->signatures[i]->key_id), digest_view(key_id))) {
            return true;
        }
    }
    return false;
}

enum exit_code signing_look(const struct cli *cli, const struct signing *signing,
                            const struct signing_job *job, Tccp__SignedDocument **ret_so_far)
{
    OWN(signed_document) Tccp__SignedDocument *so_far = NULL;
    struct refusal refusal = {.code = REFUSAL_NONE};
    char what[PATH_MAX + 16];
    enum exit_code exit_code;
    enum status status;
    size_t count;

    *ret_so_far = NULL;
    if (!file_exists(job->out_path)) {
        return EXIT_DONE;
    }
    exit_code = signed_document_load(cli, job->out_path, &so_far);
    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    if (!view_equal(protobuf_view(so_far->document), job->document)) {
        return report(cli, EXIT_FAILED, "remove it, or give another --out", "%s holds another %s",
                      job->out_path, document_kind_name(job->kind));
    }
    (void)snprintf(what, sizeof what, "add to %s", job->out_path);
    status = signed_document_count(so_far, job->kind, &job->scope, &signing->files.root, &count,
                                   &refusal);
    if (status == STATUS_OK && has_signed(so_far, &signing->key_id)) {
        status = refuse(&refusal, REFUSAL_DUPLICATE_SIGNER, "%s", signing->key_path);
    }
    if (status != STATUS_OK) {
        return report_either(cli, what, status, &refusal);
    }
    *ret_so_far = TAKE(so_far);
    return EXIT_DONE;
}

enum exit_code signing_end(const struct cli *cli, const struct signing *signing,
                           const struct signing_job *job, const Tccp__SignedDocument *so_far,
                           size_t *ret_count)
{
    OWN(bytes) struct bytes signature = {0}, bytes = {0};
    enum status status;

    status = document_sign(job->kind, &job->scope, job->document, signing->key, &signature);
    if (status == STATUS_OK) {
        status = signed_document_append(so_far, job->document, &signing->key_id,
                                        bytes_view(&signature), &bytes);
    }
    if (status != STATUS_OK) {
        return report_status(cli, "sign", status);
    }
    *ret_count = (so_far ? so_far->n_signatures : 0) + 1;
    return file_store(cli, job->out_path, 0644, bytes_view(&bytes));
}

void signing_describe(struct value *object, const struct signing *signing,
                      const struct signing_job *job, size_t count)
{
    value_set_string(object, "file", job->out_path);
    value_set_number(object, "signatures", count);
    value_set_number(object, "threshold", signing->files.root.threshold);
    value_set_bool(object, "complete", count >= signing->files.root.threshold);
}
