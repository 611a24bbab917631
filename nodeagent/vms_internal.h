/* Shared by vms.c (messages of the coordinator and the launcher), vm_launch.c (one VM's way from
 * its order to its end), vm_pause.c (its grants are withdrawn) and vm_migration.c (its part in a
 * migration). */
#ifndef TCCP_NODEAGENT_VMS_INTERNAL_H
#define TCCP_NODEAGENT_VMS_INTERNAL_H

#include "lib/base/table.h"
#include "lib/daemon/worker.h"
#include "lib/protocol/launched.h"
#include "nodeagent/image_fetch.h"
#include "nodeagent/launcher_client.h"
#include "nodeagent/migration_port.h"
#include "nodeagent/vm.h"
#include "nodeagent/vm_record.h"
#include "nodeagent/vms.h"

struct vms {
    struct vms_config config;
    char *folder;
    struct launcher_client *launcher; /* NULL: there is none */
    struct worker *worker;
    struct migration_port *port; /* NULL: this node takes no migrations */
    struct table table;          /* struct vm_entry */
    bool is_listed;              /* what the launcher held when this agent started is known */
    bool owes_inventory;
    bool is_closing;
};

struct vm_move;

struct vm_entry {
    struct vm_record record; /* key: its vm */
    struct vms *vms;
    unsigned calls; /* answers that will still come: the entry must outlive them */

    /* Of the last order; not changed while is_fetching. */
    struct image_manifest manifest;
    uint64_t start_generation;
    uint64_t migration; /* that is to bring the VM here; 0: it is started from its image */

    /* Of its disk, as text. Wiped when QEMU has the disk; of a VM that may migrate kept, since QEMU
     * wants them again when the guest goes on after a migration, at either end. */
    struct secret image_key, overlay_key;
    bool keeps_keys;
    bool needs_keys; /* QEMU gave the disk away, or has not taken it over yet */

    /* On its way up; closed when QEMU has its disk. */
    bool is_fetching; /* a thread works with these, and with the keys */
    char location[REQUEST_LOCATION_LENGTH_MAX + 1];
    enum overlay_mode overlay_mode;
    struct image_set images;
    enum status fetch_status;
    struct refusal fetch_refusal;

    /* At the launcher. */
    bool is_held; /* it holds a QEMU for this VM */
    bool is_destroyed;
    char gone_detail[EXIT_DETAIL_SIZE + 64];
    int qmp_fd; /* -1 once the monitor is open */
    int memory_fd, secrets_fd;
    struct vm *vm;
    bool monitor_ready, monitor_closed;

    struct bytes grant;           /* the last that came, signed */
    uint64_t grant_generation;    /* of it */
    uint64_t applying_generation; /* of the one that the launcher has now, or is about to get */
    uint64_t granted_generation;  /* of the last under which the guest was let run */
    unsigned run_attempts;        /* in a row that failed */
    bool runs_when_ready;         /* the launcher took the grant before the monitor was ready, or
                                     before the keys were there */

    struct vm_move *move; /* vm_migration.c; NULL: it took part in none */

    /* For the coordinator; `has_launched` once an order with the key came. */
    struct launched launched;
    bool has_launched;
    bool is_adopted; /* it ran under an earlier registration: the coordinator waits for RESUMED */
};

/* --- vms.c --- */

struct vm_entry *entry_new(struct vms *vms, const struct vm_record *record);
void entry_forget(struct vm_entry *entry);
void vms_log_refusal(const char *event, const struct digest *vm, enum status status,
                     const struct refusal *refusal);

/* --- vms_orders.c --- */

void vms_take_order(struct vms *vms, struct view payload,
                    const struct registrant_identity *identity, const struct public_key *tc_sign);
/* As QEMU is given it: the same at both ends of a migration. */
struct digest machine_configuration(const struct image_manifest *manifest,
                                    const struct digest *perimeter_id);

/* --- vms_reports.c --- */

/* What could not be sent is sent again when there is a connection. */
void vms_send(struct vms *vms, Tccp__NodeMessageKind kind, struct view payload);
void vms_report(struct vms *vms, const struct digest *vm, uint64_t generation,
                enum record_outcome outcome, const char *detail);
void vms_tell_paused(struct vm_entry *entry);
void vms_tell_running(struct vm_entry *entry);
void vms_send_inventory(struct vms *vms);

/* --- vm_launch.c --- */

/* From an order: keys, manifest and location are set. */
void entry_begin(struct vm_entry *entry);
/* From the launcher's inventory; takes the descriptors. */
void entry_adopt(struct vm_entry *entry, const int fds[VM_FD_COUNT], enum vm_state state);
/* entry->grant goes to the launcher, then the guest runs. */
void entry_apply_grant(struct vm_entry *entry);
/* Lets a guest run that could not be when its grant came; nothing where there is none such. */
void entry_try_again(struct vm_entry *entry);
/* Its keys are here now, by an order. */
void entry_keyed(struct vm_entry *entry);
/* One of the calls was answered: is it over? */
void entry_answered(struct vm_entry *entry);
/* Ends it, wherever it is; nothing happens where it is ending already. */
PRINTF_LIKE(3, 4)
void entry_end(struct vm_entry *entry, enum record_outcome outcome, const char *format, ...);
/* The launcher says that its QEMU has ended. */
void entry_gone(struct vm_entry *entry, const struct launcher_notice *notice);
/* At once, without a word to anybody: the agent ends, or the entry is over. */
void entry_free(struct vm_entry *entry);

/* --- vm_pause.c --- */

/* Frozen by the launcher until a grant above this generation comes, and reported so. */
void entry_pause(struct vm_entry *entry, uint64_t generation);

/* --- vm_migration.c --- */

/* From the coordinator. */
void vms_take_ticket(struct vms *vms, struct view payload,
                     const struct registrant_identity *identity, const struct public_key *tc_sign);
void vms_take_ready(struct vms *vms, struct view payload,
                    const struct registrant_identity *identity);
void vms_take_decision(struct vms *vms, struct view payload,
                       const struct registrant_identity *identity,
                       const struct public_key *tc_sign);
/* The disk of a VM that a migration is to bring is attached. */
void entry_expected(struct vm_entry *entry);
/* An event of QEMU's monitor; QEMU has ended. */
void entry_move_event(struct vm_entry *entry, const char *name, const struct qmp_value *data);
void entry_move_gone(struct vm_entry *entry);
/* A migration that is under way comes to its end. */
void entry_move_stop(struct vm_entry *entry, const char *reason);
/* Before the monitor is closed. QEMU is left as it stands; what came of the migration is kept, for
 * tickets that come again. */
void entry_move_drop(struct vm_entry *entry);
void entry_move_free(struct vm_entry *entry);

#endif
