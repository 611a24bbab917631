/* A customer's request to launch a VM (docs/PROTOCOL.md, section 4, steps 2 and 3). */
#ifndef TCCP_PROTOCOL_LAUNCH_REQUEST_H
#define TCCP_PROTOCOL_LAUNCH_REQUEST_H

#include "lib/protocol/image_manifest.h"
#include "lib/protocol/ticket.h"

enum {
    REQUEST_NAME_LENGTH_MAX = 63,
    REQUEST_LOCATION_LENGTH_MAX = 1023,
    /* The replicated log keeps it. */
    REQUEST_SIZE_MAX = 16 * 1024,
};

struct launch_request_content {
    const char *name;
    struct view image_manifest, image_signature;
    struct view ticket;
    const char *image_location;
};

/* A SignedMessage by cust_sign. STATUS_MALFORMED where launch_request_parse() would refuse it. */
WARN_UNUSED enum status launch_request_make(const struct launch_request_content *content,
                                            const struct scope *scope,
                                            const struct signer *cust_sign,
                                            struct bytes *ret_request);

/* A request taken apart. Nothing of it is believed before launch_request_check(); the manifest and
 * the ticket can be read before: the key that signed them is inside the ticket. */
struct launch_request {
    struct signed_message message;
    char name[REQUEST_NAME_LENGTH_MAX + 1];
    char image_location[REQUEST_LOCATION_LENGTH_MAX + 1];
    struct bytes manifest_bytes, manifest_signature, ticket;
    struct image_manifest manifest;
    struct digest image; /* H(manifest) */
};
void launch_request_free(struct launch_request *request);
DEFINE_OWN_VALUE(launch_request, launch_request_free)
WARN_UNUSED enum status launch_request_parse(struct view bytes, struct launch_request *ret_request,
                                             struct refusal *refusal);

/* What the coordinator knows besides. */
struct launch_request_context {
    struct scope scope;
    struct digest customer;       /* key id of the authenticated customer who asks */
    uint64_t now_s;               /* wall clock */
    uint64_t tombstone_horizon_s; /* tickets that expired before are not known any more */
};

/*
 * The whole check, with the ticket that was opened for request->image: the ticket's cust_sign is
 * the authenticated customer's key, and signed the request and the image manifest; the ticket has
 * not expired. Refusals: NOT_AUTHORIZED, BAD_SIGNATURE, TICKET_EXPIRED, TICKET.
 */
WARN_UNUSED enum status launch_request_check(const struct launch_request *request,
                                             const struct ticket *ticket,
                                             const struct launch_request_context *context,
                                             struct digest *ret_vm, struct refusal *refusal);

#endif
