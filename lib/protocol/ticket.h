/*
 * Tickets: the customer's key and policy for one VM, sealed to the coordinator (docs/PROTOCOL.md,
 * section 4, steps 2 and 3; section 10).
 *
 *     HPKE-Seal(tc_kem, info = sealing_info(SEALING_TICKET), aad = H(ImageManifest),
 *               SecretBody {n_U, K_VM, TicketBody {policy, cust_sign, expiry}})
 */
#ifndef TCCP_PROTOCOL_TICKET_H
#define TCCP_PROTOCOL_TICKET_H

#include "lib/base/canonical.h"
#include "lib/crypto/hpke.h"
#include "lib/protocol/launch_policy.h"
#include "lib/protocol/vm_secret.h"

/* A ticket is refused when it would be valid for longer: until it expires its VM's tombstone stays.
 */
#define TICKET_VALIDITY_MAX_S (UINT64_C(92) * 24 * 3600)

/* What the customer seals. */
struct ticket_content {
    struct view nonce;  /* n_U: VM_NONCE_SIZE fresh bytes */
    struct view key;    /* K_VM: VM_KEY_SIZE */
    struct view policy; /* LaunchPolicy, bytes */
    struct view cust_sign;
    uint64_t expiry_s;
};

/* tc_kem: the endorsed point. image: H(ImageManifest). entropy: fresh. */
WARN_UNUSED enum status ticket_seal(const struct ticket_content *content, const struct scope *scope,
                                    struct view tc_kem, const struct digest *image,
                                    const uint8_t entropy[HPKE_ENTROPY_SIZE],
                                    struct bytes *ret_ticket);

/* A ticket that was opened. */
struct ticket {
    struct vm_secret secret;
    struct bytes policy_bytes; /* to go into the order as they are */
    struct launch_policy policy;
    uint8_t cust_sign[SPKI_SIZE_MAX];
    size_t cust_sign_size;
    uint64_t expiry_s;
};
void ticket_free(struct ticket *ticket);
DEFINE_OWN_VALUE(ticket, ticket_free)

/* Opens one with tc_kem; REFUSAL_TICKET when it is for another perimeter, epoch or manifest, or is
 * damaged. (tcd's authority opens by itself and goes on with ticket_parse.) */
WARN_UNUSED enum status ticket_open(struct view sealed, const struct scope *scope,
                                    const struct private_key *tc_kem, const struct digest *image,
                                    struct ticket *ret_ticket, struct refusal *refusal);
/* Takes the plaintext over on success. REFUSAL_TICKET. */
WARN_UNUSED enum status ticket_parse(struct secret *plaintext, struct ticket *ret_ticket,
                                     struct refusal *refusal);

/* H(cust_sign | n_U | H(manifest)) under the perimeter, without the epoch: sealing a ticket again
 * does not change the VM. */
struct digest vm_id_make(const struct digest *perimeter_id, struct view cust_sign,
                         struct view nonce, const struct digest *image);

#endif
