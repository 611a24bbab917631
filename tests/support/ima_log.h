/* A measurement log as long as a test wants, and what a TPM holds after it. */
#ifndef TCCP_TESTS_SUPPORT_IMA_LOG_H
#define TCCP_TESTS_SUPPORT_IMA_LOG_H

#include "lib/attest/ima.h"

/* A boot_aggregate and then files, "ima-sig" entries each with a signature of the size that ECDSA
 * P-256 has; ret_aggregate is PCR 10. Aborts where it cannot. The caller frees the log. */
struct bytes ima_log_make(size_t count, struct digest *ret_aggregate);

#endif
