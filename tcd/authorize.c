#include "tcd/authorize.h"

#include <stdio.h>
#include <string.h>

enum {
    UNKNOWN = 1 << CALLER_UNKNOWN,
    CUSTOMER = 1 << CALLER_CUSTOMER,
    OPERATOR = 1 << CALLER_OPERATOR,
    AUDITOR = 1 << CALLER_AUDITOR,
    LOCAL = 1 << CALLER_LOCAL,
    ENROLLED = CUSTOMER | OPERATOR | AUDITOR,
};

static const struct {
    Tccp__AdminRequest__KindCase kind;
    unsigned callers;
} rules[] = {
    {TCCP__ADMIN_REQUEST__KIND_STATUS, ENROLLED | LOCAL},
    {TCCP__ADMIN_REQUEST__KIND_PERIMETER_GET, ENROLLED | LOCAL},
    {TCCP__ADMIN_REQUEST__KIND_MEMBERS_LIST, ENROLLED | LOCAL},
    /* What the manifest names by digest: whoever may read the one may read the other. */
    {TCCP__ADMIN_REQUEST__KIND_REFERENCES_LIST, ENROLLED | LOCAL},
    {TCCP__ADMIN_REQUEST__KIND_REFERENCE_GET, ENROLLED | LOCAL},
    {TCCP__ADMIN_REQUEST__KIND_NODES_LIST, OPERATOR | AUDITOR | LOCAL},
    {TCCP__ADMIN_REQUEST__KIND_NODE_GET, OPERATOR | AUDITOR | LOCAL},
    /* Logs name every program that ran on a host: who looks at them has a name. */
    {TCCP__ADMIN_REQUEST__KIND_EVIDENCE_GET, OPERATOR | AUDITOR},
    {TCCP__ADMIN_REQUEST__KIND_EVIDENCE_PART, OPERATOR | AUDITOR},
    {TCCP__ADMIN_REQUEST__KIND_USERS_LIST, OPERATOR | AUDITOR | LOCAL},
    {TCCP__ADMIN_REQUEST__KIND_ENROLL, UNKNOWN},
    /* Every change has a user's name on it in the audit log: none can be asked for on the local
       socket. */
    {TCCP__ADMIN_REQUEST__KIND_SESSION_OPEN, ENROLLED},
    {TCCP__ADMIN_REQUEST__KIND_AUDIT_NOTE, ENROLLED},
    /* The documents carry the ETE's signatures, and name reference sets by their digests;
       whoever brings them adds nothing. */
    {TCCP__ADMIN_REQUEST__KIND_PERIMETER_APPLY, OPERATOR},
    {TCCP__ADMIN_REQUEST__KIND_REFERENCE_ADD, OPERATOR},
    {TCCP__ADMIN_REQUEST__KIND_USER_ADD, OPERATOR},
    {TCCP__ADMIN_REQUEST__KIND_USER_REMOVE, OPERATOR},
    {TCCP__ADMIN_REQUEST__KIND_STEP_DOWN, OPERATOR},
    {TCCP__ADMIN_REQUEST__KIND_NODE_REVOKE, OPERATOR},
    {TCCP__ADMIN_REQUEST__KIND_NODE_CORDON, OPERATOR},
    /* Only who sealed the ticket launches with it; the state looks at whose VM it is besides. */
    {TCCP__ADMIN_REQUEST__KIND_VM_LAUNCH, CUSTOMER},
    {TCCP__ADMIN_REQUEST__KIND_VM_STOP, CUSTOMER | OPERATOR},
    {TCCP__ADMIN_REQUEST__KIND_VM_DELETE, CUSTOMER | OPERATOR},
    {TCCP__ADMIN_REQUEST__KIND_VM_MIGRATE, CUSTOMER | OPERATOR},
    {TCCP__ADMIN_REQUEST__KIND_VM_PROOF_GET, CUSTOMER},
    {TCCP__ADMIN_REQUEST__KIND_VMS_LIST, ENROLLED},
    {TCCP__ADMIN_REQUEST__KIND_BOOTSTRAP_BEGIN, LOCAL},
    {TCCP__ADMIN_REQUEST__KIND_BOOTSTRAP_COMPLETE, LOCAL},
};

static const char *const names[CALLER_COUNT] = {
    [CALLER_UNKNOWN] = "a key that is not enrolled",
    [CALLER_CUSTOMER] = "customer",
    [CALLER_OPERATOR] = "operator",
    [CALLER_AUDITOR] = "auditor",
    [CALLER_LOCAL] = "the member's local socket",
};

enum caller caller_of_role(enum certificate_role role)
{
    switch (role) {
    case ROLE_CUSTOMER:
        return CALLER_CUSTOMER;
    case ROLE_OPERATOR:
        return CALLER_OPERATOR;
    case ROLE_AUDITOR:
        return CALLER_AUDITOR;
    case ROLE_NONE:
    case ROLE_MEMBER:
    case ROLE_NODE:
        break;
    }
    return CALLER_COUNT;
}

const char *caller_name(enum caller caller)
{
    return (unsigned)caller < CALLER_COUNT ? names[caller] : "nobody";
}

static enum status deny(enum caller caller, unsigned callers, struct refusal *ret_refusal)
{
    char allowed[160] = "";

    for (unsigned i = 0; i < CALLER_COUNT; i++) {
        if (callers & 1u << i) {
            size_t used = strlen(allowed);

            (void)snprintf(allowed + used, sizeof allowed - used, "%s%s", used ? ", " : "",
                           names[i]);
        }
    }
    return refuse(ret_refusal, REFUSAL_NOT_AUTHORIZED, "asked by %s; may be asked by: %s",
                  caller_name(caller), allowed);
}

enum status authorize(enum caller caller, Tccp__AdminRequest__KindCase kind,
                      struct refusal *ret_refusal)
{
    for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
        if (rules[i].kind == kind) {
            return (unsigned)caller < CALLER_COUNT && (rules[i].callers & 1u << caller)
                       ? STATUS_OK
                       : deny(caller, rules[i].callers, ret_refusal);
        }
    }
    return refuse(ret_refusal, REFUSAL_MALFORMED, "unknown kind of request %d", (int)kind);
}
