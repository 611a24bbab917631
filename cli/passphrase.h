/* Passphrases of key files: from a file, from the terminal, or none on demand. */
#ifndef TCCP_CLI_PASSPHRASE_H
#define TCCP_CLI_PASSPHRASE_H

#include "cli/cli.h"

#include "lib/crypto/keys.h"

enum { PASSPHRASE_SIZE_MAX = 1024, PASSPHRASE_SIZE_MIN = 8 };

/*
 * Reads a private key. Where its file is encrypted the passphrase comes from --passphrase-file (its
 * first line), else from the terminal. Failures are reported.
 */
enum exit_code key_load(const struct cli *cli, const char *path, struct private_key **ret_key);

/*
 * Writes a new private key to `path` (0600; must not exist) and its public half, in base64 with a
 * newline, to `path`.pub. The passphrase comes from --passphrase-file or is asked twice;
 * --no-passphrase writes it in the clear, and says so.
 */
enum exit_code key_store(const struct cli *cli, const char *path, const struct private_key *key);

/* Reads a public key: base64, as key_store() writes it. */
enum exit_code public_key_load(const struct cli *cli, const char *path,
                               struct public_key **ret_key);

#endif
