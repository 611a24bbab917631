/* What the coordinator is told of this node's VMs. */
#include "lib/base/log.h"
#include "lib/base/protobuf.h"
#include "nodeagent/vms_internal.h"

#include <stdlib.h>

enum {
    REPORT_SIZE_MAX = 4096, /* bytes */
    INVENTORY_SIZE_MAX = 1 << 20,
};

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
    if (protobuf_pack(&message.base, REPORT_SIZE_MAX, &bytes) == STATUS_OK) {
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

void vms_tell_paused(struct vm_entry *entry)
{
    send_event(entry->vms, &entry->record.vm, entry->record.generation,
               TCCP__VM_EVENT__VM_EVENT_PAUSED, "");
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

void vms_send_inventory(struct vms *vms)
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
