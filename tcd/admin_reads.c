/* Requests that only look. */
#include "lib/base/protobuf.h"
#include "lib/net/timer.h"
#include "tcd/admin_list.h"
#include "tcd/replica.h"

#include <config.h>

#include <stdlib.h>
#include <string.h>

static ProtobufCBinaryData digest_data(const struct digest *digest)
{
    return protobuf_data(digest_view(digest));
}

static const char *leader_name(const struct tcd *tcd)
{
    uint64_t leader = tcd->replica ? replica_leader(tcd->replica) : 0;
    const struct member *member = leader ? registry_member(tcd_registry(tcd), leader) : NULL;

    return member ? member->name.text : "";
}

static void count_nodes(const struct registry *registry, Tccp__StatusReply *reply)
{
    const struct node *node;
    size_t cursor = 0;

    while ((node = registry_node_next(registry, &cursor))) {
        if (node_state(node) == NODE_LIVE) {
            reply->nodes_live++;
        } else {
            reply->nodes_other++;
        }
    }
}

static void count_vms(const struct admin_session *session, const struct registry *registry,
                      Tccp__StatusReply *reply)
{
    const struct vm *vm;
    size_t cursor = 0;

    while ((vm = registry_vm_next(registry, &cursor))) {
        if (session->caller == CALLER_CUSTOMER && !digest_equal(&vm->customer, &session->key_id)) {
            continue;
        }
        switch (vm->state) {
        case VM_RUNNING:
            reply->vms_running++;
            break;
        case VM_LAUNCHING:
        case VM_MIGRATING:
        case VM_RESUMING:
            reply->vms_changing++;
            break;
        case VM_PAUSED:
        case VM_STOPPED:
            reply->vms_stopped++;
            break;
        case VM_LOST:
            reply->vms_lost++;
            break;
        case VM_DELETED:
        case VM_STATE_COUNT:
            break;
        }
    }
}

void admin_status(struct admin_call *call)
{
    const struct tcd *tcd = call->session->tcd;
    const struct registry *registry = tcd_registry(tcd);
    const struct perimeter *perimeter = registry_perimeter(registry);
    const struct in_force *in_force = machine_in_force(tcd->machine);
    struct digest digest = registry_digest(registry), root = merkle_root(registry_audit(registry));
    Tccp__AdminResponse response = TCCP__ADMIN_RESPONSE__INIT;
    Tccp__StatusReply reply = TCCP__STATUS_REPLY__INIT;
    struct replica_statistics statistics = {0};

    reply.perimeter_id = digest_data(&tcd->config.perimeter_id);
    if (in_force) {
        reply.perimeter_name = protobuf_string(in_force->bundle->root.name);
    }
    if (perimeter && perimeter->adopted) {
        reply.epoch = perimeter->epoch;
        reply.manifest_version = perimeter->manifest_version;
        reply.manifest_not_after_s = perimeter->not_after_s;
        reply.manifest_expired = perimeter->expired;
        reply.endorsement_not_after_s = perimeter->endorsed_until_s;
        reply.development = perimeter->development;
    }
    reply.member = protobuf_string(tcd->config.member);
    reply.leader = protobuf_string(leader_name(tcd));
    reply.term = tcd->replica ? replica_term(tcd->replica) : 0;
    reply.revision = registry_revision(registry);
    if (tcd->replica) {
        replica_statistics(tcd->replica, &statistics);
    }
    reply.applied_index = statistics.applied_index;
    reply.state_digest = digest_data(&digest);
    reply.audit_size = registry_audit(registry)->size;
    reply.audit_root = digest_data(&root);
    reply.version = protobuf_string(PACKAGE_VERSION);
    reply.phase = protobuf_string(tcd_phase_name(tcd->phase));
    reply.now_s = time_wall_s();
    count_nodes(registry, &reply);
    count_vms(call->session, registry, &reply);
    response.kind_case = TCCP__ADMIN_RESPONSE__KIND_STATUS;
    response.status = &reply;
    admin_answer(call, &response);
}

void admin_perimeter_get(struct admin_call *call)
{
    const struct in_force *in_force = machine_in_force(call->session->tcd->machine);
    Tccp__AdminResponse response = TCCP__ADMIN_RESPONSE__INIT;
    Tccp__PerimeterBundle *bundle;
    struct refusal refusal = {0};

    if (!in_force) {
        refusal = refusal_make(REFUSAL_NOT_READY, "no perimeter is in force on this member yet");
        admin_refuse(call, &refusal);
        return;
    }
    bundle = (Tccp__PerimeterBundle *)protobuf_unpack(
        &tccp__perimeter_bundle__descriptor, bytes_view(&in_force->bundle_bytes), BUNDLE_SIZE_MAX);
    if (!bundle) {
        admin_fail(call, STATUS_NO_MEMORY);
        return;
    }
    response.kind_case = TCCP__ADMIN_RESPONSE__KIND_PERIMETER;
    response.perimeter = bundle;
    admin_answer(call, &response);
    tccp__perimeter_bundle__free_unpacked(bundle, NULL);
}

static size_t count_all(const struct registry *registry,
                        const void *(*next)(const struct registry *registry, size_t *cursor))
{
    size_t cursor = 0, count = 0;

    while (next(registry, &cursor)) {
        count++;
    }
    return count;
}

static const void *next_entry(const struct registry *registry, size_t *cursor)
{
    return registry_member_entry_next(registry, cursor);
}

static const void *next_user(const struct registry *registry, size_t *cursor)
{
    return registry_user_next(registry, cursor);
}

static const char *role_of(const struct replica *replica, uint64_t raft_id)
{
    struct replica_member members[REPLICA_MEMBER_MAX];
    size_t count = replica_members(replica, members);

    for (size_t i = 0; i < count; i++) {
        if (members[i].raft_id == raft_id) {
            return members[i].role == REPLICA_VOTER ? "voter" : "standby";
        }
    }
    return "absent";
}

void admin_members_list(struct admin_call *call)
{
    const struct tcd *tcd = call->session->tcd;
    const struct registry *registry = tcd_registry(tcd);
    size_t count = count_all(registry, next_entry), cursor = 0;
    Tccp__AdminResponse response = TCCP__ADMIN_RESPONSE__INIT;
    Tccp__MembersReply reply = TCCP__MEMBERS_REPLY__INIT;
    OWN(admin_list) struct admin_list list = {0};
    Tccp__MemberStatus *items;

    if (!admin_list_make(call, count, sizeof *items, &list)) {
        return;
    }
    items = list.items;
    for (size_t i = 0; i < count; i++) {
        const struct member_entry *entry = registry_member_entry_next(registry, &cursor);
        const struct member *member = registry_member_by_name(registry, entry->name.text);
        uint64_t raft_id = member ? member->raft_id : 0;

        tccp__member_status__init(&items[i]);
        items[i].name = protobuf_string(entry->name.text);
        items[i].address = protobuf_string(entry->address);
        items[i].ak_name = protobuf_data(tpm_name_view(&entry->ak_name));
        items[i].raft_id = raft_id;
        items[i].role = protobuf_string(role_of(tcd->replica, raft_id));
        items[i].leader = raft_id != 0 && raft_id == replica_leader(tcd->replica);
    }
    reply.n_members = count;
    reply.members = (Tccp__MemberStatus **)list.pointers;
    response.kind_case = TCCP__ADMIN_RESPONSE__KIND_MEMBERS;
    response.members = &reply;
    admin_answer(call, &response);
}

void admin_users_list(struct admin_call *call)
{
    const struct registry *registry = tcd_registry(call->session->tcd);
    size_t count = count_all(registry, next_user), cursor = 0;
    Tccp__AdminResponse response = TCCP__ADMIN_RESPONSE__INIT;
    Tccp__UsersReply reply = TCCP__USERS_REPLY__INIT;
    OWN(admin_list) struct admin_list list = {0};
    Tccp__UserStatus *items;

    if (!admin_list_make(call, count, sizeof *items, &list)) {
        return;
    }
    items = list.items;
    for (size_t i = 0; i < count; i++) {
        const struct user *user = registry_user_next(registry, &cursor);

        tccp__user_status__init(&items[i]);
        items[i].name = protobuf_string(user->name.text);
        items[i].role = protobuf_string(user_role_name(user->role));
        items[i].key_id = digest_data(&user->key_id);
        items[i].from_manifest = user->from_manifest;
    }
    reply.n_users = count;
    reply.users = (Tccp__UserStatus **)list.pointers;
    response.kind_case = TCCP__ADMIN_RESPONSE__KIND_USERS;
    response.users = &reply;
    admin_answer(call, &response);
}

static enum certificate_role certificate_role_of(enum user_role role)
{
    static const enum certificate_role roles[USER_ROLE_COUNT] = {
        [USER_OPERATOR] = ROLE_OPERATOR,
        [USER_CUSTOMER] = ROLE_CUSTOMER,
        [USER_AUDITOR] = ROLE_AUDITOR,
    };

    ASSERT((unsigned)role < USER_ROLE_COUNT);
    return roles[role];
}

void admin_enroll(struct admin_call *call)
{
    struct tcd *tcd = call->session->tcd;
    const struct user *user = registry_user_by_key(tcd_registry(tcd), &call->session->key_id);
    Tccp__AdminResponse response = TCCP__ADMIN_RESPONSE__INIT;
    Tccp__Enrolled enrolled = TCCP__ENROLLED__INIT;
    OWN(bytes) struct bytes certificate = {0};
    struct refusal refusal = {0};
    enum status status;

    if (!user) {
        refusal =
            refusal_make(REFUSAL_NOT_AUTHORIZED,
                         "no user has this key: an operator has to run `tccpctl user add` for it");
        admin_refuse(call, &refusal);
        return;
    }
    status = credentials_issue(tcd->authority, machine_in_force(tcd->machine),
                               certificate_role_of(user->role), user->name.text,
                               bytes_view(&call->session->spki), (struct view){0}, 0, time_wall_s(),
                               &certificate);
    if (status != STATUS_OK) {
        admin_fail(call, status);
        return;
    }
    enrolled.certificate = protobuf_data(bytes_view(&certificate));
    enrolled.ca_certificate = protobuf_data(bytes_view(&tcd->credentials->ca_certificate));
    enrolled.role = protobuf_string(user_role_name(user->role));
    enrolled.name = protobuf_string(user->name.text);
    response.kind_case = TCCP__ADMIN_RESPONSE__KIND_ENROLLED;
    response.enrolled = &enrolled;
    admin_answer(call, &response);
}
