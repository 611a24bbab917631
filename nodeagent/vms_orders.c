/* The coordinator's orders, with the key of a VM inside: to start it, to receive it, or for one
 * that is here (docs/PROTOCOL.md, section 4). */
#include "lib/base/log.h"
#include "lib/base/text.h"
#include "lib/protocol/launch_proof.h"
#include "lib/protocol/vm_keys.h"
#include "nodeagent/launcher/command.h"
#include "nodeagent/vms_internal.h"

#include <inttypes.h>
#include <string.h>

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

void vms_take_order(struct vms *vms, struct view payload,
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
