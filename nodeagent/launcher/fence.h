/*
 * When a VM may run (docs/PROTOCOL.md, section 5): one state machine per VM, from inputs and a
 * clock that is handed in, to the signal that its QEMU gets. PURE. Times are CLOCK_BOOTTIME in
 * milliseconds.
 *
 *     PREPARING --grant--> RUNNING --settle--> SETTLING --freeze, deadline--> FROZEN
 *                             | deadline                                        |
 *                             v                                          newer grant -> RUNNING
 *                          STOPPED --fence time--> KILLED (if the VM's policy says stop)
 *
 * The deadline needs neither agent nor QEMU: SIGSTOP cannot be caught.
 */
#ifndef TCCP_NODEAGENT_LAUNCHER_FENCE_H
#define TCCP_NODEAGENT_LAUNCHER_FENCE_H

#include "nodeagent/launcher/grants.h"

struct fence {
    struct grant_record record;
    enum vm_state state;
    uint64_t fence_ms; /* from the deadline to SIGKILL, where that is to be done */
    uint64_t prepare_until_ms;
    uint64_t kill_at_ms; /* in VM_STOPPED */
};

enum fence_signal { FENCE_NO_SIGNAL, FENCE_STOP, FENCE_CONTINUE, FENCE_KILL };

void fence_start(struct fence *fence, const struct digest *vm, uint64_t generation,
                 uint64_t prepare_until_ms, uint64_t fence_ms);

/* A grant that grant_check() accepted. */
enum fence_signal fence_grant(struct fence *fence, const struct run_grant *grant,
                              const struct lease_mark *lease, uint64_t now_ms);
/* The agent's lease was renewed. */
enum fence_signal fence_renew(struct fence *fence, const struct lease_mark *lease, uint64_t now_ms);
/* The guest is not to go on under this generation; QEMU may. STATUS_CONFLICT where there is nothing
 * to settle: it does not run. */
WARN_UNUSED enum status fence_settle(struct fence *fence);
/* QEMU is stopped until a newer grant. STATUS_CONFLICT in VM_STOPPED and VM_KILLED. */
WARN_UNUSED enum status fence_freeze(struct fence *fence, enum fence_signal *ret_signal);
/* QEMU said that its guest runs. Without a grant for that, it is stopped at once. */
enum fence_signal fence_resumed(struct fence *fence);
enum fence_signal fence_destroy(struct fence *fence);

/* What the time alone demands. */
enum fence_signal fence_tick(struct fence *fence, uint64_t now_ms);
/* When fence_tick() has to be called at the latest; UINT64_MAX: not before something else happens.
 */
uint64_t fence_next_ms(const struct fence *fence);

#endif
