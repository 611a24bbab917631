/*
 * Software TPMs for tests, made by tests/support/swtpm.sh: real ones, with endorsement key
 * certificates of a CA that belongs to the test. Whatever goes wrong fails the test.
 */
#ifndef TCCP_TESTS_SUPPORT_SWTPM_H
#define TCCP_TESTS_SUPPORT_SWTPM_H

#include <stdbool.h>
#include <sys/types.h>

enum { SWTPM_PATH_SIZE = 128 };

/* A temporary folder, short enough for sockets in it. The TPMs' CA will lie in its `ca`:
 * ca/root.der and ca/issuer.der. */
void folder_make(char ret_path[SWTPM_PATH_SIZE]);
/* With all that is in it. */
void folder_remove(const char *path);

struct swtpm {
    char state[SWTPM_PATH_SIZE]; /* its folder */
    char tcti[SWTPM_PATH_SIZE];  /* how tss2 finds it */
    pid_t pid;
};

/* Makes the TPM `name` in the folder, and starts it. kinds: "p256" (0.1 s), "rsa" (0.5 s, P-384
 * too), "rsa p256". */
void swtpm_new(const char *folder, const char *name, const char *kinds, struct swtpm *ret_swtpm);
/* Stops it if it runs. Its state stays until the folder is removed. */
void swtpm_free(struct swtpm *swtpm);

void swtpm_start(struct swtpm *swtpm);
void swtpm_stop(struct swtpm *swtpm);
/* Without any warning, as when the power fails. */
void swtpm_kill(struct swtpm *swtpm);
/* What a reboot does. The next tpm_open() starts it. */
void swtpm_reset(struct swtpm *swtpm);

#endif
