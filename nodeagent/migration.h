/*
 * One side of a live migration between two QEMUs: carries out what nodeagent/migration_steps
 * decides, over QMP and the launcher.
 *
 * The two agents have a session already (TLS by their TKs, checked against the ticket); this starts
 * with its products: a socket that is connected to the other side, and the key of the memory
 * channel. QEMU speaks TLS-PSK over that socket itself. Nothing here decides who may run the VM:
 * both sides end frozen, and wait for a grant.
 */
#ifndef TCCP_NODEAGENT_MIGRATION_H
#define TCCP_NODEAGENT_MIGRATION_H

#include "nodeagent/launcher_client.h"
#include "nodeagent/migration_steps.h"
#include "nodeagent/vm.h"

struct migration;

enum { MIGRATION_KEY_SIZE = 32 };

struct migration_request {
    enum migration_role role;
    struct vm *vm; /* a destination's was started as incoming, and has its disk */
    struct launcher_client *launcher;
    struct digest vm_id;
    int socket_fd;   /* connected stream socket; duplicated */
    int secrets_fd;  /* the VM's VM_FD_SECRETS; must stay open until the end */
    struct view key; /* MIGRATION_KEY_SIZE bytes: migration_channel_key() */
    uint64_t lifetime_ms;
};

struct migration_result {
    enum migration_outcome outcome;
    bool is_complete;   /* see migration_steps.h */
    const char *reason; /* "" where all went well */
};

/* on_finished runs once, never from inside this call. STATUS_IO, STATUS_EXISTS (another migration's
 * key is still there): nothing was begun. */
WARN_UNUSED enum status migration_start(struct uv_loop_s *loop,
                                        const struct migration_request *request,
                                        void (*on_finished)(void *argument,
                                                            const struct migration_result *result),
                                        void *argument, struct migration **ret_migration);

/* The owner of the VM hands on what it hears: QMP events by name, and that QEMU has ended. */
void migration_on_event(struct migration *migration, const char *name,
                        const struct qmp_value *data);
void migration_on_gone(struct migration *migration);
/* The ticket came again: its lifetime counts from now. */
void migration_extend(struct migration *migration, uint64_t lifetime_ms);
/* Ends it as soon as possible; on_finished says how. */
void migration_stop(struct migration *migration, const char *reason);

/* Inside on_finished or after it, or before: then no callback comes any more, and QEMU is left as
 * it stands (the launcher's fences hold); vm and launcher client must still be open then. NULL is
 * fine.
 */
void migration_free(struct migration *migration);

/* Wipes the key of a migration that an agent left behind which was killed. */
void migration_forget_key(int secrets_fd);

#endif
