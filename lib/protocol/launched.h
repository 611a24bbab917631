/* The node's word that a VM was started, and as what (docs/PROTOCOL.md, section 4, step 5). */
#ifndef TCCP_PROTOCOL_LAUNCHED_H
#define TCCP_PROTOCOL_LAUNCHED_H

#include "lib/protocol/signed_message.h"

enum { STARTUP_MEASUREMENT_SIZE_MAX = 1024 };

struct startup_measurement {
    struct digest disk;
    struct digest kernel, initrd; /* zeroes: none */
    struct digest configuration;
};
WARN_UNUSED enum status startup_measurement_build(const struct startup_measurement *measurement,
                                                  struct bytes *ret_bytes);
WARN_UNUSED enum status startup_measurement_parse(struct view bytes,
                                                  struct startup_measurement *ret_measurement,
                                                  struct refusal *refusal);

struct launched {
    struct digest order; /* H(order) */
    struct digest vm;
    uint64_t generation, registration;
    struct startup_measurement measurement;
    struct digest proof; /* the MAC for the customer, see launch_proof.h */
};

WARN_UNUSED enum status launched_make(const struct launched *launched, const struct scope *scope,
                                      const struct signer *tk_sign, struct bytes *ret_bytes);

struct launched_expectation {
    struct scope scope;
    const struct public_key *tk_sign; /* of the registration that owns the VM */
    struct digest order;              /* the one that this leader sent last */
    struct digest vm;
    uint64_t generation, registration;
    /* What the measurement must say: the blobs of the VM's ImageManifest. */
    struct digest disk, kernel, initrd;
};
/* Refusals: MALFORMED, BAD_SIGNATURE; ORDER (another order or VM); GENERATION, REGISTRATION (any
 * other); IMAGE_DIGEST (it runs something else). ret_measurement: SHA-256 of the measurement as it
 * was received, for the log. */
WARN_UNUSED enum status launched_check(struct view bytes,
                                       const struct launched_expectation *expectation,
                                       struct launched *ret_launched,
                                       struct digest *ret_measurement, struct refusal *refusal);

/* Which VM a report is for, before anything is checked: for finding the expectation. */
WARN_UNUSED enum status launched_peek(struct view bytes, struct digest *ret_vm,
                                      struct refusal *refusal);

#endif
