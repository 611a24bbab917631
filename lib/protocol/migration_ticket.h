/* Migration tickets: who may move which VM to whom (docs/PROTOCOL.md, section 5, TCCP protocol 3).
 */
#ifndef TCCP_PROTOCOL_MIGRATION_TICKET_H
#define TCCP_PROTOCOL_MIGRATION_TICKET_H

#include "lib/protocol/launch_order.h"

enum { MIGRATION_NONCE_SIZE = 32 };

enum migration_side { SIDE_SOURCE, SIDE_DESTINATION, SIDE_COUNT };

struct migration_party {
    uint8_t node[NODE_IDENTITY_SIZE_MAX]; /* TPM name of the EK */
    size_t node_size;
    uint64_t registration;
    uint8_t tk_sign[P256_SPKI_SIZE]; /* SubjectPublicKeyInfo */
    uint8_t tk_kem[P256_POINT_SIZE];
};

struct migration_ticket {
    uint64_t migration;
    struct digest vm;
    uint64_t generation;
    struct migration_party parties[SIDE_COUNT];
    uint8_t nonces[SIDE_COUNT][MIGRATION_NONCE_SIZE];
    uint64_t lifetime_ms; /* from its receipt, by CLOCK_BOOTTIME */
    /* H(ticket): of the document, so that it is the same however often the ticket was signed. Set
     * by migration_ticket_check(). */
    struct digest digest;
};

WARN_UNUSED enum status migration_ticket_make(const struct migration_ticket *ticket,
                                              const struct scope *scope,
                                              const struct signer *tc_sign,
                                              struct bytes *ret_bytes);

/* Which migration of which VM a ticket is for, before anything is checked: for finding the
 * expectation. */
WARN_UNUSED enum status migration_ticket_peek(struct view bytes, uint64_t *ret_migration,
                                              struct digest *ret_vm, struct refusal *refusal);

/* Who we are, and what we know of the VM. */
struct migration_expectation {
    struct scope scope;
    const struct public_key *tc_sign;
    enum migration_side side; /* that we are to be */
    struct view node;         /* TPM name of our EK */
    uint64_t registration;
    struct view tk_sign, tk_kem;
    /* Source: the VM that we run, and the highest generation that we saw for it: the ticket's is
     * above it. Destination: exactly those of the order that brought its key. */
    struct digest vm;
    uint64_t generation;
    uint64_t migration; /* destination: of that order; source: 0, it learns it from the ticket */
};
/*
 * Refusals: MALFORMED, BAD_SIGNATURE; ORDER (we are not that side of it, by node or keys; or
 * another VM; or both sides are one); REGISTRATION (not our present one); GENERATION (as said
 * above).
 */
WARN_UNUSED enum status migration_ticket_check(struct view bytes,
                                               const struct migration_expectation *expectation,
                                               struct migration_ticket *ret_ticket,
                                               struct refusal *refusal);

/*
 * Whether the other end of the connection is the other side of the ticket: its certificate is a
 * node's, under tc_sign in this scope (dates are not looked at: the ticket has a lifetime of its
 * own), and has the registration and both keys that the ticket names. Refusals: as
 * certificate_check(); CERTIFICATE_ROLE; ORDER.
 */
WARN_UNUSED enum status migration_peer_check(const struct migration_ticket *ticket,
                                             enum migration_side own_side, struct view certificate,
                                             const struct scope *scope,
                                             const struct public_key *tc_sign,
                                             struct refusal *refusal);

#endif
