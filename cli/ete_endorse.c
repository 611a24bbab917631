/* `ete endorse`: a new seed of the cluster, appraised and endorsed by one key. Offline. */
#include "cli/commands.h"
#include "cli/files.h"
#include "cli/ledger.h"
#include "cli/output.h"
#include "cli/signing.h"

#include "lib/base/protobuf.h"
#include "lib/base/time_text.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

static const struct column columns[] = {
    {"FILE", "file", false},
    {"SIGNATURES", "signatures", false},
    {"THRESHOLD", "threshold", false},
    {"COMPLETE", "complete", false},
    {"PERIMETER", "perimeter", false},
    {"EPOCH", "epoch", false},
    {"MEMBER", "member", false},
    {"ENDORSEMENT", "endorsement", false},
    {NULL, NULL, false},
};

/* Clocks of members may be a little behind this one. */
enum { CLOCK_TOLERANCE_S = 300 };

/* The manifest under which the member is appraised: signed by enough keys, of this perimeter. */
static enum exit_code manifest_of(const struct cli *cli, const struct signing *signing,
                                  struct manifest **ret_manifest)
{
    const char *path = option_value(cli, "manifest");
    OWN(manifest_file) struct manifest_file file = {.manifest = NULL};
    struct refusal refusal = {.code = REFUSAL_NONE};
    char what[PATH_MAX + 16];
    enum exit_code exit_code;
    enum status status;

    if (!path) {
        return report_usage(cli, "--manifest is missing: the signed manifest of this epoch");
    }
    exit_code = manifest_file_load(cli, path, &file);
    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    (void)snprintf(what, sizeof what, "verify %s", path);
    if (!file.document) {
        return report(cli, EXIT_UNTRUSTED, "sign it first, with `tccpctl ete sign`",
                      "cannot %s: it is a text without signatures", what);
    }
    status =
        manifest_check(file.document,
                       &(struct manifest_expectation){
                           .root = &signing->files.root, .may_be_same = true, .now_s = now_s()},
                       ret_manifest, &refusal);
    return status == STATUS_OK ? EXIT_DONE : report_either(cli, what, status, &refusal);
}

/* The first key holder fixes the validity; the others sign the same document. */
static enum exit_code document_of(const struct cli *cli, const struct endorsement *requested,
                                  const char *out_path, struct bytes *ret_document)
{
    OWN(signed_document) Tccp__SignedDocument *present = NULL;
    struct endorsement endorsement = *requested, there;
    struct refusal refusal = {.code = REFUSAL_NONE};
    const char *text = option_value(cli, "validity");
    uint64_t validity_s = ENDORSEMENT_VALIDITY_MAX_S - CLOCK_TOLERANCE_S;
    enum exit_code exit_code;
    enum status status;

    if (file_exists(out_path)) {
        exit_code = signed_document_load(cli, out_path, &present);
        if (exit_code != EXIT_DONE) {
            return exit_code;
        }
        status = endorsement_parse(protobuf_view(present->document), &there, &refusal);
        if (status != STATUS_OK) {
            return report_either(cli, "add to this endorsement", status, &refusal);
        }
        endorsement.not_before_s = there.not_before_s;
        endorsement.not_after_s = there.not_after_s;
        if (now_s() > there.not_after_s) {
            return report(cli, EXIT_FAILED, "remove it, or give another --out",
                          "the endorsement in %s has expired", out_path);
        }
    } else {
        if (text &&
            (duration_parse(view_string(text), &validity_s) != STATUS_OK || validity_s == 0 ||
             validity_s > ENDORSEMENT_VALIDITY_MAX_S - CLOCK_TOLERANCE_S)) {
            return report_usage(cli, "--validity takes a duration such as 20d, less than 30d");
        }
        endorsement.not_before_s = now_s() - CLOCK_TOLERANCE_S;
        endorsement.not_after_s = now_s() + validity_s;
    }
    status = endorsement_build(&endorsement, ret_document);
    return status == STATUS_OK ? EXIT_DONE : report_status(cli, "make the endorsement", status);
}

static enum exit_code answer(const struct cli *cli, const struct signing *signing,
                             const struct signing_job *job, const char *member, size_t count)
{
    OWN(value) struct value *object = value_object();
    struct endorsement endorsement;

    ASSERT(endorsement_parse(job->document, &endorsement, NULL) == STATUS_OK);
    signing_describe(object, signing, job, count);
    value_set_perimeter(object, "perimeter", &endorsement.perimeter_id);
    value_set_number(object, "epoch", endorsement.epoch);
    value_set_string(object, "member", member);
    endorsement_describe(object, &endorsement);
    return output_object(cli, object, columns);
}

/* All but the first step: the request was appraised. */
static enum exit_code endorse(const struct cli *cli, const struct signing *signing,
                              const struct endorsement_request *request, const char *out_path)
{
    struct signing_job job = {.kind = DOCUMENT_ENDORSEMENT, .out_path = out_path};
    OWN(signed_document) Tccp__SignedDocument *so_far = NULL;
    OWN(bytes) struct bytes document = {0};
    struct digest seed = sha256_two(perimeter_key_view(&request->endorsement.tc_sign),
                                    VIEW_OF_ARRAY(request->endorsement.tc_kem));
    char question[160];
    enum exit_code exit_code;
    size_t count = 0;

    exit_code = document_of(cli, &request->endorsement, out_path, &document);
    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    job.scope = (struct scope){signing->files.root.id, request->endorsement.epoch};
    job.document = bytes_view(&document);
    exit_code = signing_look(cli, signing, &job, &so_far);
    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    note(cli, "Member %s was appraised: its quote covers this seed, and its PCRs are allowed.",
         request->member->name);
    (void)snprintf(question, sizeof question, "Endorse the seed of %s for epoch %" PRIu64,
                   request->member->name, request->endorsement.epoch);
    exit_code = confirm(cli, question);
    if (exit_code == EXIT_DONE) {
        exit_code = ledger_note(cli, signing->key_path, LEDGER_ENDORSEMENT,
                                request->endorsement.epoch, &seed);
    }
    if (exit_code == EXIT_DONE) {
        exit_code = signing_end(cli, signing, &job, so_far, &count);
    }
    return exit_code == EXIT_DONE ? answer(cli, signing, &job, request->member->name, count)
                                  : exit_code;
}

enum exit_code ete_endorse(struct cli *cli)
{
    const char *path = argument_at(cli, 0), *out = option_value(cli, "out");
    OWN(signing) struct signing signing = {.key = NULL};
    OWN(manifest) struct manifest *manifest = NULL;
    OWN(bytes) struct bytes bytes = {0};
    struct endorsement_request request;
    struct refusal refusal = {.code = REFUSAL_NONE};
    char out_path[PATH_MAX], what[PATH_MAX + 32];
    enum exit_code exit_code;
    enum status status;

    if (snprintf(out_path, sizeof out_path, "%s%s", out ? out : path, out ? "" : ".endorsement") >=
        (int)sizeof out_path) {
        return report_usage(cli, "the path %s is too long", path);
    }
    exit_code = file_load(cli, path, ENDORSEMENT_REQUEST_SIZE_MAX, &bytes);
    if (exit_code == EXIT_DONE) {
        exit_code = signing_begin(cli, &signing);
    }
    if (exit_code == EXIT_DONE) {
        exit_code = manifest_of(cli, &signing, &manifest);
    }
    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    (void)snprintf(what, sizeof what, "endorse %s", path);
    status = endorsement_request_check(bytes_view(&bytes), manifest, &request, &refusal);
    if (status != STATUS_OK) {
        return report_either(cli, what, status, &refusal);
    }
    return endorse(cli, &signing, &request, out_path);
}
