/*
 * The registrant: registers this host with the coordinator and keeps its lease (docs/PROTOCOL.md,
 * section 3).
 *
 *     connecting --> hello --> attesting --> evidence sent --> live <--> renewing
 *         ^------- any failure, refusal, redirection; a lost lease -------/
 *
 * A lost connection within a lease is made again under TK's certificate, and the registration goes
 * on; a lost lease, a TPM that was reset, or a registration that the coordinator ended means a new
 * TK and a new registration. It never gives up by itself (but see attempt_max).
 *
 * While the TPM is in trouble (host.h) a renewal is tried for as long as its lease lasts, and the
 * coordinator sees it come late or not at all; without a registration nobody is called until the
 * TPM works again.
 */
#ifndef TCCP_NODEAGENT_REGISTRANT_H
#define TCCP_NODEAGENT_REGISTRANT_H

#include "lib/base/canonical.h"
#include "lib/base/refusal.h"
#include "lib/base/sha256.h"
#include "lib/crypto/keys.h"
#include "nodeagent/host.h"

#include "proto/node.pb-c.h"

struct registrant;

/* What acts under a registration needs. Pointers and views live until the registration is lost, or
 * the next one begins. */
struct registrant_identity {
    uint64_t registration_id;
    struct scope scope;
    struct view ek_name;        /* TPM name: as whom orders address this node */
    struct view tc_sign;        /* the endorsed key, SubjectPublicKeyInfo */
    struct view ca_certificate; /* DER, with the endorsement inside */
    struct view certificate;    /* of the TK, DER: names the registration */
    const struct private_key *tk_sign, *tk_kem;
    uint64_t renewed_ms; /* CLOCK_BOOTTIME at which the challenge came that the last acceptance
                            answered */
};

/* All of them may be NULL. None of them may call registrant_stop(). */
struct registrant_callbacks {
    /* The node is registered, under this name in the manifest. */
    void (*on_registered)(void *argument, uint64_t registration_id, const char *name);
    /* The lease was lost, or the coordinator ended the registration: nothing may run here under it
     * any more. */
    void (*on_registration_lost)(void *argument);
    /* The coordinator or we refused. The registrant tries again. */
    void (*on_refused)(void *argument, const struct refusal *refusal);
    /* No member could be reached, or the connection broke. is_final: attempt_max was reached. */
    void (*on_failure)(void *argument, enum status reason, const char *detail, bool is_final);
    /* The lease was renewed, by an answer to the challenge that came at renewed_ms
     * (CLOCK_BOOTTIME). is_new_connection: for the first time on this connection; what was sent
     * over the one before may be lost. */
    void (*on_renewed)(void *argument, uint64_t renewed_ms, bool is_new_connection);
    /* The coordinator says something about VMs (proto/node.proto, kinds from 20 on). */
    void (*on_vm_message)(void *argument, Tccp__NodeMessageKind kind, struct view payload);
    /* The TPM is in trouble, which the log has explained, or works again. */
    void (*on_tpm)(void *argument, bool is_well);
};

struct registrant_config {
    struct uv_loop_s *loop;
    struct host *host; /* closed after registrant_stop(), before registrant_free() */
    struct digest perimeter_id;
    const char *const *addresses;
    size_t address_count;
    bool memory_is_locked;   /* false: what is secret may reach a disk, and a perimeter that is not
                                one for development is told nothing */
    const char *memory_path; /* file: what was seen of the perimeter, and never goes back */
    unsigned
        attempt_max; /* connections in a row that fail before the registrant gives up; 0: never */
    struct registrant_callbacks callbacks;
    void *argument;
};

/* Strings are copied where they are needed later. STATUS_MALFORMED: an address or the memory file
 * is; STATUS_IO: it cannot be read. */
WARN_UNUSED enum status registrant_start(const struct registrant_config *config,
                                         struct registrant **ret_registrant);
/* 0 while it is not registered, or its lease is over. */
uint64_t registrant_id(const struct registrant *registrant);
/* STATUS_NOT_READY while registrant_id() is 0. */
WARN_UNUSED enum status registrant_identity(const struct registrant *registrant,
                                            struct registrant_identity *ret_identity);
/* Says something about VMs to the coordinator. STATUS_NOT_READY while there is no connection on
 * which the registration is known: on_renewed() says when there is a new one. */
WARN_UNUSED enum status registrant_send_vm(struct registrant *registrant,
                                           Tccp__NodeMessageKind kind, struct view payload);
/* Ends all that is under way. No callback runs afterwards. */
void registrant_stop(struct registrant *registrant);
/* After the host was closed and the loop has run out. */
void registrant_free(struct registrant *registrant);

#endif
