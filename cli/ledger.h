/*
 * What a key of the ETE has signed, in a file beside it (KEY.ledger): so that it never signs two
 * different manifests of one version, and never endorses two seeds for one epoch. It is written
 * before the signature leaves the program.
 */
#ifndef TCCP_CLI_LEDGER_H
#define TCCP_CLI_LEDGER_H

#include "cli/cli.h"

enum { LEDGER_SIZE_MAX = 1 << 20 };

enum ledger_kind { LEDGER_MANIFEST, LEDGER_ENDORSEMENT };

/* Notes that the key signs `what` under this number (version or epoch); the same again is fine.
 * Reports version-signed or epoch-endorsed where it signed something else under it. */
enum exit_code ledger_note(const struct cli *cli, const char *key_path, enum ledger_kind kind,
                           uint64_t number, const struct digest *what);

#endif
