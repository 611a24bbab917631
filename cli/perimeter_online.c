/* `perimeter show` and `perimeter apply`: what is in force in a running cluster. */
#include "cli/commands.h"
#include "cli/files.h"
#include "cli/perimeter.h"
#include "cli/policy_store.h"
#include "cli/session.h"
#include "cli/settings.h"

#include "lib/base/protobuf.h"

#include <limits.h>
#include <stdio.h>

/* What the coordinator shows is verified like a file of a stranger's. Over the local socket of a
 * machine of one's own the id may be unknown yet: then it is what is shown. */
static enum exit_code shown_verify(const struct cli *cli, const Tccp__PerimeterBundle *shown,
                                   struct view bytes, struct bundle **ret_bundle)
{
    const struct bundle_expectation expectation = {
        .perimeter_id = sha256(protobuf_view(shown->root)),
        .now_s = now_s(),
        .tolerate_expired_manifest = true,
        .tolerate_no_endorsement = true,
    };
    struct refusal refusal = {.code = REFUSAL_NONE};
    enum status status;

    if (setting_perimeter(cli)) {
        return bundle_verify(cli, "trust what is shown", bytes, ret_bundle);
    }
    note(cli, "warning: no perimeter is pinned: this is what the member's socket says");
    status = bundle_check(bytes, &expectation, ret_bundle, &refusal);
    return status == STATUS_OK ? EXIT_DONE
                               : report_either(cli, "trust what is shown", status, &refusal);
}

static enum exit_code show_online(const struct cli *cli)
{
    Tccp__AdminRequest request = TCCP__ADMIN_REQUEST__INIT;
    Tccp__PerimeterGet get = TCCP__PERIMETER_GET__INIT;
    OWN(admin_response) Tccp__AdminResponse *response = NULL;
    OWN(bytes) struct bytes bytes = {0};
    OWN(bundle) struct bundle *bundle = NULL;
    const char *out = option_value(cli, "out");
    enum exit_code exit_code;

    request.kind_case = TCCP__ADMIN_REQUEST__KIND_PERIMETER_GET;
    request.perimeter_get = &get;
    exit_code = ask_once(cli, SESSION_READ, "read the perimeter", &request,
                         TCCP__ADMIN_RESPONSE__KIND_PERIMETER, &response);
    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    if (protobuf_pack(&response->perimeter->base, BUNDLE_SIZE_MAX, &bytes) != STATUS_OK) {
        return report_status(cli, "read the perimeter", STATUS_TOO_LARGE);
    }
    exit_code = shown_verify(cli, response->perimeter, bytes_view(&bytes), &bundle);
    if (exit_code == EXIT_DONE && out) {
        exit_code = file_store(cli, out, 0644, bytes_view(&bytes));
    }
    return exit_code == EXIT_DONE ? bundle_show(cli, bundle) : exit_code;
}

enum exit_code perimeter_show(struct cli *cli)
{
    return argument_at(cli, 0) ? perimeter_verify(cli) : show_online(cli);
}

/* --- perimeter apply --- */

struct change {
    Tccp__SignedDocument *manifest, *endorsement;
    size_t succession_count;
    Tccp__SignedDocument *successions[SUCCESSION_COUNT_MAX];
};

static void change_free(struct change *change)
{
    tccp__signed_document__free_unpacked(change->manifest, NULL);
    tccp__signed_document__free_unpacked(change->endorsement, NULL);
    for (size_t i = 0; i < change->succession_count; i++) {
        tccp__signed_document__free_unpacked(change->successions[i], NULL);
    }
}
DEFINE_OWN_VALUE(change, change_free)

static enum exit_code change_load(const struct cli *cli, struct change *ret_change)
{
    const char *manifest = argument_at(cli, 0), *endorsement = option_value(cli, "endorsement");
    const char *succession;
    enum exit_code exit_code = EXIT_DONE;

    if (!manifest && !endorsement) {
        return report_usage(cli, "nothing is to be applied: give a signed manifest, or "
                                 "--endorsement");
    }
    if (manifest) {
        exit_code = signed_document_load(cli, manifest, &ret_change->manifest);
    }
    if (exit_code == EXIT_DONE && endorsement) {
        exit_code = signed_document_load(cli, endorsement, &ret_change->endorsement);
    }
    while (exit_code == EXIT_DONE && ret_change->succession_count < SUCCESSION_COUNT_MAX &&
           (succession = option_value_at(cli, "succession", ret_change->succession_count))) {
        exit_code = signed_document_load(cli, succession,
                                         &ret_change->successions[ret_change->succession_count]);
        ret_change->succession_count += exit_code == EXIT_DONE;
    }
    return exit_code;
}

/* The reference sets that the manifest names, or some of them. */
static enum exit_code references_upload(const struct cli *cli)
{
    OWN(session) struct session *session = NULL;
    enum exit_code exit_code = EXIT_DONE;
    const char *path;

    if (option_value(cli, "with")) {
        exit_code = session_open(cli, false, &session);
    }
    for (size_t i = 0; exit_code == EXIT_DONE && (path = option_value_at(cli, "with", i)); i++) {
        OWN(value) struct value *shown = NULL;

        exit_code = policy_store_upload(cli, session, path, &shown);
    }
    return exit_code;
}

static const struct column done_columns[] = {
    {"REVISION", "revision", false},
    {"AUDIT LEAF", "audit_leaf", false},
    {"NAME", "name", false},
    {NULL, NULL, false},
};

enum exit_code done_show(const struct cli *cli, const Tccp__Done *done)
{
    OWN(value) struct value *object = value_object();

    value_set_number(object, "revision", done->revision);
    value_set_number(object, "audit_leaf", done->leaf_index);
    if (*done->name) {
        value_set_string(object, "name", done->name);
    }
    return output_object(cli, object, done_columns);
}

enum exit_code perimeter_apply(struct cli *cli)
{
    OWN(change) struct change change = {.manifest = NULL};
    Tccp__AdminRequest request = TCCP__ADMIN_REQUEST__INIT;
    Tccp__PerimeterApply apply = TCCP__PERIMETER_APPLY__INIT;
    OWN(admin_response) Tccp__AdminResponse *response = NULL;
    enum exit_code exit_code = change_load(cli, &change);

    if (exit_code == EXIT_DONE) {
        exit_code = references_upload(cli);
    }
    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    apply.manifest = change.manifest;
    apply.endorsement = change.endorsement;
    apply.successions = change.successions;
    apply.n_successions = change.succession_count;
    request.kind_case = TCCP__ADMIN_REQUEST__KIND_PERIMETER_APPLY;
    request.perimeter_apply = &apply;
    exit_code = ask_once(cli, SESSION_CHANGE, "apply this", &request,
                         TCCP__ADMIN_RESPONSE__KIND_DONE, &response);
    return exit_code == EXIT_DONE ? done_show(cli, response->done) : exit_code;
}
