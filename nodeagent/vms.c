#include "nodeagent/vms.h"

#include "lib/base/log.h"
#include "lib/base/protobuf.h"
#include "lib/base/text.h"
#include "lib/protocol/launch_proof.h"
#include "lib/protocol/run_grant.h"
#include "lib/protocol/vm_keys.h"
#include "nodeagent/launcher/command.h"
#include "nodeagent/vms_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    FETCH_THREADS = 2,
    FETCH_QUEUE_MAX = 256,
    VM_MESSAGE_SIZE_MAX = 4096, /* bytes, of a command or report */
    INVENTORY_SIZE_MAX = 1 << 20,
};

void vms_log_refusal(const char *event, const struct digest *vm, enum status status,
                     const struct refusal *refusal)
{
    log_event(LOG_WARNING, event, "vm=%s reason=%s detail=\"%s\"", hex_short(digest_view(vm)).text,
              status == STATUS_REFUSED ? refusal_name(refusal->code) : status_text(status),
              refusal->detail);
}

/* --- to the coordinator --- */

void vms_send(struct vms *vms, Tccp__NodeMessageKind kind, struct view payload)
{
    enum status status = vms->config.callbacks.send(vms->config.argument, kind, payload);

    if (status != STATUS_OK) {
        log_event(LOG_INFO, "vm-message-not-sent", "kind=%d reason=\"%s\"", (int)kind,
                  status_text(status));
    }
}

static void send_event(struct vms *vms, const struct digest *vm, uint64_t generation,
                       Tccp__VmEvent event, const char *detail)
{
    Tccp__VmReport message = TCCP__VM_REPORT__INIT;
    OWN(bytes) struct bytes bytes = {0};

    message.vm = protobuf_data(digest_view(vm));
    message.generation = generation;
    message.event = event;
    message.detail = protobuf_string(detail);
    if (protobuf_pack(&message.base, VM_MESSAGE_SIZE_MAX, &bytes) == STATUS_OK) {
        vms_send(vms, TCCP__NODE_MESSAGE_KIND__VM_REPORT, bytes_view(&bytes));
    }
}

void vms_report(struct vms *vms, const struct digest *vm, uint64_t generation,
                enum record_outcome outcome, const char *detail)
{
    static const Tccp__VmEvent events[] = {
        [RECORD_NO_OUTCOME] = TCCP__VM_EVENT__VM_EVENT_UNSPECIFIED,
        [RECORD_ENDED] = TCCP__VM_EVENT__VM_EVENT_ENDED,
        [RECORD_FAILED] = TCCP__VM_EVENT__VM_EVENT_FAILED,
        [RECORD_DESTROYED] = TCCP__VM_EVENT__VM_EVENT_DESTROYED,
        [RECORD_NOT_MOVED] = TCCP__VM_EVENT__VM_EVENT_MIGRATION_FAILED,
    };

    send_event(vms, vm, generation, events[outcome], detail);
}

static enum status send_launched(struct vm_entry *entry)
{
    struct vms *vms = entry->vms;
    struct registrant_identity identity;
    OWN(bytes) struct bytes bytes = {0};
    struct signer signer;

    TRY(vms->config.callbacks.identity(vms->config.argument, &identity));
    if (identity.registration_id != entry->launched.registration) {
        return STATUS_CONFLICT;
    }
    signer = signer_of_key(identity.tk_sign);
    TRY(launched_make(&entry->launched, &identity.scope, &signer, &bytes));
    vms_send(vms, TCCP__NODE_MESSAGE_KIND__LAUNCHED, bytes_view(&bytes));
    return STATUS_OK;
}

/* Which of the two the coordinator waits for, if for any, only it knows; it ignores the other. */
void vms_tell_running(struct vm_entry *entry)
{
    const bool was_launched =
        entry->has_launched && entry->launched.generation == entry->granted_generation;
    enum status status;

    if (entry->record.state != RECORD_RUNNING) {
        return;
    }
    if (was_launched) {
        status = send_launched(entry);
        if (status != STATUS_OK) {
            log_event(LOG_INFO, "vm-message-not-sent", "kind=launched reason=\"%s\"",
                      status_text(status));
        }
    }
    if (entry->is_adopted || !was_launched) {
        send_event(entry->vms, &entry->record.vm, entry->granted_generation,
                   TCCP__VM_EVENT__VM_EVENT_RESUMED, "");
    }
}

static void send_inventory(struct vms *vms)
{
    Tccp__VmInventory message = TCCP__VM_INVENTORY__INIT;
    Tccp__VmCopy *copies = calloc(vms->table.count + 1, sizeof *copies);
    Tccp__VmCopy **list = calloc(vms->table.count + 1, sizeof(Tccp__VmCopy *));
    OWN(bytes) struct bytes bytes = {0};
    struct vm_entry *entry;
    size_t cursor = 0;

    ASSERT(copies && list);
    while ((entry = table_next(&vms->table, &cursor))) {
        Tccp__VmCopy *copy = &copies[message.n_copies];

        if (record_survives(&entry->record)) {
            tccp__vm_copy__init(copy);
            copy->vm = protobuf_data(digest_view(&entry->record.vm));
            copy->generation = entry->record.generation;
            list[message.n_copies++] = copy;
        }
    }
    message.copies = list;
    vms->owes_inventory = false;
    if (protobuf_pack(&message.base, INVENTORY_SIZE_MAX, &bytes) == STATUS_OK) {
        vms_send(vms, TCCP__NODE_MESSAGE_KIND__VM_INVENTORY, bytes_view(&bytes));
    }
    free(copies);
    free(list);
}

/* --- orders --- */

struct digest machine_configuration(const struct image_manifest *manifest,
                                    const struct digest *perimeter_id)
{
    struct canonical canonical =
        canonical_begin("tccp-machine-configuration", &(struct scope){*perimeter_id, 0});

    canonical_field(&canonical, view_string(QEMU_MACHINE));
    canonical_number(&canonical, manifest->vcpu_count);
    canonical_number(&canonical, manifest->memory_size);
    canonical_digest(&canonical, &manifest->kernel.digest);
    canonical_digest(&canonical, &manifest->initrd.digest);
    canonical_field(&canonical, view_string(manifest->command_line));
    return canonical_hash(&canonical);
}

/* What `Launched` will say. Its measurement is true: nothing else than the manifest's blobs is
 * started under this VM's id, which binds the manifest. */
static void note_order(struct vm_entry *entry, const struct launch_order *order,
                       const struct vm_secret *secret, const struct registrant_identity *identity)
{
    const struct order_header *header = &order->header;
    struct proof_fields fields = {
        .vm = header->vm, .generation = header->generation, .image = header->image};

    memcpy(fields.nonce, secret->nonce.data, sizeof fields.nonce);
    memcpy(fields.pseudonym, header->pseudonym, sizeof fields.pseudonym);
    entry->launched = (struct launched){
        .order = order->digest,
        .vm = header->vm,
        .generation = header->generation,
        .registration = header->registration,
        .measurement = {.disk = order->manifest.disk.digest,
                        .kernel = order->manifest.kernel.digest,
                        .initrd = order->manifest.initrd.digest,
                        .configuration =
                            machine_configuration(&order->manifest, &identity->scope.perimeter_id)},
        .proof = launch_proof_mac(secret->key, &identity->scope, &fields),
    };
    /* A migration's destination did not launch it. */
    entry->has_launched = header->purpose != ORDER_MIGRATE;
    if (!entry->is_fetching) {
        entry->manifest = order->manifest;
        entry->start_generation = header->start_generation;
        entry->migration = header->migration;
    }
    entry->record.registration = header->registration;
    if (header->generation > entry->record.generation) {
        entry->record.generation = header->generation;
    }
}

static struct vm_entry *entry_new(struct vms *vms, const struct vm_record *record)
{
    struct vm_entry *entry = calloc(1, sizeof *entry);

    ASSERT(entry);
    entry->record = *record;
    entry->vms = vms;
    entry->images = IMAGE_SET_NONE;
    entry->qmp_fd = entry->memory_fd = entry->secrets_fd = -1;
    table_insert(&vms->table, entry);
    return entry;
}

static void entry_forget(struct vm_entry *entry)
{
    (void)table_remove(&entry->vms->table, &entry->record.vm);
    entry_free(entry);
}

static enum status take_keys(struct vm_entry *entry, const struct launch_order *order,
                             const struct vm_secret *secret, const struct launch_policy *policy)
{
    entry->keeps_keys = policy->may_migrate && entry->overlay_mode != OVERLAY_PRIVATE;
    if (entry->image_key.size > 0) {
        return STATUS_OK; /* They never change. */
    }
    TRY(vm_image_key(secret->key, &entry->image_key));
    return vm_overlay_key(secret->key, &order->header.vm, order->header.start_generation,
                          &entry->overlay_key);
}

/* Also of one that an earlier agent started, which decided the same. */
static enum overlay_mode overlay_mode_of(const struct vms *vms, const struct order_header *header,
                                         const struct launch_policy *policy)
{
    if (header->purpose == ORDER_MIGRATE) {
        return OVERLAY_SHARED_EXISTING;
    }
    return policy->may_migrate && vms->config.shared_folder ? OVERLAY_SHARED_NEW : OVERLAY_PRIVATE;
}

static void begin(struct vms *vms, struct vm_entry *old, const struct launch_order *order,
                  const struct vm_secret *secret, const struct launch_policy *policy,
                  const struct registrant_identity *identity)
{
    const struct order_header *header = &order->header;
    const struct vm_record record =
        record_new(&header->vm, header->generation, header->registration);
    struct vm_entry *entry;

    if (old) {
        entry_forget(old);
    }
    entry = entry_new(vms, &record);
    memcpy(entry->location, order->image_location, sizeof entry->location);
    note_order(entry, order, secret, identity);
    entry->overlay_mode = overlay_mode_of(vms, header, policy);
    entry->needs_keys = header->purpose == ORDER_MIGRATE;
    if (take_keys(entry, order, secret, policy) != STATUS_OK) {
        entry_end(entry, RECORD_FAILED, "there is no memory for its keys");
        return;
    }
    log_event(LOG_NOTICE, "vm-ordered", "vm=%s generation=%" PRIu64 " migration=%" PRIu64,
              hex_short(digest_view(&header->vm)).text, header->generation, header->migration);
    entry_begin(entry);
}

/* For a VM that is here. */
static void take_order_again(struct vm_entry *entry, const struct launch_order *order,
                             const struct vm_secret *secret, const struct launch_policy *policy,
                             const struct registrant_identity *identity)
{
    note_order(entry, order, secret, identity);
    if (entry->is_adopted && entry->start_generation != 0) {
        entry->overlay_mode = overlay_mode_of(entry->vms, &order->header, policy);
    }
    /* That the coordinator has it readopted decides a migration whose ticket was another agent's,
     * or for another registration. */
    if (order->header.purpose == ORDER_READOPT) {
        (void)record_move(&entry->record, RECORD_DECIDED);
        entry->is_adopted = true;
    }
    if ((entry->overlay_mode != OVERLAY_PRIVATE || entry->needs_keys) &&
        take_keys(entry, order, secret, policy) == STATUS_OK) {
        entry_keyed(entry);
    }
    vms_tell_running(entry);
}

/* With the key: for a VM that is to be started, or that is here. */
static void open_order(struct vms *vms, struct vm_entry *entry, const struct launch_order *order,
                       const struct registrant_identity *identity, bool begins)
{
    OWN(vm_secret) struct vm_secret secret = {0};
    struct launch_policy policy;
    struct refusal refusal = {0};
    enum status status =
        launch_order_open(order, &identity->scope, entry ? entry->record.generation : 0,
                          identity->tk_kem, &secret, &policy, &refusal);

    if (status != STATUS_OK) {
        vms_log_refusal("order-refused", &order->header.vm, status, &refusal);
        if (begins) {
            vms_report(vms, &order->header.vm, order->header.generation,
                       order->header.purpose == ORDER_MIGRATE ? RECORD_NOT_MOVED : RECORD_FAILED,
                       refusal.detail[0] ? refusal.detail : status_text(status));
        }
    } else if (begins) {
        begin(vms, entry, order, &secret, &policy, identity);
    } else {
        take_order_again(entry, order, &secret, &policy, identity);
    }
}

static void carry_out(struct vms *vms, const struct launch_order *order,
                      const struct registrant_identity *identity)
{
    const struct order_header *header = &order->header;
    struct vm_entry *entry = table_find(&vms->table, &header->vm);
    enum order_answer answer =
        record_take_order(entry ? &entry->record : NULL, header->purpose, header->generation);

    switch (answer) {
    case ORDER_BEGIN:
    case ORDER_TAKE:
        open_order(vms, entry, order, identity, answer == ORDER_BEGIN);
        return;
    case ORDER_REPORT:
        vms_report(vms, &header->vm, header->generation,
                   entry->record.outcome == RECORD_NO_OUTCOME ? RECORD_FAILED
                                                              : entry->record.outcome,
                   entry->record.detail);
        return;
    case ORDER_REPLACE:
        entry_end(entry, RECORD_NO_OUTCOME, "a newer generation is ordered");
        return;
    case ORDER_MISSING:
        vms_report(vms, &header->vm, header->generation, RECORD_FAILED,
                   "the VM is not on this node");
        return;
    case ORDER_WAIT:
    case ORDER_STALE:
        log_event(LOG_NOTICE, "order-ignored", "vm=%s generation=%" PRIu64 " answer=%d",
                  hex_short(digest_view(&header->vm)).text, header->generation, (int)answer);
        return;
    }
}

static void take_order(struct vms *vms, struct view payload,
                       const struct registrant_identity *identity, const struct public_key *tc_sign)
{
    const struct order_expectation expectation = {
        .scope = identity->scope,
        .tc_sign = tc_sign,
        .node = identity->ek_name,
        .registration = identity->registration_id,
    };
    OWN(launch_order) struct launch_order order = {0};
    struct refusal refusal = {0};
    enum status status = launch_order_check(payload, &expectation, &order, &refusal);

    if (status != STATUS_OK) {
        vms_log_refusal("order-refused", &order.header.vm, status, &refusal);
    } else if (!vms->launcher) {
        vms_report(vms, &order.header.vm, order.header.generation, RECORD_FAILED,
                   "this node's agent was not started by tccp-launcher: it runs no VMs");
    } else if (vms->is_listed) {
        carry_out(vms, &order, identity);
    }
}

/* --- grants and commands --- */

/* It is to run and is not here; how it ended may have been told before the coordinator gave it this
 * generation. */
static void report_missing(struct vms *vms, const struct vm_entry *entry,
                           const struct run_grant *grant)
{
    const bool has_ended =
        entry && (entry->record.outcome == RECORD_ENDED || entry->record.outcome == RECORD_FAILED);

    if (vms->is_listed) {
        vms_report(vms, &grant->vm, grant->generation,
                   has_ended ? entry->record.outcome : RECORD_FAILED,
                   has_ended ? entry->record.detail : "the VM is not on this node");
    }
}

static void take_grant(struct vms *vms, struct view payload,
                       const struct registrant_identity *identity, const struct public_key *tc_sign)
{
    struct run_grant_expectation expectation = {
        .scope = identity->scope, .tc_sign = tc_sign, .registration = identity->registration_id};
    struct vm_entry *entry = NULL;
    struct refusal refusal = {0};
    struct run_grant grant;
    enum grant_answer answer;
    enum status status = run_grant_peek(payload, &expectation.vm, &refusal);

    if (status == STATUS_OK) {
        entry = table_find(&vms->table, &expectation.vm);
        expectation.generation_seen = entry ? entry->record.generation : 0;
        status = run_grant_check(payload, &expectation, &grant, &refusal);
    }
    if (status != STATUS_OK) {
        vms_log_refusal("grant-refused", &expectation.vm, status, &refusal);
        return;
    }
    answer = record_take_grant(entry ? &entry->record : NULL, grant.generation);
    if (answer == GRANT_REPORT) {
        report_missing(vms, entry, &grant);
        return;
    }
    if (answer == GRANT_IGNORE || grant.generation < entry->grant_generation) {
        return;
    }
    bytes_free(&entry->grant);
    if (bytes_copy(payload, &entry->grant) != STATUS_OK) {
        return; /* It comes again. */
    }
    entry->grant_generation = grant.generation;
    if (answer == GRANT_APPLY) {
        entry_apply_grant(entry);
    }
}

static void command_do(struct vms *vms, const struct digest *vm, uint64_t generation,
                       bool is_destroy)
{
    struct vm_entry *entry = table_find(&vms->table, vm);
    enum record_outcome outcome = is_destroy ? RECORD_DESTROYED : RECORD_ENDED;

    switch (record_take_command(entry ? &entry->record : NULL, generation)) {
    case COMMAND_IGNORE:
        return;
    case COMMAND_END:
        entry->record.generation = generation;
        entry_end(entry, outcome, "%s", is_destroy ? "destroyed as asked" : "stopped as asked");
        return;
    case COMMAND_REPORT:
        vms_report(vms, vm, generation, outcome, entry ? entry->record.detail : "it is not here");
        return;
    }
}

static void take_command(struct vms *vms, struct view payload)
{
    Tccp__VmCommand *command = (Tccp__VmCommand *)protobuf_unpack(&tccp__vm_command__descriptor,
                                                                  payload, VM_MESSAGE_SIZE_MAX);
    struct digest vm;

    if (!command) {
        log_event(LOG_WARNING, "command-malformed", "size=%zu", payload.size);
        return;
    }
    if (digest_of_view(protobuf_view(command->vm), &vm) == STATUS_OK &&
        (command->action == TCCP__VM_ACTION__VM_ACTION_STOP ||
         command->action == TCCP__VM_ACTION__VM_ACTION_DESTROY) &&
        (vms->is_listed || !vms->launcher)) {
        command_do(vms, &vm, command->generation,
                   command->action == TCCP__VM_ACTION__VM_ACTION_DESTROY);
    }
    tccp__vm_command__free_unpacked(command, NULL);
}

void vms_message(struct vms *vms, Tccp__NodeMessageKind kind, struct view payload)
{
    struct registrant_identity identity;
    OWN(public_key) struct public_key *tc_sign = NULL;

    if (vms->config.callbacks.identity(vms->config.argument, &identity) != STATUS_OK ||
        public_key_parse(identity.tc_sign, &tc_sign) != STATUS_OK) {
        return;
    }
    if (kind == TCCP__NODE_MESSAGE_KIND__LAUNCH_ORDER) {
        take_order(vms, payload, &identity, tc_sign);
    } else if (kind == TCCP__NODE_MESSAGE_KIND__RUN_GRANT) {
        take_grant(vms, payload, &identity, tc_sign);
    } else if (kind == TCCP__NODE_MESSAGE_KIND__VM_COMMAND) {
        take_command(vms, payload);
    } else if (kind == TCCP__NODE_MESSAGE_KIND__MIGRATION_TICKET) {
        vms_take_ticket(vms, payload, &identity, tc_sign);
    } else if (kind == TCCP__NODE_MESSAGE_KIND__MIGRATION_READY) {
        vms_take_ready(vms, payload, &identity);
    } else if (kind == TCCP__NODE_MESSAGE_KIND__MIGRATION_DECISION) {
        vms_take_decision(vms, payload, &identity, tc_sign);
    } else {
        log_event(LOG_NOTICE, "vm-message-unsupported", "kind=%d", (int)kind);
    }
}

/* --- registrations --- */

static void on_told(void *argument, const struct launcher_reply *reply)
{
    (void)argument;
    if (reply->status != STATUS_OK) {
        log_event(LOG_WARNING, "launcher-refused", "reason=%s detail=\"%s\"",
                  reply->status == STATUS_REFUSED ? refusal_name(reply->refusal->code)
                                                  : status_text(reply->status),
                  reply->refusal->detail);
    }
}

static void tell_lease(struct vms *vms, uint64_t registration_id, uint64_t renewed_ms)
{
    struct launcher_request request = {
        .kind = LAUNCHER_LEASE, .registration = registration_id, .renewed_ms = renewed_ms};

    if (vms->launcher) {
        launcher_client_request(vms->launcher, &request, NULL, on_told, NULL);
    }
}

void vms_registration_lost(struct vms *vms)
{
    struct vm_entry *entry;
    size_t cursor = 0;

    while ((entry = table_next(&vms->table, &cursor))) {
        if (entry->record.state != RECORD_OVER && !record_survives(&entry->record)) {
            entry_end(entry, RECORD_NO_OUTCOME, "its registration was lost");
        }
    }
}

void vms_registered(struct vms *vms)
{
    struct registrant_identity identity;
    struct launcher_request trust = {.kind = LAUNCHER_TRUST};
    struct vm_entry *entry;
    size_t cursor = 0;

    if (vms->config.callbacks.identity(vms->config.argument, &identity) != STATUS_OK) {
        return;
    }
    while ((entry = table_next(&vms->table, &cursor))) {
        if (entry->record.state == RECORD_OVER) {
            entry_forget(entry);
        } else if (!record_survives(&entry->record)) {
            entry_end(entry, RECORD_NO_OUTCOME, "its registration was lost");
        } else {
            entry->is_adopted = true;
            entry_move_stop(entry, "its registration was lost");
        }
    }
    if (vms->port && migration_port_set_identity(vms->port, identity.certificate,
                                                 identity.tk_sign) != STATUS_OK) {
        log_event(LOG_ERROR, "migrations-not-taken", "reason=\"the certificate cannot be used\"");
    }
    if (vms->launcher) {
        trust.payload = identity.ca_certificate;
        launcher_client_request(vms->launcher, &trust, NULL, on_told, NULL);
    }
    tell_lease(vms, identity.registration_id, identity.renewed_ms);
    vms->owes_inventory = true;
    if (vms->is_listed || !vms->launcher) {
        send_inventory(vms);
    }
}

void vms_renewed(struct vms *vms, uint64_t renewed_ms, bool is_new_connection)
{
    struct registrant_identity identity;
    struct vm_entry *entry;
    size_t cursor = 0;

    if (vms->config.callbacks.identity(vms->config.argument, &identity) != STATUS_OK) {
        return;
    }
    tell_lease(vms, identity.registration_id, renewed_ms);
    while ((entry = table_next(&vms->table, &cursor))) {
        entry_try_again(entry);
    }
    cursor = 0;
    if (!is_new_connection) {
        return;
    }
    if (vms->is_listed || !vms->launcher) {
        send_inventory(vms);
    }
    while ((entry = table_next(&vms->table, &cursor))) {
        const struct vm_record *record = &entry->record;

        if (record->state == RECORD_OVER && record->outcome != RECORD_NO_OUTCOME) {
            vms_report(vms, &record->vm, record->generation, record->outcome, record->detail);
        } else {
            vms_tell_running(entry);
        }
    }
}

/* --- from the launcher --- */

static void on_notice(void *argument, const struct launcher_notice *notice)
{
    struct vms *vms = argument;
    struct vm_entry *entry = table_find(&vms->table, &notice->vm);

    if (notice->kind == LAUNCHER_GONE && entry && entry->is_held) {
        entry_gone(entry, notice);
    } else if (notice->kind == LAUNCHER_STATE) {
        log_event(LOG_NOTICE, "vm-fenced", "vm=%s state=%s",
                  hex_short(digest_view(&notice->vm)).text, vm_state_name(notice->state));
    }
}

static void on_inventory(void *argument, const struct launcher_notice *notice,
                         const int fds[VM_FD_COUNT])
{
    struct launcher_request destroy = {.kind = LAUNCHER_DESTROY, .vm = notice->vm};
    struct vms *vms = argument;
    struct vm_entry *entry;
    struct vm_record record = record_adopted(&notice->vm, notice->generation);
    /* A migration's destination is frozen when all of the state is there. */
    const bool is_whole = notice->has_run || notice->state == VM_FROZEN;

    if (is_whole && notice->state != VM_KILLED && !table_find(&vms->table, &notice->vm)) {
        entry = entry_new(vms, &record);
        entry->is_adopted = true;
        entry_adopt(entry, fds, notice->state);
        return;
    }
    for (unsigned i = 0; i < VM_FD_COUNT; i++) {
        (void)close(fds[i]);
    }
    if (!is_whole) {
        /* Half-started, perhaps without its disk: it never ran, so nothing is lost. */
        launcher_client_request(vms->launcher, &destroy, NULL, NULL, NULL);
    }
}

static void on_listed(void *argument, const struct launcher_reply *reply)
{
    struct vms *vms = argument;

    if (reply->status == STATUS_OK) {
        vms->is_listed = true;
        if (vms->owes_inventory) {
            send_inventory(vms);
        }
    }
}

static void on_launcher_closed(void *argument, enum status status)
{
    struct vms *vms = argument;

    log_event(LOG_ERROR, "launcher-lost", "reason=\"%s\"", status_text(status));
    vms->config.callbacks.on_launcher_lost(vms->config.argument);
}

/* --- start and end --- */

/* What an agent left that was killed while it made an overlay. */
static enum status folder_empty(const char *path)
{
    DIR *folder;
    struct dirent *entry;

    if (mkdir(path, 0700) != 0 && errno != EEXIST) {
        return STATUS_IO;
    }
    folder = opendir(path);
    if (!folder) {
        return STATUS_IO;
    }
    while ((entry = readdir(folder))) {
        if (entry->d_name[0] != '.') {
            (void)unlinkat(dirfd(folder), entry->d_name, 0);
        }
    }
    (void)closedir(folder);
    return STATUS_OK;
}

static enum status launcher_open(struct vms *vms)
{
    static const struct launcher_client_handlers handlers = {on_notice, on_inventory,
                                                             on_launcher_closed};
    struct launcher_request list = {.kind = LAUNCHER_LIST};

    if (vms->config.launcher_fd < 0) {
        log_event(LOG_NOTICE, "no-launcher",
                  "text=\"not started by tccp-launcher: this node runs no VMs\"");
        return STATUS_OK;
    }
    TRY(folder_empty(vms->folder));
    TRY(launcher_client_open(vms->config.loop, vms->config.launcher_fd, &handlers, vms,
                             &vms->launcher));
    launcher_client_request(vms->launcher, &list, NULL, on_listed, vms);
    return STATUS_OK;
}

static enum status port_open(struct vms *vms, char *ret_error)
{
    const struct vms_config *config = &vms->config;

    return config->migration_address
               ? migration_port_open(config->loop, config->migration_address, &vms->port, ret_error)
               : STATUS_OK;
}

enum status vms_open(const struct vms_config *config, struct vms **ret_vms, char *ret_error)
{
    struct vms *vms = calloc(1, sizeof *vms);
    enum status status = STATUS_NO_MEMORY;

    ret_error[0] = '\0';
    if (!vms) {
        return STATUS_NO_MEMORY;
    }
    vms->config = *config;
    TABLE_INIT(&vms->table, struct vm_entry, record.vm);
    vms->folder = strdup(config->folder);
    if (vms->folder) {
        status = worker_open(config->loop, FETCH_THREADS, FETCH_QUEUE_MAX, &vms->worker);
    }
    if (status == STATUS_OK) {
        status = port_open(vms, ret_error);
    }
    if (status == STATUS_OK) {
        status = launcher_open(vms);
    }
    if (status != STATUS_OK) {
        vms_close(vms);
        return status;
    }
    *ret_vms = vms;
    return STATUS_OK;
}

void vms_close(struct vms *vms)
{
    struct vm_entry *entry;

    if (!vms) {
        return;
    }
    vms->is_closing = true;
    if (vms->worker) {
        worker_close(vms->worker);
    }
    while ((entry = table_first(&vms->table))) {
        entry_forget(entry);
    }
    launcher_client_close(vms->launcher);
    migration_port_close(vms->port);
    table_free(&vms->table);
    free(vms->folder);
    free(vms);
}
