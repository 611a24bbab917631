/*
 * Refusals: why something that was asked for, or shown as proof, was turned down.
 *
 * A refusal has a stable, machine-readable name (JSON output, audit log, metrics), a sentence for
 * people, what exactly was seen, and what to do next. Names once published stay.
 */
#ifndef TCCP_BASE_REFUSAL_H
#define TCCP_BASE_REFUSAL_H

#include "lib/base/status.h"

#include <stdint.h>

/* code, stable name, sentence, what to do next ("" where the sentence says it all) */
#define REFUSAL_LIST(X)                                                                            \
    X(NONE, "none", "accepted", "")                                                                \
    /* messages */                                                                                 \
    X(MALFORMED, "malformed", "the message or file is malformed", "")                              \
    X(TOO_LARGE, "too-large", "the message or file is larger than its limit", "")                  \
    X(OUT_OF_ORDER, "out-of-order", "the message does not belong at this point of the protocol",   \
      "")                                                                                          \
    X(VERSION, "version", "the other side speaks another version of the protocol",                 \
      "upgrade the older side")                                                                    \
    X(RATE, "rate", "too many attempts", "wait and try again")                                     \
    /* perimeter documents */                                                                      \
    X(WRONG_PERIMETER, "wrong-perimeter", "the document or proof belongs to another perimeter",    \
      "")                                                                                          \
    X(BAD_SIGNATURE, "bad-signature", "the signature does not hold", "")                           \
    X(TOO_FEW_SIGNATURES, "too-few-signatures",                                                    \
      "fewer keys signed than the perimeter's threshold",                                          \
      "have more key holders run `tccpctl ete sign`")                                              \
    X(DUPLICATE_SIGNER, "duplicate-signer", "one key signed twice; each counts once",              \
      "have another key holder run `tccpctl ete sign`")                                            \
    X(UNKNOWN_SIGNER, "unknown-signer", "the signing key is not a key of this perimeter", "")      \
    X(UNDECLARED_REPLACEMENT, "undeclared-replacement",                                            \
      "a name stands for another TPM than in the manifest in force, and `replaces` does not say "  \
      "so",                                                                                        \
      "`tccpctl node replace` writes it into the manifest, where its signers see it")              \
    X(OLD_VERSION, "old-version", "the manifest is not newer than the one in force",               \
      "raise `version` in the manifest")                                                           \
    X(OLD_EPOCH, "old-epoch", "the epoch is older than one seen before", "")                       \
    X(OLD_SUCCESSION, "old-succession", "the perimeter's keys are older than those seen before",   \
      "")                                                                                          \
    X(EPOCH_MISMATCH, "epoch-mismatch", "the documents are of different epochs",                   \
      "apply a manifest and an endorsement of one epoch together")                                 \
    X(MANIFEST_EXPIRED, "manifest-expired", "the manifest has expired",                            \
      "sign and apply a new manifest")                                                             \
    X(NOT_YET_VALID, "not-yet-valid", "the document is not valid yet",                             \
      "check this machine's clock")                                                                \
    X(ENDORSEMENT_EXPIRED, "endorsement-expired", "the cluster's endorsement has expired",         \
      "run `tccpctl ete endorse` again")                                                           \
    X(ENDORSEMENT_MISSING, "endorsement-missing", "the coordinator shows no endorsement", "")      \
    X(VERSION_SIGNED, "version-signed",                                                            \
      "this key signed another manifest of the same version already",                              \
      "raise `version` in the manifest")                                                           \
    X(EPOCH_ENDORSED, "epoch-endorsed", "another seed was endorsed for this epoch already",        \
      "start a new epoch")                                                                         \
    /* certificates and connections */                                                             \
    X(CERTIFICATE_CHAIN, "certificate-chain",                                                      \
      "the certificate does not chain to the endorsed coordinator", "")                            \
    X(CERTIFICATE_ROLE, "certificate-role", "the certificate is for another role", "")             \
    X(CERTIFICATE_EXPIRED, "certificate-expired", "the certificate has expired", "")               \
    X(NOT_AUTHORIZED, "not-authorized", "this identity may not do that", "")                       \
    /* TPM identity */                                                                             \
    X(EK_NOT_IN_MANIFEST, "ek-not-in-manifest",                                                    \
      "the TPM's endorsement key is not in the manifest",                                          \
      "add the host to the manifest, have it signed, and apply it")                                \
    X(EK_CERTIFICATE, "ek-certificate", "the endorsement key certificate is not acceptable", "")   \
    X(EK_CHAIN, "ek-chain",                                                                        \
      "the endorsement key certificate comes from a manufacturer CA that the manifest does not "   \
      "name",                                                                                      \
      "")                                                                                          \
    X(EK_MISMATCH, "ek-mismatch",                                                                  \
      "the endorsement key is not the one in its certificate, or not of a known template", "")     \
    X(AK_ATTRIBUTES, "ak-attributes",                                                              \
      "the attestation key is not a restricted, TPM-bound signing key", "")                        \
    X(AK_NAME, "ak-name", "the attestation key is not the one that was named", "")                 \
    X(CREDENTIAL, "credential",                                                                    \
      "the activated credential is wrong: attestation key and endorsement key are of different "   \
      "TPMs",                                                                                      \
      "")                                                                                          \
    X(KEY_POSSESSION, "key-possession", "the trusted key's owner did not prove that it holds it",  \
      "")                                                                                          \
    X(KEY_REUSED, "key-reused", "a nonce or trusted key was seen before", "")                      \
    /* quote */                                                                                    \
    X(QUOTE_NOT_A_QUOTE, "quote-not-a-quote", "the signed structure is not a TPM quote", "")       \
    X(QUOTE_SIGNATURE, "quote-signature",                                                          \
      "the quote's signature does not hold under the attestation key", "")                         \
    X(QUOTE_SCHEME, "quote-scheme", "the signature scheme is not the one of the attestation key",  \
      "")                                                                                          \
    X(QUOTE_BINDING, "quote-binding",                                                              \
      "the quote was made for another nonce, key, perimeter or connection", "")                    \
    X(QUOTE_BANK, "quote-bank", "the quote is not over the SHA-256 PCR bank",                      \
      "enable the SHA-256 bank in the firmware")                                                   \
    X(QUOTE_SELECTION, "quote-selection", "the quote does not cover the PCRs that were asked for", \
      "")                                                                                          \
    X(QUOTE_DIGEST, "quote-digest", "the logs do not lead to the PCR values that were quoted", "") \
    X(RESET, "reset", "the TPM was reset or restarted since the registration",                     \
      "the node must register again")                                                              \
    X(CLOCK, "clock", "the TPM's clock did not advance", "")                                       \
    X(FIRMWARE, "firmware", "the TPM's firmware is of a version that the policy does not allow",   \
      "if the version is wanted, add it to the policy")                                            \
    /* logs and policy */                                                                          \
    X(EVENT_LOG, "event-log", "the firmware's event log is malformed or inconsistent", "")         \
    X(IMA_LOG, "ima-log", "the IMA log is malformed or inconsistent", "")                          \
    X(EVENT_UNEXPECTED, "event-unexpected",                                                        \
      "the boot has an event that the policy does not expect",                                     \
      "if the change is wanted, add the event's digest to the policy")                             \
    X(EVENT_MISSING, "event-missing", "an event that the policy expects is missing from the boot", \
      "")                                                                                          \
    X(SECURE_BOOT, "secure-boot", "the Secure Boot state is not the one that the policy wants",    \
      "")                                                                                          \
    X(FILE_NOT_ALLOWED, "file-not-allowed",                                                        \
      "a file was run or read that the policy does not allow",                                     \
      "if the change is wanted, add the file's digest or signer to the policy")                    \
    X(IMA_VIOLATION, "ima-violation", "a file was written while it was measured",                  \
      "except its path in the policy if that is expected there")                                   \
    X(PCR_NOT_ALLOWED, "pcr-not-allowed", "a PCR has a value that the policy does not allow",      \
      "if the change is wanted, add the value to the policy in the manifest")                      \
    X(POLICY_MISSING, "policy-missing", "the manifest names no policy for this", "")               \
    X(NOT_PREDICTABLE, "not-predictable", "what a boot of this image measures cannot be foretold", \
      "")                                                                                          \
    X(UNREADABLE, "unreadable", "a file cannot be read", "")                                       \
    X(REFERENCE_MISSING, "reference-missing",                                                      \
      "the coordinator does not have a reference set that the manifest names",                     \
      "upload it: `tccpctl policy upload`, or `tccpctl perimeter apply --with FILE`")              \
    X(REFERENCE_DIGEST, "reference-digest",                                                        \
      "the bytes of the reference set are not those that its digest names",                        \
      "upload the whole file again: `tccpctl policy upload`")                                      \
    /* the replicated state */                                                                     \
    X(STALE_VERSION, "stale-version", "the state that the request rests on has moved",             \
      "try again")                                                                                 \
    X(UNKNOWN_REQUEST, "unknown-request", "the outcome of this request is not known any more",     \
      "look at the state, then decide whether to ask again")                                       \
    X(NOT_FOUND, "not-found", "there is no such thing", "")                                        \
    X(ALREADY_EXISTS, "already-exists", "it exists already", "")                                   \
    X(NO_LEASE, "no-lease", "the node has no live lease", "")                                      \
    X(NODE_REVOKED, "node-revoked", "the node was revoked", "")                                    \
    X(NODE_QUARANTINED, "node-quarantined", "the node is quarantined", "")                         \
    X(WRONG_STATE, "wrong-state", "that is not possible in its present state", "")                 \
    X(GENERATION, "generation", "the order or grant is of an older generation", "")                \
    X(REGISTRATION, "registration", "the order or grant is for another registration", "")          \
    X(TOMBSTONE, "tombstone", "this VM was deleted; its ticket cannot be used again",              \
      "seal a new ticket")                                                                         \
    X(NO_PLACEMENT, "no-placement", "no node satisfies the VM's policy",                           \
      "ask for less in the policy, or again when there is such a node")                            \
    X(LIMIT, "limit", "a limit of the coordinator is reached", "")                                 \
    X(NOT_READY, "not-ready", "the coordinator is not ready", "")                                  \
    /* tickets, images, orders */                                                                  \
    X(TICKET, "ticket",                                                                            \
      "the ticket cannot be opened: it is for another perimeter, epoch or manifest",               \
      "seal it again")                                                                             \
    X(TICKET_EXPIRED, "ticket-expired", "the ticket has expired", "seal it again")                 \
    X(IMAGE_DIGEST, "image-digest", "the image's bytes are not those of its manifest", "")         \
    X(ORDER, "order", "the order is not for this node, or not from this coordinator", "")          \
    X(PROOF, "proof", "the proof does not verify", "")                                             \
    X(GRANT_EXPIRED, "grant-expired", "the run grant's time is not now", "")                       \
    X(DEVELOPMENT, "development", "this host is set up for development, the perimeter is not",     \
      "take `development` out of its configuration, and let it lock memory")                       \
    X(NODE_ABSENT, "node-absent", "the node has no connection to the coordinator",                 \
      "start its agent, or look at its log; `tccpctl node get` says when it renewed last")

enum refusal_code {
#define X(code, name, sentence, hint) REFUSAL_##code,
    REFUSAL_LIST(X)
#undef X
        REFUSAL_CODE_COUNT
};

enum { REFUSAL_DETAIL_SIZE = 256, FINDING_SUBJECT_SIZE = 168, FINDING_VALUE_SIZE = 96 };

/* What a check of evidence took offence at, for machines and for whoever has to mend it; all three
 * are empty where a refusal is about no single thing. Printable. */
struct finding {
    char subject[FINDING_SUBJECT_SIZE]; /* a file's path, "event 12, PCR 4, ...", "PCR 7", "dbx" */
    char expected[FINDING_VALUE_SIZE];  /* mostly a digest in hex; "nothing" */
    char seen[FINDING_VALUE_SIZE];
};

struct refusal {
    enum refusal_code code;
    char detail[REFUSAL_DETAIL_SIZE]; /* What exactly was seen and expected; may be empty. No
                                         secrets. */
    struct finding finding;
};

const char *refusal_name(enum refusal_code code);
const char *refusal_sentence(enum refusal_code code);
const char *refusal_hint(enum refusal_code code);
/* The code of a stable name; REFUSAL_CODE_COUNT when there is none. */
enum refusal_code refusal_of_name(const char *name);

/*
 * Fills *ret_refusal (which may be NULL) and returns STATUS_REFUSED, so that a check reads
 * `return refuse(refusal, REFUSAL_QUOTE_BANK, "bank 0x%04x", bank);`
 */
WARN_UNUSED PRINTF_LIKE(3, 4) enum status
    refuse(struct refusal *ret_refusal, enum refusal_code code, const char *format, ...);

/* The same, with the finding; longer texts are cut. */
struct finding_texts {
    const char *subject, *expected, *seen;
};
WARN_UNUSED PRINTF_LIKE(4, 5) enum status
    refuse_about(struct refusal *ret_refusal, enum refusal_code code, struct finding_texts finding,
                 const char *format, ...);

/* refuse() as a value, where nothing is to be returned. */
PRINTF_LIKE(2, 3) struct refusal refusal_make(enum refusal_code code, const char *format, ...);

#endif
