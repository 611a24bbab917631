/*
 * The VMs of this node: what the coordinator orders, carried out with the launcher and QEMU
 * (docs/PROTOCOL.md, sections 4 and 5). An order with a key starts a VM that does not run; a grant,
 * which goes to the launcher as it is, lets it run; every end and every failure is reported.
 *
 * What runs when a registration is lost is not acted upon here: the launcher's deadlines fence.
 * Keys are wiped as soon as QEMU has its disk, or kept as long as it may want them again; K_VM
 * itself is not kept at all.
 */
#ifndef TCCP_NODEAGENT_VMS_H
#define TCCP_NODEAGENT_VMS_H

#include "nodeagent/registrant.h"

struct vms;

struct vms_callbacks {
    /* As registrant_identity(), registrant_send_vm(). */
    enum status (*identity)(void *argument, struct registrant_identity *ret_identity);
    enum status (*send)(void *argument, Tccp__NodeMessageKind kind, struct view payload);
    /* The launcher is gone, and the VMs with it: the agent is to end. */
    void (*on_launcher_lost)(void *argument);
};

struct vms_config {
    struct uv_loop_s *loop;
    int launcher_fd;    /* of launcher_client_inherited(), taken on success; -1: no VM is served */
    const char *folder; /* the agent's own, for images: made if missing, and emptied; copied */
    /* Where the overlays of VMs lie that may migrate, shared with other nodes, and where this node
     * takes migrations (host:port). NULL: none. They outlive the vms. */
    const char *shared_folder, *migration_address;
    struct vms_callbacks callbacks;
    void *argument;
};

/* ret_error (LISTENER_ERROR_SIZE characters) says in a line what is wrong with migration_address
 * when that is it: STATUS_MALFORMED, STATUS_EXISTS (it is in use), STATUS_DENIED, STATUS_IO; else
 * it is "". */
WARN_UNUSED enum status vms_open(const struct vms_config *config, struct vms **ret_vms,
                                 char *ret_error);
/* A new registration: what survived is reported, the rest of an older one is taken down. */
void vms_registered(struct vms *vms);
/* The registration was lost or ended: what was only being started for it is taken down. */
void vms_registration_lost(struct vms *vms);
/* As registrant_callbacks' on_renewed. */
void vms_renewed(struct vms *vms, uint64_t renewed_ms, bool is_new_connection);
void vms_message(struct vms *vms, Tccp__NodeMessageKind kind, struct view payload);
/* The VMs go on without this agent. No callback runs afterwards; NULL is fine. */
void vms_close(struct vms *vms);

#endif
