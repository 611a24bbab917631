#include "lib/tpm/device.h"

#include "lib/base/log.h"
#include "lib/tpm/templates.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <tss2/tss2_rc.h>
#include <tss2/tss2_sys.h>
#include <tss2/tss2_tctildr.h>

enum {
    PAUSE_MS_FIRST = 10,
    PAUSE_MS_MAX = 500,
    HANDLE_COUNT_MAX = 64,
    OVERWRITE_PCR_MASK = 0xff, /* An answer of 8 digests: longer than any secret. */
};

/* Where transient objects and loaded sessions begin among the handles (part 2, 7.4). tss2's own
 * names for them shift into the sign. */
static const TPM2_HANDLE objects_first = 0x80000000, sessions_first = 0x02000000;

/* Before main(), because setenv() and threads do not go together. */
__attribute__((constructor)) static void library_silence(void)
{
    (void)setenv("TSS2_LOG", "all+none", 0);
}

bool attempt_again(struct attempt *attempt, TSS2_RC rc)
{
    struct timespec pause;

    switch (tpm_answer(rc)) {
    case TPM2_RC_RETRY:
    case TPM2_RC_YIELDED:
    case TPM2_RC_TESTING:
    case TPM2_RC_NV_RATE:
        break;
    default: /* Not an enum: any other answer is final. */
        return false;
    }
    if (attempt->waited_ms >= TPM_RETRY_MS_MAX) {
        return false;
    }
    attempt->pause_ms = attempt->pause_ms == 0 ? PAUSE_MS_FIRST : attempt->pause_ms * 2;
    if (attempt->pause_ms > PAUSE_MS_MAX) {
        attempt->pause_ms = PAUSE_MS_MAX;
    }
    attempt->waited_ms += attempt->pause_ms;
    pause = (struct timespec){attempt->pause_ms / 1000, attempt->pause_ms % 1000 * 1000000L};
    (void)nanosleep(&pause, NULL);
    return true;
}

TSS2_RC tpm_answer(TSS2_RC rc)
{
    TSS2_RC layer = rc & TSS2_RC_LAYER_MASK;

    /* A resource manager passes the TPM's answers on under a layer of its own. */
    if (layer != TSS2_TPM_RC_LAYER && layer != TSS2_RESMGR_TPM_RC_LAYER) {
        return 0;
    }
    rc &= ~TSS2_RC_LAYER_MASK;
    return rc & TPM2_RC_FMT1 ? rc & (TPM2_RC_FMT1 | 0x3f) : rc;
}

bool tpm_faults_parameter(TSS2_RC rc)
{
    return tpm_answer(rc) & TPM2_RC_FMT1 && rc & TPM2_RC_P;
}

static bool is_password_refused(TSS2_RC answer)
{
    return answer == TPM2_RC_AUTH_FAIL || answer == TPM2_RC_BAD_AUTH;
}

void tpm_failed(struct tpm *tpm, const char *hint, const char *format, ...)
{
    char text[TPM_FAILURE_SIZE];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (tpm->logs) {
        log_event(LOG_WARNING, "tpm-failed", "tcti=\"%s\" error=\"%s\" hint=\"%s\"", tpm->name,
                  text, hint);
    }
    /* The first one: what follows may be its consequence. */
    if (!tpm->failure[0]) {
        memcpy(tpm->failure, text, sizeof text);
        tpm->hint = hint;
    }
}

/* What an administrator can do about an answer. */
static const char *answer_hint(TSS2_RC answer)
{
    if (is_password_refused(answer)) {
        return "its endorsement hierarchy must have no password";
    }
    switch (answer) {
    case 0:
        return "see whether the device or the emulator is there, and who else has it open";
    case TPM2_RC_INITIALIZE:
        return "the TPM was reset without its host: reboot the host";
    case TPM2_RC_FAILURE:
        return "the TPM is in failure mode: power the host off and on";
    case TPM2_RC_LOCKOUT:
        return "the TPM locked itself after wrong passwords: wait, or clear the lockout";
    case TPM2_RC_OBJECT_MEMORY:
    case TPM2_RC_SESSION_MEMORY:
    case TPM2_RC_OBJECT_HANDLES:
    case TPM2_RC_SESSION_HANDLES:
    case TPM2_RC_MEMORY:
        return "its slots are full: have nothing use it but by way of the resource manager";
    case TPM2_RC_RETRY:
    case TPM2_RC_YIELDED:
    case TPM2_RC_TESTING:
    case TPM2_RC_NV_RATE:
        return "it puts commands off for too long: see what else uses it";
    default: /* Not an enum: all others say what they mean. */
        return "";
    }
}

enum status tpm_status(struct tpm *tpm, const char *command, TSS2_RC rc)
{
    TSS2_RC answer = tpm_answer(rc);

    if (rc == TSS2_RC_SUCCESS) {
        return STATUS_OK;
    }
    /* What tss2 says of troubles of its own is no help to anybody. */
    tpm_failed(tpm, answer_hint(answer), "%s: %s (0x%x)", command,
               answer != 0 ? Tss2_RC_Decode(rc) : "no answer, or not a TPM's", rc);
    return is_password_refused(answer) ? STATUS_DENIED : STATUS_TPM;
}

const char *tpm_failure(const struct tpm *tpm)
{
    return tpm->failure;
}

const char *tpm_failure_hint(const struct tpm *tpm)
{
    return tpm->hint ? tpm->hint : "";
}

void tpm_slot_free(struct tpm_slot *slot)
{
    struct tpm_slot old = TAKE(*slot);

    if (old.tpm) {
        /* Nothing more can be done here about a failure than to keep it: what was left behind goes
         * with the connection. */
        enum status status =
            TPM_CALL(old.tpm, "FlushContext", Esys_FlushContext(old.tpm->esys, old.handle));
        (void)status;
    }
}

enum status tpm_primary(struct tpm *tpm, ESYS_TR hierarchy, const TPM2B_PUBLIC *template,
                        struct tpm_slot *ret_slot)
{
    const TPM2B_SENSITIVE_CREATE sensitive = {0};
    const TPM2B_DATA outside_info = {0};
    const TPML_PCR_SELECTION creation_pcrs = {0};
    ESYS_TR handle;

    TRY(TPM_CALL(tpm, "CreatePrimary",
                 Esys_CreatePrimary(tpm->esys, hierarchy, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                    ESYS_TR_NONE, &sensitive, template, &outside_info,
                                    &creation_pcrs, &handle, NULL, NULL, NULL, NULL)));
    *ret_slot = (struct tpm_slot){tpm, handle};
    return STATUS_OK;
}

enum status tpm_session(struct tpm *tpm, TPM2_SE type, ESYS_TR key, TPMA_SESSION attributes,
                        struct tpm_slot *ret_slot)
{
    const TPMT_SYM_DEF aes = {
        .algorithm = TPM2_ALG_AES, .keyBits.aes = 128, .mode.aes = TPM2_ALG_CFB};
    OWN(tpm_slot) struct tpm_slot session = {0};
    ESYS_TR handle;

    TRY(TPM_CALL(tpm, "StartAuthSession",
                 Esys_StartAuthSession(tpm->esys, key, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                       ESYS_TR_NONE, NULL, type, &aes, TPM2_ALG_SHA256, &handle)));
    session = (struct tpm_slot){tpm, handle};
    /* It ends when we flush it, not when it was used: one rule for all paths. */
    TRY(TPM_CALL(tpm, "session attributes",
                 Esys_TRSess_SetAttributes(tpm->esys, handle,
                                           attributes | TPMA_SESSION_CONTINUESESSION, 0xff)));
    *ret_slot = TAKE(session);
    return STATUS_OK;
}

void tpm_overwrite_buffer(struct tpm *tpm)
{
    OWN(bytes) struct bytes values = {0};
    enum status status = tpm_pcr_read(tpm, OVERWRITE_PCR_MASK, &values);

    (void)status;
}

/* On a raw socket nobody else starts the TPM; that it is started already is no failure. */
static enum status tpm_startup(struct tpm *tpm)
{
    TSS2_RC rc = TPM_RUN(Esys_Startup(tpm->esys, TPM2_SU_CLEAR));

    return tpm_answer(rc) == TPM2_RC_INITIALIZE ? STATUS_OK : tpm_status(tpm, "Startup", rc);
}

static enum status tpm_list_handles(struct tpm *tpm, TPM2_HANDLE first, TPML_HANDLE *ret_handles)
{
    OWN_ESYS TPMS_CAPABILITY_DATA *capability = NULL;

    TRY(TPM_CALL(tpm, "GetCapability",
                 Esys_GetCapability(tpm->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                    TPM2_CAP_HANDLES, first, HANDLE_COUNT_MAX, NULL, &capability)));
    *ret_handles = capability->data.handles;
    return STATUS_OK;
}

/* Flushes what a program that died left behind. ESYS knows no handles but its own: hence SAPI. */
static enum status tpm_flush_leftovers(struct tpm *tpm, TPM2_HANDLE first)
{
    TSS2_SYS_CONTEXT *sys;
    TPML_HANDLE handles;

    TRY(TPM_CALL(tpm, "GetSysContext", Esys_GetSysContext(tpm->esys, &sys)));
    TRY(tpm_list_handles(tpm, first, &handles));
    for (UINT32 i = 0; i < handles.count; i++) {
        TRY(TPM_CALL(tpm, "FlushContext", Tss2_Sys_FlushContext(sys, handles.handle[i])));
    }
    return STATUS_OK;
}

static enum status tpm_check_bank(struct tpm *tpm)
{
    OWN_ESYS TPMS_CAPABILITY_DATA *capability = NULL;
    const TPML_PCR_SELECTION *banks;

    TRY(TPM_CALL(tpm, "GetCapability",
                 Esys_GetCapability(tpm->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                    TPM2_CAP_PCRS, 0, 1, NULL, &capability)));
    banks = &capability->data.assignedPCR;
    for (UINT32 i = 0; i < banks->count; i++) {
        const TPMS_PCR_SELECTION *bank = &banks->pcrSelections[i];

        if (bank->hash == TPM2_ALG_SHA256 && bank->sizeofSelect >= 3 &&
            bank->pcrSelect[0] == 0xff && bank->pcrSelect[1] == 0xff &&
            bank->pcrSelect[2] == 0xff) {
            return STATUS_OK;
        }
    }
    tpm_failed(tpm, "enable the SHA-256 bank in the firmware", "its SHA-256 bank of PCRs is off");
    return STATUS_UNSUPPORTED;
}

static enum status tpm_reach(struct tpm *tpm)
{
    const char *device = tcti_device(tpm->name);
    struct stat about;
    TSS2_RC rc;

    /* tss2 would open any file for a device, and write to it. */
    if (device && (stat(device, &about) != 0 || !S_ISCHR(about.st_mode))) {
        tpm_failed(tpm, "enable the TPM in the firmware, and its driver in the kernel",
                   "there is no device %s", device);
        return STATUS_NOT_FOUND;
    }
    rc = Tss2_TctiLdr_Initialize(tpm->name, &tpm->tcti);
    if (rc != TSS2_RC_SUCCESS) {
        tpm->tcti = NULL;
        tpm_failed(tpm,
                   device ? "the agent's user must be in the group of the device" : answer_hint(0),
                   "it cannot be opened (0x%x)", rc);
        return STATUS_NOT_FOUND;
    }
    return STATUS_OK;
}

static enum status leftovers_flush(struct tpm *tpm)
{
    TRY(tpm_flush_leftovers(tpm, objects_first));
    return tpm_flush_leftovers(tpm, sessions_first);
}

static enum status tpm_begin(struct tpm *tpm)
{
    OWN(tpm_slot) struct tpm_slot ak = {0};
    TPM2B_PUBLIC template = template_ak();

    TRY(tpm_reach(tpm));
    TRY(TPM_CALL(tpm, "connect", Esys_Initialize(&tpm->esys, tpm->tcti, NULL)));
    if (tcti_is_raw(tpm->name)) {
        TRY(tpm_startup(tpm));
        TRY(leftovers_flush(tpm));
    }
    TRY(tpm_check_bank(tpm));
    TRY(tpm_primary(tpm, ESYS_TR_RH_ENDORSEMENT, &template, &ak));
    tpm->ak = TAKE(ak).handle;
    return STATUS_OK;
}

enum status tpm_connect(struct tpm *tpm)
{
    enum status status;

    ASSERT(!tpm_is_connected(tpm));
    tpm->failure[0] = '\0';
    tpm->hint = NULL;
    status = tpm_begin(tpm);
    if (status != STATUS_OK) {
        tpm_disconnect(tpm);
    }
    return status;
}

void tpm_disconnect(struct tpm *tpm)
{
    if (tpm->ak != ESYS_TR_NONE) {
        struct tpm_slot ak = {tpm, tpm->ak};

        tpm->ak = ESYS_TR_NONE;
        tpm_slot_free(&ak);
    }
    /* After a failure there may be more, and nobody behind a raw socket to look after it. */
    if (tpm->esys && tpm->failure[0] && tcti_is_raw(tpm->name)) {
        enum status status = leftovers_flush(tpm);

        (void)status;
    }
    Esys_Finalize(&tpm->esys);
    Tss2_TctiLdr_Finalize(&tpm->tcti);
    tpm->ek_kind = NULL;
}

bool tpm_is_connected(const struct tpm *tpm)
{
    return tpm->tcti != NULL;
}

enum status tpm_new(const char *tcti, struct tpm **ret_tpm)
{
    struct tpm *tpm;
    const char *why;

    TRY(tcti_check(tcti, &why));
    tpm = calloc(1, sizeof *tpm);
    if (!tpm) {
        return STATUS_NO_MEMORY;
    }
    (void)snprintf(tpm->name, sizeof tpm->name, "%s", tcti);
    tpm->ak = ESYS_TR_NONE;
    *ret_tpm = tpm;
    return STATUS_OK;
}

enum status tpm_open(const char *tcti, struct tpm **ret_tpm)
{
    OWN(tpm) struct tpm *tpm = NULL;

    TRY(tpm_new(tcti, &tpm));
    tpm->logs = true;
    TRY(tpm_connect(tpm));
    *ret_tpm = TAKE(tpm);
    return STATUS_OK;
}

void tpm_close(struct tpm *tpm)
{
    tpm_disconnect(tpm);
    free(tpm);
}

enum status tpm_count_handles(struct tpm *tpm, unsigned *ret_objects, unsigned *ret_sessions)
{
    TPML_HANDLE objects, sessions;

    TRY(tpm_list_handles(tpm, objects_first, &objects));
    TRY(tpm_list_handles(tpm, sessions_first, &sessions));
    *ret_objects = objects.count;
    *ret_sessions = sessions.count;
    return STATUS_OK;
}

TPML_PCR_SELECTION tpm_selection(uint32_t pcr_mask)
{
    ASSERT(pcr_mask != 0 && (pcr_mask & ~(uint32_t)PCR_MASK_ALL) == 0);
    return (TPML_PCR_SELECTION){
        .count = 1,
        .pcrSelections = {{.hash = TPM2_ALG_SHA256,
                           .sizeofSelect = PCR_COUNT / 8,
                           .pcrSelect = {pcr_mask & 0xff, pcr_mask >> 8 & 0xff,
                                         pcr_mask >> 16 & 0xff}}},
    };
}
