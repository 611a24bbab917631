/*
 * Documents that the ETE signs: manifest, endorsement, succession (docs/PROTOCOL.md, sections 1 and
 * 10).
 *
 * Each signature is over the canonical input
 *
 *     tag, perimeter_id, epoch, SHA-256 of the document's exact bytes
 *
 * with the tags "tccp-manifest", "tccp-endorsement" and "tccp-succession", and the epoch that the
 * document names (0 for a succession). Nothing is ever parsed and serialised again to be verified.
 */
#ifndef TCCP_PERIMETER_SIGNED_DOCUMENT_H
#define TCCP_PERIMETER_SIGNED_DOCUMENT_H

#include "lib/base/canonical.h"
#include "lib/base/refusal.h"
#include "lib/crypto/sign.h"

#include "proto/perimeter.pb-c.h"

struct perimeter_root;

enum document_kind { DOCUMENT_MANIFEST, DOCUMENT_ENDORSEMENT, DOCUMENT_SUCCESSION };

enum {
    DOCUMENT_SIGNATURE_COUNT_MAX = 32,
    /* The largest document is a manifest; a raft entry (1 MiB) has to hold it with its signatures.
     */
    DOCUMENT_SIZE_MAX = 960 * 1024,
    SIGNED_DOCUMENT_SIZE_MAX = DOCUMENT_SIZE_MAX + 8 * 1024,
};

/* "manifest", "endorsement", "succession". */
const char *document_kind_name(enum document_kind kind);

/* The canonical input that a signature of the document is over. */
WARN_UNUSED enum status document_input(enum document_kind kind, const struct scope *scope,
                                       struct view document, struct bytes *ret_input);

/* One signature of the document by one key of the ETE. */
WARN_UNUSED enum status document_sign(enum document_kind kind, const struct scope *scope,
                                      struct view document, const struct private_key *key,
                                      struct bytes *ret_signature);

/*
 * STATUS_OK when at least `root->threshold` different keys in force signed the document, and every
 * signature on it holds. Strict: one that is bad, of a foreign key, or there twice, refuses the
 * whole (bad-signature, unknown-signer, duplicate-signer), so that what was signed is never in
 * doubt; then too-few-signatures.
 */
WARN_UNUSED enum status signed_document_check(const Tccp__SignedDocument *document,
                                              enum document_kind kind, const struct scope *scope,
                                              const struct perimeter_root *root,
                                              struct refusal *ret_refusal);
/* The same, of any number of signatures, 0 too: for a document that is on its way from one key
 * holder to the next. */
WARN_UNUSED enum status signed_document_count(const Tccp__SignedDocument *document,
                                              enum document_kind kind, const struct scope *scope,
                                              const struct perimeter_root *root, size_t *ret_count,
                                              struct refusal *ret_refusal);

/* Files: the bytes of a SignedDocument. The caller frees it with
 * tccp__signed_document__free_unpacked(document, NULL), or OWN(signed_document). */
WARN_UNUSED enum status signed_document_parse(struct view bytes,
                                              Tccp__SignedDocument **ret_document,
                                              struct refusal *ret_refusal);
static inline void signed_document_cleanup(Tccp__SignedDocument **document)
{
    tccp__signed_document__free_unpacked(*document, NULL);
}

/* The bytes of `document` with one signature more: what `ete sign` writes. `signatures` may be NULL
 * (the first). */
WARN_UNUSED enum status signed_document_append(const Tccp__SignedDocument *signatures,
                                               struct view document, const struct digest *key_id,
                                               struct view signature, struct bytes *ret_bytes);

#endif
