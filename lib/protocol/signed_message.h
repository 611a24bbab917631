/*
 * What one party signs for another about a VM (docs/PROTOCOL.md, sections 4, 5 and 10).
 *
 * The signature is over the canonical input
 *
 *     tag of the kind, perimeter_id, epoch, SHA-256 of the document's exact bytes
 *
 * so every field of a document is bound, and a document of one kind, perimeter or epoch never
 * serves as another. Documents have one encoding (protobuf_unpack_strict).
 */
#ifndef TCCP_PROTOCOL_SIGNED_MESSAGE_H
#define TCCP_PROTOCOL_SIGNED_MESSAGE_H

#include "lib/base/canonical.h"
#include "lib/base/refusal.h"
#include "lib/crypto/sign.h"

/* kind, tag, name for people, who signs */
#define SIGNED_KIND_LIST(X)                                                                        \
    X(IMAGE_MANIFEST, "tccp-image-manifest", "image manifest")             /* cust_sign */         \
    X(LAUNCH_REQUEST, "tccp-launch-request", "launch request")             /* cust_sign */         \
    X(LAUNCH_ORDER, "tccp-launch-order", "launch order")                   /* tc_sign */           \
    X(RUN_GRANT, "tccp-run-grant", "run grant")                            /* tc_sign */           \
    X(LAUNCHED, "tccp-launched", "report of a launch")                     /* tk_sign */           \
    X(LAUNCH_REPORT, "tccp-launch-report", "launch report")                /* tc_sign */           \
    X(MIGRATION_TICKET, "tccp-migration-ticket", "migration ticket")       /* tc_sign */           \
    X(MIGRATION_REPORT, "tccp-migration-report", "migration report")       /* tk_sign */           \
    X(MIGRATION_DECISION, "tccp-migration-decision", "migration decision") /* tc_sign */

enum signed_kind {
#define X(kind, tag, name) SIGNED_##kind,
    SIGNED_KIND_LIST(X)
#undef X
        SIGNED_KIND_COUNT
};
const char *signed_kind_name(enum signed_kind kind);

enum {
    SIGNED_DOCUMENT_BYTES_MAX = 24 * 1024,
    SIGNED_MESSAGE_SIZE_MAX = SIGNED_DOCUMENT_BYTES_MAX + SIGNATURE_SIZE_MAX + 16,
};

/*
 * How something is signed: a private key at hand, or custody elsewhere (tcd's authority). Signs a
 * canonical input.
 */
struct signer {
    enum status (*sign)(const void *key, struct view canonical, struct bytes *ret_signature);
    const void *key;
};
struct signer signer_of_key(const struct private_key *key);

/* The canonical input; and its signature alone, for what keeps document and signature apart. */
WARN_UNUSED enum status signed_input(enum signed_kind kind, const struct scope *scope,
                                     struct view document, struct bytes *ret_input);
WARN_UNUSED enum status document_signature_make(enum signed_kind kind, const struct scope *scope,
                                                struct view document, const struct signer *signer,
                                                struct bytes *ret_signature);
/* REFUSAL_BAD_SIGNATURE. */
WARN_UNUSED enum status document_signature_check(enum signed_kind kind, const struct scope *scope,
                                                 struct view document, struct view signature,
                                                 const struct public_key *key,
                                                 struct refusal *refusal);

/* A SignedMessage around the document. */
WARN_UNUSED enum status signed_message_make(enum signed_kind kind, const struct scope *scope,
                                            struct view document, const struct signer *signer,
                                            struct bytes *ret_message);

/* A SignedMessage taken apart, not yet verified. */
struct signed_message {
    struct bytes document, signature;
};
void signed_message_free(struct signed_message *message);
DEFINE_OWN_VALUE(signed_message, signed_message_free)
/* REFUSAL_MALFORMED, REFUSAL_TOO_LARGE. */
WARN_UNUSED enum status signed_message_parse(enum signed_kind kind, struct view bytes,
                                             struct signed_message *ret_message,
                                             struct refusal *refusal);

/* Both in one: the document, once its signature holds. Refusals as above, and BAD_SIGNATURE. */
WARN_UNUSED enum status signed_message_check(enum signed_kind kind, struct view bytes,
                                             const struct scope *scope,
                                             const struct public_key *key,
                                             struct bytes *ret_document, struct refusal *refusal);

#endif
