/* `vm`: list, get, stop, delete. */
#include "cli/vm.h"

#include "cli/commands.h"
#include "cli/output.h"
#include "cli/perimeter.h"

#include "lib/base/protobuf.h"
#include "lib/base/text.h"

#include <stdio.h>
#include <string.h>

enum { ID_PREFIX_LENGTH_MIN = 8 };

static const struct column columns[] = {
    {"NAME", "name", false},
    {"STATE", "state", false},
    {"GENERATION", "generation", false},
    {"VCPU", "vcpu_count", false},
    {"MEMORY", "memory_size", false},
    {"SINCE", "changed_at", false},
    {"DETAIL", "detail", false},
    {"NODE", "node", true},
    {"PSEUDONYM", "pseudonym", true},
    {"CUSTOMER", "customer", true},
    {"VM", "vm", true},
    {"MIGRATION", "migration", true},
    {"LAST MIGRATION", "last_migration", true},
    {"MOVED", "last_migration_done", true},
    {NULL, NULL, false},
};

/* 0: there is none. */
static void set_migration(struct value *object, const char *key, uint64_t migration)
{
    if (migration) {
        value_set_number(object, key, migration);
    } else {
        value_set_string(object, key, NULL);
    }
}

static struct value *vm_value(const Tccp__VmStatus *vm)
{
    struct value *object = value_object();

    value_set_hex(object, "vm", protobuf_view(vm->vm));
    value_set_string(object, "name", vm->name);
    value_set_string(object, "state", vm->state);
    value_set_number(object, "generation", vm->generation);
    value_set_number(object, "vcpu_count", vm->vcpu_count);
    value_set_number(object, "memory_size", vm->memory_size);
    value_set_time(object, "changed_at", vm->changed_at_s);
    value_set_string(object, "detail", *vm->detail ? vm->detail : NULL);
    value_set_string(object, "node", *vm->node ? vm->node : NULL);
    value_set_hex(object, "pseudonym", protobuf_view(vm->pseudonym));
    value_set_hex(object, "customer", protobuf_view(vm->customer));
    set_migration(object, "migration", vm->migration);
    set_migration(object, "last_migration", vm->last_migration);
    if (vm->last_migration) {
        value_set_bool(object, "last_migration_done", vm->last_migration_done);
    } else {
        value_set_string(object, "last_migration_done", NULL);
    }
    return object;
}

static bool is_deleted(const Tccp__VmStatus *vm)
{
    return strcmp(vm->state, "deleted") == 0;
}

/* --- which one is meant --- */

static bool id_matches(const Tccp__VmStatus *vm, const char *word)
{
    char id[HEX_SIZE(SHA256_SIZE)];
    size_t length = strlen(word);

    if (vm->vm.len != SHA256_SIZE || length < ID_PREFIX_LENGTH_MIN) {
        return false;
    }
    hex_encode(protobuf_view(vm->vm), id);
    return strncmp(id, word, length) == 0;
}

static const Tccp__VmStatus *find_among(const Tccp__VmsReply *vms, const char *word, bool deleted,
                                        size_t *ret_matches)
{
    const Tccp__VmStatus *found = NULL;

    *ret_matches = 0;
    for (size_t i = 0; i < vms->n_vms; i++) {
        const Tccp__VmStatus *vm = vms->vms[i];

        if (is_deleted(vm) == deleted && (strcmp(vm->name, word) == 0 || id_matches(vm, word))) {
            found = vm;
            ++*ret_matches;
        }
    }
    return *ret_matches == 1 ? found : NULL;
}

const Tccp__VmStatus *vm_find(const Tccp__VmsReply *vms, const char *word, size_t *ret_matches)
{
    const Tccp__VmStatus *found = find_among(vms, word, false, ret_matches);

    return *ret_matches ? found : find_among(vms, word, true, ret_matches);
}

static enum exit_code vm_get_one(const struct cli *cli, const Tccp__VmsReply *vms,
                                 const Tccp__VmStatus **ret_vm)
{
    const char *word = argument_at(cli, 0);
    size_t matches;

    *ret_vm = vm_find(vms, word, &matches);
    if (*ret_vm) {
        return EXIT_DONE;
    }
    return matches ? report(cli, EXIT_USAGE, "`tccpctl vm list -o wide` shows ids",
                            "%zu VMs are named %s: give the id of one", matches, word)
                   : report(cli, EXIT_NOT_FOUND, "`tccpctl vm list` lists the VMs",
                            "there is no VM %s", word);
}

/* --- the verbs --- */

enum exit_code vms_ask(const struct cli *cli, struct session *session,
                       Tccp__AdminResponse **ret_response)
{
    Tccp__AdminRequest request = TCCP__ADMIN_REQUEST__INIT;
    Tccp__VmsList list = TCCP__VMS_LIST__INIT;
    enum exit_code exit_code;

    request.kind_case = TCCP__ADMIN_REQUEST__KIND_VMS_LIST;
    request.vms_list = &list;
    exit_code = session_ask(session, SESSION_READ, "list the VMs", &request, ret_response);
    if (exit_code == EXIT_DONE && (*ret_response)->kind_case != TCCP__ADMIN_RESPONSE__KIND_VMS) {
        exit_code = report(cli, EXIT_FAILED, "",
                           "cannot list the VMs: the answer is of another "
                           "kind");
    }
    return exit_code;
}

enum exit_code vm_list(struct cli *cli)
{
    OWN(session) struct session *session = NULL;
    OWN(admin_response) Tccp__AdminResponse *response = NULL;
    OWN(value) struct value *list = value_list();
    enum exit_code exit_code = session_open(cli, false, &session);

    if (exit_code == EXIT_DONE) {
        exit_code = vms_ask(cli, session, &response);
    }
    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    for (size_t i = 0; i < response->vms->n_vms; i++) {
        if (option_is_set(cli, "all") || !is_deleted(response->vms->vms[i])) {
            value_add(list, vm_value(response->vms->vms[i]));
        }
    }
    return output_list(cli, list, columns);
}

enum exit_code vm_get(struct cli *cli)
{
    OWN(session) struct session *session = NULL;
    OWN(admin_response) Tccp__AdminResponse *response = NULL;
    OWN(value) struct value *object = NULL;
    const Tccp__VmStatus *vm;
    enum exit_code exit_code = session_open(cli, false, &session);

    if (exit_code == EXIT_DONE) {
        exit_code = vms_ask(cli, session, &response);
    }
    if (exit_code == EXIT_DONE) {
        exit_code = vm_get_one(cli, response->vms, &vm);
    }
    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    object = vm_value(vm);
    return output_object(cli, object, columns);
}

enum exit_code vm_change(const struct cli *cli, struct session *session, const char *what,
                         Tccp__AdminRequest *request, ProtobufCBinaryData *id,
                         struct vm_subject *ret_subject, Tccp__AdminResponse **ret_response)
{
    OWN(admin_response) Tccp__AdminResponse *vms = NULL;
    const Tccp__VmStatus *vm;
    enum exit_code exit_code = vms_ask(cli, session, &vms);

    if (exit_code == EXIT_DONE) {
        exit_code = vm_get_one(cli, vms->vms, &vm);
    }
    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    if (digest_of_view(protobuf_view(vm->vm), &ret_subject->vm) != STATUS_OK) {
        return report(cli, EXIT_FAILED, "", "cannot %s: the coordinator gives it no id", what);
    }
    (void)snprintf(ret_subject->name, sizeof ret_subject->name, "%s", vm->name);
    *id = protobuf_data(digest_view(&ret_subject->vm));
    exit_code = session_ask(session, SESSION_CHANGE, what, request, ret_response);
    if (exit_code == EXIT_DONE && (*ret_response)->kind_case != TCCP__ADMIN_RESPONSE__KIND_DONE) {
        exit_code = report(cli, EXIT_FAILED, "", "cannot %s: the answer is of another kind", what);
    }
    return exit_code;
}

static enum exit_code change(const struct cli *cli, const char *what, Tccp__AdminRequest *request,
                             ProtobufCBinaryData *id)
{
    OWN(session) struct session *session = NULL;
    OWN(admin_response) Tccp__AdminResponse *response = NULL;
    struct vm_subject subject;
    enum exit_code exit_code = session_open(cli, false, &session);

    if (exit_code == EXIT_DONE) {
        exit_code = vm_change(cli, session, what, request, id, &subject, &response);
    }
    return exit_code == EXIT_DONE ? done_show(cli, response->done) : exit_code;
}

enum exit_code vm_stop(struct cli *cli)
{
    Tccp__AdminRequest request = TCCP__ADMIN_REQUEST__INIT;
    Tccp__VmStop stop = TCCP__VM_STOP__INIT;

    request.kind_case = TCCP__ADMIN_REQUEST__KIND_VM_STOP;
    request.vm_stop = &stop;
    return change(cli, "stop the VM", &request, &stop.vm);
}

enum exit_code vm_delete(struct cli *cli)
{
    Tccp__AdminRequest request = TCCP__ADMIN_REQUEST__INIT;
    Tccp__VmDelete delete_request = TCCP__VM_DELETE__INIT;
    char question[160];
    enum exit_code exit_code;

    (void)snprintf(question, sizeof question, "Delete %s? It can never be started again; go on",
                   argument_at(cli, 0));
    exit_code = confirm(cli, question);
    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    request.kind_case = TCCP__ADMIN_REQUEST__KIND_VM_DELETE;
    request.vm_delete = &delete_request;
    return change(cli, "delete the VM", &request, &delete_request.vm);
}
