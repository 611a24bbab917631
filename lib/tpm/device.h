/*
 * Inside lib/tpm only: the connection, how a command is run, and who owns what lies in the TPM's
 * few slots.
 */
#ifndef TCCP_TPM_DEVICE_H
#define TCCP_TPM_DEVICE_H

#include "lib/tpm/tcti.h"
#include "lib/tpm/tpm.h"

#include <tss2/tss2_esys.h>

struct tpm {
    char name[TCTI_SIZE_MAX + 1]; /* what it was opened as */
    bool logs;                    /* failures are logged where they happen */
    TSS2_TCTI_CONTEXT *tcti;      /* NULL while it is not connected */
    ESYS_CONTEXT *esys;
    ESYS_TR ak;                    /* ESYS_TR_NONE until it is made */
    const struct ek_kind *ek_kind; /* NULL until it was looked for */
    /* What failed first since it was connected; "" while nothing did. */
    char failure[TPM_FAILURE_SIZE];
    const char *hint;
};

/* Backoff between two attempts at a command that the TPM puts off. */
struct attempt {
    unsigned pause_ms, waited_ms;
};

/* Whether to run the command again; sleeps before it says so. */
bool attempt_again(struct attempt *attempt, TSS2_RC rc);

/* Runs an ESYS call until the TPM takes it; yields the TSS2_RC. */
#define TPM_RUN(call)                                                                              \
    ({                                                                                             \
        struct attempt attempt_ = {0};                                                             \
        TSS2_RC rc_;                                                                               \
        do {                                                                                       \
            rc_ = (call);                                                                          \
        } while (attempt_again(&attempt_, rc_));                                                   \
        rc_;                                                                                       \
    })
/* The same, and yields a status; a failure is kept, and logged, with the command's name. */
#define TPM_CALL(tpm, command, call) tpm_status((tpm), (command), TPM_RUN(call))

/* STATUS_OK, STATUS_DENIED for a wrong or missing password, otherwise STATUS_TPM. A failure is kept
 * for tpm_failure(). */
WARN_UNUSED enum status tpm_status(struct tpm *tpm, const char *command, TSS2_RC rc);
/* The same for what is no command's answer. hint: static. */
PRINTF_LIKE(3, 4) void tpm_failed(struct tpm *tpm, const char *hint, const char *format, ...);
/* What the TPM itself answered, without the number of the handle, session or parameter; 0 when the
 * failure is not the TPM's. */
TSS2_RC tpm_answer(TSS2_RC rc);
/* Whether the TPM found fault with a parameter: with bytes that came from outside. */
bool tpm_faults_parameter(TSS2_RC rc);

/* Something in a slot of the TPM, an object or a session; {0} is none. */
struct tpm_slot {
    struct tpm *tpm;
    ESYS_TR handle;
};
/* Flushes it, and leaves none. */
void tpm_slot_free(struct tpm_slot *slot);
DEFINE_OWN_VALUE(tpm_slot, tpm_slot_free)

/* Makes a primary key of a hierarchy that has no password. */
WARN_UNUSED enum status tpm_primary(struct tpm *tpm, ESYS_TR hierarchy,
                                    const TPM2B_PUBLIC *template, struct tpm_slot *ret_slot);
/*
 * Starts a session, salted by `key` and able to encrypt with AES-128-CFB in the directions that
 * `attributes` says (TPMA_SESSION_DECRYPT: towards the TPM; TPMA_SESSION_ENCRYPT: from it).
 */
WARN_UNUSED enum status tpm_session(struct tpm *tpm, TPM2_SE type, ESYS_TR key,
                                    TPMA_SESSION attributes, struct tpm_slot *ret_slot);
/*
 * tss2 keeps the last answer in a buffer of its own, a secret in the clear too: has a longer answer
 * written over it. To be called after a command that carried a secret.
 */
void tpm_overwrite_buffer(struct tpm *tpm);

/* A selection of the SHA-256 bank. */
TPML_PCR_SELECTION tpm_selection(uint32_t pcr_mask);

/* Frees what an ESYS call returned: `OWN_ESYS TPM2B_NAME *name = NULL;` */
static inline void esys_output_free(void *pointer)
{
    Esys_Free(*(void **)pointer);
}
#define OWN_ESYS __attribute__((cleanup(esys_output_free)))

#endif
