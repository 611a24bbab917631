/* What would make a policy accept what it refused: a line for whoever wants the change. */
#ifndef TCCP_POLICY_POLICY_REMEDY_H
#define TCCP_POLICY_POLICY_REMEDY_H

#include "lib/base/refusal.h"

#include <stdbool.h>

enum { REMEDY_SIZE = 2 * FINDING_SUBJECT_SIZE + FINDING_VALUE_SIZE + 64 };

/*
 * The statement of a policy's text (policy.h) that accepts what was seen, by the finding of a
 * refusal; false where no statement can (a bad quote, a reset). `or = ...` stands after the event
 * that has the digest which was expected. The path of a file that was shown cut short, or with
 * bytes that cannot be printed, comes out wrong: it is there to be read before it is used.
 */
bool policy_remedy(enum refusal_code code, const struct finding *finding,
                   char ret_line[REMEDY_SIZE]);

#endif
