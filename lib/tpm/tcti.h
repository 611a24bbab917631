/*
 * PURE. How a TPM is named: a configuration's words, in tpm2-tss's notation. tss2 itself takes much
 * more: it loads whatever library a name leads to, runs a command ("cmd:"), and writes TPM commands
 * into any file that is called a device. None of that is a TPM, and all of it would let a
 * configuration bring code into the process that holds the keys.
 */
#ifndef TCCP_TPM_TCTI_H
#define TCCP_TPM_TCTI_H

#include "lib/base/status.h"

#include <stdbool.h>

enum { TCTI_SIZE_MAX = 256 };

/*
 * Taken are the kernel's resource manager ("device:/dev/tpmrm0", any number) and emulators on a
 * socket ("swtpm:path=/run/x/sock", "swtpm:host=localhost,port=2321", "mssim:host=...").
 * STATUS_MALFORMED otherwise, and *ret_why is a static sentence that says what to write instead.
 */
WARN_UNUSED enum status tcti_check(const char *tcti, const char **ret_why);
/* Of one that was checked: a socket to an emulator, which no firmware started and no resource
 * manager shares. */
bool tcti_is_raw(const char *tcti);
/* Of one that was checked: the path of the device; NULL for an emulator. */
const char *tcti_device(const char *tcti);

#endif
