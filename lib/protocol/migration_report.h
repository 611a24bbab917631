/* What both nodes report of a migration, and what the coordinator decided (docs/PROTOCOL.md,
 * sections 5 and 10). */
#ifndef TCCP_PROTOCOL_MIGRATION_REPORT_H
#define TCCP_PROTOCOL_MIGRATION_REPORT_H

#include "lib/protocol/migration_ticket.h"

/* Completed and frozen (source), loaded and frozen (destination). */
struct migration_report {
    enum migration_side side;
    uint64_t migration;
    struct digest vm;
    uint64_t generation;
    struct digest session;
    struct digest configuration; /* of the machine: both must name the same */
};
WARN_UNUSED enum status migration_report_make(const struct migration_report *report,
                                              const struct scope *scope,
                                              const struct signer *tk_sign,
                                              struct bytes *ret_bytes);

/* The open migration, as the coordinator's state has it. */
struct migration_report_expectation {
    struct scope scope;
    const struct public_key *tk_sign; /* of the registration that is this side */
    enum migration_side side;
    uint64_t migration;
    struct digest vm;
    uint64_t generation;
};
/* Refusals: MALFORMED, BAD_SIGNATURE; ORDER (another migration, VM or side); GENERATION. Whether
 * both reports name one session and configuration is decided where both are: in the state. */
WARN_UNUSED enum status migration_report_check(
    struct view bytes, const struct migration_report_expectation *expectation,
    struct migration_report *ret_report, struct refusal *refusal);

/* Which migration a report is about, before anything is checked: for finding the expectation. */
WARN_UNUSED enum status migration_report_peek(struct view bytes, uint64_t *ret_migration,
                                              struct refusal *refusal);

enum migration_verdict { MIGRATION_IS_DONE, MIGRATION_IS_ABORTED };

struct migration_decision {
    enum migration_verdict verdict;
    uint64_t migration;
    struct digest vm;
    uint64_t owner_registration; /* who has it now */
    uint64_t generation;         /* the new one */
    struct digest session;       /* zeroes where it was aborted before there was one */
};
WARN_UNUSED enum status migration_decision_make(const struct migration_decision *decision,
                                                const struct scope *scope,
                                                const struct signer *tc_sign,
                                                struct bytes *ret_bytes);

/* What a decision says, before anything is checked: for finding the expectation. */
WARN_UNUSED enum status migration_decision_peek(struct view bytes,
                                                struct migration_decision *ret_decision,
                                                struct refusal *refusal);

/* What a node knows of the migration it takes part in. */
struct migration_decision_expectation {
    struct scope scope;
    const struct public_key *tc_sign;
    uint64_t migration;
    struct digest vm;
    uint64_t generation;                /* of the ticket: the decision's is higher */
    uint64_t registrations[SIDE_COUNT]; /* of the ticket */
    struct digest session;              /* ours; zeroes: none yet */
};
/*
 * Refusals: MALFORMED, BAD_SIGNATURE; ORDER (another migration, VM or session; a "done" that does
 * not give it to the destination, or an "aborted" that does not leave it with the source);
 * GENERATION (not higher than the ticket's). A "done" always names the session: the destination
 * runs the state of that session only.
 */
WARN_UNUSED enum status migration_decision_check(
    struct view bytes, const struct migration_decision_expectation *expectation,
    struct migration_decision *ret_decision, struct refusal *refusal);

#endif
