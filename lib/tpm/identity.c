#include "lib/base/log.h"
#include "lib/tpm/device.h"
#include "lib/tpm/templates.h"

#include <stdlib.h>
#include <string.h>
#include <tss2/tss2_mu.h>

/* Every TPM reads so much of NV memory in one command (PC Client Platform TPM Profile). */
enum { NV_CHUNK_SIZE = 512 };

void tpm_identity_free(struct tpm_identity *identity)
{
    bytes_free(&identity->ek_certificate);
    bytes_free(&identity->ek_public);
    bytes_free(&identity->ek_name);
    bytes_free(&identity->ak_public);
    bytes_free(&identity->ak_name);
}

/* Finds the kind of endorsement key that this TPM has a certificate for. */
static enum status ek_kind_find(struct tpm *tpm, ESYS_TR *ret_index)
{
    for (size_t i = 0; i < ARRAY_SIZE(ek_kinds); i++) {
        const struct ek_kind *kind = &ek_kinds[i];
        TSS2_RC rc = TPM_RUN(Esys_TR_FromTPMPublic(tpm->esys, kind->certificate_index, ESYS_TR_NONE,
                                                   ESYS_TR_NONE, ESYS_TR_NONE, ret_index));

        if (rc == TSS2_RC_SUCCESS) {
            tpm->ek_kind = kind;
            return STATUS_OK;
        }
        if (tpm_answer(rc) != TPM2_RC_HANDLE) {
            return tpm_status(tpm, "NV_ReadPublic", rc);
        }
    }
    tpm_failed(tpm, "ask the manufacturer for one: TCCP knows no host without it",
               "it holds no certificate of an endorsement key");
    return STATUS_NOT_FOUND;
}

/* A certificate may be padded to the size of its NV index: its own DER header says where it ends.
 */
static struct view der_trim(struct view der)
{
    struct reader reader = reader_of(der);
    size_t size = 0;
    uint8_t length;

    reader_require(&reader, reader_u8(&reader) == 0x30);
    length = reader_u8(&reader);
    if (length < 0x80) {
        size = length;
    } else {
        reader_require(&reader, length == 0x81 || length == 0x82);
        for (unsigned i = 0; i < (length & 0x7fU) && !reader.bad; i++) {
            size = size << 8 | reader_u8(&reader);
        }
    }
    /* What is no DER stays as it is, for the verifier to refuse. */
    if (reader.bad || size > reader.left) {
        return der;
    }
    return (struct view){der.data, der.size - (reader.left - size)};
}

static enum status nv_read(struct tpm *tpm, ESYS_TR index, struct bytes *ret_data)
{
    OWN(writer) struct writer writer = writer_new(TPM_EK_CERTIFICATE_SIZE_MAX);
    OWN_ESYS TPM2B_NV_PUBLIC *public = NULL;
    UINT16 size;

    TRY(TPM_CALL(tpm, "NV_ReadPublic",
                 Esys_NV_ReadPublic(tpm->esys, index, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                    &public, NULL)));
    size = public->nvPublic.dataSize;
    if (size > TPM_EK_CERTIFICATE_SIZE_MAX) {
        return STATUS_TOO_LARGE;
    }
    for (UINT16 at = 0; at < size;) {
        OWN_ESYS TPM2B_MAX_NV_BUFFER *chunk = NULL;
        UINT16 wanted = size - at < NV_CHUNK_SIZE ? size - at : NV_CHUNK_SIZE;

        /* By the index's own, empty, password: it is readable to everyone (AUTHREAD). */
        TRY(TPM_CALL(tpm, "NV_Read",
                     Esys_NV_Read(tpm->esys, index, index, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                  ESYS_TR_NONE, wanted, at, &chunk)));
        if (chunk->size != wanted) {
            return STATUS_TPM;
        }
        writer_view(&writer, (struct view){chunk->buffer, chunk->size});
        at += chunk->size;
    }
    return writer_take(&writer, ret_data);
}

static enum status ek_certificate_read(struct tpm *tpm, struct bytes *ret_certificate)
{
    OWN(bytes) struct bytes data = {0};
    enum status status;
    ESYS_TR index;

    TRY(ek_kind_find(tpm, &index));
    status = nv_read(tpm, index, &data);
    (void)Esys_TR_Close(tpm->esys, &index);
    TRY(status);
    return bytes_copy(der_trim(bytes_view(&data)), ret_certificate);
}

static enum status object_describe(struct tpm *tpm, ESYS_TR handle, struct bytes *ret_public,
                                   struct bytes *ret_name)
{
    OWN_ESYS TPM2B_PUBLIC *public = NULL;
    OWN_ESYS TPM2B_NAME *name = NULL;
    uint8_t data[sizeof(TPMT_PUBLIC)];
    size_t size = 0;

    TRY(TPM_CALL(tpm, "ReadPublic",
                 Esys_ReadPublic(tpm->esys, handle, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                 &public, &name, NULL)));
    TRY(TPM_CALL(tpm, "marshal",
                 Tss2_MU_TPMT_PUBLIC_Marshal(&public->publicArea, data, sizeof data, &size)));
    TRY(bytes_copy((struct view){name->name, name->size}, ret_name));
    return bytes_copy((struct view){data, size}, ret_public);
}

static enum status ek_make(struct tpm *tpm, struct tpm_slot *ret_ek)
{
    TPM2B_PUBLIC template = tpm->ek_kind->template();

    return tpm_primary(tpm, ESYS_TR_RH_ENDORSEMENT, &template, ret_ek);
}

enum status tpm_identity(struct tpm *tpm, struct tpm_identity *ret_identity)
{
    OWN(tpm_identity) struct tpm_identity identity = {0};
    OWN(tpm_slot) struct tpm_slot ek = {0};

    TRY(ek_certificate_read(tpm, &identity.ek_certificate));
    TRY(ek_make(tpm, &ek));
    TRY(object_describe(tpm, ek.handle, &identity.ek_public, &identity.ek_name));
    TRY(object_describe(tpm, tpm->ak, &identity.ak_public, &identity.ak_name));
    *ret_identity = TAKE(identity);
    return STATUS_OK;
}

/*
 * A session that may use the endorsement key, and that carries the answer encrypted. It is salted
 * by the endorsement key itself: who can read the salt can read the credential as well.
 */
static enum status ek_session(struct tpm *tpm, ESYS_TR ek, struct tpm_slot *ret_session)
{
    OWN(tpm_slot) struct tpm_slot session = {0};

    if (!tpm->ek_kind->needs_policy) {
        return tpm_session(tpm, TPM2_SE_HMAC, ek, TPMA_SESSION_ENCRYPT, ret_session);
    }
    TRY(tpm_session(tpm, TPM2_SE_POLICY, ek, TPMA_SESSION_ENCRYPT, &session));
    TRY(TPM_CALL(tpm, "PolicySecret",
                 Esys_PolicySecret(tpm->esys, ESYS_TR_RH_ENDORSEMENT, session.handle,
                                   ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, NULL, NULL, NULL,
                                   0, NULL, NULL)));
    *ret_session = TAKE(session);
    return STATUS_OK;
}

enum status tpm_activate_credential(struct tpm *tpm, struct view blob, struct view encrypted_secret,
                                    struct secret *ret_secret)
{
    OWN(tpm_slot) struct tpm_slot ek = {0};
    OWN(tpm_slot) struct tpm_slot session = {0};
    TPM2B_ID_OBJECT credential = {.size = (UINT16)blob.size};
    TPM2B_ENCRYPTED_SECRET encrypted = {.size = (UINT16)encrypted_secret.size};
    OWN_ESYS TPM2B_DIGEST *opened = NULL;
    enum status status;
    TSS2_RC rc;

    if (blob.size == 0 || blob.size > sizeof credential.credential || encrypted_secret.size == 0 ||
        encrypted_secret.size > sizeof encrypted.secret) {
        return STATUS_REFUSED;
    }
    memcpy(credential.credential, blob.data, blob.size);
    memcpy(encrypted.secret, encrypted_secret.data, encrypted_secret.size);
    if (!tpm->ek_kind) {
        OWN(bytes) struct bytes certificate = {0};

        TRY(ek_certificate_read(tpm, &certificate));
    }
    TRY(ek_make(tpm, &ek));
    TRY(ek_session(tpm, ek.handle, &session));
    rc = TPM_RUN(Esys_ActivateCredential(tpm->esys, tpm->ak, ek.handle, ESYS_TR_PASSWORD,
                                         session.handle, ESYS_TR_NONE, &credential, &encrypted,
                                         &opened));
    if (tpm_faults_parameter(rc)) {
        log_event(LOG_WARNING, "tpm-credential-refused", "code=0x%x", rc);
        return STATUS_REFUSED;
    }
    TRY(tpm_status(tpm, "ActivateCredential", rc));
    if (opened->size == 0) {
        return STATUS_REFUSED;
    }
    status = secret_copy((struct view){opened->buffer, opened->size}, ret_secret);
    secret_wipe(opened, sizeof *opened);
    tpm_overwrite_buffer(tpm);
    return status;
}
