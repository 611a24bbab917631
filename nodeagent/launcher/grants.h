/*
 * Run grants: which ones the launcher accepts (docs/PROTOCOL.md, section 5, rules a, b and e).
 * PURE. Signatures are checked before, by a grant_verifier; here it is about generation,
 * registration and time.
 */
#ifndef TCCP_NODEAGENT_LAUNCHER_GRANTS_H
#define TCCP_NODEAGENT_LAUNCHER_GRANTS_H

#include "nodeagent/launcher/message.h"

#include "lib/protocol/run_grant.h"

/* How the agent's lease stands, as the agent says. */
struct lease_mark {
    uint64_t registration; /* 0: none yet */
    uint64_t renewed_ms;   /* CLOCK_BOOTTIME at which the challenge came that the last accepted
                              renewal (or the registration) answered */
};

/* What the launcher knows of one VM. Generations and deadlines in it never go back. */
struct grant_record {
    struct digest vm;
    uint64_t generation;   /* the highest seen, by its start or a grant */
    uint64_t registration; /* of the last grant; 0: none yet */
    uint64_t duration_ms;  /* of the last grant: from the renewal of its lease to the deadline */
    uint64_t deadline_ms;  /* CLOCK_BOOTTIME */
    enum on_lost_lease action;
    bool has_run;    /* ever had a grant */
    bool is_used_up; /* the grants of `generation` are void: it needs a newer one */
};

/*
 * Refused: another VM's, an older generation (or the same one where it is used up), another
 * registration than the agent's present one, or one whose time is over.
 */
WARN_UNUSED enum status grant_check(const struct grant_record *record,
                                    const struct run_grant *grant, const struct lease_mark *lease,
                                    uint64_t now_ms, struct refusal *ret_refusal);
/* Takes in a grant that was accepted. */
void grant_take(struct grant_record *record, const struct run_grant *grant,
                const struct lease_mark *lease);
/* The lease was renewed: the deadline of a VM that is granted to its registration moves on. */
void grant_renew(struct grant_record *record, const struct lease_mark *lease);

/*
 * Whether the agent's lease may be said to stand so. Registrations only grow; within one, time
 * does; a renewal in the future is refused (it would buy time that the coordinator did not give).
 */
WARN_UNUSED enum status lease_mark_check(const struct lease_mark *known,
                                         const struct lease_mark *said, uint64_t now_ms,
                                         struct refusal *ret_refusal);

/*
 * Whether a VM may be started at `generation`, given what is remembered of it (NULL: nothing):
 * an older generation never, the same one only if it never ran.
 */
WARN_UNUSED enum status grant_check_start(const struct grant_record *remembered,
                                          uint64_t generation, struct refusal *ret_refusal);

/*
 * Verifies a signed grant and says what it grants. The coordinator's key that it checks with comes
 * from `trust`: the cluster's CA certificate, itself checked against the perimeter that the
 * launcher was configured with. So the launcher holds no key, and a compromised agent cannot make a
 * grant.
 */
struct grant_verifier {
    void *context;
    enum status (*trust)(void *context, struct view ca_certificate, struct refusal *ret_refusal);
    enum status (*verify)(void *context, struct view signed_grant, uint64_t registration,
                          struct run_grant *ret_grant, struct refusal *ret_refusal);
};

#endif
