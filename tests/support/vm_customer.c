/*
 * For system tests of launch: a customer, with what lib/protocol and tccpctl's own parts give it.
 *
 *     vm_customer ADDRESS PERIMETER IDENTITY launch FOLDER NAME LOCATION
 *         asks for a VM of the image that `tccpctl image seal` made in FOLDER; its disk's bytes are
 *         fetched from LOCATION. Prints the VM's id. FOLDER/nonce: n_U, for the proof
 *     vm_customer ... state NAME      prints "STATE GENERATION DETAIL" of the VM of that name
 *     vm_customer ... proof FOLDER ID checks the launch proof, and that a changed one is refused
 *     vm_customer ... stop ID
 */
#include "cli/image_folder.h"
#include "cli/session.h"

#include "lib/base/protobuf.h"
#include "lib/base/text.h"
#include "lib/crypto/entropy.h"
#include "lib/protocol/launch_proof.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { AFTER_MS = 60000, VALID_S = 3600 };

static const struct option_spec specs[] = {
    {"addr", 0, "ADDRESS", ""}, {"perimeter", 0, "ID", ""}, {"identity", 0, "FILE", ""}};

static _Noreturn void die(const char *what)
{
    (void)fprintf(stderr, "vm_customer: %s\n", what);
    exit(1);
}

#define MUST(call)                                                                                 \
    do {                                                                                           \
        if (call) {                                                                                \
            die(#call);                                                                            \
        }                                                                                          \
    } while (0)

/* Once it was asked, the session knows by which coordinator it was answered. */
static const struct cluster_trust *ask(struct session *session, enum session_kind kind,
                                       Tccp__AdminRequest *request,
                                       Tccp__AdminResponse **ret_response)
{
    MUST(session_ask(session, kind, "do what a test asks for", request, ret_response));
    return session_trust(session);
}

static Tccp__AdminResponse *list(struct session *session)
{
    Tccp__AdminRequest request = TCCP__ADMIN_REQUEST__INIT;
    Tccp__VmsList vms = TCCP__VMS_LIST__INIT;
    Tccp__AdminResponse *response = NULL;

    request.kind_case = TCCP__ADMIN_REQUEST__KIND_VMS_LIST;
    request.vms_list = &vms;
    (void)ask(session, SESSION_READ, &request, &response);
    return response;
}

static struct scope scope_of(const struct cluster_trust *trust)
{
    return (struct scope){trust->root.id, trust->endorsement.epoch};
}

static void nonce_file(const char *folder, const char *mode, uint8_t *nonce)
{
    char path[IMAGE_PATH_SIZE];
    FILE *file;

    (void)snprintf(path, sizeof path, "%s/nonce", folder);
    file = fopen(path, mode);
    if (!file || (mode[0] == 'w' ? fwrite(nonce, VM_NONCE_SIZE, 1, file)
                                 : fread(nonce, VM_NONCE_SIZE, 1, file)) != 1) {
        die(path);
    }
    (void)fclose(file);
}

static struct bytes request_make(struct cli *cli, struct session *session, const char *folder,
                                 const char *name, const char *location)
{
    const struct cluster_trust *trust;
    const struct private_key *key = session_identity(session)->key;
    struct signer signer = signer_of_key(key);
    OWN(image_folder) struct image_folder image = {.path = ""};
    OWN(secret) struct secret vm_key = {0};
    OWN(bytes) struct bytes policy_bytes = {0};
    OWN(bytes) struct bytes ticket = {0};
    struct launch_policy policy = {.on_lost_lease = ON_LOST_LEASE_PAUSE, .after_ms = AFTER_MS};
    uint8_t nonce[VM_NONCE_SIZE], entropy[HPKE_ENTROPY_SIZE];
    struct bytes request = {0};
    struct scope scope;

    tccp__admin_response__free_unpacked(list(session), NULL);
    trust = session_trust(session);
    scope = scope_of(trust);
    MUST(image_folder_load(cli, folder, &image));
    MUST(vm_key_load(cli, folder, &vm_key));
    entropy_fill(nonce, sizeof nonce);
    entropy_fill(entropy, sizeof entropy);
    nonce_file(folder, "w", nonce);
    MUST(launch_policy_build(&policy, &policy_bytes));
    MUST(ticket_seal(&(struct ticket_content){.nonce = VIEW_OF_ARRAY(nonce),
                                              .key = secret_view(&vm_key),
                                              .policy = bytes_view(&policy_bytes),
                                              .cust_sign = private_key_spki(key),
                                              .expiry_s = now_s() + VALID_S},
                     &scope, VIEW_OF_ARRAY(trust->endorsement.tc_kem), &image.image, entropy,
                     &ticket));
    MUST(launch_request_make(
        &(struct launch_request_content){.name = name,
                                         .image_manifest = bytes_view(&image.manifest_bytes),
                                         .image_signature = bytes_view(&image.signature),
                                         .ticket = bytes_view(&ticket),
                                         .image_location = location},
        &scope, &signer, &request));
    return request;
}

static void launch(struct cli *cli, struct session *session, char **arguments)
{
    OWN(bytes)
    struct bytes bytes = request_make(cli, session, arguments[0], arguments[1], arguments[2]);
    Tccp__AdminRequest request = TCCP__ADMIN_REQUEST__INIT;
    Tccp__VmLaunch vm = TCCP__VM_LAUNCH__INIT;
    OWN(admin_response) Tccp__AdminResponse *response = NULL;

    vm.request = protobuf_data(bytes_view(&bytes));
    request.kind_case = TCCP__ADMIN_REQUEST__KIND_VM_LAUNCH;
    request.vm_launch = &vm;
    (void)ask(session, SESSION_CHANGE, &request, &response);
    (void)printf("%s\n", response->done->name);
}

static void state(struct session *session, char **arguments)
{
    OWN(admin_response) Tccp__AdminResponse *response = list(session);

    for (size_t i = 0; i < response->vms->n_vms; i++) {
        const Tccp__VmStatus *vm = response->vms->vms[i];

        if (strcmp(vm->name, arguments[0]) == 0) {
            (void)printf("%s %llu %s\n", vm->state, (unsigned long long)vm->generation, vm->detail);
        }
    }
}

static void proof_refuse_changed(struct view proof,
                                 const struct launch_proof_expectation *expectation)
{
    OWN(bytes) struct bytes changed = {0};
    struct launch_verdict verdict;

    for (size_t i = 0; i < proof.size; i += 7) {
        bytes_free(&changed);
        MUST(bytes_copy(proof, &changed));
        changed.data[i] ^= 1;
        if (launch_proof_check(bytes_view(&changed), expectation, &verdict, NULL) == STATUS_OK) {
            die("a changed proof is taken for good");
        }
    }
}

static void proof(struct cli *cli, struct session *session, char **arguments)
{
    Tccp__AdminRequest request = TCCP__ADMIN_REQUEST__INIT;
    Tccp__VmProofGet get = TCCP__VM_PROOF_GET__INIT;
    OWN(admin_response) Tccp__AdminResponse *response = NULL;
    OWN(image_folder) struct image_folder image = {.path = ""};
    OWN(secret) struct secret vm_key = {0};
    OWN(public_key) struct public_key *tc_sign = NULL;
    struct launch_proof_expectation expectation = {.generation_seen = 0};
    const struct cluster_trust *trust;
    struct refusal refusal = {.code = REFUSAL_NONE};
    struct launch_verdict verdict;
    struct digest id;

    MUST(hex_decode(arguments[1], id.bytes, sizeof id.bytes));
    get.vm = protobuf_data(digest_view(&id));
    request.kind_case = TCCP__ADMIN_REQUEST__KIND_VM_PROOF_GET;
    request.vm_proof_get = &get;
    trust = ask(session, SESSION_READ, &request, &response);
    MUST(image_folder_load(cli, arguments[0], &image));
    MUST(vm_key_load(cli, arguments[0], &vm_key));
    MUST(public_key_parse(perimeter_key_view(&trust->endorsement.tc_sign), &tc_sign));
    expectation.scope = scope_of(trust);
    expectation.tc_sign = tc_sign;
    expectation.key = secret_view(&vm_key);
    nonce_file(arguments[0], "r", expectation.nonce);
    expectation.cust_sign = private_key_spki(session_identity(session)->key);
    expectation.image_manifest = bytes_view(&image.manifest_bytes);
    if (launch_proof_check(protobuf_view(response->vm_proof->proof), &expectation, &verdict,
                           &refusal) != STATUS_OK) {
        (void)fprintf(stderr, "%s: %s\n", refusal_name(refusal.code), refusal.detail);
        die("the proof does not verify");
    }
    proof_refuse_changed(protobuf_view(response->vm_proof->proof), &expectation);
    (void)printf("proved %llu\n", (unsigned long long)verdict.report.fields.generation);
}

static void stop(struct session *session, char **arguments)
{
    Tccp__AdminRequest request = TCCP__ADMIN_REQUEST__INIT;
    Tccp__VmStop vm = TCCP__VM_STOP__INIT;
    OWN(admin_response) Tccp__AdminResponse *response = NULL;
    struct digest id;

    MUST(hex_decode(arguments[0], id.bytes, sizeof id.bytes));
    vm.vm = protobuf_data(digest_view(&id));
    request.kind_case = TCCP__ADMIN_REQUEST__KIND_VM_STOP;
    request.vm_stop = &vm;
    (void)ask(session, SESSION_CHANGE, &request, &response);
}

int main(int argc, char **argv)
{
    struct cli cli = {.timeout_s = 10, .option_count = ARRAY_SIZE(specs)};
    OWN(session) struct session *session = NULL;
    const char *verb = argc > 4 ? argv[4] : "";

    if (argc < 6) {
        return EXIT_USAGE;
    }
    for (unsigned i = 0; i < ARRAY_SIZE(specs); i++) {
        cli.options[i].spec = &specs[i];
        cli.options[i].value = argv[i + 1];
    }
    MUST(session_open(&cli, false, &session));
    if (strcmp(verb, "launch") == 0 && argc == 8) {
        launch(&cli, session, argv + 5);
    } else if (strcmp(verb, "state") == 0) {
        state(session, argv + 5);
    } else if (strcmp(verb, "proof") == 0 && argc == 7) {
        proof(&cli, session, argv + 5);
    } else if (strcmp(verb, "stop") == 0) {
        stop(session, argv + 5);
    } else {
        return EXIT_USAGE;
    }
    return EXIT_DONE;
}
