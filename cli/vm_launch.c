/*
 * `vm launch`: the customer's side of docs/PROTOCOL.md, section 4, steps 1, 2 and 6. The key goes
 * nowhere but into the ticket, sealed to the key that the perimeter's ETE endorsed.
 */
#include "cli/commands.h"
#include "cli/files.h"
#include "cli/image_folder.h"
#include "cli/output.h"
#include "cli/perimeter.h"
#include "cli/policy_options.h"
#include "cli/vm.h"

#include "lib/base/protobuf.h"
#include "lib/base/time_text.h"
#include "lib/crypto/entropy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TICKET_VALIDITY_DEFAULT_S (UINT64_C(24) * 3600)

struct vm_launch {
    struct image_folder image;
    struct secret key; /* K_VM */
    struct launch_policy policy;
    uint64_t validity_s;
    char location[REQUEST_LOCATION_LENGTH_MAX + 1];
    char record_path[IMAGE_PATH_SIZE];
    struct launch_record record;
    struct session *session;
    struct bundle *bundle;
};

static void vm_launch_free(struct vm_launch *launch)
{
    image_folder_free(&launch->image);
    secret_free(&launch->key);
    launch_record_free(&launch->record);
    if (launch->session) {
        session_close(launch->session);
    }
    if (launch->bundle) {
        bundle_free(launch->bundle);
    }
}
DEFINE_OWN_VALUE(vm_launch, vm_launch_free)

/* --- before anybody is asked --- */

static enum exit_code location_read(const struct cli *cli, struct vm_launch *launch)
{
    const char *given = option_value(cli, "location");
    OWN(bytes) struct bytes absolute = {0};
    int length;

    if (!given) {
        length =
            snprintf(launch->location, sizeof launch->location, "file://%s", launch->image.path);
    } else if (given[0] == '/' || strstr(given, "://")) {
        length = snprintf(launch->location, sizeof launch->location, "%s%s",
                          given[0] == '/' ? "file://" : "", given);
    } else {
        return report_usage(cli, "--location takes a URL or an absolute path, not %s", given);
    }
    return length < (int)sizeof launch->location &&
                   protocol_text_good(launch->location, REQUEST_LOCATION_LENGTH_MAX)
               ? EXIT_DONE
               : report_usage(cli,
                              "the location of the image is longer than %d characters, or "
                              "not ASCII",
                              REQUEST_LOCATION_LENGTH_MAX);
}

static enum exit_code options_read(const struct cli *cli, struct vm_launch *launch)
{
    const char *name = option_value(cli, "name"), *validity = option_value(cli, "validity");
    char file[REQUEST_NAME_LENGTH_MAX + sizeof LAUNCH_RECORD_SUFFIX];

    if (!name || !launch_name_good(name)) {
        return report_usage(cli, "--name is needed: 1 to %d printable characters, without /",
                            REQUEST_NAME_LENGTH_MAX);
    }
    launch->validity_s = TICKET_VALIDITY_DEFAULT_S;
    if (validity && (duration_parse(view_string(validity), &launch->validity_s) != STATUS_OK ||
                     launch->validity_s == 0 || launch->validity_s >= TICKET_VALIDITY_MAX_S)) {
        return report_usage(cli, "--validity takes a duration of less than 92d, not %s", validity);
    }
    (void)snprintf(file, sizeof file, "%s%s", name, LAUNCH_RECORD_SUFFIX);
    return path_in(cli, launch->image.path, file, launch->record_path);
}

static enum exit_code prepare(const struct cli *cli, struct vm_launch *launch)
{
    enum exit_code exit_code = image_folder_load(cli, argument_at(cli, 0), &launch->image);

    if (exit_code == EXIT_DONE) {
        exit_code = options_read(cli, launch);
    }
    if (exit_code == EXIT_DONE) {
        exit_code = policy_read(cli, &launch->policy);
    }
    if (exit_code == EXIT_DONE) {
        exit_code = location_read(cli, launch);
    }
    if (exit_code == EXIT_DONE) {
        exit_code = vm_key_load(cli, launch->image.path, &launch->key);
    }
    if (exit_code == EXIT_DONE && !option_is_set(cli, "location")) {
        exit_code = image_folder_check_blobs(cli, &launch->image, false);
    }
    return exit_code;
}

/* --- the perimeter in force, verified against the pinned id --- */

static enum exit_code bundle_ask(const struct cli *cli, struct vm_launch *launch,
                                 struct bytes *ret_bytes)
{
    Tccp__AdminRequest request = TCCP__ADMIN_REQUEST__INIT;
    Tccp__PerimeterGet get = TCCP__PERIMETER_GET__INIT;
    OWN(admin_response) Tccp__AdminResponse *response = NULL;
    enum exit_code exit_code;

    request.kind_case = TCCP__ADMIN_REQUEST__KIND_PERIMETER_GET;
    request.perimeter_get = &get;
    exit_code =
        session_ask(launch->session, SESSION_READ, "read the perimeter", &request, &response);
    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    if (response->kind_case != TCCP__ADMIN_RESPONSE__KIND_PERIMETER) {
        return report(cli, EXIT_FAILED, "",
                      "cannot read the perimeter: the answer is of another kind");
    }
    if (protobuf_pack(&response->perimeter->base, BUNDLE_SIZE_MAX, ret_bytes) != STATUS_OK) {
        return report_status(cli, "read the perimeter", STATUS_TOO_LARGE);
    }
    return bundle_verify(cli, "trust the coordinator with the VM's key", bytes_view(ret_bytes),
                         &launch->bundle);
}

static enum exit_code begin(const struct cli *cli, struct vm_launch *launch)
{
    const struct identity *identity;
    OWN(public_key) struct public_key *cust_sign = NULL;
    enum exit_code exit_code = session_open(cli, false, &launch->session);

    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    identity = session_identity(launch->session);
    if (!identity->key) {
        return report_usage(cli, "a VM is launched by a customer: give a member's address with "
                                 "--addr, not its local socket");
    }
    if (private_key_public(identity->key, &cust_sign) != STATUS_OK) {
        return report_status(cli, "use the identity's key", STATUS_CRYPTO);
    }
    exit_code = bundle_ask(cli, launch, &launch->record.bundle);
    return exit_code == EXIT_DONE ? image_folder_check_signature(
                                        cli, &launch->image, &launch->bundle->root.id, cust_sign)
                                  : exit_code;
}

/* --- the ticket and the request --- */

static enum status ticket_make(struct vm_launch *launch, struct view cust_sign,
                               struct bytes *ret_ticket)
{
    OWN(bytes) struct bytes policy = {0};
    const struct scope scope = bundle_scope(launch->bundle);
    uint8_t entropy[HPKE_ENTROPY_SIZE];
    enum status status;

    TRY(launch_policy_build(&launch->policy, &policy));
    entropy_fill(entropy, sizeof entropy);
    status = ticket_seal(
        &(struct ticket_content){
            .nonce = VIEW_OF_ARRAY(launch->record.nonce),
            .key = secret_view(&launch->key),
            .policy = bytes_view(&policy),
            .cust_sign = cust_sign,
            .expiry_s = launch->record.sealed_at_s + launch->validity_s,
        },
        &scope, VIEW_OF_ARRAY(launch->bundle->endorsement.tc_kem), &launch->image.image, entropy,
        ret_ticket);
    secret_wipe(entropy, sizeof entropy);
    return status;
}

static enum status record_make(const struct cli *cli, struct vm_launch *launch)
{
    const struct private_key *key = session_identity(launch->session)->key;
    const struct signer signer = signer_of_key(key);
    const struct scope scope = bundle_scope(launch->bundle);
    struct launch_record *record = &launch->record;
    OWN(bytes) struct bytes ticket = {0};

    (void)snprintf(record->name, sizeof record->name, "%s", option_value(cli, "name"));
    record->sealed_at_s = now_s();
    entropy_fill(record->nonce, sizeof record->nonce);
    record->vm = vm_id_make(&scope.perimeter_id, private_key_spki(key),
                            VIEW_OF_ARRAY(record->nonce), &launch->image.image);
    TRY(bytes_copy(private_key_spki(key), &record->cust_sign));
    TRY(bytes_copy(bytes_view(&launch->image.manifest_bytes), &record->image_manifest));
    TRY(ticket_make(launch, private_key_spki(key), &ticket));
    return launch_request_make(
        &(struct launch_request_content){
            .name = record->name,
            .image_manifest = bytes_view(&launch->image.manifest_bytes),
            .image_signature = bytes_view(&launch->image.signature),
            .ticket = bytes_view(&ticket),
            .image_location = launch->location,
        },
        &scope, &signer, &record->request);
}

/* Names are for people, and name one VM each: this one must be free. */
static enum exit_code name_check(const struct cli *cli, struct vm_launch *launch)
{
    OWN(admin_response) Tccp__AdminResponse *response = NULL;
    const char *name = option_value(cli, "name");
    struct digest customer = sha256(private_key_spki(session_identity(launch->session)->key));
    struct refusal refusal;
    enum exit_code exit_code = vms_ask(cli, launch->session, &response);

    for (size_t i = 0; exit_code == EXIT_DONE && i < response->vms->n_vms; i++) {
        const Tccp__VmStatus *vm = response->vms->vms[i];

        /* An operator sees everybody's. */
        if (strcmp(vm->name, name) == 0 && strcmp(vm->state, "deleted") != 0 &&
            view_equal(protobuf_view(vm->customer), digest_view(&customer))) {
            refusal = refusal_make(REFUSAL_ALREADY_EXISTS, "a VM %s", name);
            exit_code = report_refusal(cli, "launch the VM", &refusal);
        }
    }
    return exit_code;
}

/* What may have been carried out is asked again as it was, and never made anew. */
static enum exit_code record_begin(const struct cli *cli, struct vm_launch *launch)
{
    enum exit_code exit_code;
    enum status status;

    if (option_is_set(cli, "again")) {
        bytes_free(&launch->record.bundle);
        return launch_record_load(cli, launch->record_path, &launch->record);
    }
    if (file_exists(launch->record_path)) {
        return report(cli, EXIT_FAILED,
                      "--again asks for the same launch again; `tccpctl vm proof get` gets its "
                      "proof; a new VM needs another name, or the file removed",
                      "%s was launched from here before: %s exists", option_value(cli, "name"),
                      launch->record_path);
    }
    exit_code = name_check(cli, launch);
    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    status = record_make(cli, launch);
    if (status != STATUS_OK) {
        return report_status(cli, "seal the ticket", status);
    }
    return launch_record_store(cli, launch->record_path, true, &launch->record);
}

static enum exit_code send(const struct cli *cli, struct vm_launch *launch,
                           Tccp__AdminResponse **ret_response)
{
    Tccp__AdminRequest request = TCCP__ADMIN_REQUEST__INIT;
    Tccp__VmLaunch message = TCCP__VM_LAUNCH__INIT;
    const char *node = option_value(cli, "node");
    enum exit_code exit_code;

    message.request = protobuf_data(bytes_view(&launch->record.request));
    message.node = protobuf_string(node ? node : "");
    request.kind_case = TCCP__ADMIN_REQUEST__KIND_VM_LAUNCH;
    request.vm_launch = &message;
    exit_code =
        session_ask(launch->session, SESSION_CHANGE, "launch the VM", &request, ret_response);
    if (exit_code == EXIT_DONE && (*ret_response)->kind_case != TCCP__ADMIN_RESPONSE__KIND_DONE) {
        exit_code = report(cli, EXIT_FAILED, "",
                           "cannot launch the VM: the answer is of another "
                           "kind");
    }
    /* A refusal is certain: there is no such VM, and nothing to be kept. */
    if (exit_code != EXIT_DONE && session_refusal(launch->session) != REFUSAL_NONE &&
        !option_is_set(cli, "again")) {
        (void)unlink(launch->record_path);
    }
    return exit_code;
}

static enum exit_code launched_show(const struct cli *cli, const struct vm_launch *launch,
                                    const Tccp__Done *done)
{
    static const struct column columns[] = {
        {"NAME", "name", false},
        {"VM", "vm", false},
        {"IMAGE", "image", true},
        {"STATE", "state", false},
        {"AUDIT LEAF", "audit_leaf", false},
        {"REVISION", "revision", true},
        {"RECORD", "record", true},
        {NULL, NULL, false},
    };
    const struct digest image = image_manifest_digest(bytes_view(&launch->record.image_manifest));
    OWN(value) struct value *object = value_object();

    value_set_string(object, "name", launch->record.name);
    value_set_hex(object, "vm", digest_view(&launch->record.vm));
    value_set_hex(object, "image", digest_view(&image));
    value_set_string(object, "state", "launching");
    value_set_number(object, "audit_leaf", done->leaf_index);
    value_set_number(object, "revision", done->revision);
    value_set_string(object, "record", launch->record_path);
    note(cli, "nothing is proved yet: `tccpctl vm proof get %s --wait`", launch->record_path);
    return output_object(cli, object, columns);
}

enum exit_code vm_launch(struct cli *cli)
{
    OWN(vm_launch) struct vm_launch launch = {.location = ""};
    OWN(admin_response) Tccp__AdminResponse *response = NULL;
    OWN(bytes) struct bytes proof = {0};
    enum exit_code exit_code = prepare(cli, &launch);

    if (exit_code == EXIT_DONE) {
        exit_code = begin(cli, &launch);
    }
    if (exit_code == EXIT_DONE) {
        exit_code = record_begin(cli, &launch);
    }
    if (exit_code == EXIT_DONE) {
        exit_code = send(cli, &launch, &response);
    }
    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    if (!option_is_set(cli, "wait")) {
        return launched_show(cli, &launch, response->done);
    }
    exit_code = proof_ask(cli, launch.session, &launch.record, true, &proof);
    return exit_code == EXIT_DONE ? proof_accept(cli, launch.record_path, &launch.record,
                                                 secret_view(&launch.key), bytes_view(&proof))
                                  : exit_code;
}
