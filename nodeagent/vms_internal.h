/* Shared by vms.c (messages of the coordinator and the launcher) and vm_launch.c (one VM's way from
 * its order to its end). */
#ifndef TCCP_NODEAGENT_VMS_INTERNAL_H
#define TCCP_NODEAGENT_VMS_INTERNAL_H

#include "lib/base/table.h"
#include "lib/daemon/worker.h"
#include "lib/protocol/launched.h"
#include "nodeagent/image_fetch.h"
#include "nodeagent/launcher_client.h"
#include "nodeagent/vm.h"
#include "nodeagent/vm_record.h"
#include "nodeagent/vms.h"

struct vms {
    struct vms_config config;
    char *folder;
    struct launcher_client *launcher; /* NULL: there is none */
    struct worker *worker;
    struct table table; /* struct vm_entry */
    bool is_listed;     /* what the launcher held when this agent started is known */
    bool owes_inventory;
    bool is_closing;
};

struct vm_entry {
    struct vm_record record; /* key: its vm */
    struct vms *vms;
    unsigned calls; /* answers that will still come: the entry must outlive them */

    /* On its way up; wiped and closed when QEMU has its disk. */
    bool is_fetching; /* a thread works with these */
    struct image_manifest manifest;
    char location[REQUEST_LOCATION_LENGTH_MAX + 1];
    struct secret image_key, overlay_key;
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
    bool runs_when_ready;         /* the launcher took the grant before the monitor was ready */

    /* For the coordinator; `has_launched` once an order with the key came. */
    struct launched launched;
    bool has_launched;
    bool is_adopted; /* it ran under an earlier registration: the coordinator waits for RESUMED */
};

/* --- vms.c --- */

void vms_report(struct vms *vms, const struct digest *vm, uint64_t generation,
                enum record_outcome outcome, const char *detail);
void vms_tell_running(struct vm_entry *entry);

/* --- vm_launch.c --- */

/* From an order: keys, manifest and location are set. */
void entry_begin(struct vm_entry *entry);
/* From the launcher's inventory; takes the descriptors. */
void entry_adopt(struct vm_entry *entry, const int fds[VM_FD_COUNT], bool is_running);
/* entry->grant goes to the launcher, then the guest runs. */
void entry_apply_grant(struct vm_entry *entry);
/* Ends it, wherever it is; nothing happens where it is ending already. */
PRINTF_LIKE(3, 4)
void entry_end(struct vm_entry *entry, enum record_outcome outcome, const char *format, ...);
/* The launcher says that its QEMU has ended. */
void entry_gone(struct vm_entry *entry, const struct launcher_notice *notice);
/* At once, without a word to anybody: the agent ends, or the entry is over. */
void entry_free(struct vm_entry *entry);

#endif
