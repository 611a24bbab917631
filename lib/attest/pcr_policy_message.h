/* PcrPolicy of a manifest (proto/perimeter.proto) as struct pcr_policy. */
#ifndef TCCP_ATTEST_PCR_POLICY_MESSAGE_H
#define TCCP_ATTEST_PCR_POLICY_MESSAGE_H

#include "lib/attest/pcr_policy.h"
#include "proto/perimeter.pb-c.h"

/* STATUS_MALFORMED: a PCR above 23 or listed twice, a value that is not 32 bytes;
 * STATUS_TOO_LARGE: too many values. */
WARN_UNUSED enum status pcr_policy_of_message(const Tccp__PcrPolicy *message,
                                              struct pcr_policy *ret_policy);

#endif
