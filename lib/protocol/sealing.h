/*
 * What is sealed with HPKE (RFC 9180) in TCCP, and the `info` that each kind is bound to: the
 * canonical input of its tag, perimeter and epoch, without fields (docs/PROTOCOL.md, sections 2 and
 * 4). A text sealed for one purpose, perimeter or epoch opens for no other.
 */
#ifndef TCCP_PROTOCOL_SEALING_H
#define TCCP_PROTOCOL_SEALING_H

#include "lib/base/canonical.h"

enum sealing {
    SEALING_TICKET, /* "tccp-launch": customer to tc_kem; aad: H(image manifest) */
    SEALING_SEED,   /* "tccp-seed": member to a joining member's tk_kem */
    SEALING_ORDER,  /* "tccp-order": coordinator to a node's tk_kem; aad: the order's header */
};

WARN_UNUSED enum status sealing_info(enum sealing sealing, const struct scope *scope,
                                     struct bytes *ret_info);

#endif
