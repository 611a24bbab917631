/* Shared by registrant.c (connection, lease), registrant_registration.c and registrant_renewal.c.
 */
#ifndef TCCP_NODEAGENT_REGISTRANT_INTERNAL_H
#define TCCP_NODEAGENT_REGISTRANT_INTERNAL_H

#include "lib/attester/evidence_outbox.h"
#include "lib/attester/trusted_key.h"
#include "lib/net/client.h"
#include "lib/net/timer.h"
#include "lib/perimeter/member_chain.h"
#include "lib/protocol/registration.h"
#include "nodeagent/lease.h"
#include "nodeagent/registrant.h"

#include "proto/node.pb-c.h"

#define ALPN_NODE "tccp-node/1"

enum registrant_state {
    REGISTRANT_CONNECTING,
    REGISTRANT_SAID_HELLO,    /* waits for RegisterChallenge */
    REGISTRANT_ATTESTING,     /* the TPM works for the registration */
    REGISTRANT_SENT_EVIDENCE, /* waits for RegisterAccepted */
    REGISTRANT_LIVE,          /* registered; waits for RenewChallenge */
    REGISTRANT_RENEWING,      /* the TPM works for the renewal */
    REGISTRANT_SENT_RENEWAL,  /* waits for RenewAccepted */
    REGISTRANT_STOPPED,
};

/* What a registration is made of, from its first message on. */
struct own_registration {
    uint64_t id; /* 0: not accepted yet */
    struct trusted_key key;
    struct lease lease;
    uint64_t lease_max_ms; /* by the manifest */
    struct scope scope;
    struct perimeter_key tc_sign; /* endorsed */
    struct bytes ca_certificate, certificate;
    uint64_t renewed_ms; /* the challenge that the last acceptance answered */
    char name[MANIFEST_NAME_LENGTH_MAX + 1];
    uint64_t renewal;
    /* The boot of the TPM that was registered: another one is not renewed. */
    uint32_t reset_count, restart_count;
};

struct registrant {
    struct registrant_config config;
    char *memory_path;
    struct perimeter_memory memory;
    enum registrant_state state;
    struct client *client;
    struct tls_context *anonymous; /* TLS without a certificate, for registering */
    struct timer *lease_timer;

    /* of the connection */
    uint64_t connection_number; /* which one it is: results for another one are dropped */
    uint64_t known_connection;  /* the last one on which the coordinator accepted something */
    struct cluster_trust trust; /* by which the member at the other end was accepted */
    struct channel channel;
    struct attester *attester;
    struct evidence_outbox outbox;
    uint64_t challenged_at_ms; /* CLOCK_BOOTTIME */

    struct own_registration own;
};

/* --- registrant.c --- */

/* Ends the connection; a new one follows. Used where going on makes no sense. */
PRINTF_LIKE(3, 4)
void registrant_fail(struct registrant *registrant, enum status reason, const char *format, ...);
/* The same after a refusal, which is logged and reported. */
void registrant_refused(struct registrant *registrant, const struct refusal *refusal, bool is_ours);
/* Sends one message; fails the connection where that is not possible. */
void registrant_send(struct registrant *registrant, Tccp__NodeMessageKind kind,
                     struct view payload);
/* The same for evidence, which may be too large for one message. */
void registrant_send_evidence(struct registrant *registrant,
                              const struct evidence_announcement *announcement,
                              struct bytes *evidence);
/* Has the TPM work for this connection; `done` is not called when the connection is gone by then.
 */
void registrant_attest(struct registrant *registrant, const struct host_task *task,
                       void (*done)(struct registrant *registrant,
                                    const struct host_report *report));
/* What a report says that brings no evidence, for people. */
const char *registrant_attest_error(enum status status);
/* A lease was given: for the registration, or for its renewal. */
void registrant_lease_given(struct registrant *registrant, uint64_t lease_ms);
/* The next word is the coordinator's: one that stays silent is looked for anew while there is still
 * time in the lease. */
void registrant_expect_answer(struct registrant *registrant);
/* Empties what the registration is made of; its TK is wiped. */
void registrant_own_clear(struct registrant *registrant);
/* Forgets the registration: its TK opens nothing any more. */
void registrant_forget_registration(struct registrant *registrant, const char *reason);

/* A tls_verify: accepts members of the pinned perimeter only. argument: the registrant. */
enum status registrant_verify_member(void *argument, const struct view *chain, size_t count,
                                     struct refusal *ret_refusal);

/* --- registrant_registration.c --- */

void registrant_registration_begin(struct registrant *registrant);
void registrant_registration_challenge(struct registrant *registrant, struct view payload);
void registrant_registration_accepted(struct registrant *registrant, struct view payload);

/* --- registrant_renewal.c --- */

void registrant_renewal_resume(struct registrant *registrant);
void registrant_renewal_challenge(struct registrant *registrant, struct view payload);
void registrant_renewal_accepted(struct registrant *registrant, struct view payload);

#endif
