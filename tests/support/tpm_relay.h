/*
 * A TPM that behaves badly: a relay between tss2 and an emulator, which answers in the TPM's place,
 * loses or garbles what it said, or hangs up. It looks into the TPM as well, by commands of its
 * own, so that what is counted is not what the code under test believes.
 */
#ifndef TCCP_TESTS_SUPPORT_TPM_RELAY_H
#define TCCP_TESTS_SUPPORT_TPM_RELAY_H

#include "tests/support/swtpm.h"

#include <stdint.h>

enum relay_fault {
    RELAY_ANSWERS,        /* with a code; the TPM is not asked */
    RELAY_ASKS_THEN_LIES, /* the TPM does it, the answer is a code */
    RELAY_HANGS_UP,       /* the TPM is not asked */
    RELAY_ASKS_THEN_HANGS_UP,
    RELAY_GARBLES,   /* the TPM does it, the answer is noise of the same length */
    RELAY_TRUNCATES, /* the TPM does it, half of the answer comes, then the end */
};
enum { RELAY_FAULT_COUNT = RELAY_TRUNCATES + 1 };

/* TPM 2.0 Library, part 2, 6.6.3. */
enum relay_code {
    RELAY_FAILURE = 0x101,
    RELAY_INITIALIZE = 0x100,
    RELAY_OBJECT_MEMORY = 0x902,
    RELAY_YIELDED = 0x908,
    RELAY_TESTING = 0x90a,
    RELAY_NV_RATE = 0x920,
    RELAY_LOCKOUT = 0x921,
    RELAY_RETRY = 0x922,
};
enum relay_command {
    RELAY_ANY = 0,
    RELAY_CREATE_PRIMARY = 0x131,
    RELAY_ACTIVATE_CREDENTIAL = 0x147,
    RELAY_QUOTE = 0x158,
    RELAY_FLUSH_CONTEXT = 0x165,
    RELAY_START_AUTH_SESSION = 0x176,
};

struct tpm_relay;

/* In front of the emulator "tpm" that it makes in the folder. */
struct tpm_relay *tpm_relay_new(const char *folder);
/* Whoever is connected must have hung up. The emulator ends as well. */
void tpm_relay_free(struct tpm_relay *relay);
const char *tpm_relay_tcti(const struct tpm_relay *relay);
struct swtpm *tpm_relay_swtpm(struct tpm_relay *relay);

/* After so many more of these commands, so many of them get the fault. */
void tpm_relay_disturb(struct tpm_relay *relay, enum relay_command command, enum relay_fault fault,
                       enum relay_code code, unsigned after, unsigned times);
/* How many got it since. */
unsigned tpm_relay_disturbed(const struct tpm_relay *relay);

/* Before each of these commands, on the relay's thread. on_command may be NULL: nothing any more.
 */
void tpm_relay_watch(struct tpm_relay *relay, enum relay_command command,
                     void (*on_command)(void *argument), void *argument);

struct tpm_content {
    unsigned objects, sessions; /* transient objects; sessions that are loaded or saved */
};
/* What the TPM holds, seen just before the next command that it is given. */
void tpm_relay_look(struct tpm_relay *relay);
struct tpm_content tpm_relay_seen(const struct tpm_relay *relay);
/* What it holds now, while nobody is connected. */
struct tpm_content tpm_relay_content(struct tpm_relay *relay);

#endif
