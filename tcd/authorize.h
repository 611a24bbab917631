/*
 * Who may ask for what. A table, and nothing else decides: a request that is not in it is refused.
 *
 * An operator runs the cloud and is not trusted with any VM's content: it may drain, migrate and
 * restart, but it can neither add a host nor change a policy (only the ETE's signatures can), and
 * no request of anybody returns a key.
 */
#ifndef TCCP_TCD_AUTHORIZE_H
#define TCCP_TCD_AUTHORIZE_H

#include "lib/base/refusal.h"
#include "lib/crypto/x509.h"

#include "proto/admin.pb-c.h"

/* Who is at the other end of an admin connection. */
enum caller {
    CALLER_UNKNOWN, /* holds some key, and has no certificate yet */
    CALLER_CUSTOMER,
    CALLER_OPERATOR,
    CALLER_AUDITOR,
    CALLER_LOCAL, /* root or the service's own user, on this member's local socket */
    CALLER_COUNT
};

/* Of the certificate that was shown; nodes and members are no callers of this interface:
 * CALLER_COUNT. */
enum caller caller_of_role(enum certificate_role role);
const char *caller_name(enum caller caller);

/* REFUSAL_NOT_AUTHORIZED with who may, REFUSAL_MALFORMED for a request without a kind. */
WARN_UNUSED enum status authorize(enum caller caller, Tccp__AdminRequest__KindCase kind,
                                  struct refusal *ret_refusal);

#endif
