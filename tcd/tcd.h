/*
 * A member of the coordinator: the parts that this process consists of. main.c puts them together
 * and takes them apart; each part is handed the whole and uses what stands before it.
 */
#ifndef TCCP_TCD_TCD_H
#define TCCP_TCD_TCD_H

#include "lib/daemon/worker.h"
#include "lib/tpm/tpm.h"
#include "tcd/authority.h"
#include "tcd/config.h"
#include "tcd/credentials.h"
#include "tcd/machine.h"
#include "tcd/quoter.h"

/* Where a member is on its way into the coordinator. */
enum tcd_phase {
    PHASE_EMPTY, /* has no seed and no state: waits for `cluster bootstrap`, or joins */
    PHASE_AWAITING_ENDORSEMENT, /* made the seed of a new cluster; the ETE has not endorsed it yet
                                 */
    PHASE_RUNNING,
    PHASE_STOPPING,
};
const char *tcd_phase_name(enum tcd_phase phase);

struct tcd {
    struct uv_loop_s *loop;
    struct config config;
    enum tcd_phase phase;

    struct tpm *tpm; /* on tpm_worker's thread only, once it runs */
    struct tpm_identity identity;
    struct signals *signals;
    struct worker *tpm_worker; /* one thread */
    struct worker *verifiers;
    struct quoter *quoter;

    /* What the configured bundle says: all that is known before there is a state. */
    struct in_force *founding;
    struct bytes founding_root, founding_manifest; /* of it */
    struct bytes founding_endorsement;             /* SignedDocument, once the ETE gave it */
    bool is_founding;            /* a seed is being made or an endorsement requested */
    struct registrar *registrar; /* while it joins */

    struct authority *authority;     /* NULL in PHASE_EMPTY */
    struct credentials *credentials; /* NULL before PHASE_RUNNING */
    struct machine *machine;
    struct replica *replica; /* NULL before PHASE_RUNNING */
    struct reference_sets *reference_sets;
    struct staged_verdicts *staged_verdicts;
    uint64_t raft_id;

    struct api_server *api_server;
    struct node_server *node_server;
    struct leases *leases;
    struct refusals *refusals;
    struct evidence_tap *evidence_tap;
    struct vm_orders *vm_orders;
    struct membership *membership;
    struct timer *ticker;
    uint64_t started_wall_s, started_boot_ms;
    void (*on_stopped)(struct tcd *tcd);
};

static inline const struct registry *tcd_registry(const struct tcd *tcd)
{
    return machine_registry(tcd->machine);
}

/* Does this member lead, and has it applied what was committed before? */
static inline bool tcd_leads(const struct tcd *tcd)
{
    return tcd->replica && replica_is_leader(tcd->replica);
}
/* API address of the member that leads, from the manifest; "" while nobody does. */
const char *tcd_leader_address(const struct tcd *tcd);

#endif
