/* What the state keeps of an appraised boot, and what the next appraisal goes on from. */
#ifndef TCCP_TCD_BOOT_RECORD_H
#define TCCP_TCD_BOOT_RECORD_H

#include "lib/attest/appraisal.h"
#include "tcd/core/records.h"

struct boot_counters counters_of_boot(const struct boot_state *boot);
struct appraisal_progress progress_of_boot(const struct boot_state *boot);
struct boot_state boot_of_registration(const struct registration *registration);

#endif
