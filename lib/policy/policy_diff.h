/*
 * How two policies differ as texts: for people who review one. Whether a host notices is another
 * question, which only its evidence answers.
 */
#ifndef TCCP_POLICY_POLICY_DIFF_H
#define TCCP_POLICY_POLICY_DIFF_H

#include "lib/policy/policy.h"

enum policy_part {
    POLICY_PART_PCRS,
    POLICY_PART_FIRMWARE,
    POLICY_PART_EVENTS,
    POLICY_PART_SECURE_BOOT,
    POLICY_PART_FILES,
    POLICY_PART_SIGNERS,
    POLICY_PART_EXCEPTIONS,
    POLICY_PART_COUNT,
};
const char *policy_part_name(enum policy_part part);

/* Changed: another value of the same thing, as another digest of a file. */
struct policy_part_difference {
    size_t added, removed, changed;
};

struct policy_difference {
    struct policy_part_difference parts[POLICY_PART_COUNT];
    bool events_moved; /* the same events, in another order */
};

/* Called for each statement that only one of them has, the old one's first of each thing; it may
 * have more than one line (`or =`), and is valid during the call. */
typedef void (*policy_difference_visitor)(void *context, bool is_added, struct view statement);

/* Names, the order of lines and comments make no difference. visit may be NULL. */
WARN_UNUSED enum status policy_diff(const struct policy *old, const struct policy *new,
                                    policy_difference_visitor visit, void *context,
                                    struct policy_difference *ret_difference);

#endif
