/*
 * The TPM of this machine: the only door to tss2 (TCG Feature API and ESYS, TPM 2.0 Library parts 1
 * to 3). The agent and a coordinator's member share it.
 *
 * Every call blocks, from a millisecond on a software TPM to seconds on a hardware one: call them
 * on a worker thread, never on an event loop. One `struct tpm` is used by one thread at a time.
 *
 * A command that the TPM puts off (TPM_RC_RETRY, YIELDED, TESTING, NV_RATE) is asked again with
 * backoff, for at most TPM_RETRY_MS_MAX. Whatever else fails returns STATUS_TPM, and is logged with
 * tss2's text or kept for who asks (tpm_new()). After STATUS_TPM the state of the connection is not
 * known (the TPM may have been reset, or be gone): close it and open it again.
 *
 * No call leaves a session or a transient object behind, on any path. Where the TPM's answer to a
 * command that makes one was lost, nobody knows its handle: it goes with the connection, at the
 * latest when the next one is made. While it is open, a `struct tpm` holds one transient object,
 * the attestation key.
 *
 * Nothing but tss2's own log would be printed by tss2; it is silenced unless the environment says
 * TSS2_LOG.
 */
#ifndef TCCP_TPM_TPM_H
#define TCCP_TPM_TPM_H

#include "lib/attest/pcr_bank.h"
#include "lib/base/secret.h"
#include "lib/base/sha256.h"

enum {
    TPM_RETRY_MS_MAX = 5000,
    TPM_FAILURE_SIZE = 192, /* characters of tpm_failure() */
    TPM_EK_CERTIFICATE_SIZE_MAX = 8 * 1024,
    TPM_SEALED_SECRET_SIZE_MAX = 128, /* What a TPM must be able to seal (part 2, MAX_SYM_DATA). */
    TPM_SEALED_BLOB_SIZE_MAX = 2 * 1024,
};

struct tpm;

/*
 * Connects to the TPM that `tcti` names as tss2 does ("device:/dev/tpmrm0", "swtpm:path=/run/x/s"),
 * and makes the attestation key (AK): a restricted P-256 ECDSA-SHA256 primary of the endorsement
 * hierarchy. It has the same name at every open until the TPM is cleared, so nothing is stored.
 *
 * On a raw socket ("swtpm:", "mssim:") nobody else manages the TPM: it is started if it was not
 * (TPM2_Startup), and objects and sessions that a dead program left in its few slots are flushed.
 * A device is the platform's to start and the resource manager's to share: neither is done there.
 *
 * STATUS_MALFORMED when `tcti` is nothing that tcti.h takes, STATUS_NOT_FOUND when there is no TPM
 * there, STATUS_UNSUPPORTED when its SHA-256 bank of PCRs is off, STATUS_DENIED when its
 * endorsement hierarchy wants a password, STATUS_TPM otherwise.
 */
WARN_UNUSED enum status tpm_open(const char *tcti, struct tpm **ret_tpm);
/* Flushes what it holds and disconnects. */
void tpm_close(struct tpm *tpm);
DEFINE_OWN_POINTER(tpm, tpm_close)

/*
 * The same in steps, for who keeps a TPM through its troubles. tpm_new() touches nothing
 * (STATUS_MALFORMED, STATUS_NO_MEMORY); tpm_connect() does the rest of what tpm_open() does, on one
 * that is not connected. Failures of such a TPM are not logged: its owner reports them.
 */
WARN_UNUSED enum status tpm_new(const char *tcti, struct tpm **ret_tpm);
WARN_UNUSED enum status tpm_connect(struct tpm *tpm);
/* Idempotent. Only tpm_connect() and tpm_close() may follow. */
void tpm_disconnect(struct tpm *tpm);
bool tpm_is_connected(const struct tpm *tpm);
/* What failed first since the last tpm_connect(), "Quote: ...", one line; "" when nothing did. A
 * call can succeed and yet have failed to tidy up: what it left goes with the connection. */
const char *tpm_failure(const struct tpm *tpm);
/* What an administrator can do about it, static; "" when there is no more to say. */
const char *tpm_failure_hint(const struct tpm *tpm);

/* Who this TPM is. All of it is public. */
struct tpm_identity {
    struct bytes ek_certificate; /* DER X.509, as in the TPM's NV memory */
    struct bytes ek_public;      /* TPMT_PUBLIC of the endorsement key */
    struct bytes ek_name;        /* nameAlg (u16), then the digest of ek_public: part 1, 16 */
    struct bytes ak_public;      /* TPMT_PUBLIC of the attestation key */
    struct bytes ak_name;
};

/*
 * Reads the certificate of the first kind of endorsement key (TCG EK Credential Profile) that the
 * TPM has one for, P-256 (0x01C0000A, template L-2), RSA-2048 (0x01C00002, L-1) or P-384
 * (0x01C00016, H-3), and makes that key from its template. Whether certificate and key belong
 * together is for the verifier to judge. STATUS_NOT_FOUND when the TPM has no such certificate.
 */
WARN_UNUSED enum status tpm_identity(struct tpm *tpm, struct tpm_identity *ret_identity);
void tpm_identity_free(struct tpm_identity *identity);
DEFINE_OWN_VALUE(tpm_identity, tpm_identity_free)

/*
 * TPM2_ActivateCredential: opens a credential that was made for the endorsement key of
 * tpm_identity() and the name of our attestation key. `blob` is the content of a TPM2B_ID_OBJECT,
 * `encrypted_secret` that of a TPM2B_ENCRYPTED_SECRET, both without the outer length. The secret
 * comes back over a salted session and encrypted, so that the wire to the TPM does not carry it.
 * STATUS_REFUSED when the credential is not for this pair of keys, or is malformed.
 */
WARN_UNUSED enum status tpm_activate_credential(struct tpm *tpm, struct view blob,
                                                struct view encrypted_secret,
                                                struct secret *ret_secret);

/*
 * TPM2_Quote with the attestation key, over the SHA-256 bank. Bit n of `pcr_mask` stands for PCR n;
 * at least one, none above 23. Results are a marshalled TPMS_ATTEST and TPMT_SIGNATURE.
 */
WARN_UNUSED enum status tpm_quote(struct tpm *tpm, const struct digest *qualifying,
                                  uint32_t pcr_mask, struct bytes *ret_attest,
                                  struct bytes *ret_signature);

/*
 * The values of the SHA-256 bank's PCRs in the mask, 32 bytes each, in ascending order. They are
 * not read in one go: a PCR may be extended in between (then they do not hash to a quote's
 * pcrDigest).
 */
WARN_UNUSED enum status tpm_pcr_read(struct tpm *tpm, uint32_t pcr_mask, struct bytes *ret_values);
/* Extends the SHA-256 bank of one PCR: the cap that ends what may be unsealed in this boot. */
WARN_UNUSED enum status tpm_pcr_extend(struct tpm *tpm, uint32_t pcr, const struct digest *digest);

/*
 * Seals a secret of 1 to TPM_SEALED_SECRET_SIZE_MAX bytes to this TPM and the present values of the
 * PCRs in the mask (a keyed-hash object with PolicyPCR under the P-256 storage root key of the
 * owner hierarchy). The blob is public: it opens only in this TPM, and only while those PCRs have
 * those values. The secret travels over salted, encrypted sessions. STATUS_TOO_LARGE for a longer
 * secret.
 */
WARN_UNUSED enum status tpm_seal(struct tpm *tpm, const struct secret *secret, uint32_t pcr_mask,
                                 struct bytes *ret_blob);
/*
 * STATUS_REFUSED when a PCR changed since, or the blob is of another TPM; STATUS_MALFORMED when it
 * is no blob of tpm_seal().
 */
WARN_UNUSED enum status tpm_unseal(struct tpm *tpm, struct view blob, struct secret *ret_secret);

/* Transient objects and sessions that the TPM holds now, for tests and for `doctor`. */
WARN_UNUSED enum status tpm_count_handles(struct tpm *tpm, unsigned *ret_objects,
                                          unsigned *ret_sessions);

#endif
