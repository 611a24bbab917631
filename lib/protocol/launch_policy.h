/* The customer's policy for a VM, which travels sealed (policy-sealed data; docs/PROTOCOL.md,
 * section 4). */
#ifndef TCCP_PROTOCOL_LAUNCH_POLICY_H
#define TCCP_PROTOCOL_LAUNCH_POLICY_H

#include "lib/base/refusal.h"
#include "lib/base/sha256.h"

enum {
    POLICY_SIZE_MAX = 3584, /* bytes: fits into a ticket with all else */
    POLICY_RULE_COUNT_MAX = 8,
    POLICY_VALUE_COUNT_MAX = 8,
    POLICY_TEXT_LENGTH_MAX = 63,
};
#define POLICY_AFTER_MS_MAX (UINT64_C(7) * 24 * 3600 * 1000)
/* Unless the customer says otherwise. */
#define POLICY_AFTER_MS_DEFAULT (UINT64_C(5) * 60 * 1000)

struct policy_rule {
    char key[POLICY_TEXT_LENGTH_MAX + 1];
    unsigned value_count; /* at least one; any of them satisfies the rule */
    char values[POLICY_VALUE_COUNT_MAX][POLICY_TEXT_LENGTH_MAX + 1];
};

enum on_lost_lease { ON_LOST_LEASE_PAUSE, ON_LOST_LEASE_STOP };

/* When the VM's node is quarantined or revoked. */
enum on_quarantine {
    ON_QUARANTINE_FENCE, /* nothing before lease and D are over: on_lost_lease */
    ON_QUARANTINE_PAUSE, /* at once, until the node is good again */
    ON_QUARANTINE_STOP,
    ON_QUARANTINE_MIGRATE, /* to another node that the policy allows; else as pause */
};

struct launch_policy {
    unsigned rule_count; /* a node satisfies all of them */
    struct policy_rule rules[POLICY_RULE_COUNT_MAX];
    enum on_lost_lease on_lost_lease;
    uint64_t after_ms;                /* D */
    enum on_quarantine on_quarantine; /* ON_QUARANTINE_MIGRATE only with may_migrate */
    bool may_migrate, may_revert, may_restart, needs_host_profile;
};

/* STATUS_MALFORMED where launch_policy_parse() would refuse it; STATUS_TOO_LARGE. */
WARN_UNUSED enum status launch_policy_build(const struct launch_policy *policy,
                                            struct bytes *ret_bytes);
/* REFUSAL_MALFORMED, REFUSAL_TOO_LARGE. */
WARN_UNUSED enum status launch_policy_parse(struct view bytes, struct launch_policy *ret_policy,
                                            struct refusal *refusal);

/* 1 to size_max bytes of printable ASCII: what names and values in these messages consist of. */
bool protocol_text_good(const char *text, size_t length_max);

#endif
