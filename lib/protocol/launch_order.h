/*
 * The coordinator's order to a node, with the VM's key inside (docs/PROTOCOL.md, section 4, steps 4
 * and 5; section 10).
 *
 *     sealed   = HPKE-Seal(tk_kem, info = sealing_info(SEALING_ORDER), aad = the header's bytes,
 *                          SecretBody {n_U, K_VM, policy})
 *     order    = SignedMessage by tc_sign of LaunchOrder {header, sealed, manifest, location}
 *     header   = OrderHeader {order, vm, node, registration, generation, image, pseudonym, purpose,
 *                            migration, start_generation}
 */
#ifndef TCCP_PROTOCOL_LAUNCH_ORDER_H
#define TCCP_PROTOCOL_LAUNCH_ORDER_H

#include "lib/protocol/launch_request.h"

enum {
    ORDER_ID_SIZE = 16,
    NODE_PSEUDONYM_SIZE = 16,
    NODE_IDENTITY_SIZE_MAX = 66, /* a TPM name: nameAlg and at most SHA-512 */
};

enum order_purpose { ORDER_LAUNCH, ORDER_READOPT, ORDER_MIGRATE };

struct order_header {
    uint8_t order[ORDER_ID_SIZE]; /* fresh */
    struct digest vm;
    uint8_t node[NODE_IDENTITY_SIZE_MAX]; /* TPM name of the EK */
    size_t node_size;
    uint64_t registration, generation; /* not 0 */
    struct digest image;               /* H(manifest) */
    uint8_t pseudonym[NODE_PSEUDONYM_SIZE];
    enum order_purpose purpose;
    uint64_t migration; /* ORDER_MIGRATE only; else 0 */
    /* At which the VM was last started from its image: its overlay's key and name are of this. Not
     * 0, and not above `generation`. */
    uint64_t start_generation;
};

struct order_content {
    struct order_header header;
    struct view nonce, key, policy; /* of the opened ticket */
    struct view image_manifest;
    const char *image_location;
};

/* tk_kem: of the very registration that header.registration names. entropy: fresh. */
WARN_UNUSED enum status launch_order_make(const struct order_content *content,
                                          const struct scope *scope, struct view tk_kem,
                                          const struct signer *tc_sign,
                                          const uint8_t entropy[HPKE_ENTROPY_SIZE],
                                          struct bytes *ret_order);

/* An order whose signature held, and which is for this node. */
struct launch_order {
    struct order_header header;
    struct bytes header_bytes, sealed, manifest_bytes;
    struct image_manifest manifest;
    char image_location[REQUEST_LOCATION_LENGTH_MAX + 1];
    struct digest digest; /* H(order), for Launched */
};
void launch_order_free(struct launch_order *order);
DEFINE_OWN_VALUE(launch_order, launch_order_free)

/* Who we are. */
struct order_expectation {
    struct scope scope;
    const struct public_key *tc_sign;
    struct view node; /* TPM name of our EK */
    uint64_t registration;
};

/*
 * Refusals: MALFORMED, BAD_SIGNATURE; ORDER (for another node, or the manifest is not the one that
 * the header names); REGISTRATION (not our present one).
 */
WARN_UNUSED enum status launch_order_check(struct view bytes,
                                           const struct order_expectation *expectation,
                                           struct launch_order *ret_order, struct refusal *refusal);

/*
 * Opens the sealed part. generation_seen: the highest that this node (its launcher) saw for the VM,
 * 0 for none; an order of a lower one is refused (GENERATION). ORDER when it does not open. The
 * policy's bytes are the secret's body.
 */
WARN_UNUSED enum status launch_order_open(const struct launch_order *order,
                                          const struct scope *scope, uint64_t generation_seen,
                                          const struct private_key *tk_kem,
                                          struct vm_secret *ret_secret,
                                          struct launch_policy *ret_policy,
                                          struct refusal *refusal);

#endif
