/* `vm proof`: proofs of launches, fetched, verified offline, shown. */
#include "cli/commands.h"
#include "cli/files.h"
#include "cli/image_folder.h"
#include "cli/output.h"
#include "cli/settings.h"
#include "cli/vm.h"

#include "lib/base/protobuf.h"

#include <stdio.h>
#include <string.h>

static const struct column columns[] = {
    {"NAME", "name", false},
    {"VM", "vm", false},
    {"PSEUDONYM", "pseudonym", false},
    {"GENERATION", "generation", false},
    {"IMAGE", "image", false},
    {"HOST PROFILE", "host_profile", false},
    {"DEVELOPMENT", "development", false},
    {"AUDIT LEAF", "audit_leaf", false},
    {"TREE SIZE", "tree_size", false},
    {"TREE HEAD", "tree_root", false},
    {"CONFIGURATION", "configuration", true},
    {"PROOF", "proof", true},
    {NULL, NULL, false},
};

static struct value *verdict_value(const struct launch_record *record, const char *path,
                                   const struct launch_verdict *verdict)
{
    const struct launch_report *report = &verdict->report;
    struct value *object = value_object();

    value_set_string(object, "name", record->name);
    value_set_hex(object, "vm", digest_view(&report->fields.vm));
    value_set_hex(object, "pseudonym", VIEW_OF_ARRAY(report->fields.pseudonym));
    value_set_number(object, "generation", report->fields.generation);
    value_set_hex(object, "image", digest_view(&report->fields.image));
    value_set_bool(object, "host_profile", report->host_profile);
    value_set_bool(object, "development", report->development);
    value_set_number(object, "audit_leaf", report->leaf_index);
    value_set_number(object, "tree_size", report->tree_size);
    value_set_hex(object, "tree_root", digest_view(&report->root));
    value_set_hex(object, "configuration", digest_view(&verdict->measurement.configuration));
    value_set_string(object, "proof", path);
    return object;
}

static void warn(const struct cli *cli, const struct launch_record *record,
                 const struct launch_verdict *verdict)
{
    if (verdict->report.development) {
        note(cli, "warning: %s runs in a DEVELOPMENT perimeter: its PCRs protect nothing",
             record->name);
    }
    if (!verdict->report.host_profile) {
        note(cli, "warning: the node of %s has no hardened host profile: its root can read the VM",
             record->name);
    }
}

enum exit_code proof_path(const struct cli *cli, const char *path, const char *suffix, size_t size,
                          char *ret_path)
{
    static const char *const suffixes[] = {LAUNCH_RECORD_SUFFIX, LAUNCH_PROOF_SUFFIX};
    size_t length = strlen(path);

    for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
        size_t end = strlen(suffixes[i]);

        if (length > end && strcmp(path + length - end, suffixes[i]) == 0) {
            return snprintf(ret_path, size, "%.*s%s", (int)(length - end), path, suffix) < (int)size
                       ? EXIT_DONE
                       : report_usage(cli, "the path %s is too long", path);
        }
    }
    return report_usage(cli, "a file NAME%s or NAME%s is expected, not %s", LAUNCH_PROOF_SUFFIX,
                        LAUNCH_RECORD_SUFFIX, path);
}

static enum exit_code prove(const struct cli *cli, const struct launch_record *record,
                            struct view key, struct view proof, struct launch_verdict *ret_verdict)
{
    struct refusal refusal = {.code = REFUSAL_NONE};
    struct digest perimeter_id;
    char what[128];
    enum exit_code exit_code = setting_perimeter_id(cli, &perimeter_id);
    enum status status;

    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    (void)snprintf(what, sizeof what, "trust the proof of %s", record->name);
    status = launch_record_prove(record, &perimeter_id, key, proof, ret_verdict, &refusal);
    if (status == STATUS_OK) {
        return EXIT_DONE;
    }
    /* Whatever does not hold, and be it that it is no proof: it is not trusted. */
    (void)report_either(cli, what, status, &refusal);
    return EXIT_UNTRUSTED;
}

/* --- from the coordinator --- */

static enum exit_code fetch(const struct cli *cli, struct session *session,
                            const struct launch_record *record, struct bytes *ret_proof)
{
    Tccp__AdminRequest request = TCCP__ADMIN_REQUEST__INIT;
    Tccp__VmProofGet get = TCCP__VM_PROOF_GET__INIT;
    OWN(admin_response) Tccp__AdminResponse *response = NULL;
    enum exit_code exit_code;

    get.vm = protobuf_data(digest_view(&record->vm));
    request.kind_case = TCCP__ADMIN_REQUEST__KIND_VM_PROOF_GET;
    request.vm_proof_get = &get;
    exit_code = session_ask(session, SESSION_READ, "get the proof", &request, &response);
    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    if (response->kind_case != TCCP__ADMIN_RESPONSE__KIND_VM_PROOF ||
        response->vm_proof->proof.len > LAUNCH_PROOF_SIZE_MAX) {
        return report(cli, EXIT_FAILED, "", "cannot get the proof: the answer is of another kind");
    }
    return bytes_copy(protobuf_view(response->vm_proof->proof), ret_proof) == STATUS_OK
               ? EXIT_DONE
               : report_status(cli, "get the proof", STATUS_NO_MEMORY);
}

struct proof_question {
    const struct cli *cli;
    struct session *session;
    const struct launch_record *record;
    struct bytes *ret_proof;
};

static enum exit_code look(void *argument, const Tccp__VmStatus *vm, bool *ret_is_over)
{
    const struct proof_question *question = argument;
    enum exit_code exit_code;

    if (strcmp(vm->state, "launching") == 0) {
        return EXIT_DONE;
    }
    exit_code = fetch(question->cli, question->session, question->record, question->ret_proof);
    *ret_is_over = exit_code == EXIT_DONE;
    return session_refusal(question->session) == REFUSAL_NOT_READY ? EXIT_DONE : exit_code;
}

enum exit_code proof_ask(const struct cli *cli, struct session *session,
                         const struct launch_record *record, bool wait, struct bytes *ret_proof)
{
    struct proof_question question = {cli, session, record, ret_proof};
    struct vm_subject subject = {.vm = record->vm};

    if (!wait) {
        return fetch(cli, session, record, ret_proof);
    }
    (void)snprintf(subject.name, sizeof subject.name, "%s", record->name);
    return vm_wait(cli, session,
                   &(struct vm_wait){
                       .subject = &subject,
                       .until = "runs",
                       .hint = "`tccpctl vm proof get` goes on waiting with --wait",
                       .look = look,
                       .argument = &question,
                   });
}

enum exit_code proof_accept(const struct cli *cli, const char *record_path,
                            struct launch_record *record, struct view key, struct view proof)
{
    OWN(value) struct value *object = NULL;
    struct launch_verdict verdict;
    char path[IMAGE_PATH_SIZE];
    enum exit_code exit_code = proof_path(cli, record_path, LAUNCH_PROOF_SUFFIX, sizeof path, path);

    if (exit_code == EXIT_DONE) {
        exit_code = prove(cli, record, key, proof, &verdict);
    }
    if (exit_code == EXIT_DONE) {
        exit_code = file_store(cli, path, 0644, proof);
    }
    /* From now on an older generation is no proof. */
    if (exit_code == EXIT_DONE && verdict.report.fields.generation > record->generation) {
        record->generation = verdict.report.fields.generation;
        exit_code = launch_record_store(cli, record_path, false, record);
    }
    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    warn(cli, record, &verdict);
    object = verdict_value(record, path, &verdict);
    return output_object(cli, object, columns);
}

/* --- the verbs --- */

/* K_VM: beside the record, unless --key-file says otherwise. */
static enum exit_code key_of(const struct cli *cli, const char *record_path, struct secret *ret_key)
{
    char folder[IMAGE_PATH_SIZE];

    path_beside(record_path, ".", sizeof folder, folder);
    return vm_key_load(cli, folder, ret_key);
}

static enum exit_code proof_get(struct cli *cli)
{
    OWN(launch_record) struct launch_record record = {.name = ""};
    OWN(session) struct session *session = NULL;
    OWN(secret) struct secret key = {0};
    OWN(bytes) struct bytes proof = {0};
    char path[IMAGE_PATH_SIZE];
    enum exit_code exit_code =
        proof_path(cli, argument_at(cli, 1), LAUNCH_RECORD_SUFFIX, sizeof path, path);

    if (exit_code == EXIT_DONE) {
        exit_code = launch_record_load(cli, path, &record);
    }
    if (exit_code == EXIT_DONE) {
        exit_code = key_of(cli, path, &key);
    }
    if (exit_code == EXIT_DONE) {
        exit_code = session_open(cli, false, &session);
    }
    if (exit_code == EXIT_DONE) {
        exit_code = proof_ask(cli, session, &record, option_is_set(cli, "wait"), &proof);
    }
    return exit_code == EXIT_DONE
               ? proof_accept(cli, path, &record, secret_view(&key), bytes_view(&proof))
               : exit_code;
}

static enum exit_code verify_one(const struct cli *cli, const char *file, struct value *list)
{
    OWN(launch_record) struct launch_record record = {.name = ""};
    OWN(secret) struct secret key = {0};
    OWN(bytes) struct bytes proof = {0};
    struct launch_verdict verdict;
    char record_path[IMAGE_PATH_SIZE], path[IMAGE_PATH_SIZE];
    enum exit_code exit_code =
        proof_path(cli, file, LAUNCH_RECORD_SUFFIX, sizeof record_path, record_path);

    if (exit_code == EXIT_DONE) {
        exit_code = proof_path(cli, file, LAUNCH_PROOF_SUFFIX, sizeof path, path);
    }
    if (exit_code == EXIT_DONE) {
        exit_code = file_load(cli, path, LAUNCH_PROOF_SIZE_MAX, &proof);
    }
    if (exit_code == EXIT_DONE) {
        exit_code = launch_record_load(cli, record_path, &record);
    }
    if (exit_code == EXIT_DONE) {
        exit_code = key_of(cli, record_path, &key);
    }
    if (exit_code == EXIT_DONE) {
        exit_code = prove(cli, &record, secret_view(&key), bytes_view(&proof), &verdict);
    }
    if (exit_code == EXIT_DONE) {
        warn(cli, &record, &verdict);
        value_add(list, verdict_value(&record, path, &verdict));
    }
    return exit_code;
}

/* All are looked at; one that does not hold outweighs one that is not there. */
static enum exit_code proof_verify(const struct cli *cli)
{
    OWN(value) struct value *list = value_list();
    enum exit_code worst = EXIT_DONE, exit_code;

    for (size_t i = 1; i < cli->argument_count; i++) {
        exit_code = verify_one(cli, argument_at(cli, i), list);
        if (exit_code == EXIT_UNTRUSTED || (exit_code != EXIT_DONE && worst == EXIT_DONE)) {
            worst = exit_code;
        }
    }
    exit_code = value_count(list) ? output_list(cli, list, columns) : EXIT_DONE;
    return worst != EXIT_DONE ? worst : exit_code;
}

enum exit_code vm_proof(struct cli *cli)
{
    const char *verb = argument_at(cli, 0);

    if (strcmp(verb, "verify") == 0) {
        return proof_verify(cli);
    }
    if (strcmp(verb, "get") == 0 && cli->argument_count == 2) {
        return proof_get(cli);
    }
    return report_usage(cli, "`vm proof verify FILE...` or `vm proof get FILE` is expected");
}
