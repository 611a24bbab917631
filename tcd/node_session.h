/* Inside the node server: one connection's session, shared by registration and renewal. */
#ifndef TCCP_TCD_NODE_SESSION_H
#define TCCP_TCD_NODE_SESSION_H

#include "lib/base/table.h"
#include "lib/crypto/x509.h"
#include "lib/protocol/registration.h"
#include "lib/protocol/renewal.h"
#include "tcd/evidence_budget.h"
#include "tcd/node_server.h"

#include "proto/node.pb-c.h"

/* From the handshake to the registration: our TPM's quote and the peer's, logs and commit; not the
 * time that the transfer of large evidence takes. */
enum { REGISTRATION_TIMEOUT_MS = 60000 };

enum node_session_state {
    NODE_SESSION_NEW,        /* waits for RegisterHello or Resume */
    NODE_SESSION_BUSY,       /* a worker, the TPM or the replica works for it */
    NODE_SESSION_CHALLENGED, /* waits for RegisterEvidence */
    NODE_SESSION_ANNOUNCED,  /* large evidence waits for room */
    NODE_SESSION_RECEIVING,  /* waits for the next part of it */
    NODE_SESSION_LIVE,       /* registered; between renewals */
    NODE_SESSION_RENEWING,   /* waits for RenewEvidence */
    NODE_SESSION_HELD,   /* its node is quarantined or revoked: it gets no renewal, only what the
                            policies of its VMs say, and ends when that is done */
    NODE_SESSION_ENDING, /* was refused or redirected: nothing more is read */
};

/* Large evidence on its way. Its place lasts until it was appraised. */
struct node_transfer {
    struct evidence_place place; /* first */
    struct node_session *session;
    const char *name; /* of a host that registers, as task->verifier's; NULL: a renewal */
    struct evidence_receiver receiver;
    uint64_t part_until_ms, until_ms; /* time_boot_ms(); while parts come */
};

/* What a registration, or one renewal, needs while it is under way: between them a session holds
 * none, because there are many. */
struct node_task {
    struct in_force *in_force;            /* under which it began */
    const struct manifest_policy *policy; /* of in_force, as the references that it names */
    struct references references;
    struct refusal *staged_refusals; /* of references; NULL while none is staged */
    struct bytes input;              /* what came; it ends with the worker's job */
    struct node_transfer transfer;
    enum status status; /* of the last worker's job; with session->refusal */
    bool is_tapped;     /* somebody wants to see it (node_tap.c) */
    struct bytes shown; /* what they see: NodeEvidence */

    /* registration */
    struct verifier *verifier;
    struct registration_facts facts;
    struct digest evidence_digest; /* of the host's */
    struct digest leaf;
    struct coordinator_evidence evidence; /* ours; of quote, which is held */
    struct quote *quote;
    struct bytes challenge; /* the frame */

    /* renewal */
    struct registration registered; /* as it was when the challenge was sent */
    struct appraisal appraisal;
};

/* What the peer showed in the handshake. */
struct node_identity {
    enum certificate_role role; /* ROLE_NONE where it had no certificate of ours */
    uint64_t registration_id;
    struct digest key_id; /* SHA-256 of its SubjectPublicKeyInfo */
};

struct node_session {
    struct api_session api; /* first */
    struct node_server *server;
    struct node_session *next, *previous; /* of the server's list */
    struct connection *connection;        /* held; NULL when it is gone */
    enum node_session_state state;
    bool is_registering; /* counts in the server's registering_count */
    bool is_bound;       /* in the server's by_registration */
    bool is_expired;
    bool is_resumed; /* and not renewed since: what was sent before may be lost */
    bool has_job;    /* something under way points to the session: it is freed when that ends */
    uint64_t register_until_ms; /* time_boot_ms(); while registration_id is 0 */
    struct channel channel;
    struct node_identity identity;
    struct node_task *task; /* NULL: none under way */
    struct refusal refusal;

    /* the registration it speaks for; 0: none yet. See node_session_bind(). */
    uint64_t registration_id;
    uint8_t nonce[NONCE_SIZE];
    uint64_t challenge_due_ms;
    bool is_whole;       /* the next renewal is asked for whole evidence, or was */
    uint64_t tap_due_ms; /* not before is it asked for more evidence than its lease needs */
};

/* Renewals that came in since the last one was proposed: they are committed together. */
struct renewal_batch {
    size_t count, capacity;
    struct renewal *items;
    struct node_session **sessions; /* of the items */
};

struct node_server {
    struct tcd *tcd;
    struct node_session *sessions;
    struct table by_registration; /* of those that are bound to one */
    unsigned unregistered_count;  /* sessions that were never bound */
    unsigned registering_count;   /* of them, those between a Hello and their registration */
    struct renewal_batch *batch;  /* collects; NULL while empty */
    struct evidence_budget evidence_budget;
    bool registrations_moved; /* some may have ended since the sessions were looked at */
};

/* The reference sets of the task's policy; what in_force_references() says of them. */
WARN_UNUSED enum status node_task_use_references(struct node_session *session,
                                                 const struct manifest_policy *policy);

/* Why nobody is accepted by a policy of which every reference set that is enforced has ended. */
struct refusal node_policy_ended(const struct manifest_policy *policy);

/* Answers, and what they do to the session. */
void node_session_send(struct node_session *session, Tccp__NodeMessageKind kind,
                       struct view payload);
void node_session_send_frame(struct node_session *session, struct view frame);
void node_session_refuse(struct node_session *session, const struct refusal *refusal);
/* Its node was found bad: nothing more is asked of it. */
void node_session_keep(struct node_session *session, const struct node *node);
void node_session_redirect(struct node_session *session);

/* Runs work on the verifiers' threads, then done on the loop, unless the connection is gone by then
 * (the session is freed instead). Refuses the peer when the workers are overloaded. */
void node_session_work(struct node_session *session, void (*work)(void *session),
                       void (*done)(struct node_session *session));
/* Ends a job that was not a worker's. False: nothing is to be done any more; the connection ends,
 * or went meanwhile and the session is freed. */
bool node_session_job_ended(struct node_session *session);

/* Takes the session among those that register; false: there are too many. */
bool node_session_admit(struct node_session *session);
/* It does not register any more. */
void node_session_registered(struct node_session *session);
/* The session speaks for this registration from now on, and no other does: a node has one
 * connection. */
void node_session_bind(struct node_session *session, uint64_t registration_id);
/* The one that speaks for a registration, while it is connected; or NULL. */
struct node_session *node_session_find(const struct node_server *server, uint64_t registration_id);
/* Begins and ends what session->task is there for. */
WARN_UNUSED enum status node_task_begin(struct node_session *session, struct in_force *in_force);
void node_task_end(struct node_session *session);
/* For the log. */
const char *node_session_address(const struct node_session *session);

/* What takes a message may TAKE its payload: a copy of a long log costs the loop a millisecond. */

/* node_transfer.c */

/* A RegisterEvidence or RenewEvidence in one message. */
void node_transfer_direct(struct node_session *session, struct bytes *payload);
void node_transfer_announce(struct node_session *session, struct bytes *payload);
void node_transfer_part(struct node_session *session, struct bytes *payload);
/* What was announced is not waited for any more, or was appraised; whoever is next gets its room.
 */
void node_transfer_drop(struct node_session *session);
/* Ends the connections of those who send too slowly. now_ms: time_boot_ms(). */
void node_transfer_expire(struct node_server *server, uint64_t now_ms);

/* node_registration.c */
void node_registration_hello(struct node_session *session, struct bytes *payload);
void node_registration_evidence(struct node_session *session, struct bytes *payload);

/* node_tap.c: evidence that somebody wants to see, on its way to the tap */

/* Evidence of a task came in: is it wanted? `is_whole`: of a renewal, that it begins at the
 * beginning. */
void node_tap_begin(struct node_session *session, bool is_whole);
/* On a worker's thread, once it was appraised: what was shown, if it is wanted. */
void node_tap_registration(struct node_session *session);
void node_tap_renewal(struct node_session *session, const struct digest *qualifying);
/* Hands it to the tap. */
void node_tap_end(struct node_session *session);
/* Asks live nodes for what is wanted of them. */
void node_tap_tick(struct node_server *server, uint64_t now_ms);

/* node_renewal.c */

/* What registration needs no more goes; the session waits for its next renewal. */
void node_renewal_resume(struct node_session *session, struct bytes *payload);
void node_renewal_live(struct node_session *session);
void node_renewal_challenge(struct node_session *session);
void node_renewal_evidence(struct node_session *session, struct bytes *payload);
/* Proposes what was collected. */
void node_renewal_flush(struct node_server *server);
/* Forgets what was collected: at the end, when there is nothing to propose to. */
void node_renewal_drop(struct node_server *server);

#endif
